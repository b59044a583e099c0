"""Preference pairs from the database, as data sets."""

from dataclasses import replace
from pathlib import Path

import pytest

from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from m1app.settings import Settings
from m1app.training.curation import CurationPlan
from m1app.training.data_building import TrainingDataService
from m1app.training.errors import DataSetRefused, InvalidTrainingData
from m1app.training.preferences.from_database import read_pairs
from m1app.training.preferences.pairs import PairSource, PreferencePair
from models.profiles import load_profiles
from storage.annotations.records import Annotation
from storage.database import Database
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason
from storage.trash.records import TrashKind
from tests.m1app.annotation.cases import stored_trace
from tests.m1app.annotation.test_service import mark
from tests.m1app.training.preferences.pair_cases import stem_of, stored, stored_contrasts
from tests.m1app.training.training_cases import OPTIONS
from tests.storage.samples import COMPLETED, begin, discard, finish, think

PASSES = CurationPlan(pairs=("passes",))
CORRECTED = "The troponin\n\nSo the answer is B. Electrocardiogram"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(f"sqlite:///{tmp_path}/m1.db")
    database.migrate()
    return database


@pytest.fixture
def annotations(database: Database) -> AnnotationService:
    return AnnotationService(database, load_taxonomy())


@pytest.fixture
def training_data(database: Database, tmp_path: Path, no_settings: None) -> TrainingDataService:
    return TrainingDataService(database, Settings(home=tmp_path / "home"), load_profiles())


def found(database: Database, source: PairSource, most: int = 4) -> tuple[list[PreferencePair], dict[str, int]]:
    with database.session(is_read_only=True) as session:
        made = read_pairs(session, source, most)
    return made.pairs, dict(made.left_out)


def test_a_right_and_a_wrong_pass_of_one_question_are_a_pair(database: Database) -> None:
    stored(database, "Mixed?", "B")
    stored(database, "Mixed?", "A")
    stored(database, "Only right?", "A")
    stored(database, "Only wrong?", "B")
    ([pair], left_out) = found(database, PairSource.PASSES)
    assert (pair.question, pair.options, pair.target, pair.domain) == ("Mixed?", OPTIONS, "A", "Endocrine")
    assert (pair.chosen.reasoning, pair.chosen.answer) == ("About Mixed? as A", "The answer is A.")
    assert (pair.rejected.reasoning, pair.rejected.answer) == ("About Mixed? as B", "The answer is B.")
    assert (pair.source, len(pair.question_id)) == (PairSource.PASSES, 32)
    assert left_out == {"a model answered a question only right, or only wrong": 2}


def test_passes_of_different_models_are_no_pair(database: Database) -> None:
    stored(database, "Mixed?", "B", model="smollm2-135m")
    stored(database, "Mixed?", "A", model="m1-7b")
    assert found(database, PairSource.PASSES)[0] == []


def test_only_passes_that_ended_by_themselves_count(database: Database) -> None:
    stored(database, "Mixed?", "A")
    edit = Segment(kind=SegmentKind.EDIT, text="So B.", token_ids=(9,), token_count=1)
    stored(database, "Mixed?", "B", thinking_finish_reason=ThinkingFinishReason.BUDGET)
    stored(database, "Mixed?", "B", finish_reason="budget")
    stored(database, "Mixed?", "B", more=(edit,))
    discard(database, TrashKind.TRACE, stored(database, "Mixed?", "B"))
    assert found(database, PairSource.PASSES)[0] == []


def test_each_pass_is_in_one_pair_and_repeated_ones_count_once(database: Database) -> None:
    for letter, thought in (("A", "one"), ("A", "one"), ("A", "two"), ("A", "three"), ("B", "four"), ("B", "five")):
        stored(database, "Mixed?", letter, thought)
    pairs, _ = found(database, PairSource.PASSES)
    assert [(each.chosen.reasoning, each.rejected.reasoning) for each in pairs] == [("one", "four"), ("two", "five")]
    assert len(found(database, PairSource.PASSES, 1)[0]) == 1


async def corrected(
    annotations: AnnotationService, case_id: str, who: str = "Ada", fact: str = "troponin"
) -> Annotation:
    made = await mark(annotations, case_id, who, corrected_fact=fact)
    await annotations.submit(case_id, who)
    [kept] = [each for each in (await annotations.open(case_id, who)).own if each.id == made.id]
    return kept


async def test_a_correction_is_a_pair_of_before_and_after(database: Database, annotations: AnnotationService) -> None:
    case_id = stored_trace(database)  # thinks of the ECG, concludes B, and answers A, which is wrong
    await corrected(annotations, case_id)
    ([pair], _) = found(database, PairSource.CORRECTIONS)
    assert pair.rejected.reasoning.startswith("The ECG")
    assert pair.rejected.answer == "The answer is A."
    assert (pair.chosen.reasoning, pair.chosen.answer) == (CORRECTED, "The answer is B. Electrocardiogram")


async def test_a_right_pass_with_a_corrected_error_is_nothing_to_learn(
    database: Database, annotations: AnnotationService
) -> None:
    ended = replace(COMPLETED, answer_letter="A", is_correct=True)
    question = NewQuestion(stem="Mixed?", options=OPTIONS, target="A")
    stored(database, "Mixed?", "B")
    flawed = begin(database, question, model="m1-7b")
    said = Segment(
        kind=SegmentKind.ANSWER, text="The answer is A.", token_ids=(9,), token_count=1, finish_reason="stop"
    )
    finish(database, flawed, think("The ECG 🫀 says A."), said, outcome=ended)
    assert len(found(database, PairSource.PASSES)[0]) == 1
    await corrected(annotations, flawed.id)
    pairs, left_out = found(database, PairSource.PASSES)
    assert pairs == []
    assert left_out["every right answer of a model to a question has a corrected error"] == 1


async def disputed(annotations: AnnotationService, case_id: str, is_upheld: bool | None) -> None:
    made = await corrected(annotations, case_id)
    await mark(annotations, case_id, "Eve", labels=["bias"])
    await annotations.submit(case_id, "Eve")
    await annotations.dispute(made.id, "Eve", "It is right.")
    if is_upheld is not None:
        await annotations.adjudicate(made.id, "Zoe", is_upheld=is_upheld, reason="I looked it up.")


async def test_an_upheld_correction_is_better_than_what_it_corrects(
    database: Database, annotations: AnnotationService
) -> None:
    await disputed(annotations, stored_trace(database), True)
    ([pair], left_out) = found(database, PairSource.DISPUTES)
    assert (pair.chosen.reasoning, pair.source) == (CORRECTED, PairSource.DISPUTES)
    assert pair.rejected.answer == "The answer is A."
    assert left_out == {}


async def test_a_rejected_correction_is_worse_than_the_text_without_it(
    database: Database, annotations: AnnotationService
) -> None:
    await disputed(annotations, stored_trace(database), False)
    ([pair], _) = found(database, PairSource.DISPUTES)
    assert pair.chosen.reasoning.startswith("The ECG")
    assert pair.rejected.reasoning.startswith("The troponin")
    assert pair.chosen.answer == pair.rejected.answer
    assert found(database, PairSource.CORRECTIONS)[0] == []


async def test_an_open_dispute_is_no_pair_yet(database: Database, annotations: AnnotationService) -> None:
    await disputed(annotations, stored_trace(database), None)
    assert found(database, PairSource.DISPUTES) == ([], {"a dispute is not decided yet": 1})


async def test_pairs_become_a_data_set_of_their_own_kind(
    training_data: TrainingDataService, database: Database
) -> None:
    stored_contrasts(database, 9)
    made = await training_data.build([], PASSES, "preferred")
    assert (made.id, made.samples, made.kind) == ("preferred:v1", 9, "pairs")
    pairs = training_data.pairs("preferred")
    assert training_data.read("preferred") == pairs
    assert {each.question for each in pairs} == {stem_of(number) for number in range(9)}
    with pytest.raises(DataSetRefused, match="holds preference pairs, not samples"):
        training_data.samples("preferred")
    card = training_data.card_text("preferred")
    assert "9 preference pairs" in card and "right and wrong passes of one question" in card
    assert "Samples keep the licence of their source" in card
    assert any("Only 9 preference pairs" in each for each in training_data.card("preferred").warnings)
    again = await training_data.build([], PASSES, "preferred")
    assert (again.id, again.sha256) == ("preferred:v2", made.sha256)


async def test_pairs_of_evaluated_questions_are_left_out_unless_the_set_may_be_learned_from(
    training_data: TrainingDataService, database: Database
) -> None:
    stored_contrasts(database, 9)
    questions = [NewQuestion(stem=stem_of(number), options=OPTIONS, target="A", source="exam") for number in range(9)]
    with database.session() as session:
        QuestionSetRepository(session).add("exam", "test", "m1", "", questions)
    with pytest.raises(Exception, match="0 of 9 preference pairs are left"):
        await training_data.collect([], PASSES)
    found = await training_data.collect([], PASSES.model_copy(update={"learn_from": ("exam",)}))
    assert len(found.curated.pairs) == 9


async def test_a_preview_shows_both_responses(training_data: TrainingDataService, database: Database) -> None:
    stored_contrasts(database, 8)
    await training_data.build([], PASSES, "preferred")
    shown = (await training_data.preview("preferred", "m1", limit=1)).samples[0].rendered
    assert shown.completion.endswith("\\boxed{A}<|im_end|>")
    assert shown.rejected and shown.rejected.completion.endswith("\\boxed{B}<|im_end|>")


async def test_without_any_pair_it_says_where_they_come_from(training_data: TrainingDataService) -> None:
    with pytest.raises(InvalidTrainingData, match="There are no preference pairs yet"):
        await training_data.collect([], CurationPlan(pairs=("passes", "corrections", "disputes")))


async def test_sources_of_samples_are_refused(training_data: TrainingDataService) -> None:
    with pytest.raises(InvalidTrainingData, match="leave out files"):
        await training_data.collect([], PASSES, with_own_traces=True)


async def test_changed_pairs_are_refused(training_data: TrainingDataService, database: Database) -> None:
    stored_contrasts(database, 8)
    made = await training_data.build([], PASSES, "preferred")
    path = made.path / "pairs.jsonl"
    path.write_text(path.read_text().replace("answer is A", "answer is C"))
    with pytest.raises(DataSetRefused, match="has changed since"):
        training_data.pairs("preferred")
