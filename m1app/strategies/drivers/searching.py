"""Answers the searches of a strategy: finds passages, and spells them as the run's own model does."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from m1app.strategies.drivers.served_models import ServedModel
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.passage_text import quoted, quoted_one
from m1app.strategies.protocol import Found, Insertion, Passage, Search
from models.engine.protocol import TokenIds


@dataclass(frozen=True, slots=True)
class Hits:
    """Passages that were found."""

    passages: Sequence[Passage]
    note: str = ""
    """See `Found.note`."""


class PassageFinder(Protocol):
    """Where a driver finds passages."""

    async def find(self, search: Search, k: int) -> Hits:
        """The passages that fit a search best, at most k, the best first; `Search.besides` counts among them.

        Raises:
            AppError, StorageError: the corpus cannot be searched.
        """
        ...


class NoPassages:
    """Where there are no corpora."""

    async def find(self, search: Search, k: int) -> Hits:
        """See `PassageFinder.find`."""
        raise StrategyRefused("No corpus can be searched here. Choose a strategy that does not search.")


async def search_passages(search: Search, finder: PassageFinder, model: ServedModel) -> Found:
    """Do a search; raises AppError, StorageError, EngineError."""
    hits = await finder.find(search, search.k + len(search.besides)) if search.query else Hits(())
    new = [each for each in hits.passages if each.id not in search.besides][: search.k]
    passages = [
        replace(each, tokens=len(await _spelled(model, quoted_one(each, number)))) for number, each in enumerate(new, 1)
    ]
    if search.insertion is None:
        return Found(search.key, tuple(passages), note=hits.note)
    text, ids, kept = await _inserted(search.insertion, passages, model)
    return Found(search.key, tuple(kept), text, ids, hits.note)


async def _inserted(
    insertion: Insertion, passages: Sequence[Passage], model: ServedModel
) -> tuple[str, TokenIds, Sequence[Passage]]:
    for count in range(len(passages), -1, -1):
        text = insertion.before + (quoted(passages[:count]) or insertion.nothing) + insertion.after
        ids = await _spelled(model, text)
        if len(ids) <= insertion.most_tokens:
            break
    return text, ids, passages[:count]


async def _spelled(model: ServedModel, text: str) -> TokenIds:
    """Foreign text is never read as special tokens."""
    return await model.engine.tokenize(text, parse_special=False)
