"""When a silent job is given up."""

from dataclasses import replace

import pytest

from m1app.jobs.watching import Presence, Sighting, WatchLimits, judge
from storage.jobs.records import JobState

LIMITS = WatchLimits(gone_seconds=30, unknown_seconds=60, watched_seconds=10)
SEEN = Sighting(JobState.RUNNING, Presence.ALIVE, has_begun=True, silent_seconds=1.0, watched_seconds=1.0)


def state_after(**changes: object) -> JobState | None:
    judgement = judge(replace(SEEN, **changes), LIMITS)  # type: ignore[arg-type]
    return judgement.state if judgement else None


@pytest.mark.parametrize("state", [JobState.RUNNING, JobState.STOPPING])
@pytest.mark.parametrize("has_begun", [True, False])
def test_worker_that_is_there_is_never_given_up_however_silent(state: JobState, has_begun: bool) -> None:
    seen = {"state": state, "has_begun": has_begun, "silent_seconds": 1e6, "watched_seconds": 1e6}
    assert state_after(**seen) is None


@pytest.mark.parametrize(("state", "expected"), [(JobState.RUNNING, None), (JobState.STOPPING, JobState.STOPPED)])
def test_worker_that_its_executor_has_no_room_for_waits_unless_told_to_stop(
    state: JobState, expected: JobState | None
) -> None:
    seen = {"state": state, "presence": Presence.WAITING, "has_begun": False, "silent_seconds": 1e6}
    assert state_after(**seen, watched_seconds=1e6) is expected


@pytest.mark.parametrize(("silent", "expected"), [(29.9, None), (30.1, JobState.LOST)])
def test_worker_that_is_gone_is_lost_after_its_silence(silent: float, expected: JobState | None) -> None:
    assert state_after(presence=Presence.GONE, silent_seconds=silent) is expected


def test_worker_that_died_before_it_began_has_failed_at_once() -> None:
    assert state_after(presence=Presence.GONE, has_begun=False, silent_seconds=0.1) is JobState.FAILED


@pytest.mark.parametrize(
    ("silent", "watched", "expected"),
    [(59.0, 59.0, None), (61.0, 9.0, None), (61.0, 11.0, JobState.LOST), (3600.0, 0.5, None)],
)
def test_worker_that_nobody_can_see_is_lost_only_after_silence_before_our_eyes(
    silent: float, watched: float, expected: JobState | None
) -> None:
    seen = {"presence": Presence.UNKNOWN, "silent_seconds": silent, "watched_seconds": watched}
    assert state_after(**seen) is expected
    assert state_after(**seen, has_begun=False) is expected


@pytest.mark.parametrize("has_begun", [True, False])
def test_worker_that_was_told_to_stop_and_is_gone_has_stopped(has_begun: bool) -> None:
    judgement = judge(
        replace(SEEN, state=JobState.STOPPING, presence=Presence.GONE, has_begun=has_begun, silent_seconds=0.0), LIMITS
    )
    assert judgement is not None
    assert (judgement.state, judgement.reason) == (JobState.STOPPED, "")


@pytest.mark.parametrize("presence", [Presence.GONE, Presence.UNKNOWN])
@pytest.mark.parametrize("has_begun", [True, False])
def test_reason_says_what_to_do(presence: Presence, has_begun: bool) -> None:
    judgement = judge(
        replace(SEEN, presence=presence, has_begun=has_begun, silent_seconds=100.0, watched_seconds=100.0), LIMITS
    )
    assert judgement is not None
    assert "esume" in judgement.reason
