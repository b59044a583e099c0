"""Calls of a model with prompts of a strategy's own: asked one after another or several at once, within the budget.

A call is a thinking and its answer, or an answer without thinking. A call that the budget refuses waits for others to
end, then is asked with as much as is left; only if that is nothing is it given up. Pure.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

from m1app.strategies.errors import StrategyRefused
from m1app.strategies.methods.model_json import clip
from m1app.strategies.methods.passes import plain_answer
from m1app.strategies.protocol import (
    Action,
    Answer,
    Answered,
    Chat,
    Event,
    Failed,
    Finish,
    Found,
    Grew,
    Looked,
    Purpose,
    Refused,
    Show,
    Start,
    Stopped,
    Task,
    Think,
    Thought,
    most_generated,
)

Asking = Generator[Sequence[Action], Event, "list[Reply]"]
"""What `Calls.ask` is: use it with `yield from`."""

MOST_CHARACTERS_QUOTED = 1_500
"""Of a reply, in the prompt of another call."""
MOST_CHARACTERS_SHOWN = 4_000
"""Of a reply, in a picture."""
_CHARACTERS_OF_A_TOKEN = 3
"""At least so many, in most texts."""
_DELIMITER_TOKENS = 8
"""At most so many tokens end a thinking or an answer besides those that are told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked."""

    key: str
    chat: Chat | None
    """None asks the question itself, which needs thinking tokens."""
    answer_tokens: int
    """Most tokens of the answer, at least 1."""
    thinking_tokens: int = 0
    """Most tokens of thinking; 0 answers without thinking."""
    seed: int
    purpose: Purpose | None = None
    """None counts the thinking as thinking and the answer as answer."""
    temperature: float | None = None
    """Of the thinking and its answer; None uses the run's, as an answer without thinking always does."""
    is_forced: bool = False
    """Whether its thinking is forced on as a pass of the question is; one of the question itself always is."""
    who: str = ""
    """In a transcript: who says it."""
    round: int = 0
    """In a transcript: in which round, from 1."""

    @property
    def tokens(self) -> int:
        """The most that it generates, force rounds aside."""
        return most_generated(thinking=self.thinking_tokens, answer=self.answer_tokens)


@dataclass(slots=True)
class Reply:
    """What came back, as far as it has come."""

    call: Call
    thinking: str = ""
    thinking_tokens: int = 0
    text: str = ""
    letter: str | None = None
    answer_tokens: int = 0
    is_whole: bool = True
    """False if the answer ended at its cap."""
    is_done: bool = False
    error: str = ""
    """For people to read; empty if it was answered."""
    is_cut: bool = False
    """Whether the budget left less for it than was meant."""
    spent_tokens: int = 0
    """The most that it can have cost."""

    @property
    def tokens(self) -> int:
        """Thinking and answer, without what ended them."""
        return self.thinking_tokens + self.answer_tokens

    @property
    def is_answered(self) -> bool:
        """Whether it ended with an answer."""
        return self.is_done and not self.error

    def said(self, task: Task) -> str | None:
        """What it votes for: its letter, or the answer to an open question in plain form."""
        return self.letter if task.options else plain_answer(self.text)

    def quoted(self, most_characters: int = MOST_CHARACTERS_QUOTED) -> str:
        """The end of its thinking and its answer, for the prompt of another call."""
        answer = clip(self.text.strip(), most_characters // 2)
        thinking = clip(self.thinking.strip(), most_characters - len(answer), keeps_end=True)
        return f"{thinking}\n\nAnswer: {answer}" if thinking else answer


@dataclass(slots=True)
class Calls:
    """Makes calls, and keeps the replies in the order in which they were asked."""

    task: Task
    shown: Callable[[], Show] | None = None
    """Makes the picture; shown before and after each call."""
    replies: list[Reply] = field(default_factory=list)
    _corrected_tokens: int = 0
    """What the driver said is missing besides what the replies cost."""

    @property
    def left_tokens(self) -> int:
        """Tokens that are left for sure while no call runs, unless a resumed run lost some."""
        spent = sum(each.spent_tokens for each in self.replies)
        return max(0, self.task.budget_tokens - spent - self._corrected_tokens)

    def ask(self, calls: Sequence[Call], keep_tokens: int = 0) -> Asking:
        """Ask all at once and wait for all of them.

        Args:
            calls: with keys that no call had before.
            keep_tokens: what later calls need: it is not used when a call has to be cut.

        Returns:
            The replies, in the order of the calls.
        """
        asked = _Asked(self, {call.key: Reply(self._fitted(call)) for call in calls}, keep_tokens)
        self.replies += asked.by_key.values()
        actions = [*self._picture(), *(Start(asked.first(reply)) for reply in asked.by_key.values())]
        while asked.is_running:
            event = yield actions
            actions = asked.take(event)
            if not isinstance(event, Grew):
                actions += self._picture()
        return list(asked.by_key.values())

    def ask_one(self, call: Call, keep_tokens: int = 0) -> Generator[Sequence[Action], Event, Reply]:
        """Ask one, see `ask`."""
        replies = yield from self.ask([call], keep_tokens)
        return replies[0]

    def correct(self, left_tokens: int) -> None:
        """Nothing runs, and the driver says that so much is left."""
        self._corrected_tokens += max(0, self.left_tokens - left_tokens)

    def _fitted(self, call: Call) -> Call:
        """The call with a thinking that the model's context has room for, as far as can be told from characters."""
        if not call.thinking_tokens or self.task.most_thinking_tokens is None:
            return call
        longer = len(call.chat.user) - len(self.task.prompt) if call.chat else 0
        most = self.task.most_thinking_tokens - max(0, longer) // _CHARACTERS_OF_A_TOKEN
        return replace(call, thinking_tokens=max(1, min(call.thinking_tokens, most)))

    def _picture(self) -> list[Action]:
        return [self.shown()] if self.shown else []


@dataclass(slots=True)
class _Asked:
    """Calls that were asked together."""

    calls: Calls
    by_key: dict[str, Reply]
    keep_tokens: int
    waiting: dict[str, tuple[Think | Answer, Refused]] = field(default_factory=dict)
    """Refused requests, by the key of their call."""

    @property
    def is_running(self) -> bool:
        return any(not each.is_done for each in self.by_key.values())

    def first(self, reply: Reply) -> Think | Answer:
        call = reply.call
        if not call.thinking_tokens:
            return self._answer(reply)
        return Think(
            key=call.key,
            budget_tokens=call.thinking_tokens,
            seed=call.seed,
            purpose=call.purpose or Purpose.THINK,
            chat=call.chat,
            force_rounds=self.calls.task.force_rounds if call.is_forced or call.chat is None else 0,
            temperature=call.temperature,
            set_aside_tokens=call.answer_tokens,
        )

    def _answer(self, reply: Reply) -> Answer:
        call = reply.call
        if call.thinking_tokens:
            return Answer(
                key=f"{call.key}/answer",
                after=call.key,
                cap_tokens=call.answer_tokens,
                purpose=call.purpose or Purpose.ANSWER,
            )
        assert call.chat is not None
        return Answer(
            key=call.key,
            after=call.chat,
            cap_tokens=call.answer_tokens,
            seed=call.seed,
            purpose=call.purpose or Purpose.ANSWER,
        )

    def take(self, event: Event) -> list[Action]:
        reply = self.by_key.get(event.key.removesuffix("/answer"))
        if reply is None or reply.is_done:
            return []
        match event:
            case Grew(_, tokens):
                reply.thinking_tokens = tokens
                return []
            case Thought():
                self._thought(reply, event)
                return [Start(self._answer(reply)), *self._again()]
            case Answered():
                self._answered(reply, event)
                return self._again()
            case Failed(_, error):
                reply.error, reply.is_done = error, True
                reply.spent_tokens = reply.call.tokens
                return self._again()
            case Refused():
                return self._refused(reply, event)
            case Looked() | Stopped() | Found():
                return []

    @staticmethod
    def _thought(reply: Reply, event: Thought) -> None:
        reply.thinking, reply.thinking_tokens = event.text, event.tokens
        ended = event.tokens + (_DELIMITER_TOKENS if event.finish is Finish.NATURAL else 0)
        overruled = _DELIMITER_TOKENS * event.forced_rounds
        reply.spent_tokens = min(reply.call.thinking_tokens, ended) + overruled

    @staticmethod
    def _answered(reply: Reply, event: Answered) -> None:
        reply.text, reply.letter, reply.answer_tokens = event.text, event.letter, event.tokens
        reply.is_whole, reply.is_done = event.is_whole, True
        ended = event.tokens + (_DELIMITER_TOKENS if event.is_whole else 0)
        reply.spent_tokens += min(reply.call.answer_tokens, ended)

    def _refused(self, reply: Reply, event: Refused) -> list[Action]:
        request = self._answer(reply) if event.key != reply.call.key else self.first(reply)
        self.waiting[reply.call.key] = (request, event)
        if any(not each.is_done and key not in self.waiting for key, each in self.by_key.items()):
            return []
        return self._cut(event.left_tokens)

    def _again(self) -> list[Action]:
        """Ask for what was refused, now that something has ended; cut, if nothing runs."""
        actions: list[Action] = [Start(request) for request, _ in self.waiting.values()]
        self.waiting.clear()
        return actions

    def _cut(self, left_tokens: int) -> list[Action]:
        """Nothing runs: share what is left among what waits, and give up what gets nothing or was cut before."""
        self.calls.correct(left_tokens)
        share = (left_tokens - self.keep_tokens) // len(self.waiting)
        waiting = list(self.waiting.items())
        self.waiting.clear()
        actions: list[Action] = []
        for key, (request, refused) in waiting:
            reply = self.by_key[key]
            cut = None if reply.is_cut else _cut(request, refused.needed_tokens, share)
            if cut is None:
                reply.error = (
                    f"Not enough of the budget was left: {refused.needed_tokens:,} tokens needed, "
                    f"{refused.left_tokens:,} left."
                )
                reply.is_done = True
            else:
                reply.is_cut = True
                actions.append(Start(cut))
        return actions


def _cut(request: Think | Answer, needed: int, share: int) -> Think | Answer | None:
    """A request that generates at most `share` tokens, its answer included; None if it cannot."""
    if isinstance(request, Answer):
        return replace(request, cap_tokens=min(share, request.cap_tokens)) if share >= 1 else None
    budget = request.budget_tokens - (needed - share)
    return replace(request, budget_tokens=min(budget, request.budget_tokens)) if budget >= 1 else None


def check_budget(task: Task, least_tokens: int, what: str) -> None:
    """Refuse a budget that is too small, naming what would do.

    Args:
        task: with the budget.
        least_tokens: that would do.
        what: what it is too small for, such as "a debate of 3 agents over 2 rounds".

    Raises:
        StrategyRefused: the budget is smaller.
    """
    if task.budget_tokens < least_tokens:
        raise StrategyRefused(
            f"A budget of {task.budget_tokens:,} tokens is too small for {what}. Allow at least {least_tokens:,} "
            "tokens."
        )


def transcript(replies: Sequence[Reply]) -> Show:
    """The picture of a conversation, under the name "transcript".

    Its value is {"turns": [{"who": str, "round": int, "text": str, "thinking": str, "letter": str or null,
    "tokens": int, "is_done": bool, "error": str}, ...]}, in the order in which they were asked.
    """
    return Show("transcript", {"turns": [_turn(each) for each in replies]})


def _turn(reply: Reply) -> dict[str, object]:
    return {
        "who": reply.call.who,
        "round": reply.call.round,
        "text": clip(reply.text.strip(), MOST_CHARACTERS_SHOWN),
        "thinking": clip(reply.thinking.strip(), MOST_CHARACTERS_SHOWN, keeps_end=True),
        "letter": reply.letter,
        "tokens": reply.tokens,
        "is_done": reply.is_done,
        "error": reply.error,
    }
