"""Samples of a data set on the Admin page: lists, single samples, pairs. Pure: values in, dictionaries out."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from m1app.question_sets.overlap import NGRAM_WORDS
from m1app.training.data_jobs.domains import load_domains
from m1app.training.data_sets import DataSetVersion
from m1app.training.sample_charts import NO_DOMAIN
from m1app.training.sample_index import PAGE, IndexedSample, SampleQuery
from m1app.training.sample_service import SamplesPage, ShownPair, ShownSample
from m1app.wording import counted, percent

MOST_CHOICES = 200
"""Domains and sources to choose from; the search finds the others."""
_SHOWN_CHARACTERS = 20_000
"""Of a text beside another."""


def versions_value(versions: Sequence[DataSetVersion]) -> list[list[str]]:
    """Versions to choose from, without preference pairs: id and label."""
    return [[each.id, f"{each.id} ({each.samples:,})"] for each in versions if each.kind == "samples"]


def page_value(page: SamplesPage, query: SampleQuery) -> dict[str, Any]:
    """A page of the list, what it can be filtered by, and the charts."""
    facets = page.facets
    states = [
        ["kept", f"Kept ({facets.kept:,})"],
        ["dropped", f"Left out ({facets.dropped:,})"],
        *([step, f"Left out: {step} ({count:,})"] for step, count in facets.steps.items()),
        ["", f"All ({facets.kept + facets.dropped:,})"],
    ]
    return {
        "set": page.version.id,
        "states": states,
        "domains": _choices(facets.domains, NO_DOMAIN),
        "sources": _choices(facets.sources, "no source"),
        "rows": [row_value(each) for each in page.rows],
        "offset": query.offset,
        "size": PAGE,
        "total": page.total,
        "charts": [page.lengths, page.domains],
        "domain_list": list(load_domains().names),
    }


def row_value(each: IndexedSample) -> dict[str, Any]:
    """A row of the list."""
    why = f"{each.step}: {each.why}" if each.step else ""
    return {
        "key": each.key,
        "question": each.question,
        "domain": each.domain,
        "source": each.source,
        "characters": each.characters,
        "is_kept": each.is_kept,
        "why": why,
    }


def sample_value(shown: ShownSample) -> dict[str, Any]:
    """A whole sample, to read and to edit."""
    sample = shown.sample
    return row_value(shown.entry) | {
        "full_question": sample.question,
        "options": dict(sample.options),
        "target": sample.target or "",
        "reasoning": sample.reasoning,
        "answer": sample.answer,
        "doubt": shown.doubt,
    }


def pairs_value(pairs: Sequence[ShownPair], offset: int, total: int) -> dict[str, Any]:
    """Pairs of samples, side by side."""
    return {"offset": offset, "total": total, "size": len(pairs), "pairs": [_pair(each) for each in pairs]}


def made_words(made: DataSetVersion) -> str:
    """What a change made."""
    return f"{made.id} was made: {counted(made.samples, 'sample')}, {made.reports[-1].title}."


def _pair(shown: ShownPair) -> dict[str, Any]:
    pair = shown.pair
    said = (
        "The same question"
        if pair.is_same
        else f"{percent(pair.share, 0)} of the {NGRAM_WORDS}-word sequences in common"
    )
    sides = zip((pair.first, pair.second), (shown.first, shown.second), shown.questions, strict=True)
    return {
        "said": said,
        "sides": [
            row_value(entry)
            | {
                "pieces": [asdict(piece) for piece in pieces],
                "target": sample.target or "",
                "reasoning": sample.reasoning[:_SHOWN_CHARACTERS],
                "answer": sample.answer[:_SHOWN_CHARACTERS],
            }
            for entry, sample, pieces in sides
        ],
    }


def _choices(counts: Counter[str], none: str) -> list[list[str]]:
    return [[name, f"{name or none} ({count:,})"] for name, count in counts.most_common(MOST_CHOICES)]
