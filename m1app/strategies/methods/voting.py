"""Votes of several passes: self-consistency (arXiv 2203.11171), weighted, and ended early when the leader is clear.

Ties go to the answer with more probability at the ends of its passes, then to the one that came first, so that the
same passes always give the same winner; published code often draws.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import comb

from m1app.strategies.methods.passes import Pass, Passes, normalized, thinking_share
from m1app.strategies.protocol import Action, Event, Grew, Growth, Show, Strategy, Task, Thought, Verdict

ADAPTIVE_STAGES = (2, 4, 8, 16, 32, 64)
"""Numbers of passes after which an adaptive vote looks at its leader's share."""
CLEAR_RULES = ("share", "beta")
"""How an adaptive vote decides that its leader is clear."""
BETA_CONFIDENCE = 0.95
"""As published."""
_HAS_NOT_ENDED = (Grew, Thought)
"""Events after which a pass goes on."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Votes by answer."""

    votes: Mapping[str, float]
    """Answer -> votes, or probability, the leader first."""
    passes: int
    """Passes that were counted, blank ones too."""

    @property
    def leader(self) -> str | None:
        """The winner so far; None without votes."""
        return next(iter(self.votes), None)

    @property
    def share(self) -> float:
        """The leader's part of the passes, 0-1."""
        return next(iter(self.votes.values()), 0.0) / self.passes if self.passes else 0.0


class Count:
    """Counts the votes of passes as they end."""

    def __init__(self, *, is_weighted: bool = False) -> None:
        """Args:
        is_weighted: add up the probabilities of the options, of each pass normalized to 1, instead of votes; a pass
            without probabilities counts as one vote for its answer.
        """
        self._is_weighted = is_weighted
        self._passes: list[Pass] = []
        self._votes: dict[str, float] = {}
        self._weighed = 0
        """Passes of which the probabilities have been added up: they are only needed to weigh, and for a tie."""
        self._mass: dict[str, float] = {}
        self._first: dict[str, int] = {}
        """Answer -> number of the first pass that gave it."""

    def add(self, one: Pass) -> None:
        """Count a pass that is done, in whatever order they end."""
        self._passes.append(one)
        if (said := one.said) is not None:
            self._votes[said] = self._votes.get(said, 0) + 1

    @property
    def tally(self) -> Tally:
        """The votes so far."""
        votes = self._votes
        if not self._is_weighted and len(set(votes.values())) == len(votes):
            ranked = sorted(votes, key=votes.__getitem__, reverse=True)
            return Tally({each: votes[each] for each in ranked}, len(self._passes))
        self._weigh()
        counted, mass, first = self._mass if self._is_weighted else votes, self._mass, self._first
        # Rounded, so that sums in another order tie as they should.
        ranked = sorted(
            counted, key=lambda each: (-round(counted[each], 9), -round(mass.get(each, 0.0), 9), first[each])
        )
        return Tally({each: counted[each] for each in ranked if counted[each] > 0}, len(self._passes))

    def _weigh(self) -> None:
        mass, first = self._mass, self._first
        for one in self._passes[self._weighed :]:
            said, number = one.said, one.number
            if said is not None:
                first[said] = min(number, first.get(said, number))
            for letter, weight in _weights(one).items():
                mass[letter] = mass.get(letter, 0.0) + weight
                first[letter] = min(number, first.get(letter, number))
        self._weighed = len(self._passes)


def tally(passes: Sequence[Pass], *, is_weighted: bool = False) -> Tally:
    """Count the votes of passes that are done; see `Count`."""
    count = Count(is_weighted=is_weighted)
    for each in passes:
        count.add(each)
    return count.tally


def _weights(each: Pass) -> Mapping[str, float]:
    if shares := normalized(each.probabilities):
        return {letter: share for letter, share in shares.items() if share > 0}
    return {each.said: 1.0} if each.said is not None else {}


def vote(task: Task, k: int) -> Strategy:
    """The answer that most of k passes give."""
    return _vote(task, k, is_weighted=False)


def weighted_vote(task: Task, k: int) -> Strategy:
    """The answer with the most probability at the ends of k passes."""
    return _vote(task, k, is_weighted=True)


def _vote(task: Task, k: int, *, is_weighted: bool) -> Strategy:
    passes = Passes(task, thinking_share(task, k), wants_probabilities=True, growth=Growth.NOTHING)
    count = Count(is_weighted=is_weighted)
    actions: list[Action] = [action for _ in range(k) for action in passes.begin()]
    yield from until_done(passes, actions, count.add, lambda: shown(passes, count.tally))
    return verdict(passes, count.tally, is_weighted=is_weighted)


def beta_lead(leader: int, second: int) -> float:
    """Probability that an answer of which `leader` were drawn is more frequent than one of which `second` were.

    The posterior is Beta(leader + 1, second + 1), and its mass above one half is that of a binomial distribution up to
    `leader` (Adaptive-Consistency, arXiv 2305.11860, section 3).
    """
    draws = leader + second + 1
    return float(sum(comb(draws, each) for each in range(leader + 1)) / 2**draws)


def adaptive_vote(
    task: Task, k: int, share: float = 0.75, rule: str = "share", confidence: float = BETA_CONFIDENCE
) -> Strategy:
    """A vote of at most k passes that ends when its leader is clear (arXiv 2305.11860).

    Args:
        task: with or without options.
        k: most passes.
        share: by the rule "share", the vote ends after 2, 4, 8, ... passes, as its_hub's does, if the leader has this
            share of the passes so far.
        rule: one of `CLEAR_RULES`.
        confidence: by the rule "beta", as published: passes are asked one by one, until `beta_lead` of the two most
            frequent answers is at least this.
    """
    is_beta = rule == "beta"
    passes, count = Passes(task, thinking_share(task, k), wants_probabilities=True, growth=Growth.NOTHING), Count()
    for stage in range(1, k + 1) if is_beta else [*(stage for stage in ADAPTIVE_STAGES if stage < k), k]:
        begun = len(passes.all)
        actions: list[Action] = [action for _ in range(stage - begun) for action in passes.begin()]
        yield from until_done(passes, actions, count.add, lambda: shown(passes, count.tally))
        found = count.tally
        leader, second, *_ = (*map(int, found.votes.values()), 0, 0)
        if beta_lead(leader, second) >= confidence if is_beta else found.share >= share:
            break
    return verdict(passes, count.tally)


def until_done(
    passes: Passes, actions: list[Action], ended: Callable[[Pass], None], picture: Callable[[], Show]
) -> Generator[Sequence[Action], Event, None]:
    """Follow passes until all have ended.

    Args:
        passes: those that were begun.
        actions: that began them.
        ended: told each pass that has been answered.
        picture: shown whenever a pass has ended, if anyone sees it.
    """
    while passes.running:
        event = yield actions
        actions = passes.take(event)
        while isinstance(event, _HAS_NOT_ENDED):
            event = yield actions
            actions = passes.take(event)
        found = passes.of(event.key)
        if found is not None and found.is_done:
            if not found.error:
                ended(found)
            if passes.task.is_watched:
                actions.append(picture())


def shown(passes: Passes, counted: Tally) -> Show:
    """The picture of a vote: bars by answer, and how far each pass is."""
    return Show("votes", {"votes": dict(counted.votes), "done": counted.passes, "passes": len(passes.all)})


def verdict(passes: Passes, counted: Tally, *, is_weighted: bool = False) -> Verdict:
    """The winner of the passes that were answered.

    Args:
        passes: all of them.
        counted: the votes of those that were answered.
        is_weighted: whether they were counted by probability.
    """
    failed = [each for each in passes.all if each.error]
    picture = (shown(passes, counted),)
    if not counted.passes:
        return Verdict(None, "", failed[0].error if failed else "No pass was answered.", last_shown=picture)
    if counted.leader is None:
        return Verdict(None, "", f"None of the {counted.passes:,} passes named an answer.", last_shown=picture)
    of = next(each for each in passes.answered if each.said == counted.leader or is_weighted)
    why = f"{counted.votes[counted.leader]:.3g} of {counted.passes:,} passes"
    why = f"Most probability over {counted.passes:,} passes." if is_weighted else f"{why} gave this answer."
    if failed:
        why += f" {len(failed):,} more could not be asked: {failed[0].error}"
    letter = counted.leader if passes.task.options else None
    return Verdict(letter, of.answer if of.said == counted.leader else "", why, of.key, picture)


def most_confident(task: Task, k: int) -> Strategy:
    """The answer of the pass that gives its own letter the highest share of the options' probability.

    A pass without probabilities, or without a letter, has none; ties go to the first pass.
    """
    passes = Passes(task, thinking_share(task, k), wants_probabilities=True, growth=Growth.NOTHING)
    count, sure = Count(), dict[str, float]()
    """Answer -> the highest probability that a pass gave its own letter."""

    def ended(each: Pass) -> None:
        count.add(each)
        if each.letter is not None:
            sure[each.letter] = max(sure.get(each.letter, 0.0), round(_own(each), 4))

    actions: list[Action] = [action for _ in range(k) for action in passes.begin()]
    yield from until_done(passes, actions, ended, lambda: _confidences(passes, sure))
    found = verdict(passes, count.tally)
    best = max(passes.answered, key=lambda each: round(_own(each), 9), default=None)
    if best is None or _own(best) == 0:
        return replace(found, why=f"The engine reported no probabilities, so the passes voted. {found.why}")
    why = f"Pass {best.number + 1:,} gave its own letter the highest probability, {_own(best):.0%} of the options'."
    failed = [each for each in passes.all if each.error]
    if failed:
        why += f" {len(failed):,} could not be asked: {failed[0].error}"
    return Verdict(best.letter, best.answer, why, best.key, (_confidences(passes, sure),))


def _own(each: Pass) -> float:
    """The probability of a pass's own letter among the options; 0 if it is not known."""
    return normalized(each.probabilities).get(each.letter or "", 0.0)


def _confidences(passes: Passes, sure: Mapping[str, float]) -> Show:
    """Bars by answer: the highest probability that a pass gave its own letter."""
    ranked = dict(sorted(sure.items(), key=lambda item: -item[1]))
    return Show("votes", {"votes": ranked, "done": len(passes.answered), "passes": len(passes.all)})
