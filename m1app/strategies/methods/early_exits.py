"""One pass that ends as soon as the model is sure: DEER (arXiv 2504.15895) and Dynasor (arXiv 2412.20993).

Both look at the options' probabilities while the model thinks, one token a look, and close the thinking at the place
that was looked at; tokens generated after it are wasted. DEER looks where the thinking turns on itself, and exits when
one option is probable enough. Dynasor looks every so many tokens, and exits when looks agree. From stored passes both
look at the checkpoints.

Picture "exit": {"trajectory": [{"tokens": 64, "probabilities": {"A": 0.7, "B": 0.3}}, ...], "threshold": 0.95 or null,
"exit": tokens or null, "tokens": thinking tokens so far}; the probabilities are normalized over the options, an empty
object where the engine gave none, and the trajectory has the last 200 looks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from m1app.strategies.methods.passes import Passes, normalized, thinking_share
from m1app.strategies.methods.reflections import Reflections
from m1app.strategies.protocol import (
    Action,
    Close,
    Failed,
    Finish,
    Grew,
    Look,
    Looked,
    Refused,
    Show,
    Start,
    Strategy,
    Task,
    Verdict,
    most_generated,
)

_MOST_SHOWN = 200
_PREFIX = "look/"


@dataclass(slots=True)
class _Seen:
    """A look at the options."""

    tokens: int
    is_over: bool = False
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """Normalized; empty if they are not known."""

    @property
    def leader(self) -> str | None:
        return max(self.probabilities, key=self.probabilities.__getitem__, default=None)


@dataclass(slots=True)
class _Trajectory:
    """The looks of a pass in the order of their places."""

    threshold: float | None
    seen: list[_Seen] = field(default_factory=list)
    exit: int | None = None
    lost: str = ""
    """Why some look has no probabilities; empty if all have."""

    @property
    def known(self) -> Sequence[_Seen]:
        """Looks that are over, up to the first one that is not."""
        running = next((place for place, each in enumerate(self.seen) if not each.is_over), len(self.seen))
        return self.seen[:running]

    def take(self, event: Looked | Failed | Refused) -> None:
        tokens = int(event.key.removeprefix(_PREFIX))
        found = next(each for each in self.seen if each.tokens == tokens)
        found.is_over = True
        match event:
            case Looked(_, None):
                self.lost = "The engine reports no probabilities, so the thinking could not end early."
            case Looked(_, probabilities):
                found.probabilities = normalized(probabilities)
            case Failed(_, error):
                self.lost = f"A look at the options failed: {error}"
            case Refused(_, needed, left):
                self.lost = f"Some looks at the options did not fit in the budget: {needed:,} needed, {left:,} left."

    def shown(self, tokens: int) -> Show:
        points = [
            {"tokens": each.tokens, "probabilities": {o: round(p, 4) for o, p in each.probabilities.items()}}
            for each in self.known[-_MOST_SHOWN:]
        ]
        picture = {"trajectory": points, "threshold": self.threshold, "exit": self.exit, "tokens": tokens}
        return Show("exit", picture)


def deer(task: Task, threshold: float = 0.95, gap: int = 16) -> Strategy:
    """End the thinking where an option has more than `threshold` of the options' probability.

    Args:
        task: with options.
        threshold: 0-1.
        gap: least tokens between two looks.
    """
    reflections = Reflections()

    def places(event: Grew, last: int) -> list[int]:
        found: list[int] = []
        for each in reflections.grow(event.text, event.tokens):
            if each.tokens >= (found or [last])[-1] + gap:
                found.append(each.tokens)
        return found

    def is_enough(seen: Sequence[_Seen]) -> bool:
        return max(seen[-1].probabilities.values(), default=0.0) > threshold

    return _watched(task, gap, threshold, places, is_enough)


def dynasor(task: Task, every: int = 32, agree: int = 2) -> Strategy:
    """End the thinking where the leading option is the same at `agree` looks in a row, without words of doubt between.

    Args:
        task: with options.
        every: tokens between two looks.
        agree: looks that have to agree.
    """
    words = Reflections("doubts", with_sentences=False)
    doubts: list[int] = []

    def places(event: Grew, last: int) -> list[int]:
        doubts.extend(each.tokens for each in words.grow(event.text, event.tokens))
        return list(range((last // every + 1) * every, event.tokens + 1, every))

    def is_enough(seen: Sequence[_Seen]) -> bool:
        latest = seen[-agree:]
        is_doubted = any(latest[0].tokens <= each < latest[-1].tokens for each in doubts)
        return len(latest) == agree and latest[0].leader is not None and not is_doubted and _agree(latest)

    return _watched(task, every, None, places, is_enough)


def _agree(seen: Sequence[_Seen]) -> bool:
    return len({each.leader for each in seen}) == 1


def _watched(
    task: Task,
    gap: int,
    threshold: float | None,
    places: Callable[[Grew, int], list[int]],
    is_enough: Callable[[Sequence[_Seen]], bool],
) -> Strategy:
    """One pass that is looked at at `places` and closed at the first that `is_enough`.

    Args:
        task: with options.
        gap: least tokens between looks.
        threshold: for the picture.
        places: tokens at which to look, of what was added and the last look's.
        is_enough: whether the looks so far end the thinking.
    """
    share = thinking_share(task, 1, task.budget_tokens // (gap + 1) + 1)
    # Where an engine is paused, it never runs further ahead of its looks than this.
    pauses = tuple(each for each in task.checkpoints or range(gap, share, gap) if each < share)
    passes = Passes(task, share, wants_probabilities=True, pause_at=pauses)
    trajectory = _Trajectory(threshold)
    actions: list[Action] = passes.begin()
    only, judged = passes.all[0], 0
    # The answer and the look at its options are paid for in any case.
    most = task.budget_tokens - most_generated(thinking=share, answer=task.answer_cap_tokens, looks=1)
    while passes.running:
        event = yield actions
        if event.key.startswith(_PREFIX):
            assert isinstance(event, Looked | Failed | Refused)
            trajectory.take(event)
            actions = []
            while only.thought is None and only.cut is None and judged < len(trajectory.known):
                judged += 1
                if is_enough(trajectory.known[:judged]):
                    only.cut = trajectory.exit = trajectory.known[judged - 1].tokens
                    passes.wants_probabilities = False
                    actions.append(Close(only.key, only.cut))
            actions.append(trajectory.shown(only.tokens))
            continue
        actions = passes.take(event)
        if isinstance(event, Grew) and only.cut is None and only.thought is None:
            last = trajectory.seen[-1].tokens if trajectory.seen else 0
            wanted = _at_checkpoints(task, event) if task.checkpoints else places(event, last)
            for tokens in wanted:
                if len(trajectory.seen) >= most:
                    trajectory.lost = f"Only {max(0, most):,} looks at the options fit in the budget."
                elif last < tokens < share:
                    trajectory.seen.append(_Seen(tokens))
                    key = f"{_PREFIX}{tokens}"
                    actions.append(Start(Look(key=key, after=only.key, choices=task.letters, tokens=tokens)))
    return _verdict(passes, trajectory)


def _at_checkpoints(task: Task, event: Grew) -> list[int]:
    return [event.tokens] if event.tokens in task.checkpoints else []


def _verdict(passes: Passes, trajectory: _Trajectory) -> Verdict:
    only = passes.all[0]
    thought = only.thought
    tokens = thought.tokens if thought else 0
    if thought and trajectory.exit is None and only.probabilities:
        trajectory.seen = [*trajectory.known, _Seen(tokens, True, normalized(only.probabilities))]
    picture = (trajectory.shown(tokens),)
    if only.error:
        return Verdict(None, "", only.error, only.key, picture)
    is_closed = trajectory.exit is not None or (thought is not None and thought.finish is Finish.CLOSED)
    at = trajectory.exit if trajectory.exit is not None else tokens
    if is_closed:
        why = f"The thinking was ended after {at:,} tokens, at look {len(trajectory.known):,} at the options."
    else:
        why = f"Nothing ended the thinking early; it came to {tokens:,} tokens."
    if trajectory.lost:
        why += f" {trajectory.lost}"
    return Verdict(only.letter, only.answer, why, only.key, picture)
