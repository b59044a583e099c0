"""What a strategy asks for, what it is told, and what it returns.

A strategy is a generator without I/O, as the thinking pass is: it yields lists of actions, is sent one event at a time,
and returns a `Verdict`. A driver owns the engines, the budget and the ledger, so a strategy cannot overspend. Two
drivers exist: `driver` asks live engines, `pool.driver` serves stored passes.

The key of a request names it within the run and does not depend on time ("pass/3"): after a kill finished requests are
replayed from storage by their keys, and only the others are asked again. A strategy therefore has to make the same
requests when it is told the same events.

Pure, standard library only.
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from models.engine.protocol import TokenIds
from models.thinking.sweep import Cut


class Purpose(StrEnum):
    """What a request is for; the ledger adds up tokens by it."""

    THINK = "think"
    ANSWER = "answer"
    PROBE = "probe"
    """The probabilities of the options, or of other choices, as the next token."""
    VERIFY = "verify"
    PLAN = "plan"
    DEBATE = "debate"
    RETRIEVE = "retrieve"
    """Passages that are looked up; generates nothing."""


class Growth(StrEnum):
    """What a strategy is told of a thinking before its end. Telling costs the app time."""

    CHUNKS = "chunks"
    """Each chunk, as `Grew`."""
    CUTS = "cuts"
    """Where it reaches a length of `Think.pause_at`, as `Grew`; and each natural stop, as `Stopped`."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Chat:
    """A prompt of its own, rendered by the profile of the model that is asked."""

    user: str
    system: str | None = None
    """None uses the profile's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a thinking goes on from, in place of nothing. It is no part of what the thinking generates."""

    kept_ids: TokenIds = field(repr=False)
    """Of another thinking, from its first token on."""
    inserted_ids: TokenIds = ()
    """After them; charged as inserted to every request that has them."""
    text: str = field(default="", repr=False)
    """The end of their text: decides how a "Wait" or the closing is joined to it."""
    chat: Chat | None = None
    """Prompt before them; None asks the question itself."""

    @property
    def token_ids(self) -> TokenIds:
        """All of them."""
        return self.kept_ids + self.inserted_ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Think:
    """Let a model think; told `Thought` at its end, and before it what `growth` says."""

    key: str
    budget_tokens: int
    """Most tokens of thinking, at least 1, inserted "Wait"s included."""
    seed: int
    """Not sent where the temperature is 0."""
    purpose: Purpose = Purpose.THINK
    chat: Chat | None = None
    """None asks the question itself."""
    beginning: Beginning | None = None
    """What it goes on from, with its own prompt in place of `chat`; None begins a thinking."""
    model: str = ""
    """Another served model; empty for the one that the run is about."""
    force_rounds: int = 0
    temperature: float | None = None
    """None uses the run's."""
    pause_at: tuple[int, ...] = ()
    """Tokens of thinking at which the strategy may want to look: where an engine shares its cache within one request
    only (llama.cpp), the pass waits there for the requests that were made of it."""
    growth: Growth = Growth.CHUNKS
    wants_confidence: bool = False
    """Whether each token's confidence is needed; costs the engine and the app time."""
    set_aside_tokens: int = 0
    """Tokens that stay reserved when it has ended, for its answer and a look at its end: what else runs cannot spend
    them. See `most_generated`."""
    after: str = ""
    """Key of a thinking that it goes on from: it takes over what was set aside for that one's answer."""
    stop_texts: tuple[str, ...] = ()
    """Texts that end it besides the model's own delimiters. Like those, they are generated and part of no thinking, and
    told as `Finish.MARK`. With forced rounds they would be overruled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Close a thinking and let the model answer; told `Answered`."""

    key: str
    after: str | Chat
    """Key of a `Think`, or a prompt that is answered without thinking."""
    cap_tokens: int
    """Most tokens of the answer, at least 1."""
    tokens: int | None = None
    """Answer after so many tokens of the thinking; None for all of it, which must have ended."""
    cut: Cut | None = None
    """In place of `tokens`: answer exactly where, and as, a smaller budget or fewer rounds would have ended the
    thinking; that may be inside of a delimiter."""
    seed: int | None = None
    """None uses the seed of the thinking."""
    purpose: Purpose = Purpose.ANSWER
    model: str = ""
    """With a prompt of its own: another served model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Ask how probable each of some choices is as the next token, which costs one token; told `Looked`."""

    key: str
    after: str | Chat | Beginning
    """As in `Answer`, or the beginning of a thinking, which is closed there."""
    choices: tuple[str, ...]
    """Such as the letters of the options, or "Yes" and "No"."""
    lead: str | None = None
    """Text after the closed thinking that the choice continues; None for the profile's lead to a letter."""
    tokens: int | None = None
    """As in `Answer`."""
    cut: Cut | None = None
    """As in `Answer`."""
    purpose: Purpose = Purpose.PROBE
    model: str = ""


@dataclass(frozen=True, slots=True)
class Insertion:
    """How passages are written into a thinking."""

    before: str
    after: str
    nothing: str
    """In place of passages where there are none."""
    most_tokens: int
    """Passages that make it longer are left out, the worst first. Without any passage it may still be longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Find passages; told `Found`, or `Failed`. Asks no engine and generates nothing.

    The driver leaves out what was written about the answer to the question that is asked.
    """

    key: str
    query: str
    """Words, or a whole question. If it is empty, nothing is searched for, and the insertion says so."""
    k: int
    """Most passages, at least 1."""
    corpus: str = ""
    """Name of a corpus; empty searches all."""
    besides: tuple[str, ...] = ()
    """Ids of passages that are known already: others are found."""
    is_of_questions: bool = False
    """Whether the corpus may have solved questions: the asked one, and others nearly the same, are not found."""
    insertion: Insertion | None = None
    """For passages that are inserted into a thinking of the run's own model."""


Request = Think | Answer | Look
"""What is asked of an engine."""

LOOK_TOKENS = 1
"""Tokens that a `Look` generates."""


def most_generated(*, thinking: int = 0, overruled: int = 0, answer: int = 0, looks: int = 0) -> int:
    """The most that is generated for a thinking, its answer, and looks at choices: what budgets are planned with.

    Args:
        thinking: budget, in tokens.
        overruled: tokens of delimiters that forced rounds overrule, which are generated besides the thinking.
        answer: cap, in tokens.
        looks: how many.
    """
    return thinking + overruled + answer + looks * LOOK_TOKENS


def most_tokens(request: Request, delimiter_tokens: int) -> int:
    """The most that a request can generate, without what it sets aside.

    Args:
        request: what is asked.
        delimiter_tokens: of what ends a thinking; one that is overruled was generated besides the thinking.
    """
    match request:
        case Think():
            overruled = request.force_rounds * delimiter_tokens
            return most_generated(thinking=request.budget_tokens, overruled=overruled)
        case Answer():
            return most_generated(answer=request.cap_tokens)
        case Look():
            return most_generated(looks=1)


def asked_after(request: Request) -> str:
    """Key of the thinking that a request is asked after, or goes on from; empty if there is none."""
    return request.after if isinstance(request.after, str) else ""


def set_aside(request: Request) -> int:
    """Tokens that a request sets aside for what is asked after it."""
    return request.set_aside_tokens if isinstance(request, Think) else 0


@dataclass(frozen=True, slots=True)
class Start:
    """Action: make this request, or search."""

    request: Request | Search


@dataclass(frozen=True, slots=True)
class Cancel:
    """Action: stop a request. What it generated is wasted, and nothing more is told of it."""

    key: str


@dataclass(frozen=True, slots=True)
class Close:
    """Action: end a `Think` after its first `tokens` tokens. It is told as `Thought`; later tokens are wasted."""

    key: str
    tokens: int


@dataclass(frozen=True, slots=True)
class Show:
    """Action: what the strategy's picture shows under a name, in place of what it showed there before."""

    name: str
    value: Any
    """Of JSON's types."""


Action = Start | Cancel | Close | Show


@dataclass(frozen=True, slots=True)
class Grew:
    """Event: a `Think` got longer."""

    key: str
    tokens: int
    """Tokens of the thinking so far."""
    text: str
    """The text that was added."""
    confidences: tuple[float, ...] = ()
    """Of each added token, see `Think.wants_confidence`; empty where they were not asked for, or inserted."""
    is_inserted: bool = False
    """Whether it is a "Wait"."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """Event: the model wanted to end a `Think`, see `Growth.CUTS`; a forced round overrules it."""

    key: str
    tokens: int
    """Tokens of the thinking before it."""
    delimiter_ids: TokenIds
    """With which it did; a run whose budget ends inside of them does not see the stop."""
    wait_tokens: int
    """Tokens of the "Wait" that overrules it, or would."""


class Finish(StrEnum):
    """Why a thinking ended."""

    NATURAL = "natural"
    MARK = "mark"
    """At one of `Think.stop_texts`."""
    BUDGET = "budget"
    CLOSED = "closed"
    """The strategy closed it, or a person had it answer."""


@dataclass(frozen=True, slots=True)
class Thought:
    """Event: a `Think` ended."""

    key: str
    tokens: int
    text: str = field(repr=False)
    finish: Finish
    forced_rounds: int = 0
    stops: tuple[int, ...] = ()
    """Tokens before each natural stop; an answer at one of them is closed as at the end."""
    token_ids: TokenIds = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Answered:
    """Event: an `Answer` is complete."""

    key: str
    text: str
    letter: str | None
    """The option that it names, by the rule `strict`, or all of them, as "A, C", where several are asked for; None for
    an open question."""
    tokens: int
    is_whole: bool
    """False if it ended at its cap."""


@dataclass(frozen=True, slots=True)
class Looked:
    """Event: the choices' probabilities."""

    key: str
    probabilities: Mapping[str, float] | None
    """0-1 each, as the engine said, with a sum of at most 1. None from an engine without probabilities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A passage of a corpus, as a search has found it. Anybody may have written it: it is text, whatever it says."""

    id: str
    corpus: str
    """Name of its corpus."""
    version: int
    """Of the corpus; 0 for a corrected fact of an annotation."""
    source: str
    page: str
    """As in the source; empty if there are none."""
    heading: str
    text: str = field(repr=False)
    tokens: int = 0
    """Of the passage with its source, as the run's own model spells them."""


@dataclass(frozen=True, slots=True)
class Found:
    """Event: what a `Search` has found."""

    key: str
    passages: tuple[Passage, ...]
    """The best first; empty if nothing fits."""
    inserted_text: str = field(default="", repr=False)
    """See `Search.insertion`; else empty."""
    inserted_ids: TokenIds = field(default=(), repr=False)
    note: str = ""
    """How they were found, for people: by meaning too, or why not; empty where words alone decide as always."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Event: the engine failed a request several times, and what it generated is wasted; or a search failed."""

    key: str
    error: str
    """For people to read."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Event: a request was not made, because it might overspend the budget."""

    key: str
    needed_tokens: int
    """With what it would set aside."""
    left_tokens: int
    """With what was set aside for it. What running requests do not use comes back when they end."""


Event = Grew | Stopped | Thought | Answered | Looked | Found | Failed | Refused


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a policy says about a question."""

    choice: str
    """A strategy as it is written: "vote:k=4"."""
    thinking_tokens: int
    """Thinking budget of each pass."""
    why: str
    """One sentence for people."""


class Chooser(Protocol):
    """Chooses a strategy by the entropy of a pilot: see `policy.Policy`."""

    @property
    def pilot_tokens(self) -> int:
        """Thinking budget of each pilot pass."""
        ...

    @property
    def pilot_passes(self) -> int:
        """Pilot passes."""
        ...

    def choose(self, entropy: float) -> Chosen:
        """The strategy for a question whose pilot has this entropy, in bits."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """What a strategy is given. The right answer is not in it."""

    stem: str
    options: Mapping[str, str]
    """Letter -> text; empty for an open question."""
    prompt: str
    """The question as the model is asked it."""
    budget_tokens: int
    """Most tokens that may be generated for the question in all."""
    answer_cap_tokens: int
    thinking_tokens: int | None = None
    """Thinking budget of each pass; None shares the budget evenly among the passes."""
    force_rounds: int = 0
    temperature: float = 0.6
    seed: int = 0
    """Of the first pass; the others count on from it."""
    most_thinking_tokens: int | None = None
    """The longest thinking that fits the model's context with the question and its answer; None if it is not known."""
    checkpoints: tuple[int, ...] = ()
    """Thinking tokens at which stored passes have answers: early exits look there. Empty where an engine is asked,
    which can be asked anywhere."""
    are_several: bool = False
    """Whether all right options are asked for: an answer is then a set of letters, and the probability of a letter says
    nothing about it."""
    is_watched: bool = True
    """Whether anyone sees the picture. Otherwise a strategy need not draw it, nor follow passes as they grow for it."""
    policies: Mapping[str, Chooser] = field(default_factory=dict, repr=False)
    """By name: those that the strategies of the run choose by. A strategy cannot read them from files itself."""

    @property
    def letters(self) -> tuple[str, ...]:
        """The options' letters."""
        return tuple(self.options)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a strategy returns."""

    letter: str | None
    """Of the answer, or its letters, as "A, C", where several are asked for; None for an open question, and where there
    is none."""
    answer: str
    """Its text; empty if there is none."""
    why: str
    """One sentence for people: how the answer was chosen."""
    of: str = ""
    """Key of the `Think` that it comes from; empty if it comes from none, or from several alike."""
    last_shown: tuple[Show, ...] = field(default=(), compare=False)
    """What its picture shows at the end."""


Strategy = Generator[Sequence[Action], Event, Verdict]
