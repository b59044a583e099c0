"""The queue of cases: its groups, its orders, and the way from case to case, on both dialects."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, Select, event, func, select
from sqlalchemy import text as sql
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from storage.annotations import case_filters
from storage.annotations import queue as queue_module
from storage.annotations.case_filters import KINDS, Kind, submitted_by
from storage.annotations.queue import QueueRepository
from storage.annotations.records import CaseFilter, CaseOrder
from storage.database import Database
from storage.strategies.records import StrategyResult
from storage.strategies.repository import StrategyRepository
from storage.sweeps.repository import SweepRepository
from storage.traces.records import TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from storage.traces.tables import TraceRow
from storage.traces.turns import turns
from tests.m1app.annotation.cases import stored_sweep, stored_trace
from tests.storage.annotations.test_repository import add
from tests.storage.samples import a_checkpoint, a_strategy_run, a_sweep, a_trace, save_question, think
from tests.storage.strategies.test_repository import a_request

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


def test_traces_without_their_answer_are_no_cases_unless_somebody_has_worked_on_them(database: Database) -> None:
    question = save_question(database)
    ends = (TraceState.COMPLETED, TraceState.STOPPED, TraceState.INTERRUPTED, TraceState.FAILED, TraceState.STOPPED)
    with database.session() as session:
        traces = TraceRepository(session)
        ids = [traces.add(a_trace(question.id)).id for _ in ends]
        for trace_id, state in zip(ids, ends, strict=True):
            traces.close(trace_id, TraceOutcome(state=state), [think("It is so.")])
    add(database, ids[-1], "bias")
    assert set(listed(database, CaseOrder.NEWEST)) == {ids[0], ids[-1]}


def test_a_pass_of_a_strategy_names_it(database: Database) -> None:
    question = save_question(database)
    probe = stored_trace(database)
    with database.session() as session:
        strategies, traces = StrategyRepository(session), TraceRepository(session)
        run = strategies.add(a_strategy_run(question.id))
        asked = traces.add(a_trace(question.id, strategy_run_id=run.id)).id
        traces.close(asked, TraceOutcome(state=TraceState.COMPLETED), [think("It is so.")])
        strategies.save_results(run.id, {0: StrategyResult(choice="vote:k=4", state=TraceState.COMPLETED)})
        strategies.save_requests(run.id, {0: [a_request(0, trace_id=asked)]})
    with database.session(is_read_only=True) as session:
        queue = QueueRepository(session, CaseFilter())
        (group,) = {group.key: group for group in queue.page("Ada", 50, None).groups if group.cases}.values()
        found = {case.id: case.strategy for case in queue.cases(group.key, "Ada")}
    assert found == {probe: "", asked: "vote:k=4"}


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


def plan(session: Session, statement: Select[Any]) -> str:
    """How SQLite carries out a statement."""
    text = statement.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    return " ".join(str(row[3]) for row in session.execute(sql(f"EXPLAIN QUERY PLAN {text}")))


@pytest.mark.parametrize("kind", KINDS, ids=["probes", "answers"])
def test_what_somebody_submitted_is_found_without_reading_the_assessments_of_others(
    sqlite_url: str, kind: Kind
) -> None:
    database = Database(sqlite_url)
    with database.session(is_read_only=True) as session:
        found = plan(session, select(func.count()).select_from(TraceRow).where(submitted_by(kind, "Ada")))
    database.dispose()
    assert "COVERING INDEX ix_assessment_annotator_is_submitted_case_id (annotator=? AND is_submitted=?)" in found


def test_a_page_by_disagreement_looks_its_cases_up_once(database: Database) -> None:
    a_stored_sweep(database, "AB", "BA")
    stored_trace(database)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with database.session(is_read_only=True) as session:
            page = QueueRepository(session, CaseFilter(order=DISAGREEMENT)).page("Ada", 50, None)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert page.total == 2
    assert sum("annotation_label" in each for each in asked) == 1
    assert sum("is_last" in each for each in asked) == 1
    assert sum("json" in each and "GROUP BY" not in each and "question" not in each for each in asked) == 1, (
        "the sweeps"
    )


def test_all_cases_of_a_group_are_read_page_by_page(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue_module, "_MAX_GROUP_CASES", 2)
    passes = a_stored_sweep(database, "BABAB", "AAB")
    question = save_question(database)
    with database.session() as session:
        traces = TraceRepository(session)
        probes = [traces.add(a_trace(question.id)).id for _ in range(5)]
        for each in probes:
            traces.close(each, TraceOutcome(state=TraceState.COMPLETED), [think("It is so.")])
    with database.session(is_read_only=True) as session:
        queue = QueueRepository(session, CaseFilter())
        keys = [group.key for group in queue.page("", 50, None).groups]
        found = [[case.id for case in queue.every_case(key, "")] for key in keys]
        assert [len(queue.cases(key, "")) for key in keys] == [2, 2]
        assert queue.cases(keys[0], "", after="0" * 32) == ()
    assert sorted(found, key=len) == [list(reversed(probes)), [*passes[0], *passes[1]]]


def test_postgresql_plans_the_order_by_disagreement_without_guessing() -> None:
    """After ten calls it plans without the parameters; it took groups for few and compared all with all."""
    statement = str(case_filters._rated_differently(None).compile(dialect=postgresql.dialect()))
    assert "HAVING count(*) > 1" in statement
    assert "%(max" not in statement
