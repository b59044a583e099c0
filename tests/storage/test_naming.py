"""Names, tags and orders of traces and sweeps, on both databases."""

import pytest

from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.naming import Naming, checked_naming
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.search import SearchEntryRow
from storage.sweeps.repository import SweepRepository
from storage.traces.listing import RunOrder, TraceFilter
from storage.traces.records import TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from tests.storage.samples import a_sweep, begin, discard, finish, purge, think

OUTCOME = TraceOutcome(state=TraceState.COMPLETED)


@pytest.mark.parametrize(
    ("name", "tags", "kept"),
    [
        ("  Wrist \n drop ", ["a", " b  c ", "", "  "], Naming("Wrist drop", ("a", "b c"))),
        ("", [], Naming()),
        ("x" * 120, ["y" * 40], Naming("x" * 120, ("y" * 40,))),
        ("", ["Neuro", "neuro", "NEURO", "other"], Naming("", ("Neuro", "other"))),
        ("<b>n</b>", ["日本"], Naming("<b>n</b>", ("日本",))),
    ],
)
def test_names_and_tags_are_kept_with_single_spaces_and_once(name: str, tags: list[str], kept: Naming) -> None:
    assert checked_naming(name, tags) == kept


@pytest.mark.parametrize(
    ("name", "tags", "words"),
    [
        ("x" * 121, [], "121 characters; the limit is 120"),
        ("", ["y" * 41], "41 characters; the limit is 40"),
        ("", [f"t{n}" for n in range(13)], "13 tags; the limit is 12"),
        ("", ["a,b"], "comma"),
        ("nul\x00", [], "cannot be stored"),
        ("", ["\ud800"], "cannot be stored"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_limit(name: str, tags: list[str], words: str) -> None:
    with pytest.raises(InvalidRecord, match=words):
        checked_naming(name, tags)


def listed(database: Database, text: str = "", order: RunOrder = RunOrder.NEWEST) -> list[str]:
    with database.session(is_read_only=True) as session:
        return [item.id for item in TraceRepository(session).list(TraceFilter(text=text), order=order).items]


def name_trace(database: Database, trace_id: str, *naming: object) -> None:
    with database.session() as session:
        TraceRepository(session).set_naming(trace_id, Naming(*naming))  # type: ignore[arg-type]


def test_a_named_trace_is_found_by_name_and_tags_while_it_runs_and_after(database: Database) -> None:
    trace = begin(database, NewQuestion(stem="Which nerve?"))
    begin(database, NewQuestion(stem="Unrelated"))
    name_trace(database, trace.id, "Radial palsy", ("teaching", "ward round"))
    assert listed(database, "radial teach") == listed(database, "ward nerve") == [trace.id]
    finish(database, trace, think("humerus"), outcome=OUTCOME)
    assert listed(database, "radial humerus") == [trace.id]
    name_trace(database, trace.id, "Wrist", ())
    assert listed(database, "radial") == listed(database, "teaching") == []
    assert listed(database, "wrist humerus nerve") == [trace.id]
    with database.session(is_read_only=True) as session:
        kept = TraceRepository(session).get(trace.id)
        (summary,) = TraceRepository(session).list(TraceFilter(text="wrist")).items
    assert (kept.name, kept.tags) == (summary.name, summary.tags) == ("Wrist", ())


def test_a_named_sweep_is_found_and_its_words_go_with_it(database: Database) -> None:
    with database.session() as session:
        asked = QuestionRepository(session).upsert(NewQuestion(stem="Which nerve?"))
        sweeps = SweepRepository(session)
        named, other = sweeps.add(a_sweep(asked.id)), sweeps.add(a_sweep(asked.id))
        sweeps.set_naming(named.id, Naming("Radial palsy", ("teaching",)))
        sweeps.set_naming(named.id, Naming("Radial paralysis", ("teaching",)))
        (found,) = sweeps.recent(text="nerve radial teach")
        assert (found.id, found.name, found.tags) == (named.id, "Radial paralysis", ("teaching",))
        assert not sweeps.recent(text="palsy")
        assert {each.id for each in sweeps.recent(text="nerve")} == {named.id, other.id}
        assert [each.id for each in sweeps.recent(order=RunOrder.NAME)] == [named.id, other.id]
        assert [each.id for each in sweeps.recent(order=RunOrder.OLDEST)] == [named.id, other.id]
    deletion = discard(database, TrashKind.SWEEP, named.id)
    assert deletion.name == "Radial paralysis"
    purge(database, deletion)
    with database.session(is_read_only=True) as session:
        assert session.query(SearchEntryRow).filter(SearchEntryRow.sweep_id.is_not(None)).count() == 0


def test_what_is_not_there_cannot_be_named(database: Database) -> None:
    with database.session() as session:
        for missing in ("0" * 32, "", "'; --"):
            with pytest.raises(RecordNotFound):
                TraceRepository(session).set_naming(missing, Naming("x"))
            with pytest.raises(RecordNotFound):
                SweepRepository(session).set_naming(missing, Naming("x"))


def test_traces_are_sorted_by_age_name_verdict_and_model(database: Database) -> None:
    outcomes = {
        "delta": TraceOutcome(state=TraceState.COMPLETED, answer_letter="B", is_correct=False),
        "Alpha": TraceOutcome(state=TraceState.COMPLETED, answer_letter=None, is_correct=False),
        "charlie": TraceOutcome(state=TraceState.COMPLETED, answer_letter="A", is_correct=True),
        "bravo": OUTCOME,
    }
    ids = {}
    for number, (stem, outcome) in enumerate(outcomes.items()):
        trace = begin(database, NewQuestion(stem=stem), model=f"model-{9 - number}")
        finish(database, trace, think("x"), outcome=outcome)
        ids[trace.id] = stem
    name_trace(database, next(iter(ids)), "BETA")  # "delta"

    def stems(order: RunOrder) -> list[str]:
        return [ids[each] for each in listed(database, order=order)]

    assert stems(RunOrder.NEWEST) == ["bravo", "charlie", "Alpha", "delta"]
    assert stems(RunOrder.OLDEST) == ["delta", "Alpha", "charlie", "bravo"]
    assert stems(RunOrder.NAME) == ["Alpha", "delta", "bravo", "charlie"]
    assert stems(RunOrder.VERDICT) == ["charlie", "delta", "Alpha", "bravo"]
    assert stems(RunOrder.MODEL) == ["bravo", "charlie", "Alpha", "delta"]


def test_only_a_list_with_the_newest_first_is_continued(database: Database) -> None:
    for number in range(3):
        begin(database, NewQuestion(stem=f"Question {number}"))
    with database.session(is_read_only=True) as session:
        traces = TraceRepository(session)
        first = traces.list(limit=2, order=RunOrder.OLDEST)
        assert (len(first.items), first.has_more, first.next_cursor) == (2, True, None)
        cursor = traces.list(limit=2).next_cursor
        with pytest.raises(InvalidRecord, match="newest first"):
            traces.list(cursor=cursor, order=RunOrder.MODEL)
        assert not traces.list(limit=3, order=RunOrder.NAME).has_more
        assert not traces.list(TraceFilter(is_running=False)).items
        assert len(traces.list(TraceFilter(is_running=True)).items) == 3
