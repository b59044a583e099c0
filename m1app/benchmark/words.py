"""Numbers of benchmark runs in words, the same on the page and in the report."""

import math

from m1app.benchmark.estimates import PairedComparison
from m1app.benchmark.queries import CellSummary
from storage.benchmarks.records import BenchmarkRun


def percent(share: float) -> str:
    """A share, 0-1; a dash for that of nothing."""
    return "–" if math.isnan(share) else f"{share:.1%}"


def interval_words(cell: CellSummary) -> str:
    """Accuracy with its interval."""
    return f"{percent(cell.accuracy.value)} ({cell.accuracy.low:.1%} to {cell.accuracy.high:.1%})"


def rounds_words(force_rounds: int) -> str:
    """A number of force rounds."""
    return f"{force_rounds} {'round' if force_rounds == 1 else 'rounds'}"


def cell_words(cell: tuple[int, int]) -> str:
    """(thinking budget in tokens, force rounds)."""
    return f"{cell[0]:,} tokens, {rounds_words(cell[1])}"


def points_words(difference: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{difference * 100:+.1f}".replace("-", "\N{MINUS SIGN}")


def p_words(p_value: float) -> str:
    """A p-value."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"


def comparison_words(compared: PairedComparison) -> str:
    """A paired comparison as a sentence."""
    return (
        f"Accuracy changed by {points_words(compared.difference)} points (95% interval {points_words(compared.low)} to "
        f"{points_words(compared.high)}): {compared.gained:,} gained, {compared.lost:,} lost. "
        f"Exact McNemar test: {p_words(compared.p_value)}."
    )


def run_name(run: BenchmarkRun) -> str:
    """What a run is called."""
    return run.name or f"Run {run.id[:8]}"


def run_facts(run: BenchmarkRun) -> str:
    """How a run was asked and what it cost, in one line."""
    parts = ["greedy" if run.temperature == 0 else f"temperature {run.temperature:g}, top-p {run.top_p:g}"]
    if run.seed is not None:
        parts.append(f"seed {run.seed}")
    if run.passes > 1:
        parts.append(f"{run.passes} passes")
    if run.limit is not None:
        parts.append(f"at most {run.limit:,} questions of a set")
    return " · ".join([*parts, account_words(run)])


def account_words(run: BenchmarkRun) -> str:
    """What a run generated, against what separate runs of its cells would have."""
    made = f"{run.tokens_generated:,} tokens generated in {duration(run.seconds)}"
    if not run.tokens_generated or not run.tokens_if_separate:
        return made
    ratio = run.tokens_if_separate / run.tokens_generated
    return f"{made} · separate runs of the cells: {run.tokens_if_separate:,}, {ratio:.1f} times as many"


def duration(seconds: float) -> str:
    """A time in the two largest units that it has."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
