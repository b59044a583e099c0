"""What the corpus tab shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m1app.knowledge.service import AddReport
from m1app.knowledge.vectors import Making
from m1app.wording import counted
from storage.corpora.records import Corpus, Passage
from storage.corpora.vectors import Embedding

PREVIEW_PAGE = 20


@dataclass(frozen=True, slots=True)
class VectorsShown:
    """What is known of the vectors of corpora, by id."""

    model: str
    """The embedding model; empty if none is set."""
    made: Mapping[str, Embedding]
    making: Mapping[str, Making]


def corpora_value(corpora: Sequence[Corpus], fact_count: int, vectors: VectorsShown) -> dict[str, Any]:
    """The list, and what is said about corrected facts."""
    rows = [_row(each) | {"vectors": _vectors(each, vectors)} for each in corpora]
    return {"rows": rows, "facts": _facts_said(fact_count)}


def add_value(report: AddReport) -> dict[str, Any]:
    """What adding a file came to."""
    made = report.corpus
    version = f", version {made.version}" if made.version > 1 else ""
    done = f"{made.name}{version}: {counted(made.passage_count, 'passage')} added." if report.is_new else ""
    return {"done": done, "notes": list(report.notes)}


def preview_value(corpus: Corpus, passages: Sequence[Passage], *, text: str, offset: int) -> dict[str, Any]:
    """One page of a corpus's passages.

    Args:
        corpus: the corpus.
        passages: up to PREVIEW_PAGE passages, plus one if there are more.
        text: the search text.
        offset: offset of the first passage.
    """
    shown = passages[:PREVIEW_PAGE]
    return {
        "id": corpus.id,
        "name": corpus.name,
        "facts": _facts(corpus),
        "text": text,
        "offset": offset,
        "page": PREVIEW_PAGE,
        "has_more": len(passages) > PREVIEW_PAGE,
        "passages": [_passage(each) for each in shown],
        "empty": "" if shown else "No passage contains any of these words. Try others.",
    }


def _row(corpus: Corpus) -> dict[str, Any]:
    return {
        "id": corpus.id,
        "name": corpus.name,
        "passages": corpus.passage_count,
        "licence": corpus.licence,
        "source": corpus.source,
    }


def _vectors(corpus: Corpus, vectors: VectorsShown) -> dict[str, Any]:
    """How far a corpus has vectors: a word for the list, a sentence, and what can be done."""
    made, making = vectors.made.get(corpus.id), vectors.making.get(corpus.id)
    is_running = bool(making and making.is_running)
    count = made.passage_count if made else 0
    is_whole = bool(made and count >= corpus.passage_count and made.model == vectors.model)
    return {
        "short": "all" if is_whole else f"{count:,}" if made else "none" if vectors.model else "",
        "said": _vectors_said(corpus, vectors.model, made, making),
        "is_running": is_running,
        "can_make": bool(vectors.model) and not is_running,
        "can_delete": made is not None and not is_running,
    }


def _vectors_said(corpus: Corpus, model: str, made: Embedding | None, making: Making | None) -> str:
    of = f"of {counted(corpus.passage_count, 'passage')}"
    if making and making.is_running:
        return f"Making vectors: {making.done:,} {of}."
    problem = f" The last attempt ended: {making.problem}" if making and making.problem else ""
    if made is None:
        none = "No vectors; search uses words only." if model else ""
        return none + problem
    has = f"{made.passage_count:,} {of} have a vector of {made.dimensions:,} numbers, by {made.model}."
    if not model:
        return f"{has} They are not used, because no embedding model is set."
    if made.model != model:
        return f"{has} They are not used, because the model is now {model}. Make them again.{problem}"
    if made.passage_count < corpus.passage_count:
        return f"{has} They are used once every passage has one.{problem}"
    return has + problem


def _facts(corpus: Corpus) -> list[tuple[str, str]]:
    counts = [(corpus.duplicate_count, "repeated in the file"), (corpus.shared_count, "also in another corpus")]
    said = "".join(f"; {count:,} {what}" for count, what in counts if count)
    return [
        ("Passages", f"{corpus.passage_count:,}{said}"),
        ("Version", str(corpus.version)),
        ("Licence", corpus.licence),
        ("From", corpus.source),
        ("Added", f"{corpus.created_at:%Y-%m-%d %H:%M} UTC"),
        ("SHA-256", corpus.sha256),
    ]


def _passage(passage: Passage) -> dict[str, str]:
    page = f", page {passage.page}" if passage.page else ""
    key = f", id {passage.key}" if passage.key else ""
    return {"heading": passage.heading, "text": passage.text, "place": f"{passage.source}{page}{key}"}


def _facts_said(count: int) -> str:
    if not count:
        return "Corrected facts from submitted annotations form a separate corpus. There are none yet."
    are = "is" if count == 1 else "are"
    return (
        f"{counted(count, 'corrected fact')} from annotations {are} searched too, except for the question that they "
        "were written on."
    )
