"""TrimR (arXiv 2505.17155): a verifier follows the thinking and closes it where it goes on in vain.

The thinking is cut into segments at words such as "Wait". A verifier, any served model, is asked about each new segment
with one token: whether it comes to the same conclusion as the one before; and, after every so many segments, whether
they diverge. Enough repeated conclusions in a row, divergence, or a loop in the text, which needs no verifier, close
the thinking at the segment's end. A verifier that fails or says neither Yes nor No is asked no more, and the pass goes
on.

Picture "strip": {"segments": [{"from": 0, "to": 40, "repeats": P(yes) or null, "diverges": P(yes) or null, "is_kept":
true}, ...] the last 200, "closed": tokens or null, "reason": "" | "repeated" | "divergent" | "loop", "tokens": thinking
tokens so far}.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from m1app.strategies.methods.passes import Passes, thinking_share
from m1app.strategies.methods.reflections import Reflections
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import (
    Action,
    Chat,
    Close,
    Event,
    Failed,
    Finish,
    Grew,
    Look,
    Looked,
    Purpose,
    Refused,
    Show,
    Start,
    Strategy,
    Task,
    Verdict,
    most_generated,
)

prompts("trimr")  # Read now, since strategies run on the event loop.

_PREFIX = "verify/"
_YES, _NO = "Yes", "No"
_CLEAR = 0.5
"""P(yes) above which a verifier has said yes."""
_MOST_SILENT = 3
"""Replies in a row that are neither Yes nor No, after which the verifier is asked no more."""
_CHARACTERS = 1_200
"""Of a segment that the verifier reads, its end."""
_MOST_SHOWN = 200
_LOOP_CHECK_TOKENS = 32
_LOOP_CHARACTERS, _LOOP_TIMES = range(12, 241), 3
_REASONS = {
    "repeated": "its segments had come to the same conclusion",
    "divergent": "its segments kept changing direction",
    "loop": "it had begun to repeat itself",
}


@dataclass(slots=True)
class _Segment:
    begin: int
    end: int
    """In tokens."""
    text: str
    repeats: float | None = None
    diverges: float | None = None
    open: set[str] = field(default_factory=set)
    """Keys of what the verifier has not answered."""


@dataclass(slots=True)
class _Strip:
    """The segments of a pass, and what the verifier said of them."""

    task: Task
    judge: str
    agree: int
    patience: int
    least: int
    left: int
    """Questions that may still be asked, the answer paid for."""
    segments: list[_Segment] = field(default_factory=list)
    reflections: Reflections = field(default_factory=lambda: Reflections(with_sentences=False))
    text: str = ""
    checked: int = 0
    """Tokens up to which there is no loop."""
    closed: int | None = None
    reason: str = ""
    silent: int = 0
    lost: str = ""
    """Why the verifier is asked no more."""

    def grow(self, event: Grew) -> list[Action]:
        """Take more thinking; return what to ask of the verifier."""
        self.text += event.text
        actions: list[Action] = []
        for place in self.reflections.grow(event.text, event.tokens):
            begin = self.segments[-1].end if self.segments else 0
            if place.tokens >= begin + self.least:
                before = sum(len(each.text) for each in self.segments)
                self.segments.append(_Segment(begin, place.tokens, self.text[before : place.characters]))
                actions += self._questions()
        if self.closed is None and event.tokens >= self.checked + _LOOP_CHECK_TOKENS:
            self.checked = event.tokens
            if is_loop(self.text):
                self.closed, self.reason = event.tokens, "loop"
        return actions

    def _questions(self) -> list[Action]:
        number, newest = len(self.segments), self.segments[-1]
        if self.lost:
            return []
        if self.left < 2:
            self.lost = "The budget had no tokens left for the verifier."
            return []
        asked = list[tuple[str, str]]()
        if number > 1:
            first, second = (each.text[-_CHARACTERS:].strip() for each in self.segments[-2:])
            asked.append(("same", fill("trimr", "same", question=self.task.prompt, first=first, second=second)))
        if number % self.patience == 0:
            latest = [each.text[-_CHARACTERS:].strip() for each in self.segments[-self.patience :]]
            parts = "\n\n".join(f"<part>\n{each}\n</part>" for each in latest)
            asked.append(("divergent", fill("trimr", "divergent", question=self.task.prompt, parts=parts)))
        actions: list[Action] = []
        for what, prompt in asked:
            key = f"{_PREFIX}{number - 1}/{what}"
            newest.open.add(key)
            self.left -= 1
            look = Look(
                key=key, after=Chat(prompt), choices=(_YES, _NO), lead="", purpose=Purpose.VERIFY, model=self.judge
            )
            actions.append(Start(look))
        return actions

    def take(self, event: Event) -> None:
        """Take what the verifier said, or that it said nothing."""
        _, number, what = event.key.split("/")
        segment = self.segments[int(number)]
        segment.open.discard(event.key)
        match event:
            case Looked(_, probabilities):
                said = yes_share(probabilities)
                self.silent = 0 if said is not None else self.silent + 1
                if self.silent >= _MOST_SILENT:
                    self.lost = f"The verifier said neither Yes nor No {self.silent:,} times and was not asked again."
                if what == "same":
                    segment.repeats = said
                else:
                    segment.diverges = said
            case Failed(_, error):
                self.lost = f"The verifier failed and was asked no more: {error}"
            case Refused(_, needed, left):
                self.lost = f"The verifier no longer fit in the budget: {needed:,} tokens needed, {left:,} left."
        if self.closed is None:
            self._judge()

    def _judge(self) -> None:
        """Close at the first segment at which enough is known, in their order."""
        in_a_row = 0
        for segment in self.segments:
            if segment.open:
                return
            in_a_row = in_a_row + 1 if (segment.repeats or 0.0) > _CLEAR else 0
            if in_a_row >= self.agree:
                self.closed, self.reason = segment.end, "repeated"
                return
            if (segment.diverges or 0.0) > _CLEAR:
                self.closed, self.reason = segment.end, "divergent"
                return

    def shown(self, tokens: int) -> Show:
        ends = [each.end for each in self.segments]
        drawn = [
            {
                "from": each.begin,
                "to": each.end,
                "repeats": None if each.repeats is None else round(each.repeats, 4),
                "diverges": None if each.diverges is None else round(each.diverges, 4),
                "is_kept": self.closed is None or each.end <= self.closed,
            }
            for each in self.segments
        ]
        if tokens > (last := ends[-1] if ends else 0):
            is_kept = self.closed is None or tokens <= self.closed
            drawn.append({"from": last, "to": tokens, "repeats": None, "diverges": None, "is_kept": is_kept})
        picture = {"segments": drawn[-_MOST_SHOWN:], "closed": self.closed, "reason": self.reason, "tokens": tokens}
        return Show("strip", picture)


def yes_share(probabilities: Mapping[str, float] | None) -> float | None:
    """P(yes) of P(yes) + P(no); None if neither is known."""
    yes, no = (probabilities or {}).get(_YES, 0.0), (probabilities or {}).get(_NO, 0.0)
    return yes / (yes + no) if yes + no > 0 else None


def is_loop(text: str) -> bool:
    """Whether a text ends in the same characters three times in a row, spaces aside at least a few letters."""
    for length in _LOOP_CHARACTERS:
        unit = text[-length:]
        if len(text) < _LOOP_TIMES * length:
            return False
        if text.endswith(unit * _LOOP_TIMES) and sum(map(str.isalnum, unit)) >= 4:
            return True
    return False


def trimr(task: Task, judge: str = "", agree: int = 2, patience: int = 8, least: int = 24) -> Strategy:
    """One pass that a verifier closes.

    Args:
        task: with or without options.
        judge: name of the verifier among the served models; empty for the run's own.
        agree: repeated conclusions in a row that close the thinking.
        patience: segments after which the verifier is asked whether they diverge.
        least: tokens of the shortest segment.
    """
    # At most two questions a segment, a token each.
    share = thinking_share(task, 1, 2 * (task.budget_tokens // (least + 2)) + 2)
    passes = Passes(task, share, wants_probabilities=True, pause_at=tuple(range(64, share, 64)))
    left = task.budget_tokens - most_generated(thinking=share, answer=task.answer_cap_tokens, looks=1)
    strip = _Strip(task, judge, agree, patience, least, left)
    actions: list[Action] = passes.begin()
    only, generated = passes.all[0], 0
    while passes.running:
        event = yield actions
        was_closed = strip.closed is not None
        if event.key.startswith(_PREFIX):
            strip.take(event)
            actions = [strip.shown(generated)]
        else:
            actions = passes.take(event)
            if isinstance(event, Grew):
                generated = event.tokens
                if not was_closed and only.thought is None:
                    actions += strip.grow(event)
        if strip.closed is not None and not was_closed:
            if only.thought is None:
                only.cut = strip.closed
                actions += [Close(only.key, strip.closed), strip.shown(generated)]
            else:
                strip.closed, strip.reason = None, ""  # It had ended before the verifier knew.
    return _verdict(passes, strip, generated)


def _verdict(passes: Passes, strip: _Strip, generated: int) -> Verdict:
    only = passes.all[0]
    picture: Sequence[Show] = (strip.shown(generated),)
    if only.error:
        return Verdict(None, "", only.error, only.key, tuple(picture))
    tokens = only.thought.tokens if only.thought else 0
    if strip.closed is not None:
        why = f"The thinking was closed after {strip.closed:,} tokens: {_REASONS[strip.reason]}."
    elif only.thought is not None and only.thought.finish is Finish.CLOSED:
        why = f"The thinking was closed after {tokens:,} tokens."
    else:
        why = f"Nothing was trimmed from {tokens:,} thinking tokens in {len(strip.segments) + 1:,} segments."
    return Verdict(only.letter, only.answer, f"{why} {strip.lost}".strip(), only.key, tuple(picture))
