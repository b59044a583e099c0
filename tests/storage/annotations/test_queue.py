"""The queue of cases: its groups, its orders, and the way from case to case, on both dialects."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.annotations.queue import QueueRepository
from storage.annotations.records import CaseFilter, CaseOrder
from storage.database import Database
from storage.sweeps.repository import SweepRepository
from storage.traces.records import TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from storage.traces.turns import turns
from tests.m1app.annotation.cases import stored_sweep, stored_trace
from tests.storage.annotations.test_repository import add
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, save_question, think

RANDOM, FLIP, DISAGREEMENT = CaseOrder.RANDOM, CaseOrder.FLIP, CaseOrder.DISAGREEMENT


def a_stored_sweep(database: Database, *passes: str) -> list[list[str]]:
    """A sweep whose passes have these letters at their cuts, of which A is right; stored in a mixed order."""
    question = save_question(database)
    with database.session() as session:
        traces = TraceRepository(session)
        sweep = SweepRepository(session).add(a_sweep(question.id, passes=len(passes)))
        ids = []
        for number, letters in enumerate(passes):
            trace = traces.add(a_trace(question.id, sweep_id=sweep.id, pass_number=number, seed=40 + number))
            made = {
                place: traces.add_checkpoint(
                    a_checkpoint(
                        trace.id,
                        cells=((64 * (place + 1), 0),),
                        cut_tokens=10 * (place + 1),
                        letter=letters[place],
                        is_correct=letters[place] == "A",
                    )
                ).id
                for place in sorted(range(len(letters)), key=lambda place: (place % 2, -place))
            }
            traces.close(trace.id, TraceOutcome(state=TraceState.COMPLETED), [think("It is so.")])
            ids.append([made[place] for place in range(len(letters))])
    return ids


def listed(database: Database, order: CaseOrder, **wanted: object) -> list[str]:
    """Ids in the order of the pages, and checks that the way from case to case is the same."""
    with database.session(is_read_only=True) as session:
        queue = QueueRepository(session, CaseFilter(order=order, **wanted))  # type: ignore[arg-type]
        page = queue.page("Ada", 1, None)
        total, groups = page.total, list(page.groups)
        while page.next_cursor:
            page = queue.page("Ada", 1, page.next_cursor)
            groups += page.groups
        found = [
            case.id for group in groups for case in ([group.only] if group.only else queue.cases(group.key, "Ada"))
        ]
        assert len(found) == len(set(found)) == total
        for one, other in itertools.pairwise(found):
            assert queue.neighbours(one)[1] == other
            assert queue.neighbours(other)[0] == one
        assert queue.first() == next(iter(found), None)
        if found:
            assert (queue.neighbours(found[0])[0], queue.neighbours(found[-1])[1]) == (None, None)
    return found


def test_sweeps_and_questions_are_groups_that_say_what_is_in_them(database: Database) -> None:
    first = a_stored_sweep(database, "BAB", "AAB")
    probe = stored_trace(database)
    second = a_stored_sweep(database, "A")
    add(database, first[0][1], "bias")
    with database.session(is_read_only=True) as session:
        queue = QueueRepository(session, CaseFilter())
        groups = queue.page("Ada", 50, None).groups
        cases = queue.cases(groups[-1].key, "Ada")
    assert [group.only.id if group.only else None for group in groups] == [second[0][0], probe, None]
    sweep = groups[-1]
    assert (sweep.cases, sweep.wrong, sweep.flips, sweep.submitted, sweep.passes) == (6, 3, 2, 1, 2)
    assert [case.id for case in cases] == [*first[0], *first[1]]
    assert [(case.pass_number, case.seed, case.thinking_budget_tokens) for case in cases[2:4]] == [
        (0, 40, 192),
        (1, 41, 64),
    ]
    assert listed(database, CaseOrder.NEWEST) == [*second[0], probe, *first[0], *first[1]]


@pytest.mark.parametrize("seed", [0, 7, 2**40])
def test_random_order_is_decided_by_its_seed_and_stays_while_cases_come(database: Database, seed: int) -> None:
    before = {*itertools.chain(*a_stored_sweep(database, "BABAB", "AABBA")), stored_trace(database)}
    drawn = listed(database, RANDOM, seed=seed)
    assert set(drawn) == before
    stored_trace(database)
    assert [each for each in listed(database, RANDOM, seed=seed) if each in before] == drawn


def test_different_seeds_begin_at_different_cases(database: Database) -> None:
    a_stored_sweep(database, "BABABABABABA", "BABABABABABA")
    assert len({listed(database, RANDOM, seed=seed)[0] for seed in range(6)}) > 1


def test_flips_are_the_cuts_that_lost_a_right_answer(database: Database) -> None:
    passes = a_stored_sweep(database, "BABBA", "AAB", "BB")
    stored_trace(database)
    assert listed(database, FLIP) == [passes[0][2], passes[1][2]]
    assert set(listed(database, CaseOrder.NEWEST, is_flipped=True)) == {passes[0][2], passes[0][3], passes[1][2]}
    assert listed(database, FLIP, model="nobody") == []


def test_disagreement_is_that_of_passes_at_their_end_and_of_annotators(database: Database) -> None:
    differing = a_stored_sweep(database, "BA", "AB")
    a_stored_sweep(database, "BA", "AA")
    a_stored_sweep(database, "AB")
    probe, agreed, alone = (stored_trace(database) for _ in range(3))
    for who, label in (("Ada", "bias"), ("Eve", "misread_case")):
        add(database, probe, label, who=who)
        add(database, agreed, "bias", who=who)
    add(database, alone, "bias")
    assert listed(database, DISAGREEMENT) == [probe, differing[0][1], differing[1][1]]
    with database.session(is_read_only=True) as session:
        # Whoever has not submitted the case does not learn that others differ on it.
        queue = QueueRepository(session, CaseFilter(order=DISAGREEMENT), seen_by="Zoe")
        assert queue.page("Zoe", 50, None).total == 2


def test_turns_stand_although_answers_arrive_in_any_order(database: Database) -> None:
    _, right, wrong = stored_sweep(database)
    assert listed(database, FLIP) == [wrong]
    assert right not in listed(database, CaseOrder.NEWEST, is_flipped=True)


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from([True, False, None])), max_size=8))
def test_turns_are_what_their_words_say(points: list[tuple[int, bool | None]]) -> None:
    points.sort(key=lambda point: point[0])
    for (cut, is_correct), (is_after_right, is_flip, is_last) in zip(points, turns(points), strict=True):
        earlier = [place for place, _ in points if place < cut]
        just = [verdict for place, verdict in points if earlier and place == max(earlier)]
        ever = [verdict for place, verdict in points if place < cut]
        assert is_after_right == (is_correct is False and True in ever)
        assert is_flip == (is_correct is False and True in just)
        assert is_last == (cut == max(place for place, _ in points))
