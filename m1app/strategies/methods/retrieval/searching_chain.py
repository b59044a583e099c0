"""A thinking that looks things up where the model asks for it (MIRAGE, arXiv 2508.18260; Search-o1, 2501.05366).

The model writes what it wants to know between two marks. The thinking is paused there, a search finds passages, and
they are written into the thinking, which goes on after them. Everything in the thinking counts against its budget,
passages too, as an inserted "Wait" does.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from m1app.strategies.methods.passes import thinking_share
from m1app.strategies.methods.retrieval.lookups import Lookup, shown, text_value
from m1app.strategies.passage_text import BEGIN_PASSAGES, BEGIN_SEARCH, END_PASSAGES, END_SEARCH
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import (
    Action,
    Answer,
    Answered,
    Beginning,
    Chat,
    Event,
    Failed,
    Finish,
    Found,
    Grew,
    Insertion,
    Passage,
    Refused,
    Search,
    Show,
    Start,
    Strategy,
    Task,
    Think,
    Thought,
    Verdict,
)
from models.engine.protocol import TokenIds

MOST_SEARCHES = 5
"""As MIRAGE allows."""
_MOST_QUERY_CHARACTERS = 200
_CHARACTERS_OF_A_TOKEN = 3
_SEARCH = "search"

prompts("retrieval")


@dataclass(slots=True)
class Allowance:
    """Searches that are left, of one chain or of several."""

    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainPlan:
    """What a chain is asked, and its limits."""

    key: str
    """Keys of its requests begin with it."""
    chat: Chat
    """Says how to search."""
    thinking_tokens: int
    """At least 1; passages count."""
    answer_tokens: int
    seed: int
    k: int
    """Most passages of a search."""
    corpus: str
    """Empty for all."""
    title: str = "Thinking"
    """In the picture."""


@dataclass(slots=True)
class _Stretch:
    """A part of the thinking between two searches."""

    think: Think
    text: str = ""
    tokens: int = 0
    is_done: bool = False
    is_failed: bool = False
    lookup: Lookup | None = None
    """The search after it, if there was one."""

    @property
    def state(self) -> str:
        """As the picture shows it."""
        return "failed" if self.is_failed else "done" if self.is_done else "running"


@dataclass(slots=True)
class Chain:
    """A chain and its answer, as far as they have come: give it its events, and do what it returns."""

    plan: ChainPlan
    allowance: Allowance
    answer: str = ""
    letter: str | None = None
    error: str = ""
    """Why there is no answer; empty if there is one."""
    note: str = ""
    """What went wrong on the way to an answer."""
    is_done: bool = False
    stretches: list[_Stretch] = field(default_factory=list)
    _used: int = 0
    """Tokens of the thinking so far, of passages too."""
    _ids: TokenIds = ()
    """These tokens."""
    _answer_tokens: int = 0

    def begin(self) -> list[Action]:
        """Start thinking."""
        return [self._think(None)]

    def has(self, key: str) -> bool:
        """Whether a request is one of its own."""
        return key.startswith(f"{self.plan.key}/")

    def take(self, event: Event) -> list[Action]:
        """Take an event of a request of its own."""
        match event:
            case Grew(_, tokens, text):
                self.stretches[-1].tokens = tokens
                self.stretches[-1].text += text
                return []
            case Thought():
                return [self._thought(event)]
            case Found():
                return [self._found(event)]
            case Answered(_, text, letter, tokens):
                self.answer, self.letter, self._answer_tokens, self.is_done = text, letter, tokens, True
                return []
            case Failed(_, error):
                return self._failed(event.key, error, event)
            case Refused():
                return self._refused(event)
        return []

    @property
    def lookups(self) -> Sequence[Lookup]:
        """Its searches, in order."""
        return [each.lookup for each in self.stretches if each.lookup is not None]

    @property
    def answered_after(self) -> str:
        """Key of the last `Think` that ended as it should."""
        return next(each.think.key for each in reversed(self.stretches) if each.is_done)

    @property
    def passages(self) -> tuple[Passage, ...]:
        """All that were found, each once."""
        return tuple({each.id: each for lookup in self.lookups for each in lookup.passages}.values())

    def values(self) -> list[dict[str, Any]]:
        """As the picture shows it."""
        values: list[dict[str, Any]] = []
        for place, each in enumerate(self.stretches):
            title = self.plan.title if not place else "Thinking continues"
            values.append(text_value("think", title, each.text, each.tokens, each.state))
            values += [each.lookup.value()] if each.lookup else []
        if self.is_done:
            said = self.error or self.answer
            values.append(text_value("answer", "Answer", said, self._answer_tokens, "failed" if self.error else "done"))
        return values

    def _think(self, after: Found | None) -> Start:
        plan = self.plan
        beginning = None
        if after is not None:
            beginning = Beginning(
                kept_ids=self._ids, inserted_ids=after.inserted_ids, text=after.inserted_text, chat=plan.chat
            )
            self._ids += after.inserted_ids
            self._used += len(after.inserted_ids)
        think = Think(
            key=f"{plan.key}/{len(self.stretches)}",
            chat=None if beginning else plan.chat,
            beginning=beginning,
            budget_tokens=plan.thinking_tokens - self._used,
            seed=plan.seed,
            stop_texts=(END_SEARCH,) if self.allowance.left else (),
            set_aside_tokens=plan.answer_tokens,
            after=self.stretches[-1].think.key if self.stretches else "",
        )
        self.stretches.append(_Stretch(think))
        return Start(think)

    def _thought(self, event: Thought) -> Start:
        stretch = self.stretches[-1]
        stretch.text, stretch.tokens, stretch.is_done = event.text, event.tokens, True
        self._ids += event.token_ids
        self._used += event.tokens
        if event.finish is not Finish.MARK or self._used + 1 >= self.plan.thinking_tokens:
            return self._answer_it()
        return self._search(event, stretch)

    def _search(self, event: Thought, stretch: _Stretch) -> Start:
        """Look up what the model asks for, or say why not: the thinking goes on in either case."""
        query, nothing = "", "Nothing was searched for."
        if self.allowance.left:  # Another chain may have taken the last one meanwhile.
            self.allowance.left -= 1
            query = _query_in(event.text)
            nothing = "No passage was found." if query else f"{nothing} A search is a few words on one line."
        search = Search(
            key=f"{event.key}/{_SEARCH}",
            query=query,
            k=self.plan.k,
            corpus=self.plan.corpus,
            besides=tuple(each.id for each in self.passages),
            insertion=self._insertion(nothing),
        )
        stretch.lookup = Lookup(search, "Search") if query else None
        return Start(search)

    def _insertion(self, nothing: str) -> Insertion:
        last = "" if self.allowance.left else "No searches are left.\n"
        return Insertion(
            before=f"{END_SEARCH}\n{BEGIN_PASSAGES}\n",
            after=f"\n{END_PASSAGES}\n{last}",
            nothing=nothing,
            most_tokens=self.plan.thinking_tokens - self._used - 1,
        )

    def _found(self, event: Found) -> Start:
        if (lookup := self.stretches[-1].lookup) is not None:
            lookup.take(event)
        if self._used + len(event.inserted_ids) >= self.plan.thinking_tokens:
            if lookup is not None:
                self.note = "The thinking budget had no room for what the last search found."
            return self._answer_it()
        return self._think(event)

    def _answer_it(self) -> Start:
        """Answer after what has been thought."""
        key = f"{self.plan.key}/answer"
        return Start(Answer(key=key, after=self.answered_after, cap_tokens=self.plan.answer_tokens))

    def _failed(self, key: str, error: str, event: Failed) -> list[Action]:
        last = self.stretches[-1]
        if key.endswith(f"/{_SEARCH}"):
            if last.lookup is not None:
                last.lookup.take(event)
        elif key == last.think.key:
            last.is_failed = True
        if key.endswith("/answer") or not any(each.is_done for each in self.stretches):
            self.error, self.is_done = error, True
            return []
        self.note = error
        return [self._answer_it()]

    def _refused(self, event: Refused) -> list[Action]:
        """Do with what is left: a kill has wasted what is missing, or what ended stretches has cost it."""
        is_answer = event.key.endswith("/answer")
        room = event.left_tokens - (0 if is_answer else self.plan.answer_tokens)
        if room >= 1:
            return [self._shorter_answer(room) if is_answer else self._shorter_think(room)]
        error = f"Not enough of the budget was left: {event.needed_tokens:,} tokens needed, {event.left_tokens:,} left."
        return self._failed(event.key, error, Failed(event.key, error))

    def _shorter_answer(self, tokens: int) -> Start:
        answer = self._answer_it().request
        assert isinstance(answer, Answer)
        return Start(replace(answer, cap_tokens=min(tokens, answer.cap_tokens)))

    def _shorter_think(self, tokens: int) -> Start:
        stretch = self.stretches[-1]
        stretch.think = replace(stretch.think, budget_tokens=min(tokens, stretch.think.budget_tokens))
        return Start(stretch.think)


def _query_in(text: str) -> str:
    """What the model wants to look up at the end of a text; empty if it is no search for a few words on one line."""
    _, mark, written = text.rpartition(BEGIN_SEARCH)
    query = " ".join(written.split())
    is_usable = mark and len(written.strip().splitlines()) == 1 and len(query) <= _MOST_QUERY_CHARACTERS
    return query if is_usable else ""


def follow(chains: Sequence[Chain], picture: Callable[[], Show]) -> Generator[Sequence[Action], Event, None]:
    """Run chains side by side until all have ended; use it with `yield from`."""
    actions: list[Action] = [action for each in chains for action in each.begin()]
    while any(not each.is_done for each in chains):
        event = yield [*actions, picture()]
        while isinstance(event, Grew):
            _take(chains, event)
            event = yield []
        actions = _take(chains, event)


def _take(chains: Sequence[Chain], event: Event) -> list[Action]:
    return next((each.take(event) for each in chains if not each.is_done and each.has(event.key)), [])


def fitting(task: Task, thinking_tokens: int, chat: Chat) -> int:
    """A thinking budget that the model's context has room for, as far as can be told from characters."""
    if task.most_thinking_tokens is None:
        return thinking_tokens
    longer = max(0, len(chat.user) - len(task.prompt)) // _CHARACTERS_OF_A_TOKEN
    return max(1, min(thinking_tokens, task.most_thinking_tokens - longer))


def search_while_thinking(task: Task, k: int = 3, searches: int = MOST_SEARCHES, corpus: str = "") -> Strategy:
    """One pass that may look things up while it thinks.

    Args:
        task: with or without options; its forced rounds are not used.
        k: most passages of a search.
        searches: most searches.
        corpus: name of a corpus; empty searches all.

    Raises:
        StrategyRefused: the budget is too small.
    """
    thinking = thinking_share(task, 1)
    chat = Chat(fill("retrieval", "searching", searches=searches, question=task.prompt))
    plan = ChainPlan(
        key="chain",
        chat=chat,
        thinking_tokens=fitting(task, thinking, chat),
        answer_tokens=task.answer_cap_tokens,
        seed=task.seed,
        k=k,
        corpus=corpus,
    )
    chain = Chain(plan, Allowance(searches))

    def picture() -> Show:
        return shown(chain.values())

    yield from follow([chain], picture)
    if chain.error:
        return Verdict(None, "", chain.error, last_shown=(picture(),))
    return Verdict(chain.letter, chain.answer, _why(chain), chain.answered_after, (picture(),))


def _why(chain: Chain) -> str:
    count, found = len(chain.lookups), len(chain.passages)
    if not count:
        return f"The model searched for nothing. {chain.note}".strip()
    times = "once" if count == 1 else f"{count} times"
    return f"The model searched {times} and read {found:,} passage{'s' if found != 1 else ''}. {chain.note}".strip()
