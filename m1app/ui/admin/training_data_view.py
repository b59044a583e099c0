"""Training data on the Admin page: the list, cards, curation steps."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from m1app.benchmark.descriptions import run_name
from m1app.training.collecting import Collected
from m1app.training.curation import DataKind
from m1app.training.curation_steps import StepReport, shown
from m1app.training.data_card import DataSource, held_words
from m1app.training.data_sets import DataSetVersion
from m1app.training.pruning.estimate import PruningEstimate, estimate_words
from m1app.training.pruning.pruner import PruningProgress, progress_words
from m1app.training.pruning.records import Outcome, SamplePruning
from m1app.training.sample_layouts import LAYOUTS
from m1app.wording import counted, percent
from storage.benchmarks.records import BenchmarkRun

_SHOWN_PAIRS = 10
_SHOWN_STEPS = 200
_SHOWN_STEP_CHARACTERS = 2000
_NAMES = {
    "corrections": "Corrections",
    "overlap": "Overlap with evaluation sets",
    "difficulty": "Answered already",
    "difference": "Responses without a difference",
    "verify": "Answers checked against targets",
    "length": "Length",
    "deduplicate": "Duplicates",
    "draw": "Draw",
    "prune": "Reasoning steps pruned",
    "delimiters": "Special tokens",
}


def data_sets_value(versions: Sequence[DataSetVersion]) -> list[dict[str, Any]]:
    """Rows of the list."""
    return [
        {
            "id": each.id,
            "samples": each.samples,
            "kind": each.kind,
            "created": each.created_at.isoformat(timespec="seconds"),
        }
        for each in versions
    ]


def data_choices(versions: Sequence[DataSetVersion]) -> list[tuple[str, str]]:
    """Choices for training: label with count, and NAME:vN."""
    return [
        (f"{each.id} ({counted(each.samples, 'pair') if each.kind == 'pairs' else f'{each.samples:,}'})", each.id)
        for each in versions
    ]


def run_choices(runs: Sequence[BenchmarkRun]) -> list[tuple[str, str]]:
    """Runs whose right answers can be excluded: id and label."""
    return [(run.id, f"{run_name(run)}, {run.created_at:%Y-%m-%d %H:%M}") for run in runs]


def card_value(version: DataSetVersion, text: str, prunings: Sequence[SamplePruning] = ()) -> dict[str, Any]:
    """A version's card in Markdown, and its first pruned sample."""
    return {"id": version.id, "kind": version.kind, "text": text, "pruned": pruned_value(prunings, 0)}


def pruned_value(prunings: Sequence[SamplePruning], index: int) -> dict[str, Any] | None:
    """One of the pruned samples of a data set; None if there is none.

    Args:
        prunings: what was done to each sample.
        index: among those that were pruned, from 0; beyond either end is that end.
    """
    pruned = [each for each in prunings if each.outcome is Outcome.PRUNED]
    if not pruned:
        return None
    index = max(0, min(index, len(pruned) - 1))
    return {"index": index, "total": len(pruned), "sample": _sample_value(pruned[index])}


def _sample_value(sample: SamplePruning) -> dict[str, Any]:
    steps = [
        {
            "text": step.text[:_SHOWN_STEP_CHARACTERS] + ("…" if len(step.text) > _SHOWN_STEP_CHARACTERS else ""),
            "label": step.label.value,
            "importance": step.importance,
            "is_pruned": step.is_pruned,
        }
        for step in sample.steps[:_SHOWN_STEPS]
    ]
    left_out = len(sample.steps) - len(steps)
    return {"question": shown(sample.question), "facts": _saving(sample), "steps": steps, "left_out": left_out}


def _saving(sample: SamplePruning) -> str:
    """What pruning saves of a sample; empty before anything is pruned."""
    if sample.whole_probability is None or sample.pruned_probability is None:
        return ""
    saved = sample.tokens_before - sample.tokens_after
    share = saved / sample.tokens_before if sample.tokens_before else 0.0
    return (
        f"{sample.tokens_before:,} to {sample.tokens_after:,} tokens, {percent(share, 0)} less. The target's "
        f"probability: {percent(sample.whole_probability)} after the whole reasoning, "
        f"{percent(sample.pruned_probability)} after the pruned one."
    )


def pruning_value(progress: PruningProgress | None) -> dict[str, Any]:
    """How far the build that prunes now has come."""
    if progress is None:
        return {"pruning": None}
    share = progress.done / progress.total if progress.total else 0.0
    said = {"name": progress.name, "text": progress_words(progress)}
    return {"pruning": {**said, "share": share, "is_stopping": progress.is_stopping}}


def preview_value(found: Collected) -> dict[str, Any]:
    """What a build would keep."""
    kept = len(found.curated.samples)
    kind: DataKind = "pairs" if found.curated.pairs else "samples"
    return {
        "headline": f"{held_words(kind, kept)} would be kept. Nothing has been built yet.",
        "notes": [*(_source_words(source, kind) for source in found.sources), *_estimate_notes(found.pruning)],
        "steps": steps_value(found.curated.reports),
        "labelled": [_sample_value(each) for each in found.pruning.examples] if found.pruning else [],
    }


def _estimate_notes(estimate: PruningEstimate | None) -> list[str]:
    """What pruning would ask, and what it would keep whole."""
    if estimate is None:
        return []
    kept = "; ".join(f"{counted(count, 'sample')}: {reason}" for reason, count in estimate.kept_whole.items())
    return [estimate_words(estimate), *([f"Kept unpruned, without asking the model: {kept}."] if kept else [])]


def _source_words(source: DataSource, kind: DataKind) -> str:
    """A source, what it was read as, and what is left out of it."""
    read = f", read as {source.layout}" if source.layout else ""
    left_out = f" Left out: {source.left_out}." if source.left_out else ""
    return f"{source.name}: {held_words(kind, source.samples)}{read}.{left_out}"


def layout_choices() -> list[tuple[str, str]]:
    """The layouts to choose from: id and label."""
    return [(layout.id, layout.label) for layout in LAYOUTS]


def built_value(made: DataSetVersion, warnings: Sequence[str]) -> dict[str, Any]:
    """What a build kept."""
    return {
        "headline": f"{made.id}: {held_words(made.kind, made.samples)}, ready to train on.",
        "notes": list(warnings),
        "steps": steps_value(made.reports),
    }


def steps_value(reports: Sequence[StepReport]) -> list[dict[str, Any]]:
    """Each step with its counts, examples and overlapping pairs."""
    return [_step(report) for report in reports]


def _step(report: StepReport) -> dict[str, Any]:
    dropped = report.before - report.kept
    return {
        "name": _NAMES.get(report.step, report.step.capitalize()),
        "counts": f"{report.kept:,} of {report.before:,} kept" if dropped else f"all {report.kept:,} kept",
        "dropped": dropped,
        "title": report.title,
        # The pairs are more detailed than the examples derived from them.
        "examples": [] if report.pairs or report.unverified else list(report.examples),
        "pairs": [[here, there, percent(share, 0)] for here, there, share in report.pairs[:_SHOWN_PAIRS]],
        "unverified": [asdict(each) for each in report.unverified],
    }
