"""Training data on the Admin page: the list, cards, curation steps."""

from collections.abc import Sequence
from typing import Any

from m1app.benchmark.descriptions import run_name
from m1app.training.curation_steps import StepReport
from m1app.training.data_building import Collected
from m1app.training.data_card import DataCard, DataSource, card_markdown
from m1app.training.data_sets import DataSetVersion
from m1app.training.sample_layouts import LAYOUTS
from m1app.training.samples import TrainingSample
from m1app.wording import counted, percent
from storage.benchmarks.records import BenchmarkRun

_SHOWN_PAIRS = 10
_NAMES = {
    "overlap": "Overlap with evaluation sets",
    "difficulty": "Answered already",
    "verify": "Answers checked against targets",
    "length": "Length",
    "deduplicate": "Duplicates",
    "draw": "Draw",
    "delimiters": "Special tokens",
}


def data_sets_value(versions: Sequence[DataSetVersion]) -> list[dict[str, Any]]:
    """Rows of the list."""
    return [
        {"id": each.id, "samples": each.samples, "created": each.created_at.isoformat(timespec="seconds")}
        for each in versions
    ]


def data_choices(versions: Sequence[DataSetVersion]) -> list[tuple[str, str]]:
    """Choices for training: label with count, and NAME:vN."""
    return [(f"{each.id} ({each.samples:,})", each.id) for each in versions]


def run_choices(runs: Sequence[BenchmarkRun]) -> list[tuple[str, str]]:
    """Runs whose right answers can be excluded: id and label."""
    return [(run.id, f"{run_name(run)}, {run.created_at:%Y-%m-%d %H:%M}") for run in runs]


def card_value(card: DataCard, samples: Sequence[TrainingSample]) -> dict[str, Any]:
    """A version's card as plain text."""
    return {"id": f"{card.name}:v{card.version}", "text": card_markdown(card, samples)}


def preview_value(found: Collected) -> dict[str, Any]:
    """What a build would keep."""
    kept = len(found.curated.samples)
    return {
        "headline": f"{counted(kept, 'sample')} would be kept. Nothing is built yet.",
        "notes": [_source_words(source) for source in found.sources],
        "steps": steps_value(found.curated.reports),
    }


def _source_words(source: DataSource) -> str:
    """A source, what it was read as, and what is left out of it."""
    read = f", read as {source.layout}" if source.layout else ""
    left_out = f" Left out: {source.left_out}." if source.left_out else ""
    return f"{source.name}: {counted(source.samples, 'sample')}{read}.{left_out}"


def layout_choices() -> list[tuple[str, str]]:
    """The layouts to choose from: id and label."""
    return [(layout.id, layout.label) for layout in LAYOUTS]


def built_value(made: DataSetVersion, warnings: Sequence[str]) -> dict[str, Any]:
    """What a build kept."""
    return {
        "headline": f"{made.id}: {counted(made.samples, 'sample')}, ready to train on.",
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
        "examples": [] if report.pairs else list(report.examples),
        "pairs": [[here, there, percent(share, 0)] for here, there, share in report.pairs[:_SHOWN_PAIRS]],
    }
