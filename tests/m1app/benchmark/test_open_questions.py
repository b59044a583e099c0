"""A run over open questions: asked, judged by a model, apart from all accuracies, and confirmed by persons."""

import json
from pathlib import Path

import pytest

from m1app.benchmark.judged_table import judged_notes, judged_table
from m1app.benchmark.report import report_of
from m1app.judging.errors import JudgingRefused
from m1app.judging.service import MOST_OF_A_VERDICT
from storage.benchmarks.records import RunState
from storage.open_verdicts.records import Judgement
from storage.question_sets.repository import QuestionSetRepository
from tests.m1app.benchmark.test_service import keep_set, recipe, services_at
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.m1app.strategies.scripted import CharacterEngine, OneModel, text_of
from tests.m1app.strategies.scripted import Script as JudgeScript
from tests.models.engine.scripted_server import Script, serving

pytestmark = [pytest.mark.usefixtures("no_settings")]

OPEN = [("Why do sailors bleed?", "Lack of vitamin C"), ("Which nerve lifts the arm?", "The axillary nerve")]


async def import_open(services, folder: Path) -> None:
    path = folder / "open.jsonl"
    path.write_text("".join(json.dumps({"question": q, "reference": r}) + "\n" for q, r in OPEN), encoding="utf-8")
    report = await services.question_sets.import_file(path)
    assert [each.name for each in report.sets] == ["open"]
    with services.database.session() as session:
        found = QuestionSetRepository(session).questions(report.sets[0].id)
    assert [(each.stem, each.reference) for each in found] == OPEN


def judged_by(services, **script) -> CharacterEngine:
    """A judge that believes what is said of sailors."""

    def choices(prompt, thinking, lead):
        return {"Yes": 0.9, "No": 0.1} if "sailors" in prompt else {"Yes": 0.1, "No": 0.9}

    engine = CharacterEngine(JudgeScript(**({"think": lambda *_: "Compare.", "choices": choices} | script)))
    services.judging._models = OneModel(engine, {"big": engine, "scripted": engine})
    return engine


async def test_open_questions_are_judged_and_counted_apart_from_what_a_rule_scores(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            await import_open(services, tmp_path)
            engine = judged_by(services)
            planned = await services.benchmarks.plan(recipe(question_sets=("five", "open"), judge="big"))
            run = await services.benchmarks.run(planned.id)
            cells = await services.benchmark_reading.cells([run.id])
            found = await services.benchmark_reading.judged(run.id)
            page = await report_of(run.id, services.benchmark_reading, services.sweeps)
    assert (run.state, run.items_done, run.judge) == (RunState.COMPLETED, 7, "big")
    # Only the five questions with options are in an accuracy, and the mean over sets is of one set.
    assert {(each.question_set, each.n, each.accuracy.value) for each in cells} == {("five", 5, 1.0)}
    # Two answers to each open question, at 16 and at 32 tokens; what is said of sailors is believed.
    assert [(each.budget_tokens, each.judge, dict(each.judgements)) for each in found.counts] == [
        (16, "big", {Judgement.RIGHT: 1, Judgement.WRONG: 1}),
        (32, "big", {Judgement.RIGHT: 1, Judgement.WRONG: 1}),
    ]
    assert len([each for each in engine.requests if each.max_tokens == 1]) == 4
    assert "Open questions, judged by a model" in page
    assert "No person has confirmed any of these verdicts yet." in page
    assert [row.cells[5].text for row in judged_table(found).rows] == ["1 (50.0%)", "1 (50.0%)"]


async def test_a_persons_verdicts_stand_beside_the_models_with_their_agreement(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            await import_open(services, tmp_path)
            judged_by(services)
            run = await services.benchmarks.run((await services.benchmarks.plan(recipe(question_sets=("open",)))).id)
            table = await services.benchmark_reading.table(run.id)
            rows = zip(table["question"], table["budget_tokens"], table["checkpoint_id"], strict=True)
            answers = {(question, budget): answer for question, budget, answer in rows}
            await services.judging.say_of_checkpoint(answers[OPEN[0][0], 16], Judgement.RIGHT)
            await services.judging.say_of_checkpoint(answers[OPEN[1][0], 16], Judgement.RIGHT)
            with pytest.raises(JudgingRefused, match="does not belong to an open question"):
                await services.judging.say_of_checkpoint("0" * 32, Judgement.RIGHT)
            found = await services.benchmark_reading.judged(run.id)
    assert table["is_correct_strict"].isna().all()
    assert [dict(each.by_persons) for each in found.counts] == [{Judgement.RIGHT: 2}, {}]
    assert found.counts[0].judge == "scripted", "without another judge, the model that answered"
    assert dict(found.pairs) == {(Judgement.RIGHT, Judgement.RIGHT): 1, (Judgement.WRONG, Judgement.RIGHT): 1}
    assert "Persons have judged 2 answers too, and agree with the model on 1 (50%)." in " ".join(judged_notes(found))


async def test_a_judge_that_fails_fails_the_question_and_is_asked_again_for_the_rest(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("m1app.benchmark.runner._RETRY_SECONDS", 0.0)
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            await import_open(services, tmp_path)
            judged_by(services, fails=lambda prompt: "boom" if "nerve" in prompt else "")
            planned = await services.benchmarks.plan(recipe(question_sets=("open",), in_flight=1))
            run = await services.benchmarks.run(planned.id)
            assert (run.items_done, run.items_failed) == (1, 1)
            engine = judged_by(services)
            run = await services.benchmarks.run(planned.id)
            assert (run.items_done, run.items_failed) == (2, 0)
    assert all("nerve" in text_of(each.prompt_ids) for each in engine.requests), "only the rest is judged"


async def test_a_dry_run_says_what_the_judge_may_take(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            await import_open(services, tmp_path)
            keep_set(services)
            without = await services.benchmarks.estimate(recipe(passes=2, temperature=0.6))
            found = await services.benchmarks.estimate(recipe(question_sets=("open",), passes=2, temperature=0.6))
            has_open = services.benchmarks.has_open_questions
            said = [await has_open(sets) for sets in (["five"], ["five", "open"], [], ["\0"])]
            assert said == [False, True, False, False]
    assert (without.open_questions, without.judge_tokens_at_most) == (0, 0)
    # Two questions, two passes, two budgets.
    assert (found.open_questions, found.judge_tokens_at_most) == (2, 2 * 2 * 2 * MOST_OF_A_VERDICT)
    assert found.tokens_at_most > found.judge_tokens_at_most
