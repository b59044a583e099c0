"""A model's verdict on an answer to an open question, and persons' verdicts beside it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from m1app.access.errors import AccessRefused
from m1app.access.person import COMMAND_LINE, Person, acting_as
from m1app.judging.agreement import VerdictAgreement
from m1app.judging.errors import JudgingRefused
from m1app.judging.service import JUDGE_TOKENS, MAX_REFERENCE_CHARACTERS, JudgingService
from m1app.privacy.errors import IdentifiersFound
from m1app.privacy.service import IdentifierCheck
from m1app.settings import IdentifierMode
from m1app.ui.probe.open_verdict_view import agreement_text, judging_value
from storage.database import Database
from storage.open_verdicts.records import Judgement
from storage.people.audit import AuditRepository
from storage.people.records import Role
from storage.questions.records import NewQuestion
from storage.traces.records import TraceState
from tests.m1app.strategies.scripted import CharacterEngine, OneModel, Script, text_of
from tests.storage.samples import COMPLETED, answer, begin, finish, think

RIGHT, WRONG, UNDECIDED = Judgement
OPEN = NewQuestion(stem="Why do sailors bleed?")
ANN = Person("b" * 32, Role.ANNOTATOR, "Ann")
BOB = Person("c" * 32, Role.ANNOTATOR, "Bob")
VIEWER = Person("d" * 32, Role.VIEWER, "Vi")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    made.migrate()
    yield made
    made.dispose()


def answered(database: Database, text: str = "Scurvy.", question: NewQuestion = OPEN) -> str:
    trace = begin(database, question)
    outcome = replace(COMPLETED, answer_letter=None, is_correct=None, option_probabilities=None)
    finish(database, trace, think("Gums."), answer(text), outcome=outcome)
    return trace.id


def judging(database: Database, yes: float, **script: object) -> tuple[JudgingService, CharacterEngine]:
    said = {"Yes": yes, "No": 1 - yes} if yes >= 0 else {"Perhaps": 1.0}
    given = {"think": lambda prompt, seed: "Both name vitamin C.", "choices": lambda *_: said}
    engine = CharacterEngine(Script(**(given | script)))
    return JudgingService(database, OneModel(engine, {"big": engine})), engine


@pytest.mark.parametrize(
    ("yes", "judgement"), [(0.9, RIGHT), (0.67, RIGHT), (0.6, UNDECIDED), (0.4, UNDECIDED), (0.3, WRONG)]
)
async def test_a_model_says_whether_an_answer_says_what_the_reference_says(
    database: Database, yes: float, judgement: Judgement
) -> None:
    trace_id = answered(database)
    service, engine = judging(database, yes)
    judged = await service.judge(trace_id, "  Lack of vitamin C ", "big")
    with database.session(is_read_only=True) as session:
        assert [each.action for each in AuditRepository(session).after(0)] == ["answer.judge"]
    (verdict,) = judged.verdicts
    assert (verdict.judgement, verdict.judged_by, verdict.is_person) == (judgement, "big", False)
    assert (verdict.reference, verdict.reason) == ("Lack of vitamin C", "Both name vitamin C.")
    prompt = text_of(engine.requests[0].prompt_ids)
    for part in ("[Question]\nWhy do sailors bleed?", "[Reference answer]\nLack of vitamin C", "[Answer]\nScurvy."):
        assert part in prompt
    assert "Gums." not in prompt, "the judge reads the answer, not the thinking"
    assert engine.generated <= JUDGE_TOKENS + 1


async def test_the_reference_answer_stays_with_the_question_and_verdicts_by_another_one_are_not_shown(
    database: Database,
) -> None:
    trace_id = answered(database)
    service, _ = judging(database, 0.9)
    first = await service.on(trace_id)
    assert first is not None and (first.reference, first.verdicts) == ("", ())
    await service.judge(trace_id, "Scurvy")
    other = await service.on(answered(database))  # Another answer to the same question.
    assert other is not None and (other.reference, other.verdicts) == ("Scurvy", ())
    judged = await service.say(trace_id, "Haemophilia", WRONG)
    assert [(each.is_person, each.judgement) for each in judged.verdicts] == [(True, WRONG)]
    assert judged.agreement.total == 0


async def test_a_library_question_brings_its_reference_answer(database: Database) -> None:
    from m1app.question.library import load_library

    entry = next(each for each in load_library() if each.expected)
    judged = await judging(database, 0.9)[0].on(answered(database, question=NewQuestion(stem=entry.question)))
    assert judged is not None and judged.reference == entry.expected


async def test_persons_verdicts_stand_beside_the_models_and_their_agreement_is_counted(database: Database) -> None:
    traces = [answered(database) for _ in range(4)]
    for trace_id, yes in zip(traces, (0.9, 0.9, 0.1, 0.1), strict=True):
        await judging(database, yes)[0].judge(trace_id, "Scurvy")
    service, _ = judging(database, 0.9)
    for trace_id, judgement in zip(traces, (RIGHT, WRONG, WRONG, WRONG), strict=True):
        with acting_as(ANN):
            judged = await service.say(trace_id, "Scurvy", judgement)
    assert [(each.is_person, each.judged_by) for each in judged.verdicts] == [(True, ANN.id), (False, "toy")]
    # 3 of 4 agree; by chance (2 x 1 + 2 x 3) / 16 = 1/2: kappa = (3/4 - 1/2) / (1/2).
    assert (judged.agreement.agreed, judged.agreement.total) == (3, 4)
    assert judged.agreement.kappa == pytest.approx(0.5)
    with acting_as(BOB):
        judged = await service.say(traces[0], "Scurvy", WRONG)
    assert judged.agreement.total == 5
    with acting_as(ANN):  # Who judges again changes their mind.
        assert (await service.say(traces[0], "Scurvy", WRONG)).agreement.total == 5


@pytest.mark.parametrize(
    ("pairs", "kappa"),
    [
        ({}, None),
        ({(RIGHT, RIGHT): 5}, None),
        ({(RIGHT, RIGHT): 5, (WRONG, WRONG): 5}, 1.0),
        ({(RIGHT, WRONG): 5, (WRONG, RIGHT): 5}, -1.0),
        ({(RIGHT, RIGHT): 20, (RIGHT, WRONG): 5, (WRONG, RIGHT): 10, (WRONG, WRONG): 15}, 0.4),  # Wikipedia's example
    ],
)
def test_kappa(pairs: dict[tuple[Judgement, Judgement], int], kappa: float | None) -> None:
    found = VerdictAgreement(pairs).kappa
    assert found == (None if kappa is None else pytest.approx(kappa))


async def test_a_judge_that_says_neither_is_undecided_and_one_that_is_gone_leaves_no_verdict(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    trace_id = answered(database)
    judged = await judging(database, -1)[0].judge(trace_id, "Scurvy")
    assert (judged.verdicts[0].judgement, judged.verdicts[0].reason) == (
        UNDECIDED,
        "The judge said neither Yes nor No.",
    )
    service, _ = judging(database, 0.9, fails=lambda prompt: "connection refused")
    with pytest.raises(JudgingRefused, match="could not be judged: connection refused"):
        await service.judge(trace_id, "Scurvy", "big")
    after = await service.on(trace_id)
    assert after is not None and len(after.verdicts) == 1


async def test_what_cannot_be_judged_is_refused_with_the_reason(database: Database) -> None:
    service, engine = judging(database, 0.9)
    running = begin(database, OPEN)
    with_options = answered(database, question=NewQuestion(stem="Which?", options={"A": "x", "B": "y"}))
    empty = answered(database, "  ")
    for trace_id in (running.id, with_options, empty):
        assert await service.on(trace_id) is None
        with pytest.raises(JudgingRefused, match="Only a finished answer to a question without options"):
            await service.judge(trace_id, "Scurvy")
        with pytest.raises(JudgingRefused):
            await service.say(trace_id, "Scurvy", RIGHT)
    assert await service.on("0" * 32) is None
    assert running.state is TraceState.RUNNING
    trace_id = answered(database)
    with pytest.raises(JudgingRefused, match="no reference answer") as refused:
        await service.judge(trace_id, " \n ")
    assert refused.value.field == "reference"
    with pytest.raises(JudgingRefused, match="the limit is 2,000"):
        await service.judge(trace_id, "x" * (MAX_REFERENCE_CHARACTERS + 1))
    assert not engine.requests


async def test_a_reference_answer_that_names_a_patient_is_not_sent_where_that_is_blocked(database: Database) -> None:
    _, engine = judging(database, 0.9)
    service = JudgingService(database, OneModel(engine), IdentifierCheck(IdentifierMode.BLOCK))
    with pytest.raises(IdentifiersFound):
        await service.judge(answered(database), "Scurvy; call her at mary.jones@example.org")
    assert not engine.requests


async def test_a_persons_reference_answer_that_names_a_patient_is_not_kept_where_that_is_blocked(
    database: Database,
) -> None:
    _, engine = judging(database, 0.9)
    trace_id, named = answered(database), "Scurvy; call her at mary.jones@example.org"
    with pytest.raises(IdentifiersFound):
        await JudgingService(database, OneModel(engine), IdentifierCheck(IdentifierMode.BLOCK)).say(
            trace_id, named, RIGHT
        )
    service = JudgingService(database, OneModel(engine), IdentifierCheck(IdentifierMode.WARN))
    kept = await service.on(trace_id)
    assert kept is not None and kept.reference == ""
    await service.say(trace_id, named, RIGHT)
    with database.session(is_read_only=True) as session:
        assert [each.action for each in AuditRepository(session).after(0)] == ["answer.verdict", "identifiers.allow"]


async def test_asking_and_judging_need_their_permissions(database: Database) -> None:
    trace_id = answered(database)
    service, engine = judging(database, 0.9)
    with acting_as(VIEWER):
        assert judging_value(await service.on(trace_id))["may_judge"] is False
        with pytest.raises(AccessRefused):
            await service.judge(trace_id, "Scurvy")
        with pytest.raises(AccessRefused):
            await service.say(trace_id, "Scurvy", RIGHT)
    assert not engine.requests


async def test_the_panel_says_whose_verdict_it_is_and_that_no_person_has_confirmed_any(database: Database) -> None:
    trace_id = answered(database)
    service, _ = judging(database, 0.9)
    assert judging_value(None) == {}
    value = judging_value(await service.judge(trace_id, "Scurvy"), ["toy", "big"])
    assert value["model_verdict"] == "Judged right by the model toy, not by a person."
    assert (value["judgement"], value["reason"], value["may_judge"]) == ("right", "Both name vitamin C.", True)
    assert value["agreement"] == "These are verdicts of models; nobody has confirmed any of them yet."
    with acting_as(COMMAND_LINE):
        value = judging_value(await service.say(trace_id, "Scurvy", RIGHT))
    assert value["person_verdict"] == "A person judged it right."
    assert value["agreement"] == "Models and people agree on 1 of 1 answer that both have judged: too few to rely on."


def test_agreement_has_a_kappa_where_there_are_enough_answers() -> None:
    text = agreement_text(VerdictAgreement({(RIGHT, RIGHT): 8, (RIGHT, WRONG): 2, (WRONG, WRONG): 10}))
    assert text == "Models and people agree on 18 of 20 answers that both have judged (Cohen's kappa 0.80)."
