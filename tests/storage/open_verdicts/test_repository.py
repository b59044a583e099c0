"""Verdicts on answers to open questions."""

from typing import Any

import pytest

from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.open_verdicts.records import Judgement, NewOpenVerdict, OpenVerdict
from storage.open_verdicts.repository import OpenVerdictRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from tests.storage.samples import a_checkpoint, begin, discard, finish, save_question

RIGHT, WRONG, UNDECIDED = Judgement


def said(database: Database, trace_id: str, judgement: Judgement, **changes: Any) -> OpenVerdict:
    given = {"reference": "Scurvy", "is_person": False, "judged_by": "toy", "reason": "It agrees."}
    with database.session() as session:
        verdict = NewOpenVerdict(trace_id=trace_id, judgement=judgement, **given | changes)
        return OpenVerdictRepository(session).put(verdict)


def by_person(database: Database, trace_id: str, judgement: Judgement, **changes: Any) -> OpenVerdict:
    return said(database, trace_id, judgement, is_person=True, judged_by="", reason="", **changes)


def on(database: Database, trace_id: str, checkpoint_id: str | None = None) -> list[tuple[str, Judgement]]:
    with database.session(is_read_only=True) as session:
        found = OpenVerdictRepository(session).on(trace_id, checkpoint_id)
        return [(each.judged_by, each.judgement) for each in found]


def pairs(database: Database) -> dict[tuple[Judgement, Judgement], int]:
    with database.session(is_read_only=True) as session:
        return dict(OpenVerdictRepository(session).pairs())


def test_each_judge_has_one_verdict_on_an_answer(database: Database) -> None:
    trace = begin(database)
    said(database, trace.id, WRONG)
    kept = said(database, trace.id, RIGHT, reason="\x00odd")
    said(database, trace.id, UNDECIDED, judged_by="big")
    by_person(database, trace.id, WRONG)
    assert on(database, trace.id) == [("", WRONG), ("big", UNDECIDED), ("toy", RIGHT)]
    assert kept.reason == "\ufffdodd"
    assert kept.created_at.utcoffset() is not None


def test_a_verdict_needs_its_trace_and_a_storable_reference(database: Database) -> None:
    with pytest.raises(RecordNotFound):
        said(database, "0" * 32, RIGHT)
    with pytest.raises(InvalidRecord, match="reference answer"):
        said(database, begin(database).id, RIGHT, reference="\x00")


def test_an_answer_of_a_sweep_has_verdicts_of_its_own_that_go_with_it(database: Database) -> None:
    trace = begin(database)
    with database.session() as session:
        point = TraceRepository(session).add_checkpoint(a_checkpoint(trace.id))
    said(database, trace.id, RIGHT)
    said(database, trace.id, WRONG, checkpoint_id=point.id)
    assert on(database, trace.id) == [("toy", RIGHT)]
    assert on(database, trace.id, point.id) == [("toy", WRONG)]


def test_models_and_persons_are_paired_by_answer_and_reference(database: Database) -> None:
    first, second, third, fourth = (begin(database) for _ in range(4))
    for trace, model, person in ((first, RIGHT, RIGHT), (second, RIGHT, WRONG), (third, WRONG, WRONG)):
        said(database, trace.id, model)
        by_person(database, trace.id, person)
    said(database, first.id, UNDECIDED, judged_by="big")
    said(database, fourth.id, RIGHT)
    by_person(database, fourth.id, RIGHT, reference="Rickets")  # Another reference: another question.
    assert pairs(database) == {(RIGHT, RIGHT): 1, (UNDECIDED, RIGHT): 1, (RIGHT, WRONG): 1, (WRONG, WRONG): 1}
    finish(database, third)
    discard(database, TrashKind.TRACE, third.id)
    assert (WRONG, WRONG) not in pairs(database)


def test_an_open_question_can_be_given_a_reference_answer(database: Database) -> None:
    question = save_question(database, NewQuestion(stem="Why do sailors bleed?"))
    assert question.reference is None
    with database.session() as session:
        repository = QuestionRepository(session)
        repository.set_reference(question.id, "Scurvy")
        assert repository.get(question.id).reference == "Scurvy"
        assert repository.upsert(NewQuestion(stem="Why do sailors bleed?")).reference == "Scurvy"
        with pytest.raises(RecordNotFound):
            repository.set_reference("0" * 32, "Scurvy")
