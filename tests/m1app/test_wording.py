import math

import pytest

from m1app import wording
from m1app.wording import Verdict


@pytest.mark.parametrize(
    ("letter", "is_correct", "has_options", "verdict", "words", "label"),
    [
        ("A", True, True, Verdict.RIGHT, "A, right", "✓ Right: A"),
        ("B", False, True, Verdict.WRONG, "B, wrong", "✗ Wrong: B, target A"),
        (None, False, True, Verdict.UNANSWERED, "no option chosen", "✗ No option chosen, target A"),
        (None, None, True, Verdict.UNANSWERED, "no option chosen", "No option chosen"),
        ("B", None, True, Verdict.UNSCORED, "B, not scored", "Chosen option: B"),
        (None, None, False, Verdict.UNSCORED, "not scored", "Not scored"),
    ],
)
def test_every_judged_answer_has_a_verdict_and_its_words(
    letter: str | None, is_correct: bool | None, has_options: bool, verdict: Verdict, words: str, label: str
) -> None:
    assert wording.verdict_of(letter, is_correct, has_options) is verdict
    assert wording.verdict_with_letter(letter, verdict) == words
    assert wording.verdict_label(letter, is_correct, "A", has_options) == label


def test_a_label_can_say_why_no_option_was_recognised() -> None:
    label = wording.verdict_label(None, False, "A", reason="the answer names none of these")
    assert label == "✗ No option chosen (the answer names none of these), target A"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (-1, "0 s"),
        (4.25, "4.2 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (89.4, "89 s"),
        (90, "2 min"),
        (3540, "59 min"),
        (3599, "1 h 00 min"),
        (3600 * 26 + 180, "26 h 03 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_durations_are_read_at_a_glance(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (93_000_000, "93.0 MB"), (98_400_000_000_000, "98,400 GB")],
)
def test_sizes_are_read_at_a_glance(count: int, text: str) -> None:
    assert wording.size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(None, "unknown"), (0, "unknown"), (1_240_000, "1.2M"), (494_032_768, "494M"), (7_615_616_512, "7.6B")],
)
def test_parameters_are_counted_as_model_cards_do(count: int | None, text: str) -> None:
    assert wording.parameter_count(count) == text


def test_nouns_follow_their_number() -> None:
    assert wording.counted(1, "round") == "1 round"
    assert wording.counted(1200, "question") == "1,200 questions"
    assert wording.counted(2, "pass", "passes") == "2 passes"
    assert wording.cell(4096, 1) == "4,096 tokens, 1 round"


def test_the_share_of_nothing_is_a_dash() -> None:
    assert (wording.percent(math.nan), wording.percent(0.625), wording.percent(0.625, 0)) == ("–", "62.5%", "62%")
    assert wording.percent_with_interval(0.62, 0.551, 0.684) == "62.0% (55.1% to 68.4%)"


def test_differences_always_have_a_sign() -> None:
    assert (wording.points(0.05), wording.points(-0.05)) == ("+5.0", "\N{MINUS SIGN}5.0")
    assert (wording.points(0.0), wording.points(0.0004), wording.points(-0.0004)) == ("0.0", "0.0", "0.0")


def test_p_values_are_never_zero() -> None:
    assert [wording.p_value(p) for p in (0.0, 1.0, 0.001)] == ["p < 0.001", "p = 1.000", "p = 0.001"]


def test_the_account_compares_with_separate_runs_where_it_can() -> None:
    compared = "40 tokens generated in 2.5 s; separate runs of every cell: 100 tokens, 2.5 times as many"
    assert wording.tokens_account(40, 2.5, 100) == compared
    assert wording.tokens_account(0, 2.5, 0) == "0 tokens generated in 2.5 s"


@pytest.mark.parametrize(
    ("rule", "words", "text"),
    [
        (
            "stated: answer is (en)",
            "the answer is C",
            "Read from “the answer is C”: a statement of the answer, in English.",
        ),
        (
            "stated: is right (es)",
            "C es correcta",
            "Read from “C es correcta”: a statement of what is right, in Spanish.",
        ),
        ("boxed: box", "\\boxed{C}", "Read from “\\boxed{C}”: the answer's box."),
        ("field: tag", "<answer>C</answer>", "Read from “<answer>C</answer>”: a tag or a field."),
        ("line: whole answer", "C", "Read from “C”: a separate line, or the end of the answer."),
        ("stated: a rule of later (xx)", "C", "Read from “C”: a statement."),
        ("unsettled: answer is (en)", "perhaps C", "Found “perhaps C”, but no option for certain."),
        ("most_similar", "", "Read from a guess: the option most like the answer."),
        ("no_answer", "", ""),
        (None, None, ""),
    ],
)
def test_what_a_letter_rests_on_is_said_in_plain_words(rule: str | None, words: str | None, text: str) -> None:
    assert wording.basis_label(rule, words) == text


def test_every_basis_and_rule_has_its_words() -> None:
    from m1app.question.answers.claim_judgements import RULE_NAMES
    from m1app.question.answers.claims import How
    from m1app.question.answers.m1_scorer import How as HowOfM1

    without_letter = {
        How.AMBIGUOUS,
        How.UNCLEAR_SET,
        How.UNSETTLED,
        How.NOT_AN_OPTION,
        How.NO_ANSWER,
        How.OPEN_QUESTION,
    }
    hows = [*(each for each in How if each not in without_letter), *HowOfM1]
    assert all(wording.basis_label(how.value, "").startswith("Read from ") for how in hows)
    statement = wording.basis_label("stated", "C")
    assert all(wording.basis_label(f"stated: {name} (en)", "C") != statement for name in RULE_NAMES.values())
