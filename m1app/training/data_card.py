"""The card of a data set's version: its sources, how they were curated, and what to know before training on it."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from m1app.training.changes import NO_HISTORY, ChangeKind, History, change_of
from m1app.training.curation import FEW_SAMPLES, CurationPlan, DataKind
from m1app.training.curation_steps import StepReport, Unverified
from m1app.training.errors import DataSetRefused
from m1app.training.pruning.records import PruningSummary, label_shares, saving_words, summary_of
from m1app.training.samples import TrainingSample
from m1app.wording import counted, percent

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
    """Samples, or preference pairs."""
    sha256: str
    """SHA-256 of samples.jsonl or pairs.jsonl, hex."""
    plan: CurationPlan
    sources: tuple[DataSource, ...]
    reports: tuple[StepReport, ...]
    pruning: PruningSummary | None = None
    """What was pruned of the reasoning; None if nothing was."""
    history: History = NO_HISTORY
    """The version that it was made from, and what people changed since the build."""

    @property
    def kind(self) -> DataKind:
        """What the version holds."""
        return self.plan.kind

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings to read before training on it."""
        found = []
        if self.samples < FEW_SAMPLES and self.kind == "pairs":
            found.append(
                f"Only {self.samples:,} preference pairs: published sets have thousands. From so few, a model learns "
                "these pairs, not a preference."
            )
        elif self.samples < FEW_SAMPLES:
            found.append(
                f"Only {self.samples:,} samples: m1 was trained on 1,000 to 23,000. A model may learn the format "
                "from them but is unlikely to learn medicine."
            )
        if not self.plan.verified_only:
            found.append("Answers were not required to agree with their target; see the verify step.")
        if self.plan.learn_from:
            found.append(
                f"It may hold questions of {', '.join(self.plan.learn_from)}: measure a model trained on it with none "
                "of these sets, and with none that has the same questions."
            )
        if doubts := [each.doubt for each in self.history.changes if each.doubt]:
            found.append(f"Kept by hand, {counted(len(doubts), 'sample')}: {'; '.join(dict.fromkeys(doubts))}.")
        if not self.plan.overlap_ngram:
            found.append("Overlap with evaluation sets was not checked: scores on them may be meaningless.")
        found += [
            f"Overlap with {', '.join(report.examples)} was not checked: scores there are meaningless for a "
            "model trained on this data."
            for report in self.reports
            if report.step == NOT_COMPARED
        ]
        return tuple(found)


def held_words(kind: DataKind, count: int) -> str:
    """How much a data set holds: "8 samples", "8 preference pairs"."""
    return counted(count, "preference pair" if kind == "pairs" else "sample")


def card_json(card: DataCard) -> str:
    """Return the card as a JSON object; `read_card` is the inverse."""
    content: dict[str, Any] = {
        "name": card.name,
        "version": card.version,
        "created_at": card.created_at.isoformat(),
        "kind": card.kind,
        "samples": card.samples,
        "sha256": card.sha256,
        "seed": card.plan.seed,
        "plan": card.plan.model_dump(mode="json"),
        "sources": [asdict(source) for source in card.sources],
        "steps": [asdict(report) for report in card.reports],
        "pruning": asdict(card.pruning) if card.pruning else None,
        "parent": card.history.parent,
        "changes": [each.as_row() for each in card.history.changes],
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
            # Cards of earlier versions have none.
            pruning=summary_of(content["pruning"]) if content.get("pruning") else None,
            history=History(content.get("parent", ""), tuple(map(change_of, content.get("changes", ())))),
        )
    except (OSError, KeyError, TypeError, ValueError, ValidationError) as exc:
        raise DataSetRefused(
            f"{path} is missing or damaged ({type(exc).__name__}). Delete the folder {path.parent} and build the data "
            "set again."
        ) from exc


def _report(step: dict[str, Any]) -> StepReport:
    pairs = tuple((str(here), str(there), float(share)) for here, there, share in step["pairs"])
    # Cards of earlier versions have none.
    unverified = tuple(Unverified(**each) for each in step.get("unverified", ()))
    examples = tuple(step["examples"])
    return StepReport(step["step"], step["title"], step["before"], step["kept"], examples, pairs, unverified)


def card_markdown(card: DataCard, samples: Sequence[TrainingSample]) -> str:
    """Return the card as Markdown.

    Args:
        card: the card.
        samples: the version's samples, or the chosen sides of its pairs, for counts by domain and source.
    """
    noun, file = ("preference pairs", "pairs.jsonl") if card.kind == "pairs" else ("samples", "samples.jsonl")
    parts = [
        f"# {card.name}, version {card.version}",
        f"{card.samples:,} {noun}, made on {card.created_at:%Y-%m-%d %H:%M} UTC with seed {card.plan.seed}.  \n"
        f"SHA-256 of `{file}`: `{card.sha256}`",
        *(f"**Note:** {warning}" for warning in card.warnings),
        "## Licence",
        LICENCE_NOTE,
        "## Sources",
        _table(
            ("source", "read as", f"{noun} read", "SHA-256"),
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
        *(_pruning(card.pruning) if card.pruning else ()),
        *_changes(card.history),
        "## What is in it",
        _table(("source", noun), _counted(sample.source for sample in samples)),
        _table(("domain", noun), _counted(sample.domain or "none given" for sample in samples)),
        "## Plan",
        "```json\n" + json.dumps(card.plan.model_dump(mode="json"), indent=2) + "\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _changes(history: History) -> list[str]:
    """What people changed, by version."""
    if not history.changes:
        return []
    rows = [
        (
            f"v{each.version}",
            each.kind.value,
            each.key,
            each.question,
            "; ".join(filter(None, (each.reason, each.doubt))),
        )
        for each in history.changes
    ]
    header = ("version", "change", "sample", "question", "reason")
    return [
        "## Changes by hand",
        f"Made from {_cell(history.parent)}.{_domains_read(history)}",
        _table(header, rows),
    ]


def _domains_read(history: History) -> str:
    """How many domains people have read, and found right."""
    read = [each for each in history.changes if each.kind is ChangeKind.DOMAIN]
    accepted = sum(each.is_accepted for each in read)
    if not read:
        return ""
    share = percent(accepted / len(read), 0)
    return f" Of {counted(len(read), 'domain')} that people have read, {accepted:,} were right as they were ({share})."


def _pruning(done: PruningSummary) -> list[str]:
    """What was pruned of the reasoning, by label, and what was kept whole."""
    costs = done.costs
    labels = [
        (label, f"{found:,}", f"{pruned:,}", percent(pruned / found, 0) if found else "–")
        for label, found, pruned in label_shares(done)
    ]
    kept = [(reason, f"{count:,}") for reason, count in done.kept_whole.items()]
    return [
        "## Pruned reasoning",
        f"Up to {percent(done.ratio, 0)} of each reasoning's functional steps, those whose removal lowers the "
        f"target's probability least (PIR, arXiv 2505.19187), according to {_cell(done.model)} with the profile "
        f"{_cell(done.profile)}: {saving_words(done)}. Steps were labelled by words, not by a model; "
        "progressive steps were never pruned.",
        _table(("label", "steps", "pruned", "share"), labels),
        *([_table(("kept whole because", "samples"), kept)] if kept else []),
        f"It took {costs.requests:,} letter probes of {costs.prompt_tokens:,} prompt tokens "
        f"({costs.cached_tokens:,} from the engine's cache) and {costs.generated_tokens:,} generated tokens; "
        f"{costs.reused:,} more were known from an earlier build.",
    ]


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
