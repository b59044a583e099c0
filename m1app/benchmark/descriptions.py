"""Benchmark runs and comparisons in words, the same on the page and in the report."""

from m1app.benchmark.intervals import FEW_QUESTIONS, PairedComparison, Proportion
from m1app.question.answers.scoring import STRICT_VERSION
from m1app.wording import counted, p_value, percent_with_interval, points, tokens_account
from storage.benchmarks.records import BenchmarkRun


def comparison_words(compared: PairedComparison) -> str:
    """A paired comparison as a sentence, with a caution where questions are few."""
    careful = caution(compared.n)
    return (
        f"Accuracy changed by {points(compared.difference)} points (95% interval {points(compared.low)} to "
        f"{points(compared.high)}, n = {compared.n:,}): {compared.gained:,} gained, {compared.lost:,} lost. "
        f"Exact McNemar test: {p_value(compared.p_value)}." + (f" {careful}" if careful else "")
    )


def accuracy_words(found: Proportion) -> str:
    """An accuracy with its interval and its n: "62.0% (55.1% to 68.4%), n = 200"."""
    return f"{percent_with_interval(found.value, found.low, found.high)}, n = {found.n:,}"


def caution(questions: int) -> str:
    """What to say beside an accuracy of few questions, however often each was asked; empty if there are enough."""
    is_small = 0 < questions < FEW_QUESTIONS
    return f"Few questions (n = {questions:,}): read the interval, not the percentage." if is_small else ""


def run_name(run: BenchmarkRun) -> str:
    """The display name of a run."""
    return run.name or f"Run {run.id[:8]}"


def run_facts(run: BenchmarkRun) -> str:
    """How a run was asked and what it cost, in one line."""
    parts = ["greedy" if run.temperature == 0 else f"temperature {run.temperature:g}, top-p {run.top_p:g}"]
    if run.seed is not None:
        parts.append(f"seed {run.seed}")
    if run.passes > 1:
        parts.append(counted(run.passes, "pass", "passes"))
    if run.limit is not None:
        parts.append(f"at most {run.limit:,} questions per set")
    return " · ".join([*parts, *_version_words(run), account_words(run)])


def unscored_note(questions: int) -> str:
    """What to say of the questions that the rule m1 does not score; empty if there are none."""
    if not questions:
        return ""
    return (
        f"The rule m1 does not score {counted(questions, 'question')} (counted for each model): several options are "
        "right, and as published it reads one letter."
    )


def _version_words(run: BenchmarkRun) -> list[str]:
    """A caution where letters were read by an earlier version of the rule than today's."""
    if run.strict_version >= STRICT_VERSION:
        return []
    return [
        f"letters read by version {run.strict_version} of the rule strict (now {STRICT_VERSION}): not comparable "
        "until `bench --rescore` has read them again"
    ]


def account_words(run: BenchmarkRun) -> str:
    """Tokens a run generated, compared with separate runs of its cells."""
    return tokens_account(run.tokens_generated, run.seconds, run.tokens_if_separate)
