"""Whether a study's questions were learned from: found by data and model, or said why that is not known."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from m1app.bootstrap import Services, build_services
from m1app.question_sets.overlap import Text
from m1app.settings import Settings
from m1app.studies.study_file import StudyModel
from m1app.studies.training_checks import PlayedRole, TrainingChecks
from m1app.training.curation import Curated, CurationPlan
from m1app.training.data_card import DataSource
from m1app.training.data_sets import DataSets, DataSetVersion
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.learned_questions import LearnedQuestions
from m1app.training.tuned_models import OWNER_FILE, VLLM_SUFFIX
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from tests.m1app.training.training_cases import RUN, a_sample, some_samples

pytestmark = pytest.mark.usefixtures("no_settings")
SHARED = "A man of sixty has chest pain that spreads to his left arm, and sweats. What is the next step?"
OTHER = "A woman of thirty has a swollen knee since the morning and cannot bend it. What is done first?"
JOB = "a" * 32
KNOWN = StudyModel(role="known", hub="UCSC-VLAA/m1-7B-23K", about="Fine-tuned on the 23,000 samples of m23K.")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    services = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9", model=""))
    yield services
    await services.aclose()


def data_set(home: Path, name: str, *questions: str) -> DataSetVersion:
    samples = (*some_samples(3), *(a_sample(question=each) for each in questions))
    return DataSets(home / "training-data").add(
        name, Curated(samples, ()), CurationPlan(), (DataSource("x.json", "a" * 64, 1),)
    )


def tuned(home: Path, model_id: str, **changes: object) -> TrainingRun:
    """A model's folder as a finished fine-tuning leaves it."""
    run = RUN.model_copy(update={"model_id": model_id, **changes})
    place = home / "models" / model_id
    place.mkdir(parents=True)
    (place / "run.json").write_text(run.model_dump_json())
    (place / OWNER_FILE).write_text(f"{JOB}\n")
    return run


def sets_of(services: Services) -> dict[str, QuestionSet]:
    """Two sets of one question each, by the study's names."""
    options = {"A": "This", "B": "That"}

    def keep(name: str, stem: str) -> QuestionSet:
        with services.database.session() as session:
            question = NewQuestion(stem=stem, options=options, target="A", source=name)
            return QuestionSetRepository(session).add(name, "test", "m1", "", [question])

    return {"hearts": keep("my hearts", SHARED), "knees": keep("my knees", OTHER)}


def played(role: str, model_id: str) -> PlayedRole:
    return PlayedRole(StudyModel(role=role), f"{model_id} (served)", model_id)


async def test_sets_are_compared_with_what_each_model_has_learned_and_with_the_data_here(
    services: Services, tmp_path: Path
) -> None:
    learned = data_set(tmp_path, "hearts-data", SHARED)
    data_set(tmp_path, "no-hearts")
    tuned(tmp_path, "first", data="file.jsonl", data_sha256="b" * 64)
    job = TrainingFolder(tmp_path / "jobs" / JOB / "artifacts")
    job.path.mkdir(parents=True)
    job.train_file.write_text(json.dumps({"prompt": f"user: {OTHER}\n\nA. This", "completion": "..."}) + "\n")
    tuned(tmp_path, "second", base_id="first", data=learned.id, data_sha256=learned.sha256)
    checks = TrainingChecks(services.question_sets, LearnedQuestions(services.settings))
    found = await checks.of([played("tuned", "second" + VLLM_SUFFIX)], sets_of(services))
    assert [(each.role, each.model, each.data, each.shared) for each in found] == [
        ("tuned", f"second{VLLM_SUFFIX} (served)", "hearts-data:v1", {"hearts": 1}),
        ("tuned", "first", "file.jsonl", {"knees": 1}),
        ("tuned", "smollm2-135m", "", {}),
        ("", "", "no-hearts:v1", {}),
    ]
    assert [each.note for each in found] == [
        "",
        "",
        "Trained elsewhere. What it had learned before is not here, so it cannot be compared.",
        "",
    ]


async def test_what_cannot_be_compared_is_said(services: Services, tmp_path: Path) -> None:
    changed = data_set(tmp_path, "changed", SHARED)
    tuned(tmp_path, "lost", data=changed.id, data_sha256="c" * 64)
    checks = TrainingChecks(services.question_sets, LearnedQuestions(services.settings), most_seconds=0.0)
    found = await checks.of([played("lost", "lost"), PlayedRole(KNOWN, "m1-7b", "m1-7b")], sets_of(services))
    assert [(each.role, each.data) for each in found] == [("lost", "changed:v1"), ("lost", ""), ("known", "")]
    assert found[0].note == "Its data are no longer here, so they cannot be compared."
    assert found[2].note == (
        "Trained elsewhere. What it has learned is not here, so it cannot be compared. The study says of it: "
        "Fine-tuned on the 23,000 samples of m23K."
    )


async def test_comparing_ends_in_time_and_a_damaged_file_is_named(services: Services, tmp_path: Path) -> None:
    version = data_set(tmp_path, "mine", SHARED)
    sets = sets_of(services)
    learned = LearnedQuestions(services.settings)
    (late,) = await TrainingChecks(services.question_sets, learned, most_seconds=0.0).of([], sets)
    assert (late.data, late.shared) == ("mine:v1", {})
    assert late.note.startswith("Not compared within the 0 seconds")
    (version.path / "samples.jsonl").write_text("{")
    (damaged,) = await TrainingChecks(services.question_sets, learned).of([], sets)
    assert damaged.note.startswith("Not compared: ")


def test_short_questions_are_compared_with_their_options(tmp_path: Path) -> None:
    version = data_set(tmp_path, "short")
    (data,) = LearnedQuestions(Settings(home=tmp_path)).data_sets()
    (batch,) = data.batches()
    assert data.name == version.id
    assert batch[0] == Text(some_samples(1)[0].question, tuple(some_samples(1)[0].options.values()))
