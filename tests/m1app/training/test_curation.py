"""Curation: what each step drops, what it says of it, and that the same plan gives the same data."""

import pytest
from pydantic import ValidationError

from m1app.training.curation import Curated, CurationPlan, curate
from m1app.training.curation_steps import StepReport, comparable_text
from m1app.training.errors import TooLittleData
from m1app.training.samples import TrainingSample, question_hash
from tests.m1app.training.training_cases import OPTIONS, a_sample, some_samples

SHARED = "A man of sixty has chest pain that spreads to his left arm, and sweats. What is the next step?"


def report(curated: Curated, step: str) -> StepReport:
    (found,) = [each for each in curated.reports if each.step == step]
    return found


def test_first_of_samples_that_ask_the_same_is_kept() -> None:
    first = a_sample(source="one")
    again = a_sample(
        source="two",
        question=first.question.upper(),
        options=dict(zip("ABC", list(OPTIONS.values())[::-1], strict=True)),
        target="C",
        answer="C",
    )
    curated = curate([first, again, *some_samples(8)], CurationPlan(), evaluation={})
    assert [sample.source for sample in curated.samples if "cortisol" in sample.question] == ["one"]
    found = report(curated, "deduplicate")
    assert (found.before, found.kept) == (10, 9)
    assert "1 samples repeat an earlier question" in found.title
    assert "two; first in one" in found.examples[0]


def test_of_several_reasonings_the_first_that_reaches_the_target_is_kept() -> None:
    wrong, right = a_sample(answer="The answer is B."), a_sample(answer="The answer is A.", source="second")
    curated = curate([wrong, right, a_sample(source="third"), *some_samples(8)], CurationPlan(), evaluation={})
    assert [sample.source for sample in curated.samples if "cortisol" in sample.question] == ["second"]


def test_question_of_an_evaluation_set_is_dropped_and_shown_beside_its_counterpart() -> None:
    ours = a_sample(question=SHARED)
    sets = {
        "MedQA": [SHARED.replace("sixty", "seventy"), "Something else entirely is asked in this one here?"],
        "NEJM": [],
    }
    curated = curate([ours, *some_samples(8)], CurationPlan(), evaluation=sets)
    assert ours not in curated.samples
    found = report(curated, "overlap")
    assert (found.before, found.kept) == (9, 8)
    ((here, there, share),) = found.pairs
    assert here == SHARED
    assert there.startswith("MedQA: A man of seventy")
    assert 0.5 < share < 1.0
    assert "overlap with one of 2 evaluation sets (at least 30% of their runs of 8 words)" in found.title
    assert "MedQA: 1" in found.title


def test_short_questions_overlap_only_with_their_options() -> None:
    short = a_sample(question="Which is true?")
    other = comparable_text("Which is true?", {"A": "Bile is blue", "B": "Blood is green"})
    same = comparable_text("Which is true?", OPTIONS)
    plan = CurationPlan()
    assert short in curate([short, *some_samples(8)], plan, evaluation={"x": [other]}).samples
    assert short not in curate([short, *some_samples(8)], plan, evaluation={"x": [same]}).samples


def test_overlap_can_be_left_out() -> None:
    curated = curate(
        [a_sample(question=SHARED)] * 8, CurationPlan(overlap_ngram=0, deduplicate=False), evaluation={"x": [SHARED]}
    )
    assert len(curated.samples) == 8
    assert "overlap" not in [each.step for each in curated.reports]


def test_what_a_model_answers_already_is_dropped() -> None:
    samples = some_samples(10)
    easy = [question_hash(sample.question, sample.options) for sample in samples[:2]]
    plan = CurationPlan(exclude_answered_by_run="r1")
    curated = curate(samples, plan, evaluation={}, answered=easy)
    assert curated.samples == tuple(samples[2:])
    assert "2 questions were answered right in benchmark run r1" in report(curated, "difficulty").title


@pytest.mark.parametrize(("is_verified_only", "kept"), [(True, 8), (False, 10)])
def test_contradictions_are_counted_shown_and_never_kept(is_verified_only: bool, kept: int) -> None:
    wrong = [a_sample(question=f"Wrong {n}?", answer="The answer is B.") for n in range(3)]
    silent = a_sample(question="Silent?", answer="Who knows.")
    unknown = a_sample(question="Open?", options={}, target=None)
    samples = [*some_samples(8), silent, *wrong, unknown]
    curated = curate(samples, CurationPlan(verified_only=is_verified_only), evaluation={})
    found = report(curated, "verify")
    assert (found.before, found.kept) == (13, kept)
    assert "8 answers agree with their target, 3 contradict it, 1 name no single option, 1 have nothing" in found.title
    dropped = ["contradicts"] * 3 + ["unstated", "uncheckable"] * is_verified_only
    assert [each.partition(":")[0] for each in found.examples] == dropped
    assert [each.why for each in found.unverified][:3] == ["names another option"] * 3
    assert len(found.unverified) == len(dropped)
    assert "target A. Adrenal gland | answer ends: The answer is B." in found.examples[0]


def test_a_person_can_keep_single_samples_that_were_not_verified() -> None:
    silent = a_sample(question="Silent?", answer="It is made in the cortex.")
    wrong = a_sample(question="Wrong?", answer="The answer is B.")
    samples = [*some_samples(8), silent, wrong]
    before = report(curate(samples, CurationPlan(), evaluation={}), "verify")
    keys = {each.question: each.key for each in before.unverified}
    curated = curate(samples, CurationPlan(keep=(keys["Silent?"],)), evaluation={})
    assert curated.samples == tuple(samples[:9])
    found = report(curated, "verify")
    assert [(each.question, each.is_kept) for each in found.unverified] == [("Wrong?", False), ("Silent?", True)]
    assert "only those that agree are kept, and 1 by hand" in found.title


def test_too_long_and_too_short_are_dropped_whole_and_counted() -> None:
    long = a_sample(question="Long?", reasoning="word " * 50)
    terse = a_sample(question="Terse?", reasoning=" \n")
    mute = a_sample(question="Mute?", answer="")
    plan = CurationPlan(max_tokens=60, verified_only=False)
    curated = curate(
        [*some_samples(8), long, terse, mute], plan, evaluation={}, count_tokens=lambda text: len(text.split())
    )
    assert all(sample in curated.samples for sample in some_samples(8))
    assert len(curated.samples) == 8
    found = report(curated, "length")
    assert found.examples[0].endswith("tokens: Long?")
    assert "2 have fewer than 1 characters" in found.title
    assert "1 have more than 60 tokens" in found.title


def test_without_a_tokenizer_what_may_be_too_long_is_kept_and_said() -> None:
    plan = CurationPlan(max_tokens=200)
    curated = curate([*some_samples(8), a_sample(reasoning="word " * 50)], plan, evaluation={})
    assert len(curated.samples) == 9
    assert "may have more and are counted when a fine-tuning run is planned" in report(curated, "length").title
    assert "may have more" not in report(curate(some_samples(8), CurationPlan(), evaluation={}), "length").title


def test_same_seed_gives_the_same_data_and_another_seed_other_data() -> None:
    def drawn(seed: int) -> tuple[TrainingSample, ...]:
        return curate(some_samples(60), CurationPlan(limit=20, seed=seed), evaluation={}).samples

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("count", [0, 7])
def test_fewer_than_eight_samples_are_refused_with_what_dropped_them(count: int) -> None:
    wrong = [a_sample(question=f"Wrong {n}?", answer="The answer is B.") for n in range(5)]
    with pytest.raises(TooLittleData) as caught:
        curate([*some_samples(count), *wrong], CurationPlan(), evaluation={})
    message = str(caught.value)
    assert message.startswith(f"{count} of {count + 5} samples are left, but fine-tuning needs at least 8")
    assert "5 at verify" in message
    assert "deduplicate" not in message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlap_ngram": 13}, "must be 8, or 0"),
        ({"balance": "domain"}, "needs a limit"),
        ({"limit": 3}, "limit"),
        ({"balance": "age", "limit": 10}, "balance"),
        ({"shuffle": True}, "shuffle"),
    ],
)
def test_plan_that_makes_no_sense_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CurationPlan.model_validate(changes)
