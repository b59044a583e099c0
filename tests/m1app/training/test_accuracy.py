"""What checkpoints are asked, how answers are kept and scored, and what it costs."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from m1app.settings import Settings
from m1app.training.accuracy.answers import AnswerFile, CheckpointAnswer
from m1app.training.accuracy.asking import ask_checkpoint
from m1app.training.accuracy.cost import accuracy_notes, checkpoints_of, tokens_at_most
from m1app.training.accuracy.measuring import AccuracyMeasuring
from m1app.training.accuracy.questions import (
    AccuracyQuestions,
    AskedQuestion,
    check_context,
    check_unlearned,
    read_questions,
)
from m1app.training.accuracy.serving import free_threads
from m1app.training.errors import RecipeRefused, TrainingFailed
from m1app.training.events import EventWriter
from m1app.training.folder import TrainingFolder
from m1app.training.recipe import TrainingRecipe
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.profiles import load_profiles
from storage.database import Database
from storage.jobs.records import JobProgress
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from tests.m1app.training.training_cases import RUN, a_sample, some_samples

QUESTIONS = tuple(
    AskedQuestion(f"Which drug number {number} reverses it?", {"A": f"Salt {number}", "B": f"Drug {number}"}, "B")
    for number in range(3)
)


def recipe(**changes: Any) -> TrainingRecipe:
    return TrainingRecipe.of_preset("cpu-trial", "smollm2-135m", "d", **({"accuracy_set": "exam"} | changes))


@pytest.fixture
def questions(tmp_path: Path) -> Iterator[AccuracyQuestions]:
    database = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    database.migrate()
    asked = [
        NewQuestion(stem=f"Item {number}?", options={"A": f"x{number}", "B": f"y{number}"}, target="A")
        for number in range(20)
    ]
    open_one = NewQuestion(stem="Why?", options={}, target=None)
    with database.session() as session:
        QuestionSetRepository(session).add("exam", "test", "m1", "", [*asked, open_one])
        QuestionSetRepository(session).add("open", "test", "m1", "", [open_one])
    yield AccuracyQuestions(database)
    database.dispose()


def test_the_same_questions_are_drawn_with_one_seed_in_the_order_of_the_set(questions: AccuracyQuestions) -> None:
    drawn = questions.draw(recipe(accuracy_questions=5))
    assert len({each.stem for each in drawn}) == 5
    assert drawn == questions.draw(recipe(accuracy_questions=5))
    assert drawn != questions.draw(recipe(accuracy_questions=5, accuracy_seed=1))
    numbers = [int(each.stem.split()[1].rstrip("?")) for each in drawn]
    assert numbers == sorted(numbers)
    assert len(questions.draw(recipe(accuracy_questions=500))) == 20
    assert questions.draw(recipe(accuracy_set="")) == ()


@pytest.mark.parametrize(("name", "said"), [("none", "not found"), ("open", "no question with options and a target")])
def test_a_set_that_cannot_be_scored_is_refused(questions: AccuracyQuestions, name: str, said: str) -> None:
    with pytest.raises(RecipeRefused, match=said) as refused:
        questions.draw(recipe(accuracy_set=name))
    assert refused.value.field == "accuracy_set"


def test_questions_that_are_trained_on_are_refused() -> None:
    learnt = a_sample(question="Which of the nine glands in ward seven makes cortisol after ACTH was given?")
    asked = AskedQuestion(f"{learnt.question} Name it.", learnt.options, "A")
    with pytest.raises(RecipeRefused, match=r"1 sample of the data overlaps .* from exam") as refused:
        check_unlearned([asked], [*some_samples(3), learnt], "exam")
    assert refused.value.field == "accuracy_set" and "Build the data again" in str(refused.value)
    check_unlearned(QUESTIONS, some_samples(3), "exam")
    check_unlearned((), [learnt], "exam")


def test_budgets_that_no_context_holds_are_refused() -> None:
    check_context(recipe(), 2048)
    with pytest.raises(RecipeRefused, match="does not fit in the context of 512 tokens") as refused:
        check_context(recipe(), 512)
    assert refused.value.field == "accuracy_budget_tokens"
    check_context(recipe(accuracy_set=""), 512)


def test_the_plan_says_what_asking_costs_and_how_noisy_a_choice_is() -> None:
    asked = recipe(save_every_steps=10, accuracy_budget_tokens=64, accuracy_answer_tokens=36)
    assert [checkpoints_of(asked, steps) for steps in (1, 10, 11, 30)] == [1, 1, 2, 3]
    assert tokens_at_most(asked, 4, 30) == 4 * 4 * 100
    (said,) = accuracy_notes(asked, 4, 30)
    assert "The base model and 3 checkpoints are asked 4 questions of exam: at most 1,600 tokens" in said
    assert "several times slower" in said and "Few questions (n = 4)" in said
    on_gpu = accuracy_notes(asked.model_copy(update={"precision": "bf16", "best_by": "accuracy"}), 40, 30)
    assert "No training step waits for it" in on_gpu[0] and "Few questions" not in on_gpu[0]
    assert "known to ±14.8 points (95%)" in on_gpu[1] and "largely chance" in on_gpu[1]
    assert accuracy_notes(asked, 0, 30) == ()


def test_the_engine_takes_the_cores_that_training_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    assert (free_threads(4, 0), free_threads(8, 0), free_threads(4, 2)) == (4, 1, 2)


def test_the_folder_keeps_the_questions_and_a_place_for_the_base(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "run")
    rows = [{"stem": each.stem, "options": dict(each.options), "target": each.target} for each in QUESTIONS]
    folder.write(recipe(), RUN, [], [], rows)
    assert read_questions(folder.asked_questions) == QUESTIONS
    assert folder.steps_to_ask() == (0,)
    for name in ("step-20", "step-8", "step-8.new", "step-x"):
        (folder.accuracy / name).mkdir()
    assert folder.steps_to_ask() == (0, 8, 20)
    folder.remove_checkpoints()
    assert folder.steps_to_ask() == ()
    folder.asked_questions.write_text('{"stem": "?"}')
    with pytest.raises(TrainingFailed, match="start the fine-tuning again"):
        read_questions(folder.asked_questions)


def an_answer(step: int, question: int, **changes: Any) -> CheckpointAnswer:
    values = {"letter": "A", "is_correct": True, "thinking_tokens": 3, "tokens_generated": 9, "answer": "A."}
    return CheckpointAnswer(step, question, **(values | changes))


def test_answers_survive_half_a_line(tmp_path: Path) -> None:
    file = AnswerFile(tmp_path / "answers.jsonl")
    assert file.of_step(0) == {}
    file.add(an_answer(0, 1))
    path = tmp_path / "answers.jsonl"
    path.write_text(path.read_text() + '{"step": 0, "question": 2, "let')
    file.add(an_answer(0, 0, answer="line\u2028break"))
    file.add(an_answer(8, 0))
    assert sorted(file.of_step(0)) == [0, 1] and file.of_step(0)[0].answer == "line\u2028break"
    assert list(file.of_step(8)) == [0]


async def test_what_a_job_says_once_it_is_over_is_not_what_it_was_about_to_measure(tmp_path: Path) -> None:
    folder = TrainingFolder(tmp_path / "run")
    folder.write(recipe(), RUN, [], [], [])
    writer = EventWriter(folder.progress_file)
    writer.write("started", 0, steps=3, samples=8, evaluation_samples=0)
    writer.write("finished", 3)
    measuring = AccuracyMeasuring(folder, Settings(home=tmp_path), load_profiles())
    stopping = asyncio.Event()
    stopping.set()
    said: list[JobProgress] = []
    assert await measuring.settle(said.append, stopping) is False
    assert said[-1].message == "Stopped before the accuracy at step 0 was measured."

    def measure(progress: JobProgress) -> None:
        said.append(progress)
        if progress.message.startswith("Measuring"):
            writer.write("unmeasured", 0, message="The accuracy of the base model could not be measured.")

    assert await measuring.settle(measure, asyncio.Event()) is True
    assert [each.message for each in said[1:]] == [
        "Measuring the accuracy at step 0.",
        "The new model is finished. The accuracy of the base model could not be measured.",
    ]


async def test_a_checkpoint_is_asked_what_it_has_not_answered(engine_endpoint: Endpoint, tmp_path: Path) -> None:
    engine = OpenAIEngine(lambda: engine_endpoint)
    kept = AnswerFile(tmp_path / "answers.jsonl")
    kept.add(an_answer(8, 1, answer="said before"))
    counts: list[int] = []
    asked = recipe(accuracy_budget_tokens=4, accuracy_answer_tokens=6)
    found = await ask_checkpoint(engine, load_profiles().get("m1"), asked, QUESTIONS, 8, kept, counts.append)
    await engine.aclose()
    assert [each.question for each in found] == [0, 1, 2]
    assert found[1].answer == "said before" and counts == [2, 3]
    assert all(0 < each.tokens_generated <= 10 for each in (found[0], found[2]))
    lines = [json.loads(line) for line in (tmp_path / "answers.jsonl").read_text().splitlines() if line]
    assert [line["question"] for line in lines].count(1) == 1 and len(lines) == 3


async def test_a_question_that_does_not_fit_counts_as_wrong(engine_endpoint: Endpoint, tmp_path: Path) -> None:
    engine = OpenAIEngine(lambda: engine_endpoint)
    asked = recipe(accuracy_budget_tokens=4, accuracy_answer_tokens=6)
    long = AskedQuestion("word " * 9000, {"A": "x", "B": "y"}, "A")
    kept = AnswerFile(tmp_path / "answers.jsonl")
    (found,) = await ask_checkpoint(engine, load_profiles().get("m1"), asked, [long], 0, kept)
    await engine.aclose()
    assert not found.is_correct and found.letter is None and found.error
