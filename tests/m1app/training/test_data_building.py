"""Training data from files, the hub and the database, curated against what is evaluated here."""

import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m1app.annotation.exchange import AnnotationExchange, ExportFormat
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from m1app.errors import AppError
from m1app.question.library import load_library
from m1app.question_sets.service import QuestionSetService
from m1app.settings import Settings
from m1app.training.corrections import FACTS
from m1app.training.curation import Curated, CurationPlan
from m1app.training.curation_steps import StepReport, sample_text
from m1app.training.data_building import TrainingDataService
from m1app.training.errors import DataSetNotFound, DataSetRefused, InvalidTrainingData, NoChatTemplate, PruningRefused
from m1app.training.preview import preview_samples
from m1app.training.sample_files import read_sample_file
from m1app.training.samples import TrainingSample
from m1app.training.sources import sample_length
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.errors import UnknownProfile
from models.profiles import load_profiles
from storage.benchmarks.records import BenchmarkResult, ItemState
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.database import Database
from storage.errors import RecordNotFound
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.sweeps.repository import SweepRepository
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason
from storage.traces.repository import TraceRepository
from tests.m1app.annotation.cases import stored_trace
from tests.m1app.annotation.test_service import mark
from tests.m1app.benchmark.benchmark_samples import a_run
from tests.m1app.question_sets.hub_stand_in import serving_hub
from tests.m1app.strategies.scripted import CharacterEngine, OneModel, Script
from tests.m1app.training.pruning.judging_server import CHECK, OTHER, SLIP, write_reasonings
from tests.m1app.training.training_cases import OPTIONS, a_sample, jsonl, some_samples
from tests.storage.samples import COMPLETED, a_checkpoint, a_sweep, a_trace, begin, finish, save_question, think

PLAN = CurationPlan()
SHARED = "A man of sixty has chest pain that spreads to his left arm, and sweats. What is the next step?"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path}/m1.db")
    database.migrate()
    return database


@pytest.fixture
def settings(tmp_path: Path, no_settings: None) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def training_data(database: Database, settings: Settings) -> TrainingDataService:
    return TrainingDataService(database, settings, load_profiles())


@pytest.fixture
async def engine(embedded_endpoint: Endpoint) -> AsyncIterator[OpenAIEngine]:
    async with aclosing(OpenAIEngine(lambda: embedded_endpoint)) as engine:
        yield engine


def write(folder: Path, samples: list[TrainingSample], name: str = "samples.jsonl") -> Path:
    path = folder / name
    path.write_bytes(jsonl([sample.as_row() for sample in samples]))
    return path


def keep_set(database: Database, name: str, *stems: str) -> None:
    questions = [NewQuestion(stem=stem, options=OPTIONS, target="A", source=name) for stem in stems]
    with database.session() as session:
        QuestionSetRepository(session).add(name, "test", "m1", "", questions)


def report(curated: Curated, step: str) -> StepReport:
    (found,) = [each for each in curated.reports if each.step == step]
    return found


async def test_files_become_a_version_that_can_be_listed_read_and_deleted(
    training_data: TrainingDataService, tmp_path: Path
) -> None:
    one, other = write(tmp_path, some_samples(9)), write(tmp_path, [a_sample()], "other.jsonl")
    made = await training_data.build([one, other], PLAN, "mixed")
    assert (made.id, made.samples, made.path) == ("mixed:v1", 10, tmp_path / "home" / "training-data" / "mixed" / "v1")
    assert await training_data.all() == (made,)
    assert training_data.samples("mixed") == (*some_samples(9), a_sample())
    sources = training_data.card("mixed:v1").sources
    assert [(source.name, source.samples) for source in sources] == [("samples.jsonl", 9), ("other.jsonl", 1)]
    assert sources[0].sha256 == hashlib.sha256(one.read_bytes()).hexdigest()
    assert await training_data.delete("mixed") == made
    assert await training_data.all() == ()


async def test_all_sources_together_have_one_limit(
    training_data: TrainingDataService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = write(tmp_path, some_samples(9))
    other = write(tmp_path, some_samples(9), "other.jsonl")
    monkeypatch.setattr("m1app.training.collecting.MAX_DATA_SET_CHARACTERS", sum(map(sample_length, some_samples(9))))
    await training_data.collect([one], PLAN)
    with pytest.raises(InvalidTrainingData, match=r"characters in total, .* Leave out a source"):
        await training_data.collect([one, other], PLAN)


async def test_every_question_set_and_the_library_are_compared(
    training_data: TrainingDataService, database: Database, tmp_path: Path
) -> None:
    keep_set(database, "MedQA", SHARED)
    own = next(each for each in load_library() if len(each.question.split()) > 12 and each.options)
    leaked = [a_sample(question=SHARED), a_sample(question=own.question)]
    found = await training_data.collect([write(tmp_path, [*some_samples(8), *leaked])], PLAN)
    assert found.curated.samples == tuple(some_samples(8))
    overlap = report(found.curated, "overlap")
    assert {there.partition(":")[0] for _, there, _ in overlap.pairs} == {"MedQA", "library"}
    assert await training_data.all() == ()


async def test_what_a_benchmark_run_answers_right_is_left_out_and_its_sets_are_no_evaluation(
    training_data: TrainingDataService, database: Database, tmp_path: Path
) -> None:
    samples = some_samples(12)
    keep_set(database, "pool", *(sample.question for sample in samples))
    run_id = store_answers(database, "pool", {sample.question: n < 3 for n, sample in enumerate(samples)})
    plan = CurationPlan(exclude_answered_by_run=run_id)
    found = await training_data.collect([write(tmp_path, samples)], plan)
    assert found.curated.samples == tuple(samples[3:])
    assert (report(found.curated, "difficulty").before, report(found.curated, "difficulty").kept) == (12, 9)
    said = report(found.curated, "not compared")
    assert "the samples are the questions of pool" in said.title
    assert (said.before, said.kept, said.examples) == (12, 12, ("pool",))
    made = await training_data.build([write(tmp_path, samples)], plan, "hard")
    assert any("Overlap with pool was not checked" in each for each in training_data.card(made.id).warnings)


async def test_wrongly_answered_questions_of_an_evaluation_run_are_not_let_in(
    training_data: TrainingDataService, database: Database, tmp_path: Path
) -> None:
    leaked = [
        a_sample(question=f"{word}: {SHARED}") for word in ("First", "Second", "Third", "Fourth", "Fifth", "Sixth")
    ]
    samples = [*some_samples(12), *leaked]
    keep_set(database, "MedQA", *(each.question for each in leaked))
    run_id = store_answers(database, "MedQA", {each.question: False for each in leaked})
    found = await training_data.collect([write(tmp_path, samples)], CurationPlan(exclude_answered_by_run=run_id))
    assert found.curated.samples == tuple(some_samples(12))
    assert report(found.curated, "overlap").kept == 12
    assert "not compared" not in [each.step for each in found.curated.reports]


async def test_of_a_run_of_several_models_one_is_chosen(
    training_data: TrainingDataService, database: Database, tmp_path: Path
) -> None:
    samples = some_samples(18)
    keep_set(database, "pool", *(each.question for each in samples))
    answers = {each.question: number < 9 for number, each in enumerate(samples)}
    run_id = store_answers(database, "pool", answers, models=("weak", "strong:8b"))
    path = write(tmp_path, samples)
    for model, left in (("weak", samples[9:]), ("strong:8b", samples[:9])):
        found = await training_data.collect([path], CurationPlan(exclude_answered_by_run=f"{run_id}:{model}"))
        assert found.curated.samples == tuple(left)
    for reference, said in ((run_id, "has 2 models"), (f"{run_id}:third", "no model 'third'")):
        with pytest.raises(AppError, match=f"{said}.*{run_id}:weak or {run_id}:strong:8b"):
            await training_data.collect([path], CurationPlan(exclude_answered_by_run=reference))


async def test_of_two_runs_only_what_both_answer_right_is_left_out(
    training_data: TrainingDataService, database: Database, tmp_path: Path
) -> None:
    samples = some_samples(14)
    keep_set(database, "pool", *(each.question for each in samples))
    runs = [
        store_answers(
            database, "pool", {each.question: number < right for number, each in enumerate(samples)}, (model,)
        )
        for model, right in (("small", 3), ("large", 6))
    ]
    plan = CurationPlan(exclude_answered_by_run=", ".join(runs))
    found = await training_data.collect([write(tmp_path, samples)], plan)
    assert found.curated.samples == tuple(samples[3:])
    assert report(found.curated, "difficulty").title.startswith("3 questions were answered right in each of the")
    assert {each.why for each in found.curated.dropped} == {f"answered right in {', '.join(runs)}"}


def store_answers(
    database: Database, set_name: str, answers: dict[str, bool], models: tuple[str, ...] = ("m1-7b",)
) -> str:
    """A run over the set whose small budget is always right and whose large one as told; gives its id.

    A second model is right where the first one is not.
    """
    with database.session() as session:
        sets = QuestionSetRepository(session)
        questions = {each.id: each.stem for each in sets.questions(sets.get(set_name).id)}
        runs = BenchmarkRepository(session)
        plan = a_run(question_sets=(set_name,), models=models, budgets=(128, 512), force_rounds=(0,))
        numbers = range(len(models))
        run = runs.add(plan, [PlannedItem(0, number, question_id) for number in numbers for question_id in questions])
        for item in runs.waiting(run.id):
            is_right = answers[questions[item.question_id]] is (item.model == models[0])
            results = [a_result(item.id, 128, is_right=True), a_result(item.id, 512, is_right=is_right)]
            runs.finish(item.id, ItemState.DONE, results, tokens_generated=9, tokens_if_separate=9, attempts=1)
        return run.id


def a_result(item_id: str, budget: int, *, is_right: bool) -> BenchmarkResult:
    return BenchmarkResult(
        item_id=item_id,
        pass_number=0,
        budget_tokens=budget,
        force_rounds=0,
        letter="A" if is_right else "B",
        is_correct=is_right,
        m1_letter="A",
        m1_is_correct=True,
        thinking_tokens=5,
        tokens_if_separate=9,
        checkpoint_id=None,
    )


async def test_run_that_is_not_here_is_named(training_data: TrainingDataService, tmp_path: Path) -> None:
    with pytest.raises(RecordNotFound, match="Benchmark run 'abc' not found"):
        await training_data.collect([write(tmp_path, [a_sample()])], CurationPlan(exclude_answered_by_run="abc"))


def stored_probe(database: Database, stem: str, **changes: Any) -> None:
    cap = changes.pop("finish_reason", "natural")
    question = NewQuestion(stem=stem, options=OPTIONS, target="A", tags=("Endocrine",))
    said = Segment(kind=SegmentKind.ANSWER, text="The answer is A.", token_ids=(9,), token_count=1, finish_reason=cap)
    thought = (think(f"About {stem}"), *changes.pop("more", ()))
    finish(database, begin(database, question), *thought, said, outcome=replace(COMPLETED, **changes))


def stored_sweep(database: Database) -> None:
    """One right answer at a natural stop, one where the budget cut, one wrong."""
    question = save_question(database, stem="Swept?")
    with database.session() as session:
        sweep = SweepRepository(session).add(a_sweep(question.id))
        traces = TraceRepository(session)
        trace = traces.add(a_trace(question.id, sweep_id=sweep.id))
        traces.close(trace.id, COMPLETED, [think("Early thoughts. Late thoughts.")])
        for changes in (
            {"cut_characters": 15, "thinking_finish_reason": ThinkingFinishReason.NATURAL},
            {"cut_characters": 20, "thinking_finish_reason": ThinkingFinishReason.BUDGET},
            {"cut_characters": 30, "is_correct": False, "letter": "A"},
        ):
            traces.add_checkpoint(a_checkpoint(trace.id, **changes))


async def test_own_traces_are_the_right_answers_that_ended_by_themselves(
    training_data: TrainingDataService, database: Database
) -> None:
    stored_probe(database, "Right?")
    stored_probe(database, "Wrong?", is_correct=False)
    stored_probe(database, "Unscored?", is_correct=None)
    stored_probe(database, "Cut?", thinking_finish_reason=ThinkingFinishReason.BUDGET)
    stored_probe(database, "Capped?", finish_reason="budget")
    edit = Segment(kind=SegmentKind.EDIT, text="So A.", token_ids=(9,), token_count=1)
    stored_probe(database, "Edited?", more=(edit,))
    stored_sweep(database)
    swept, probed = await training_data.own_traces()
    assert (swept.question, swept.reasoning, swept.answer) == ("Swept?", "Early thoughts.", "The answer is B.")
    assert (probed.question, probed.reasoning, probed.answer) == ("Right?", "About Right?", "The answer is A.")
    assert (probed.options, probed.target) == (OPTIONS, "A")
    assert (probed.domain, probed.source) == ("Endocrine", "own traces")


async def test_more_own_traces_than_a_page_are_all_read(
    training_data: TrainingDataService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.training.from_database._CASES_PAGE_SIZE", 2)
    monkeypatch.setattr("storage.annotations.queue._MAX_GROUP_CASES", 2)
    for number in range(5):
        stored_probe(database, f"Number {number}?")
        stored_probe(database, "The same?")
    asked = Counter(sample.question for sample in await training_data.own_traces())
    assert asked == {"The same?": 5, **{f"Number {number}?": 1 for number in range(5)}}


async def test_own_traces_are_a_source_with_a_hash(training_data: TrainingDataService, database: Database) -> None:
    for sample in some_samples(8):
        stored_probe(database, sample.question)
    made = await training_data.build([], PLAN, "own", with_own_traces=True)
    (source,) = training_data.card(made.id).sources
    assert (source.name, source.samples, len(source.sha256)) == ("own traces", 8, 64)


async def test_exported_corrections_are_read_back(
    training_data: TrainingDataService, database: Database, tmp_path: Path
) -> None:
    case_id = stored_trace(database)  # thinks of the ECG, concludes B, and answers A, which is wrong
    annotations = AnnotationService(database, load_taxonomy())
    await mark(annotations, case_id, "Ada", corrected_fact="troponin")
    await annotations.submit(case_id, "Ada")
    path = tmp_path / "annotations-corrected.jsonl"
    assert await AnnotationExchange(database, load_taxonomy()).export_file(ExportFormat.CORRECTED, path)
    found = await training_data.collect([path, write(tmp_path, some_samples(8))], PLAN)
    (corrected,) = [sample for sample in found.curated.samples if sample.source == "corrections"]
    assert corrected.reasoning == "The troponin\n\nSo the answer is B. Electrocardiogram"
    assert corrected.answer == "The answer is B. Electrocardiogram"


async def corrections_file(database: Database, tmp_path: Path) -> tuple[Path, str]:
    """The export of one correction, and its question."""
    case_id = stored_trace(database)
    annotations = AnnotationService(database, load_taxonomy())
    await mark(annotations, case_id, "Ada", corrected_fact="troponin")
    await annotations.submit(case_id, "Ada")
    path = tmp_path / "annotations-corrected.jsonl"
    await AnnotationExchange(database, load_taxonomy()).export_file(ExportFormat.CORRECTED, path)
    return path, case_id


async def test_a_correction_wins_over_a_trace_of_the_same_question(
    training_data: TrainingDataService, database: Database, tmp_path: Path
) -> None:
    path, _ = await corrections_file(database, tmp_path)
    (corrected,) = (await read_sample_file(path)).samples
    trace = replace(corrected, reasoning="As the book says.", answer="The answer is B.", source="book")
    file = write(tmp_path, [trace, *some_samples(8)])
    found = await training_data.collect([file, path], PLAN)
    same = [each for each in found.curated.samples if each.question == corrected.question]
    assert same == [corrected]


async def test_corrections_of_evaluated_questions_are_said_and_their_facts_can_be_learned(
    training_data: TrainingDataService, database: Database, tmp_path: Path
) -> None:
    path, case_id = await corrections_file(database, tmp_path)
    (corrected,) = (await read_sample_file(path)).samples
    annotations = AnnotationService(database, load_taxonomy())
    assert await annotations.evaluated_in(case_id) == ()
    with database.session() as session:
        question = NewQuestion(
            stem=corrected.question, options=dict(corrected.options), target=corrected.target, source="exam"
        )
        QuestionSetRepository(session).add("exam", "test", "m1", "", [question])
    # The same stored question, so that Annotate knows it.
    assert await annotations.evaluated_in(case_id) == ("exam",)
    files = [path, write(tmp_path, some_samples(9))]
    found = await training_data.collect(files, PLAN)
    assert not [each for each in found.curated.samples if each.source in ("corrections", FACTS)]
    assert "1 correction on evaluation questions will be dropped" in report(found.curated, "corrections").title

    found = await training_data.collect(files, CurationPlan(facts_alone=True))
    (fact,) = [each for each in found.curated.samples if each.source == FACTS]
    assert "troponin" in fact.answer and corrected.question not in fact.question
    assert not [each for each in found.curated.samples if each.source == "corrections"]

    found = await training_data.collect(files, CurationPlan(learn_from=("exam",)))
    assert [each for each in found.curated.samples if each.source == "corrections"] == [corrected]
    with pytest.raises(AppError, match="no question set 'exams' to learn from"):
        await training_data.collect(files, CurationPlan(learn_from=("exams",)))


async def test_half_of_a_set_can_be_learned_from_while_the_other_measures(
    training_data: TrainingDataService, database: Database, settings: Settings, tmp_path: Path
) -> None:
    samples = some_samples(24)
    keep_set(database, "exam", *(each.question for each in samples))
    sets = QuestionSetService(database, settings)
    (whole,) = await sets.all()
    learn, measure = await sets.split(whole.id)
    assert (learn.name, measure.name) == ("exam, to learn from", "exam, to measure with")
    assert (learn.question_count, measure.question_count) == (12, 12)
    found = await training_data.collect([write(tmp_path, samples)], CurationPlan(learn_from=(learn.name,)))
    stems = {each.stem for each in await sets.preview(learn.id, limit=24)}
    assert {each.question for each in found.curated.samples} == stems
    made = await training_data.build([write(tmp_path, samples)], CurationPlan(learn_from=(learn.name,)), "half")
    assert any("exam, to learn from" in warning for warning in training_data.card(made.id).warnings)


@pytest.mark.parametrize("name", ["library", "pool"])
async def test_half_of_the_library_can_be_learned_from_whatever_its_set_is_called(
    training_data: TrainingDataService, database: Database, settings: Settings, tmp_path: Path, name: str
) -> None:
    sets = QuestionSetService(database, settings)
    await sets.import_library(name=name)
    (whole,) = await sets.all()
    learn, _ = await sets.split(whole.id)
    samples = [
        replace(
            some_samples(1)[0],
            question=each.question,
            options=dict(each.options),
            target=each.target,
            answer=f"The answer is {each.target}." if each.target else "It is not known.",
        )
        for each in load_library()
    ]
    plan = CurationPlan(learn_from=(learn.name,), verified_only=False)
    found = await training_data.collect([write(tmp_path, samples)], plan)
    stems = {each.stem for each in await sets.preview(learn.id, limit=100)}
    # The open questions are in no half, and stay the library's.
    assert {each.question for each in found.curated.samples} == stems


async def test_hub_repository_is_read_and_named_with_its_split(database: Database, settings: Settings) -> None:
    rows = jsonl([sample.as_row() for sample in some_samples(9)])
    with serving_hub({"some/traces": {"data/train.jsonl": rows}}) as hub:
        reaching = settings.model_copy(update={"hub_url": hub.url})
        found = await TrainingDataService(database, reaching, load_profiles()).collect([], PLAN, hub=["some/traces"])
    assert [sample.question for sample in found.curated.samples] == [sample.question for sample in some_samples(9)]
    assert [(source.name, source.samples) for source in found.sources] == [("hub:some/traces train", 9)]


async def test_hub_repository_that_is_none_is_refused(training_data: TrainingDataService) -> None:
    with pytest.raises(InvalidTrainingData, match="expected a hub repository"):
        await training_data.collect([], PLAN, hub=["no repository"])


async def test_without_a_source_or_with_a_missing_file_nothing_is_built(
    training_data: TrainingDataService, tmp_path: Path
) -> None:
    with pytest.raises(InvalidTrainingData, match="No source of samples"):
        await training_data.build([], PLAN, "empty")
    with pytest.raises(InvalidTrainingData, match=r"nowhere\.json: the file cannot be read"):
        await training_data.build([tmp_path / "nowhere.json"], PLAN, "empty")
    with pytest.raises(DataSetRefused, match="is not a data set name"):
        await training_data.build([tmp_path / "nowhere.json"], PLAN, "../up")
    with pytest.raises(DataSetNotFound):
        training_data.samples("empty")
    assert await training_data.all() == ()


@pytest.mark.engine
async def test_engine_counts_tokens_for_the_length_limit(
    training_data: TrainingDataService, engine: OpenAIEngine, tmp_path: Path
) -> None:
    long = a_sample(question="Long?", reasoning="The adrenal cortex makes cortisol. " * 40)
    path = write(tmp_path, [*some_samples(8), long])
    found = await training_data.collect([path], CurationPlan(max_tokens=200), engine=engine)
    assert found.curated.samples == tuple(some_samples(8))
    (example,) = report(found.curated, "length").examples
    profile = load_profiles().get("plain-chatml")
    (shown,) = (await preview_samples([long], profile, engine, 0)).samples
    # With the turns and words of the template, which training counts too.
    assert shown.tokens is not None
    assert shown.tokens.total > len(await engine.tokenize(sample_text(long), parse_special=False))
    assert example == f"{shown.tokens.total} tokens: Long?"


async def test_preview_shows_what_is_trained_on(training_data: TrainingDataService, tmp_path: Path) -> None:
    await training_data.build([write(tmp_path, some_samples(8))], PLAN, "set")
    preview = await training_data.preview("set:v1", "m1", limit=2)
    assert len(preview.samples) == 2
    first = preview.samples[0]
    assert first.rendered.completion.startswith("<|im_start|>think\nCortisol is a steroid.")
    assert (first.tokens, first.note, preview.notes) == (None, "", ())
    plain = await training_data.preview("set", "plain-chatml", limit=1)
    assert "ends the thinking with words" in plain.notes[0]


@pytest.mark.engine
async def test_preview_counts_tokens_and_says_what_does_not_fit(
    training_data: TrainingDataService, engine: OpenAIEngine, tmp_path: Path
) -> None:
    await training_data.build([write(tmp_path, some_samples(8))], PLAN, "set")
    (shown,) = (await training_data.preview("set", "plain", engine=engine, limit=1)).samples
    texts = (shown.rendered.prompt, *(text for _, text in shown.rendered.parts))
    counts = [len(await engine.tokenize(text, parse_special=True)) for text in texts]
    assert shown.tokens is not None
    assert [shown.tokens.prompt, *shown.tokens.parts] == counts
    for block, is_too_long in ((sum(counts), False), (sum(counts) - 1, True)):
        (shown,) = (await training_data.preview("set", "plain", engine=engine, limit=1, max_tokens=block)).samples
        assert bool(shown.note) is is_too_long


async def test_preview_without_a_chat_template_or_profile_is_refused(
    training_data: TrainingDataService, tmp_path: Path
) -> None:
    await training_data.build([write(tmp_path, some_samples(8))], PLAN, "set")
    with pytest.raises(NoChatTemplate, match="no engine serves it"):
        await training_data.preview("set", "plain")
    with pytest.raises(UnknownProfile):
        await training_data.preview("set", "m2")


async def test_same_sources_and_plan_give_the_same_samples(training_data: TrainingDataService, tmp_path: Path) -> None:
    path = write(tmp_path, some_samples(60))
    plan = CurationPlan(limit=20, seed=5)
    first, second = [await training_data.build([path], plan, "drawn") for _ in range(2)]
    assert (first.version, second.version) == (1, 2)
    assert first.sha256 == second.sha256
    other = await training_data.build([path], CurationPlan(limit=20, seed=6), "drawn")
    assert other.sha256 != first.sha256


async def test_pruned_reasoning_is_stored_with_what_was_done_and_goes_with_the_last_version(
    database: Database, settings: Settings, tmp_path: Path
) -> None:
    engine = CharacterEngine(Script(choices=lambda prompt, thinking, lead: {"A": 0.7 if SLIP in thinking else 0.2}))
    data = TrainingDataService(database, settings, load_profiles(), OneModel(engine))
    plan = CurationPlan(verified_only=False, prune_steps=0.6)
    path = write_reasonings(tmp_path)
    estimate = (await data.collect([path], plan)).pruning
    assert estimate is not None
    assert (estimate.requests, engine.requests) == (45, [])
    made = await data.build([path], plan, "short")
    assert len(engine.requests) == 45
    samples, prunings, card = data.samples("short"), data.prunings("short"), data.card("short")
    assert len(samples) == len(prunings) == 10
    assert {CHECK in each.reasoning or OTHER in each.reasoning for each in samples} == {False}
    assert prunings[0].question == samples[0].question
    assert [step.is_pruned for step in prunings[0].steps] == [False, True, True, False, False, False]
    assert made.reports[-1].step == "prune"
    assert "kept whole, open question, without options: 1" in made.reports[-1].examples
    assert card.pruning is not None
    assert (card.pruning.model, card.pruning.pruned_samples) == ("toy", 9)
    text = (made.path / "card.md").read_text()
    assert "## Pruned reasoning" in text
    assert "| verification | 9 | 9 | 100% |" in text
    assert "| open question, without options | 1 |" in text
    # Another version asks nothing again; one without pruning has no record of it.
    await data.build([path], plan, "short")
    assert len(engine.requests) == 45
    await data.build([path], CurationPlan(verified_only=False), "short")
    assert (data.prunings("short:v3"), data.card("short:v3").pruning) == ((), None)
    (made.path / "pruning.jsonl").write_text("[]")
    with pytest.raises(DataSetRefused, match="damaged"):
        data.prunings("short:v1")
    for version in (1, 2, 3):
        await data.delete(f"short:v{version}")
    assert not (settings.home / "training-data" / "short").exists()


async def test_pruning_needs_models(training_data: TrainingDataService, tmp_path: Path) -> None:
    plan = CurationPlan(verified_only=False, prune_steps=0.6)
    with pytest.raises(PruningRefused, match="no engine to ask"):
        await training_data.collect([write_reasonings(tmp_path)], plan)
