"""How commands and the page phrase a study's numbers."""

import math
from collections.abc import Sequence

from m1app.fact_tests.verdict import VERDICTS as FACT_VERDICTS
from m1app.studies.records import ClaimOutcome, FactOutcome, Reading, StudyOutcome, Verdict
from m1app.studies.start_facts import TrainingCheck
from m1app.studies.study_file import SHARES
from m1app.wording import counted, p_value, percent, percent_with_interval, points

DEMO = "These verdicts mean nothing: the model answers at chance level. They only show what a study looks like."
OWN_FACTS = (
    "The study tested these facts itself where a model was wrong: each was inserted before the first word of the "
    "thinking. Nobody has read where the thinking went wrong, and nothing was annotated."
)
VERDICTS = {
    Verdict.HOLDS: "Holds",
    Verdict.DOES_NOT_HOLD: "Does not hold",
    Verdict.NOT_DECIDABLE: "Not decidable",
    Verdict.NOT_MEASURED: "Not measured",
}


def estimate_words(outcome: ClaimOutcome) -> str:
    """The estimate with its interval: "+2.9 points (+1.0 to +4.8)"; empty if nothing was measured."""
    if outcome.estimate is None or outcome.low is None or outcome.high is None:
        return ""
    if outcome.claim.kind in SHARES:
        return f"{percent(outcome.estimate)} ({percent(outcome.low)} to {percent(outcome.high)})"
    return f"{points(outcome.estimate)} points ({points(outcome.low)} to {points(outcome.high)})"


def over_sets_words(outcome: ClaimOutcome) -> str:
    """The same with every set counted alike: "mean over sets +2.1 points (+0.4 to +3.8)"; empty where there is none."""
    if outcome.mean_over_sets is None or outcome.mean_low is None or outcome.mean_high is None:
        return ""
    low, high = points(outcome.mean_low), points(outcome.mean_high)
    return f"mean over sets {points(outcome.mean_over_sets)} points ({low} to {high})"


def paper_words(outcome: ClaimOutcome) -> str:
    """The paper's number; empty if none is known."""
    if outcome.paper is None:
        return ""
    return percent(outcome.paper) if outcome.claim.kind in SHARES else f"{points(outcome.paper)} points"


def p_words(outcome: ClaimOutcome) -> str:
    """The corrected p-value that decided: of the claim, or of its opposite."""
    if outcome.p_adjusted is None or outcome.p_against_adjusted is None:
        return ""
    if outcome.verdict is Verdict.DOES_NOT_HOLD:
        return f"{p_value(outcome.p_against_adjusted)} against it"
    return p_value(outcome.p_adjusted)


def best_words(reading: Reading) -> str:
    """The reading at the best budget: "61.0% (55.1% to 66.6%) at 4,096"."""
    best = reading.best_of_budgets
    if reading.best_budget_tokens is None:
        return f"{percent(best.value)}, each set at its own best"
    return f"{percent_with_interval(best.value, best.low, best.high)} at {reading.best_budget_tokens:,}"


def facts_words(done: int, total: int) -> str:
    """How many of its own facts a study has tested: "2 of 4 facts"; empty if it has none."""
    return f"{done:,} of {counted(total, 'fact')} tested" if total else ""


def fact_words(outcome: FactOutcome) -> str:
    """What became of a fact: the verdict of its test, or why there is none."""
    if not outcome.verdict:
        return outcome.note
    naming = " (does not count: the fact names the target)" if outcome.names_target else ""
    return f"{FACT_VERDICTS[outcome.verdict]}{naming}"


def right_words(outcome: FactOutcome) -> str:
    """At how many seeds each arm was right: "0, 2 and 1 of 5"; empty without a test."""
    if not outcome.right:
        return ""
    nothing, fact, unrelated = outcome.right
    return f"{nothing}, {fact} and {unrelated} of {outcome.seeds}"


def learned_words(check: TrainingCheck) -> str:
    """What the sets share with data, or why that is not known."""
    if check.note:
        return check.note
    shared = ", ".join(f"{name} {count:,}" for name, count in check.shared.items())
    return f"Questions in common, exactly or nearly: {shared}" if shared else "No question in common"


def look_words(outcome: StudyOutcome) -> str:
    """For a study that may be extended, which look this is and how it is corrected; otherwise empty."""
    extension = outcome.study.extension
    if extension is None:
        return ""
    width = widest(outcome.claims)
    wide = "" if width is None else f"; the widest interval is {width * 100:.1f} points wide"
    return (
        f"; look {outcome.look}, tested at {(1 - outcome.level) / 2:.2%} with intervals of {outcome.level:.2%}{wide}, "
        f"and the target is {extension.width * 100:g}"
    )


def widest(outcomes: Sequence[ClaimOutcome]) -> float | None:
    """Width of the widest interval of the measured claims; None if none was measured."""
    widths = [each.high - each.low for each in outcomes if each.high is not None and each.low is not None]
    return max(widths, default=None)


def money_words(amount: float, currency: str) -> str:
    """An amount rounded up, so that an estimate is not too low: "1.25 USD"."""
    return f"{math.ceil(amount * 100) / 100:,.2f} {currency}".strip()
