"""Benchmark runs and comparisons in words, the same on the page and in the report."""

from collections.abc import Sequence

from m1app.benchmark.intervals import FEW_QUESTIONS, PairedComparison, Proportion
from m1app.question.answers.scoring import STRICT_VERSION
from m1app.wording import counted, p_value, percent, percent_with_interval, points, tokens_account
from storage.benchmarks.records import BenchmarkRun, ImportedFile, OwnVerdicts, RunState

_IMPORTED_FACTS = "imported: not asked by this app; engine, seed and time are not known"


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
    name = run.name or f"Run {run.id[:8]}"
    return f"{name} (imported)" if is_imported(run) else name


def is_imported(run: BenchmarkRun) -> bool:
    """Whether the run's answers come from files: nothing is known of an engine, and nothing can be asked again."""
    return run.state is RunState.IMPORTED


def imported_words(file: ImportedFile) -> str:
    """A file that answers of a run come from: its name, hash and tool, its questions, and what was left out."""
    version = f" {file.tool_version}" if file.tool_version else ""
    share = f" ({percent(file.matched / file.questions)})" if file.questions else ""
    parts = [
        f"{file.file_name} (SHA-256 {file.sha256[:12]}…), written by {file.tool}{version}",
        f"{file.matched:,} of {counted(file.questions, 'question')}{share} matched to a question set",
        *file.notes,
    ]
    return "; ".join(parts)


def own_verdict_words(found: OwnVerdicts) -> str:
    """How the verdicts of a run's files compare with ours; empty if they have none."""
    if not found.answers:
        return ""
    return (
        f"Right by the files' own verdicts: {found.correct:,} of {found.answers:,} "
        f"({percent(found.correct / found.answers)}). The rule strict differs on "
        f"{counted(found.differ_strict, 'answer')}, the rule m1 on {counted(found.differ_m1, 'answer')}."
    )


def run_facts(run: BenchmarkRun) -> str:
    """How a run was asked and what it cost, in one line."""
    if is_imported(run):
        return " · ".join([_IMPORTED_FACTS, *_version_words(run)])
    parts = ["greedy" if run.temperature == 0 else f"temperature {run.temperature:g}, top-p {run.top_p:g}"]
    if run.seed is not None:
        parts.append(f"seed {run.seed}")
    if run.passes > 1:
        parts.append(counted(run.passes, "pass", "passes"))
    if run.limit is not None:
        parts.append(f"at most {run.limit:,} questions per set")
    return " · ".join([*parts, *_version_words(run), account_words(run)])


def open_sets_note(sets: Sequence[str]) -> str:
    """What to say of sets that have only open questions; empty without any."""
    if not sets:
        return ""
    names = ", ".join(sets)
    return (
        f"Open questions have no accuracy, so {names} {'is' if len(sets) == 1 else 'are'} not here: see Open answers."
    )


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
    how = "its files are imported again" if is_imported(run) else "`bench --rescore` has read them again"
    return [
        f"letters read by version {run.strict_version} of the rule strict (now {STRICT_VERSION}): not comparable "
        f"until {how}"
    ]


def account_words(run: BenchmarkRun) -> str:
    """Tokens a run generated, compared with separate runs of its cells."""
    return tokens_account(run.tokens_generated, run.seconds, run.tokens_if_separate)
