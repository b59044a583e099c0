"""The claims of a manifest as texts, the same in the page, in LaTeX and in messages; as numbers for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m1app.benchmark.tables import Table, TableCell, TableRow
from m1app.studies.records import Verdict
from m1app.studies.report.manifest import ClaimPart
from m1app.studies.study_file import SHARES
from m1app.wording import p_value, percent, points

NOTHING = "–"
CSV_HEADS = (
    *("claim", "text", "kind", "verdict", "estimate", "low", "high", "n", "test", "p", "p_adjusted", "p_against"),
    *("p_against_adjusted", "difference_to_find", "paper", "paper_place", "refuted_by", "why"),
    *("mean_over_sets", "mean_low", "mean_high"),
)
MARKS: Mapping[Verdict, str] = {
    Verdict.HOLDS: "✓",
    Verdict.DOES_NOT_HOLD: "✗",
    Verdict.NOT_DECIDABLE: "?",
    Verdict.NOT_MEASURED: NOTHING,
}
"""A sign for each verdict, beside its words and colour."""

"""Claims about a share; all others are about a difference of two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTexts:
    """A claim as it is shown; `NOTHING` where nothing was measured or is known."""

    id: str
    text: str
    verdict: Verdict
    mark: str
    why: str
    estimate: str
    """With its unit: "+2.1 points" or "12.3%"."""
    interval: str
    n: str
    p: str
    p_adjusted: str
    p_against: str
    p_against_adjusted: str
    paper: str
    paper_place: str
    test: str
    refuted_by: str
    over_sets: str
    """The estimate with every set counted alike, with its interval; empty where there is none."""
    to_find: str
    """The smallest difference or share that such a study would find; empty if it is not known."""


def claim_texts(claim: ClaimPart) -> ClaimTexts:
    """Return a claim's numbers as texts."""
    has_interval = claim.low is not None and claim.high is not None
    low, high = (_bare(claim.kind, each) if has_interval else "" for each in (claim.low, claim.high))
    return ClaimTexts(
        id=claim.id,
        text=claim.text,
        verdict=claim.verdict,
        mark=MARKS[claim.verdict],
        why=claim.why,
        estimate=amount(claim.kind, claim.estimate),
        interval=f"{low} to {high}" if has_interval else NOTHING,
        n=f"{claim.n:,}" if claim.estimate is not None else NOTHING,
        p=_p(claim.p),
        p_adjusted=_p(claim.p_adjusted),
        p_against=_p(claim.p_against),
        p_against_adjusted=_p(claim.p_against_adjusted),
        paper=amount(claim.kind, claim.paper),
        paper_place=claim.paper_place,
        test=claim.test,
        refuted_by=claim.refuted_by,
        over_sets=_over_sets(claim),
        to_find=least_amount(claim),
    )


def amount(kind: str, value: float | None) -> str:
    """An estimate with its unit; `NOTHING` for None."""
    if value is None:
        return NOTHING
    return _bare(kind, value) if kind in SHARES else f"{points(value)} points"


def least_amount(claim: ClaimPart) -> str:
    """What a study of this size would notice, beyond the bound of the claim; empty if it is not known."""
    if claim.difference_to_find is None:
        return ""
    return f"{amount(claim.kind, claim.difference_to_find).removeprefix('+')} or more beyond the claim's bound"


def claims_table(claims: Sequence[ClaimPart], level: str) -> Table:
    """One row per claim, for LaTeX.

    Args:
        claims: of a manifest.
        level: of their intervals, in words.
    """
    heads = ("Claim", "Verdict", "Estimate", f"{level} interval", "Paper", "n", "p", "p, adjusted")
    rows = []
    for each in map(claim_texts, claims):
        cells = (
            each.text,
            str(each.verdict),
            each.estimate,
            each.interval,
            each.paper,
            each.n,
            each.p,
            each.p_adjusted,
        )
        rows.append(TableRow(tuple(map(TableCell, cells))))
    return Table(heads, 2, tuple(rows))


def claim_values(claim: ClaimPart) -> tuple[str | float | int | None, ...]:
    """A row under `CSV_HEADS`: numbers as they were computed, shares and differences from -1 to 1."""
    return (
        *(claim.id, claim.text, claim.kind, str(claim.verdict), claim.estimate, claim.low, claim.high, claim.n),
        *(claim.test, claim.p, claim.p_adjusted, claim.p_against, claim.p_against_adjusted, claim.difference_to_find),
        *(claim.paper, claim.paper_place, claim.refuted_by, claim.why),
        *(claim.mean_over_sets, claim.mean_low, claim.mean_high),
    )


def _over_sets(claim: ClaimPart) -> str:
    if claim.mean_over_sets is None:
        return ""
    low, high = (_bare(claim.kind, each) for each in (claim.mean_low, claim.mean_high))
    return f"{amount(claim.kind, claim.mean_over_sets)} ({low} to {high})"


def _bare(kind: str, value: float | None) -> str:
    if value is None:
        return NOTHING
    return percent(value) if kind in SHARES else points(value)


def _p(value: float | None) -> str:
    return NOTHING if value is None else p_value(value).removeprefix("p ").removeprefix("= ")
