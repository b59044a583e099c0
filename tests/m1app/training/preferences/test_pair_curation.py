"""Curation of preference pairs: what is dropped, and why."""

import pytest
from pydantic import ValidationError

from m1app.training.curation import Curated, CurationPlan
from m1app.training.curation_steps import StepReport
from m1app.training.errors import TooLittleData
from m1app.training.preferences.pair_curation import curate_pairs, why_no_preference
from m1app.training.preferences.pairs import PairSource, PreferencePair, Response
from tests.m1app.training.preferences.pair_cases import PAIR, a_pair, some_pairs

PLAN = CurationPlan(pairs=("passes",))
RIGHT, OTHER_RIGHT = Response("So A.", "The answer is A."), Response("It must be A.", "The answer is A.")
WRONG, OTHER_WRONG = Response("So B.", "The answer is B."), Response("So C.", "The answer is C.")
EXCEPT, RISKS = "Each of these raises the risk of a stroke, except:", {"A": "Hay fever", "B": "Smoking"}
SILENT = Response("Hm.", "That depends on the patient.")


def curated(*pairs: PreferencePair, plan: CurationPlan = PLAN, **evaluation: list[str]) -> Curated:
    return curate_pairs([*some_pairs(8), *pairs], plan, evaluation=evaluation)


def report(found: Curated, step: str) -> StepReport:
    (report,) = [each for each in found.reports if each.step == step]
    return report


@pytest.mark.parametrize(
    ("chosen", "rejected", "source", "why"),
    [
        (RIGHT, WRONG, "passes", ""),
        (RIGHT, SILENT, "passes", ""),
        (RIGHT, OTHER_RIGHT, "passes", "both are right"),
        (OTHER_WRONG, WRONG, "passes", "both are wrong"),
        (WRONG, RIGHT, "passes", "the better answer is wrong"),
        (SILENT, WRONG, "passes", "the better answer names no single option"),
        # A response in which people found an error is wrong, even if its letter is right.
        (RIGHT, OTHER_RIGHT, "corrections", ""),
        (RIGHT, OTHER_RIGHT, "disputes", ""),
        (OTHER_WRONG, WRONG, "disputes", "both are wrong"),
    ],
)
def test_a_pair_says_which_response_is_better_or_why_it_does_not(
    chosen: Response, rejected: Response, source: str, why: str
) -> None:
    pair = a_pair(chosen=chosen, rejected=rejected, source=PairSource(source))
    assert why_no_preference(pair) == why


def test_where_the_exception_is_asked_for_a_pair_is_read_as_samples_are() -> None:
    chosen, rejected = (Response("So.", f"{each} does not raise the risk of a stroke.") for each in RISKS.values())
    pair = a_pair(question=EXCEPT, options=RISKS, target="A", chosen=chosen, rejected=rejected)
    assert why_no_preference(pair) == ""


def test_without_a_target_a_pair_is_kept_only_on_request() -> None:
    pair = a_pair(options={}, target=None, source=PairSource.CORRECTIONS)
    assert why_no_preference(pair) == "the better answer has nothing to check against"
    assert why_no_preference(pair, is_verified_only=False) == ""


def test_pairs_without_a_difference_and_of_one_verdict_are_dropped_and_listed() -> None:
    found = curated(
        a_pair(chosen=RIGHT, rejected=Response("So  A.", "The answer is A.\n"), question="Same?"),
        a_pair(chosen=RIGHT, rejected=OTHER_RIGHT, question="Both right?"),
        a_pair(chosen=WRONG, rejected=OTHER_WRONG, question="Both wrong?"),
    )
    assert len(found.pairs) == 8
    assert [each.question for each in found.samples] == [each.question for each in found.pairs]
    same, verdicts = report(found, "difference"), report(found, "verify")
    assert [(each.why, each.question) for each in same.unverified] == [("the two responses are the same", "Same?")]
    assert [(each.why, each.question) for each in verdicts.unverified] == [
        ("both are right", "Both right?"),
        ("both are wrong", "Both wrong?"),
    ]
    assert not any(each.can_keep for each in (*same.unverified, *verdicts.unverified))
    assert "both are right: 1" in verdicts.title


def test_questions_of_evaluation_sets_are_dropped() -> None:
    stem = "A man of sixty has chest pain that spreads to his left arm, and sweats. What is the next step?"
    found = curated(a_pair(question=stem), MedQA=[stem])
    assert report(found, "overlap").kept == 8
    assert "MedQA: 1" in report(found, "overlap").title


def test_a_pair_whose_worse_response_is_too_long_is_dropped() -> None:
    long = a_pair(rejected=Response("word " * 2000, "The answer is B."))
    found = curate_pairs(
        [*some_pairs(8), long],
        CurationPlan(pairs=("passes",), max_tokens=1000),
        evaluation={},
        count_tokens=lambda text: len(text.split()),
    )
    assert report(found, "length").kept == 8
    assert "of the responses, " in report(found, "length").title


def test_of_one_question_the_first_pairs_are_kept_so_that_corrections_win() -> None:
    corrected = a_pair(chosen=OTHER_RIGHT, source=PairSource.CORRECTIONS)
    passes = [a_pair(rejected=Response(f"Thought {number}.", "The answer is B.")) for number in range(3)]
    plan = CurationPlan(pairs=("passes", "corrections"), pairs_per_question=2)
    found = curated(corrected, corrected, *passes, plan=plan)
    of_one = [each.source for each in found.pairs if each.question == PAIR.question]
    assert of_one == [PairSource.CORRECTIONS, PairSource.PASSES]
    assert report(found, "deduplicate").examples[0].startswith("the same pair")


def test_a_draw_is_the_same_each_time() -> None:
    plan = CurationPlan(pairs=("passes",), limit=8, seed=3)
    pairs = some_pairs(20)
    found = [curate_pairs(pairs, plan, evaluation={}).pairs for _ in range(2)]
    assert found[0] == found[1]
    assert len(found[0]) == 8


def test_too_few_pairs_are_refused_with_what_dropped_them() -> None:
    stem = "A man of sixty has chest pain that spreads to his left arm, and sweats. What is the next step?"
    with pytest.raises(TooLittleData, match="1 of 2 preference pairs are left") as refused:
        curate_pairs([PAIR, a_pair(question=stem)], PLAN, evaluation={"MedQA": [stem]})
    assert "--learn-from SET" in str(refused.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"pairs": ["passes"], "facts_alone": True}, "facts_alone is for samples"),
        ({"pairs": ["passes"], "prune_steps": 0.5}, "prune_steps is for samples"),
        ({"pairs": ["passes"], "keep": ["abc"]}, "keep is for samples"),
        ({"pairs": ["passes"], "exclude_answered_by_run": "r"}, "exclude_answered_by_run is for samples"),
        ({"pairs_per_question": 2}, "pairs_per_question is for preference pairs"),
        ({"pairs": ["guesses"]}, "corrections"),
    ],
)
def test_a_plan_refuses_what_does_not_apply(values: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CurationPlan.model_validate(values)
