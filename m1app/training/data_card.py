"""The card of a data set's version: its sources, how they were curated, and what to know before training on it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from m1app.training.curation import FEW_SAMPLES, CurationPlan
from m1app.training.curation_steps import StepReport
from m1app.training.errors import DataSetRefused
from m1app.training.samples import TrainingSample
from m1app.wording import percent

LICENCE_NOTE = (
    "Samples keep the licence of their source: look it up before you share this data set or a model trained on it. "
    "Reasoning that another model wrote may also be under that model's terms. Research use only; not medical advice."
)
NOT_COMPARED = "not compared"
"""Name of the step whose examples are evaluation sets that were not checked for overlap."""
_SHOWN_DOMAINS = 20


@dataclass(frozen=True, slots=True)
class DataSource:
    """A source of samples."""

    name: str
    """File name, hub address, or "own traces"."""
    sha256: str
    """SHA-256 (hex) of the file, or of the data read."""
    samples: int
    """Samples read from it, before curation."""
    layout: str = ""
    """What a file was read as; empty for other sources, and for cards of earlier versions."""
    left_out: str = ""
    """What its rows have that their samples do not: "system messages of 12 rows"; empty if there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCard:
    """Metadata of one version of a data set."""

    name: str
    version: int
    created_at: datetime
    """Aware, UTC."""
    samples: int
    sha256: str
    """SHA-256 of samples.jsonl, hex."""
    plan: CurationPlan
    sources: tuple[DataSource, ...]
    reports: tuple[StepReport, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings to read before training on it."""
        found = []
        if self.samples < FEW_SAMPLES:
            found.append(
                f"Only {self.samples:,} samples: m1 was trained on 1,000 to 23,000. A model may learn the format "
                "from them but is unlikely to learn medicine."
            )
        if not self.plan.verified_only:
            found.append("Answers were not required to agree with their target: see the step verify.")
        if not self.plan.overlap_ngram:
            found.append("Overlap with evaluation sets was not checked: scores on them may be meaningless.")
        found += [
            f"Overlap with {', '.join(report.examples)} was not checked: scores there are meaningless for a "
            "model trained on this data."
            for report in self.reports
            if report.step == NOT_COMPARED
        ]
        return tuple(found)


def card_json(card: DataCard) -> str:
    """Return the card as a JSON object; `read_card` is the inverse."""
    content: dict[str, Any] = {
        "name": card.name,
        "version": card.version,
        "created_at": card.created_at.isoformat(),
        "samples": card.samples,
        "sha256": card.sha256,
        "seed": card.plan.seed,
        "plan": card.plan.model_dump(),
        "sources": [asdict(source) for source in card.sources],
        "steps": [asdict(report) for report in card.reports],
        "warnings": list(card.warnings),
        "licence_note": LICENCE_NOTE,
    }
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def read_card(path: Path) -> DataCard:
    """Read a card written by `card_json`; raises DataSetRefused if it is invalid."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return DataCard(
            name=content["name"],
            version=content["version"],
            created_at=datetime.fromisoformat(content["created_at"]),
            samples=content["samples"],
            sha256=content["sha256"],
            plan=CurationPlan.model_validate(content["plan"]),
            sources=tuple(DataSource(**source) for source in content["sources"]),
            reports=tuple(_report(step) for step in content["steps"]),
        )
    except (OSError, KeyError, TypeError, ValueError, ValidationError) as exc:
        raise DataSetRefused(
            f"{path} is missing or damaged ({type(exc).__name__}). Delete the folder {path.parent} and build the data "
            "set again."
        ) from exc


def _report(step: dict[str, Any]) -> StepReport:
    pairs = tuple((str(here), str(there), float(share)) for here, there, share in step["pairs"])
    return StepReport(step["step"], step["title"], step["before"], step["kept"], tuple(step["examples"]), pairs)


def card_markdown(card: DataCard, samples: Sequence[TrainingSample]) -> str:
    """Return the card as Markdown.

    Args:
        card: the card.
        samples: the version's samples, for counts by domain and source.
    """
    parts = [
        f"# {card.name}, version {card.version}",
        f"{card.samples:,} samples, made on {card.created_at:%Y-%m-%d %H:%M} UTC with seed {card.plan.seed}.  \n"
        f"SHA-256 of `samples.jsonl`: `{card.sha256}`",
        *(f"**Note:** {warning}" for warning in card.warnings),
        "## Licence",
        LICENCE_NOTE,
        "## Sources",
        _table(
            ("source", "read as", "samples read", "SHA-256"),
            [
                (s.name, "; left out: ".join(filter(None, (s.layout, s.left_out))), f"{s.samples:,}", s.sha256)
                for s in card.sources
            ],
        ),
        "## Curation",
        _table(
            ("step", "before", "kept", "what it did"),
            [(r.step, f"{r.before:,}", f"{r.kept:,}", r.title) for r in card.reports],
        ),
        *(_details(report) for report in card.reports if report.examples),
        "## What is in it",
        _table(("source", "samples"), _counted(sample.source for sample in samples)),
        _table(("domain", "samples"), _counted(sample.domain or "none given" for sample in samples)),
        "## Plan",
        "```json\n" + json.dumps(card.plan.model_dump(), indent=2) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _details(report: StepReport) -> str:
    lines = "\n".join(f"- {_cell(example)}" for example in report.examples)
    found = f"### {report.step}: examples\n\n{lines}"
    if report.pairs:
        rows = [(here, there, percent(share, 0)) for here, there, share in report.pairs]
        found += "\n\n" + _table(("sample", "evaluation set: question", "shared"), rows)
    return found


def _counted(names: Any) -> list[tuple[str, str]]:
    counts = Counter(names).most_common()
    rows = [(name, f"{count:,}") for name, count in counts[:_SHOWN_DOMAINS]]
    rest = counts[_SHOWN_DOMAINS:]
    return [*rows, (f"{len(rest):,} others", f"{sum(count for _, count in rest):,}")] if rest else rows


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(header)} |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *(f"| {' | '.join(map(_cell, row))} |" for row in rows)])


def _cell(text: str) -> str:
    """Escape untrusted text for a Markdown table cell."""
    for mark in "\\`*[]<>|!&":
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
