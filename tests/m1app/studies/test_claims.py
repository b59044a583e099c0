"""Claims against scipy and statsmodels, used directly here."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest, norm
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from m1app.benchmark.statistics import adjusted_wald, compare_counts
from m1app.studies.claim_statistics import ALPHA, Scores, alpha_of_look, examine_share, examine_sides
from m1app.studies.claims import ClaimData, outcomes_of
from m1app.studies.records import ClaimOutcome, Verdict
from m1app.studies.study_file import Claim, ClaimKind, PaperNumber, Side
from m1app.studies.words import over_sets_words
from m1app.wording import points


def scores(text: str, passes: int = 1) -> Scores:
    """A question for each digit, which is its number of right passes."""
    return {("set", f"{number}"): (int(right), passes) for number, right in enumerate(text)}


def pair(both: int, lost: int, gained: int, neither: int) -> tuple[Scores, Scores]:
    first = "1" * both + "1" * lost + "0" * gained + "0" * neither
    second = "1" * both + "0" * lost + "1" * gained + "0" * neither
    return scores(first), scores(second)


def claim(kind: ClaimKind = ClaimKind.GAIN, **changes: Any) -> Claim:
    sides = {"first": Side(budget=128), "second": Side(budget=512)}
    if kind is ClaimKind.ONE_FACT_EXPLAINS:
        sides = {}
    if kind is ClaimKind.SATURATES:
        sides["beyond"] = Side(budget=2048)
    fields: dict[str, Any] = {"id": kind.value, "text": "It does.", "kind": kind, "refuted_by": "No difference."}
    return Claim(**fields | {"run": "main", "model": "small"} | sides | changes)


def outcome(kind: ClaimKind, *sides: Scores, **changes: Any) -> ClaimOutcome:
    (found,) = outcomes_of([ClaimData(claim(kind, **changes), sides)])
    return found


def test_a_gain_is_tested_by_the_exact_mcnemar_test_with_one_side() -> None:
    found = examine_sides(ClaimKind.GAIN, pair(60, 8, 25, 7), 0.01)
    assert found is not None
    two_sided = mcnemar([[60, 8], [25, 7]], exact=True).pvalue
    assert found.p == pytest.approx(two_sided / 2) == pytest.approx(binomtest(25, 33, alternative="greater").pvalue)
    assert (found.estimate, found.n, found.gained, found.lost) == (pytest.approx(0.17), 100, 25, 8)
    expected = compare_counts(both=60, lost=8, gained=25, neither=7)
    assert (found.low, found.high) == (expected.low, expected.high)


@pytest.mark.parametrize("margin", [0.01, 0.05, 0.2])
def test_a_margin_is_tested_by_the_wald_test_whose_interval_is_that_of_bonett_and_price(margin: float) -> None:
    found = examine_sides(ClaimKind.NO_GAIN, pair(60, 8, 10, 22), margin)
    assert found is not None
    low, high = adjusted_wald(10, 8, 100, 0.95)
    middle, spread = (low + high) / 2, (high - low) / 2 / norm.ppf(0.975)
    assert found.p == pytest.approx(norm.cdf((middle - margin) / spread))
    assert found.p_against == pytest.approx(norm.sf((middle - margin) / spread))
    assert (found.p <= ALPHA) is (high <= margin)


def test_harm_is_the_mirror_image_of_a_gain() -> None:
    first, second = pair(60, 8, 25, 7)
    gain, harm = (
        examine_sides(ClaimKind.GAIN, (first, second), 0.02),
        examine_sides(ClaimKind.HARM, (second, first), 0.02),
    )
    assert gain is not None and harm is not None
    assert (harm.p, harm.p_against) == (pytest.approx(gain.p), pytest.approx(gain.p_against))
    assert harm.estimate == pytest.approx(-gain.estimate)


def test_passes_of_a_question_are_one_cluster() -> None:
    first, second = scores("0123" * 20, 4), scores("2244" * 20, 4)
    found = examine_sides(ClaimKind.GAIN, (first, second), 0.01)
    assert found is not None
    differences = np.array([2, 1, 2, 1] * 20 + [4, -4]) / 4
    z = differences.mean() / (differences.std() / math.sqrt(82))
    assert found.p == pytest.approx(norm.sf(z))
    assert (found.estimate, found.n) == (pytest.approx(0.375), 80)


def test_answers_that_turn_wrong_are_a_share_of_the_right_ones() -> None:
    found = examine_sides(ClaimKind.BREAKS, pair(90, 10, 40, 60), 0.05)
    assert found is not None
    assert (found.estimate, found.n) == (0.1, 100)
    assert found.p == pytest.approx(binomtest(10, 100, 0.05, alternative="greater").pvalue)
    assert found.p_against == pytest.approx(binomtest(10, 100, 0.05, alternative="less").pvalue)
    assert (found.low, found.high) == pytest.approx(proportion_confint(10, 100, method="wilson"))


def test_saturation_asks_for_a_rise_and_for_no_further_one() -> None:
    low, middle = pair(50, 5, 40, 5)
    _, beyond = pair(50, 5, 40, 5)
    found = examine_sides(ClaimKind.SATURATES, (low, middle, beyond), 0.05)
    rise, flat = (
        examine_sides(ClaimKind.GAIN, (low, middle), 0.05),
        examine_sides(ClaimKind.NO_GAIN, (middle, beyond), 0.05),
    )
    assert found is not None and rise is not None and flat is not None
    assert found.p == max(rise.p, flat.p)
    assert found.p_against == min(1.0, 2 * min(rise.p_against, flat.p_against))
    assert found.estimate == 0


@pytest.mark.parametrize(
    ("kind", "counts", "margin", "verdict"),
    [
        (ClaimKind.GAIN, (60, 5, 30, 5), 0.01, Verdict.HOLDS),
        (ClaimKind.GAIN, (60, 30, 5, 5), 0.01, Verdict.DOES_NOT_HOLD),
        (ClaimKind.GAIN, (500, 3, 3, 500), 0.05, Verdict.DOES_NOT_HOLD),
        (ClaimKind.GAIN, (60, 10, 13, 17), 0.01, Verdict.NOT_DECIDABLE),
        (ClaimKind.BETTER, (60, 5, 30, 5), 0.01, Verdict.HOLDS),
        (ClaimKind.NO_GAIN, (500, 3, 3, 500), 0.05, Verdict.HOLDS),
        (ClaimKind.NO_GAIN, (60, 5, 30, 5), 0.05, Verdict.DOES_NOT_HOLD),
        (ClaimKind.NO_GAIN, (6, 1, 1, 2), 0.05, Verdict.NOT_DECIDABLE),
        (ClaimKind.HARM, (60, 30, 5, 5), 0.01, Verdict.HOLDS),
        (ClaimKind.HARM, (60, 5, 30, 5), 0.01, Verdict.DOES_NOT_HOLD),
        (ClaimKind.BREAKS, (80, 20, 0, 10), 0.05, Verdict.HOLDS),
        (ClaimKind.BREAKS, (500, 0, 0, 10), 0.05, Verdict.DOES_NOT_HOLD),
        (ClaimKind.BREAKS, (9, 1, 0, 2), 0.05, Verdict.NOT_DECIDABLE),
    ],
)
def test_a_claim_holds_does_not_or_cannot_be_decided(
    kind: ClaimKind, counts: tuple[int, int, int, int], margin: float, verdict: Verdict
) -> None:
    found = outcome(kind, *pair(*counts), margin=margin)
    assert found.verdict is verdict, found
    assert ("shows neither" in found.why) is (verdict is Verdict.NOT_DECIDABLE)


def test_p_values_are_corrected_over_the_claims_that_were_measured() -> None:
    pairs = [pair(60, 8, 25, 7), pair(60, 10, 22, 8), pair(40, 10, 13, 37)]
    data = [ClaimData(claim(id=f"claim-{number}"), sides) for number, sides in enumerate(pairs)]
    found = outcomes_of([*data, ClaimData(claim(id="left-out"), missing="It was left out.")])
    expected = multipletests([each.p for each in found[:3]], method="holm")[1]
    assert [each.p_adjusted for each in found[:3]] == pytest.approx(list(expected))
    against = multipletests([each.p_against for each in found[:3]], method="holm")[1]
    assert [each.p_against_adjusted for each in found[:3]] == pytest.approx(list(against))
    assert (found[3].verdict, found[3].why, found[3].p) == (Verdict.NOT_MEASURED, "It was left out.", None)


def test_a_claim_that_holds_alone_may_not_hold_among_many() -> None:
    sides = pair(60, 8, 20, 12)
    alone = outcome(ClaimKind.GAIN, *sides)
    many = outcomes_of([ClaimData(claim(id=f"claim-{number}"), sides) for number in range(10)])
    assert alone.verdict is Verdict.HOLDS
    assert {each.verdict for each in many} == {Verdict.NOT_DECIDABLE}


def test_facts_explain_a_share_of_the_tested_failures() -> None:
    (found,) = outcomes_of([ClaimData(claim(ClaimKind.ONE_FACT_EXPLAINS, threshold=0.5), explained=(18, 20))])
    assert found.p == pytest.approx(binomtest(18, 20, 0.5, alternative="greater").pvalue)
    assert (found.verdict, found.estimate, found.n) == (Verdict.HOLDS, 0.9, 20)
    assert (found.low, found.high) == pytest.approx(proportion_confint(18, 20, method="wilson"))
    (none,) = outcomes_of([ClaimData(claim(ClaimKind.ONE_FACT_EXPLAINS))])
    assert none.verdict is Verdict.NOT_MEASURED
    assert "Annotate page" in none.why


def test_only_questions_that_all_settings_have_count() -> None:
    first, second = pair(3, 0, 2, 1)
    found = outcome(ClaimKind.GAIN, first, {key: second[key] for key in list(second)[:4]})
    assert found.n == 4
    none = outcome(ClaimKind.GAIN, first, {})
    assert (none.verdict, none.why) == (
        Verdict.NOT_MEASURED,
        "No question has been answered at both settings yet.",
    )


def test_settings_that_agree_everywhere_show_only_that_they_agree() -> None:
    gain, no_gain = (outcome(kind, *pair(1000, 0, 0, 1000)) for kind in (ClaimKind.GAIN, ClaimKind.NO_GAIN))
    assert (gain.verdict, gain.p, no_gain.verdict) == (Verdict.DOES_NOT_HOLD, 1.0, Verdict.HOLDS)
    assert gain.low is not None and gain.high is not None and gain.low < 0 < gain.high


def test_the_papers_number_stands_beside_ours_also_where_nothing_was_measured() -> None:
    own, computed = PaperNumber(value=0.07, place="Table 2"), PaperNumber(value=0.08, place="Figure 1")
    first, second = outcomes_of(
        [ClaimData(claim(id="a", paper=own), paper=computed), ClaimData(claim(id="b"), paper=computed)]
    )
    assert (first.paper, first.paper_place, second.paper, second.paper_place) == (0.07, "Table 2", 0.08, "Figure 1")


def test_too_few_questions_say_how_large_a_difference_would_have_to_be() -> None:
    few = outcome(ClaimKind.GAIN, *pair(1, 0, 1, 1))
    assert few.verdict is Verdict.NOT_DECIDABLE
    some = outcome(ClaimKind.GAIN, *pair(60, 10, 13, 17))
    assert some.difference_to_find is not None
    assert f"about {round(some.difference_to_find * 100, 1):g} points" in some.why
    assert examine_share(5, 10, 0.5).difference_to_find == pytest.approx(0.392, abs=0.001)


def test_the_levels_of_all_looks_add_up_to_that_of_one() -> None:
    assert alpha_of_look(1) == ALPHA / 2
    assert sum(alpha_of_look(look) for look in range(1, 10_000)) == pytest.approx(ALPHA, abs=1e-5)


def test_a_later_look_has_a_wider_interval_and_asks_for_a_smaller_p_value() -> None:
    sides = pair(60, 8, 23, 9)
    (once,) = outcomes_of([ClaimData(claim(), sides)])
    (third,) = outcomes_of([ClaimData(claim(), sides)], alpha_of_look(3))
    assert once.p == third.p == pytest.approx(binomtest(23, 31, alternative="greater").pvalue)
    assert (once.verdict, third.verdict) == (Verdict.HOLDS, Verdict.NOT_DECIDABLE)
    expected = compare_counts(both=60, lost=8, gained=23, neither=9, level=1 - 2 * alpha_of_look(3))
    assert (third.low, third.high) == (expected.low, expected.high)
    (share,) = outcomes_of([ClaimData(claim(ClaimKind.ONE_FACT_EXPLAINS), explained=(18, 20))], alpha_of_look(2))
    assert (share.low, share.high) == pytest.approx(
        proportion_confint(18, 20, alpha=2 * alpha_of_look(2), method="wilson")
    )


def test_looking_again_and_again_seldom_finds_what_is_not_there() -> None:
    """Without a difference, at most 2.5% of the studies may ever say that there is one; uncorrected looks would say it
    of many more."""
    chance = np.random.default_rng(7)
    wrong, uncorrected = 0, 0
    for _ in range(300):
        outcomes = chance.random((500, 2)) < 0.5
        found = [_gain_p(outcomes[: 50 * look]) for look in range(1, 11)]
        wrong += any(p <= alpha_of_look(look) for look, p in enumerate(found, 1))
        uncorrected += any(p <= ALPHA for p in found)
    assert wrong <= 300 * ALPHA < uncorrected


def _gain_p(outcomes: np.ndarray) -> float:
    first, second = (
        {("set", f"{number}"): (int(right), 1) for number, right in enumerate(column)} for column in outcomes.T
    )
    found = examine_sides(ClaimKind.GAIN, (first, second), 0.01)
    assert found is not None
    return found.p


def test_the_mean_over_sets_is_that_of_a_stratified_mean_by_hand() -> None:
    """Set a: 2 of 4 questions turn right. Set b: 1 of 10 turns right and 2 wrong. With one of each kind added."""
    first = {("a", f"{n}"): (0, 1) for n in range(4)} | {("b", f"{n}"): (int(n in (8, 9)), 1) for n in range(10)}
    second = {("a", f"{n}"): (int(n < 2), 1) for n in range(4)} | {("b", f"{n}"): (int(n == 0), 1) for n in range(10)}
    found = examine_sides(ClaimKind.GAIN, (first, second), 0.01)
    assert found is not None and found.over_sets is not None
    assert found.estimate == pytest.approx(1 / 14)
    assert (found.over_sets.sets, found.over_sets.estimate) == (2, pytest.approx((0.5 - 0.1) / 2))
    # Set a: 3 gains and 1 loss in 6, mean 2/6; set b: 2 gains and 3 losses in 12, mean -1/12.
    middle = (2 / 6 - 1 / 12) / 2
    variance = ((4 / 6 - (2 / 6) ** 2) / 6 + (5 / 12 - (1 / 12) ** 2) / 12) / 4
    width = 1.959964 * math.sqrt(variance)
    assert (found.over_sets.low, found.over_sets.high) == pytest.approx((middle - width, middle + width))
    shown = outcome(ClaimKind.GAIN, first, second)
    assert (
        over_sets_words(shown) == f"mean over sets +20.0 points ({points(middle - width)} to {points(middle + width)})"
    )


def test_one_set_and_a_share_have_no_mean_over_sets() -> None:
    gain = outcome(ClaimKind.GAIN, *pair(60, 8, 25, 7))
    breaks = outcome(ClaimKind.BREAKS, *pair(60, 8, 25, 7))
    assert (gain.mean_over_sets, breaks.mean_over_sets, over_sets_words(gain)) == (None, None, "")
