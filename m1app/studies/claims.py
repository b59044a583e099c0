"""Verdicts on claims: each with its test, corrected for the other claims of its study, and its reason in words.

Import it late: the statistics load slowly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m1app.benchmark.statistics import holm
from m1app.studies.claim_statistics import ALPHA, Scores, Tested, examine_share, examine_sides
from m1app.studies.records import ClaimOutcome, Verdict
from m1app.studies.study_file import Claim, ClaimKind, PaperNumber
from m1app.wording import counted


@dataclass(frozen=True, slots=True)
class ClaimData:
    """What there is to test a claim with."""

    claim: Claim
    sides: tuple[Scores, ...] = ()
    """The scores of its settings; none for a claim about facts."""
    explained: tuple[int, int] = (0, 0)
    """For a claim about facts: failures that the missing fact turns right, and tested failures."""
    missing: str = ""
    """Why it cannot be measured; empty if it can."""
    paper: PaperNumber | None = None


def outcomes_of(claims: Sequence[ClaimData], alpha: float = ALPHA) -> tuple[ClaimOutcome, ...]:
    """Test all claims of a study; p-values are corrected by Holm over those that could be measured.

    Takes seconds for thousands of questions; call it in a thread.

    Args:
        claims: all claims of the study.
        alpha: level of each one-sided test, see `alpha_of_look`.
    """
    tested = {
        each.claim.id: found for each in claims if not each.missing and (found := _tested(each, alpha)) is not None
    }
    adjusted = dict(zip(tested, holm([each.p for each in tested.values()]), strict=True))
    against = dict(zip(tested, holm([each.p_against for each in tested.values()]), strict=True))
    return tuple(
        _outcome(each, tested[each.claim.id], adjusted[each.claim.id], against[each.claim.id], alpha)
        if each.claim.id in tested
        else _unmeasured(each)
        for each in claims
    )


def _tested(data: ClaimData, alpha: float) -> Tested | None:
    claim = data.claim
    if claim.kind is ClaimKind.ONE_FACT_EXPLAINS:
        explained, n = data.explained
        return examine_share(explained, n, claim.threshold, alpha) if n else None
    return examine_sides(claim.kind, data.sides, claim.margin, alpha)


def _unmeasured(data: ClaimData) -> ClaimOutcome:
    why = data.missing or _NOTHING.get(data.claim.kind, "No question has been answered at all of its settings yet.")
    number = _paper(data)
    return ClaimOutcome(
        claim=data.claim,
        verdict=Verdict.NOT_MEASURED,
        why=why,
        paper=number.value if number else None,
        paper_place=number.place if number else "",
    )


_NOTHING: Mapping[ClaimKind, str] = {
    ClaimKind.ONE_FACT_EXPLAINS: "No test of a fact has been decided for this model yet. Mark failures on the Annotate "
    "page, write down the fact that was missing, and test it on the Facts page.",
    ClaimKind.BREAKS: "No question has been answered right at its first setting, and answered at its second, yet.",
}


def _outcome(data: ClaimData, tested: Tested, p: float, against: float, alpha: float) -> ClaimOutcome:
    refuted = Verdict.DOES_NOT_HOLD if against <= alpha else Verdict.NOT_DECIDABLE
    verdict = Verdict.HOLDS if p <= alpha else refuted
    number = _paper(data)
    return ClaimOutcome(
        claim=data.claim,
        verdict=verdict,
        why=_why(data.claim, tested, verdict, alpha),
        estimate=tested.estimate,
        low=tested.low,
        high=tested.high,
        n=tested.n,
        test=tested.test,
        p=tested.p,
        p_adjusted=p,
        p_against=tested.p_against,
        p_against_adjusted=against,
        difference_to_find=tested.difference_to_find,
        paper=number.value if number else None,
        paper_place=number.place if number else "",
    )


def _paper(data: ClaimData) -> PaperNumber | None:
    return data.claim.paper or data.paper


def _why(claim: Claim, tested: Tested, verdict: Verdict, alpha: float) -> str:
    seen = _seen(claim, tested, alpha)
    if verdict is not Verdict.NOT_DECIDABLE:
        return seen
    if tested.difference_to_find is None:
        return f"{seen} That shows neither the claim nor its opposite: {tested.n:,} of them cannot show any difference."
    beyond = f" beyond {_points(_bound(claim))}" if _bound(claim) else ""
    return (
        f"{seen} That shows neither the claim nor its opposite: with {tested.n:,} of them, only a difference of about "
        f"{_points(tested.difference_to_find)}{beyond} or more is likely to be found."
    )


def _bound(claim: Claim) -> float:
    if claim.kind is ClaimKind.ONE_FACT_EXPLAINS:
        return claim.threshold
    return claim.margin if claim.kind in (ClaimKind.BREAKS, ClaimKind.NO_GAIN, ClaimKind.SATURATES) else 0.0


def _seen(claim: Claim, tested: Tested, alpha: float) -> str:
    """The counts behind the estimate, in a sentence."""
    n = tested.n
    if claim.kind is ClaimKind.ONE_FACT_EXPLAINS:
        failures = counted(n, "tested failure")
        return f"One fact turned {tested.gained:,.0f} of {failures} right; the claim asks for more than " + (
            f"{_points(claim.threshold)}."
        )
    if claim.kind is ClaimKind.BREAKS:
        return (
            f"Of {counted(n, 'question')} that were right, {tested.gained:,.0f} turned wrong; the claim asks for more "
            f"than {_points(claim.margin)}."
        )
    changes = f"{_amount(tested.gained)} of {counted(n, 'question')} turned right and {_amount(tested.lost)} wrong"
    if claim.kind is ClaimKind.SATURATES and tested.before is not None:
        rise = tested.before
        return (
            f"Up to the second setting, {_amount(rise.gained)} of {counted(n, 'question')} turned right and "
            f"{_amount(rise.lost)} wrong; beyond it, {_amount(tested.gained)} and {_amount(tested.lost)}. Less than "
            f"{_points(claim.margin)} more counts as no gain."
        )
    if claim.kind is ClaimKind.NO_GAIN:
        return f"{changes}. A gain of less than {_points(claim.margin)} counts as none."
    if 0 < abs(tested.estimate) < claim.margin and min(tested.p, tested.p_against) <= alpha:
        return f"{changes}. The difference is smaller than {_points(claim.margin)}."
    return f"{changes}."


def _amount(questions: float) -> str:
    """Whole questions, or parts of them where each was asked several times."""
    return f"{questions:,.0f}" if questions == round(questions) else f"{questions:,.1f}"


def _points(share: float) -> str:
    """A difference of shares as "1 point", "2.5 points"."""
    points = round(share * 100, 1)
    return f"{points:g} {'point' if points == 1 else 'points'}"
