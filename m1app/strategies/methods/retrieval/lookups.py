"""Searches of a strategy, one at a time, and how the picture shows what was done: thoughts, searches, passages.

Picture "passages": {"steps": [{"kind": "search", "title": "Search", "query": "...", "state": "running" | "done" |
"failed", "error": "", "note": "", "tokens": 310, "passages": [{"id", "corpus", "version", "place", "text", "tokens"},
...]}, {"kind": "think" | "answer" | "part", "title": "...", "text": "...", "tokens": 120, "state": "running" | "done" |
"failed"}, ...]}. Tokens of a search are those of its passages.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.calls import MOST_CHARACTERS_SHOWN, Reply
from m1app.strategies.methods.model_json import as_text, clip, find_object
from m1app.strategies.passage_text import place_of
from m1app.strategies.protocol import Action, Event, Failed, Found, Passage, Search, Show, Start

_MOST_PASSAGE_CHARACTERS = 2_000
"""Of a passage, in the picture."""


@dataclass(slots=True)
class Lookup:
    """A search, as far as it has come."""

    search: Search
    title: str
    passages: tuple[Passage, ...] = ()
    is_done: bool = False
    error: str = ""
    note: str = ""

    def take(self, event: Found | Failed) -> None:
        """Note what came of it."""
        self.is_done = True
        if isinstance(event, Found):
            self.passages, self.note = event.passages, event.note
        else:
            self.error = event.error

    def value(self) -> dict[str, Any]:
        """As the picture shows it."""
        return {
            "kind": "search",
            "title": self.title,
            "query": clip(self.search.query, MOST_CHARACTERS_SHOWN),
            "state": "failed" if self.error else "done" if self.is_done else "running",
            "error": self.error,
            "note": self.note,
            "tokens": sum(each.tokens for each in self.passages),
            "passages": [_passage(each) for each in self.passages],
        }


@dataclass(slots=True)
class Lookups:
    """The searches of a strategy, in the order of their beginning."""

    all: list[Lookup] = field(default_factory=list)

    def find(self, search: Search, title: str) -> Generator[Sequence[Action], Event, tuple[Passage, ...]]:
        """Search, and wait for what is found; use it with `yield from` while nothing else runs.

        Raises:
            StrategyRefused: the search failed, such as for want of the corpus.
        """
        made = yield from self._search(search, title)
        if made.error:
            raise StrategyRefused(made.error)
        return made.passages

    def find_more(self, search: Search, title: str) -> Generator[Sequence[Action], Event, tuple[Passage, ...]]:
        """As `find`, where tokens were spent already: a search that fails finds nothing, and `note` says why."""
        made = yield from self._search(search, title)
        return made.passages

    def _search(self, search: Search, title: str) -> Generator[Sequence[Action], Event, Lookup]:
        made = Lookup(search, title)
        self.all.append(made)
        event = yield [Start(search)]
        while not isinstance(event, Found | Failed) or event.key != search.key:
            event = yield []
        made.take(event)
        return made

    @property
    def note(self) -> str:
        """How many searches failed, and why the first one did; empty if none."""
        errors = [each.error for each in self.all if each.error]
        if not errors:
            return ""
        return f"{len(errors)} search{'es' if len(errors) != 1 else ''} failed: {errors[0]}"

    @property
    def known(self) -> tuple[str, ...]:
        """Ids of all passages that were found."""
        return tuple(dict.fromkeys(each.id for lookup in self.all for each in lookup.passages))


def text_value(kind: str, title: str, text: str, tokens: int, state: str) -> dict[str, Any]:
    """What a model wrote, as the picture shows it: the end of a thinking, the beginning of everything else."""
    shown = clip(text.strip(), MOST_CHARACTERS_SHOWN, keeps_end=kind == "think")
    return {"kind": kind, "title": title, "text": shown, "tokens": tokens, "state": state}


def reply_values(reply: Reply, kind: str, title: str) -> list[dict[str, Any]]:
    """A call, as the picture shows it: its thinking, if it thinks, and its answer."""
    state = "failed" if reply.error else "done" if reply.is_done else "running"
    values = []
    if reply.call.thinking_tokens:
        values.append(text_value("think", title, reply.thinking, reply.thinking_tokens, state))
    if reply.text or not values:
        values.append(text_value(kind, "Answer" if values else title, reply.text, reply.answer_tokens, state))
    return values


def shown(steps: Sequence[dict[str, Any]]) -> Show:
    """The picture."""
    return Show("passages", {"steps": list(steps)})


def texts_of(written: str, key: str, most: int, most_characters: int = 300) -> list[str]:
    """The texts of a list in a model's JSON, such as {"steps": ["...", "..."]}; empty if it cannot be read.

    Args:
        written: what the model wrote.
        key: of the list.
        most: texts that are kept, the first ones.
        most_characters: of each.
    """
    listed = (find_object(written, key) or {}).get(key)
    if not isinstance(listed, list):
        return []
    return [text for each in listed[:most] if (text := as_text(each, most_characters))]


def _passage(passage: Passage) -> dict[str, Any]:
    return {
        "id": passage.id,
        "corpus": passage.corpus,
        "version": passage.version,
        "place": place_of(passage),
        "text": clip(passage.text, _MOST_PASSAGE_CHARACTERS),
        "tokens": passage.tokens,
    }
