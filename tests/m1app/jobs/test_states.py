"""Which state may follow which: the whole table, as a reader of the diagram expects it."""

from itertools import product

import pytest

from m1app.jobs.states import ACTIVE, OVER, may_follow, states_before
from storage.jobs.records import JobState

Q, R, P, D, F, S, L = (
    JobState.QUEUED,
    JobState.RUNNING,
    JobState.STOPPING,
    JobState.SUCCEEDED,
    JobState.FAILED,
    JobState.STOPPED,
    JobState.LOST,
)
ALLOWED = {
    *((Q, after) for after in (R, S)),
    *((R, after) for after in (P, D, F, S, L)),
    *((P, after) for after in (D, F, S, L)),
    *((F, Q), (S, Q), (L, Q)),
    *((L, after) for after in (D, F, S)),
}


@pytest.mark.parametrize(("before", "after"), list(product(JobState, JobState)))
def test_transition_is_allowed_exactly_where_the_diagram_has_an_arrow(before: JobState, after: JobState) -> None:
    assert may_follow(before, after) is ((before, after) in ALLOWED)


@pytest.mark.parametrize("after", JobState)
def test_states_before_are_those_with_an_arrow_to_it(after: JobState) -> None:
    assert states_before(after) == {before for before, to in ALLOWED if to is after}


def test_every_state_waits_has_a_worker_or_is_over() -> None:
    assert {Q} | ACTIVE | OVER == set(JobState)
    assert not ACTIVE & OVER


def test_only_a_queued_job_is_started_and_success_is_final() -> None:
    assert states_before(R) == {Q}
    assert not any(may_follow(D, after) for after in JobState)
