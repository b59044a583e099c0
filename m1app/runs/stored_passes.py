"""The passes of a finished sweep, as strategies draw on them: by the token clock, or in place of requests.

A pass that was forced on is cut where it would have ended with fewer rounds, or none.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from m1app.question.answers.extraction import extract_answer
from m1app.runs.sweep_reading import PassSnapshot, SweepSnapshot, leading_of
from m1app.strategies.drivers.finished_requests import Finished, Shared
from m1app.strategies.drivers.pool import PooledAnswer, PooledPass
from m1app.strategies.errors import NotInPool
from m1app.strategies.protocol import (
    LOOK_TOKENS,
    Answer,
    Answered,
    Finish,
    Look,
    Looked,
    Purpose,
    Request,
    Task,
    Think,
    Thought,
)
from m1app.targets import has_several
from models.engine.protocol import TokenIds
from models.profiles import Profile, Profiles
from storage.traces.records import COUNTED_AS_THINKING, Checkpoint, SegmentKind, ThinkingFinishReason, Trace

_FINISHES = {ThinkingFinishReason.NATURAL: Finish.NATURAL, ThinkingFinishReason.BUDGET: Finish.BUDGET}


@dataclass(frozen=True, slots=True)
class StoredPass:
    """A pass of a sweep."""

    pooled: PooledPass
    trace_id: str
    prompt_ids: TokenIds
    """The question's prompt, without the opening of the thinking."""
    token_ids: TokenIds
    """Of the thinking; at its first natural stop the delimiter's follow, which a cut inside the delimiter has."""

    def thought(self, key: str, budget_tokens: int) -> Thought:
        """How a thinking of this budget ended; raises NotInPool if it is not stored."""
        end = self.pooled.end(budget_tokens)
        return Thought(
            key,
            end.cut_tokens,
            self.pooled.text[: end.cut_characters],
            end.finish,
            stops=(end.cut_tokens,) if end.finish is Finish.NATURAL else (),
            token_ids=self.token_ids[: end.cut_tokens],
        )


def stored_passes(snapshot: SweepSnapshot, profiles: Profiles, force_rounds: int = 0) -> tuple[StoredPass, ...]:
    """The passes of a finished sweep of one model, in their order; those without an answer are left out.

    Args:
        snapshot: the sweep.
        profiles: the app's profiles.
        force_rounds: rounds that they are forced to; with any, they cannot stand in for requests.
    """
    return tuple(
        StoredPass(_pooled(snapshot, each, kept, profiles.get(each.trace.profile), force_rounds), *_ids_of(each.trace))
        for each in snapshot.passes
        if (kept := _with_rounds(each, force_rounds))
    )


def _with_rounds(each: PassSnapshot, force_rounds: int) -> list[Checkpoint]:
    """Answers of the cells of so many rounds, by tokens; at a natural stop that a budget ends too, that first."""
    found = [
        kept for kept in each.checkpoints if not kept.error and any(rounds == force_rounds for _, rounds in kept.cells)
    ]
    known = [kept for kept in found if kept.thinking_finish_reason in _FINISHES]
    natural = ThinkingFinishReason.NATURAL
    return sorted(known, key=lambda kept: (kept.cut_tokens, kept.thinking_finish_reason is natural))


def _pooled(
    snapshot: SweepSnapshot, each: PassSnapshot, kept: Sequence[Checkpoint], profile: Profile, force_rounds: int
) -> PooledPass:
    delimiter = len(_delimiter_ids(each.trace))
    looks = LOOK_TOKENS if snapshot.sweep.asks_probabilities and each.trace.question.options else 0
    return PooledPass(
        seed=each.trace.seed or 0,
        temperature=each.trace.temperature,
        text=each.trace.thinking_text[: max(one.cut_characters for one in kept)],
        answers=tuple(
            replace(_answer(each.trace, one, profile, delimiter, looks), budgets=_budgets(one, force_rounds))
            for one in kept
        ),
        delimiter_tokens=delimiter,
        force_rounds=force_rounds,
    )


def _answer(trace: Trace, kept: Checkpoint, profile: Profile, delimiter_tokens: int, looks: int) -> PooledAnswer:
    finish = _FINISHES[kept.thinking_finish_reason]
    generated = _thinking_generated(trace, kept.cut_tokens)
    thinking = generated + (delimiter_tokens if finish is Finish.NATURAL else 0)
    options, are_several = dict(trace.question.options), has_several(trace.question.target)
    # Read as a live strategy reads it, which does not know the right answer, only how many letters are asked for.
    text = leading_of(kept.thinking_finish_reason, profile) + kept.text
    return PooledAnswer(
        cut_tokens=kept.cut_tokens,
        cut_characters=kept.cut_characters,
        finish=finish,
        text=kept.text,
        letter=extract_answer(text, options, are_several=are_several).letter if options else None,
        # A look that failed generated nothing.
        tokens=max(kept.token_count, kept.tokens_if_separate - thinking - looks),
        # Those of single letters say nothing about a set of them.
        probabilities=None if are_several else kept.option_probabilities,
        is_whole=kept.finish_reason == "natural",
        thinking_generated=None if generated == kept.cut_tokens else generated,
    )


def _budgets(kept: Checkpoint, force_rounds: int) -> tuple[int, ...]:
    """Those that end a forced pass there; of others, the place alone says so."""
    return tuple(budget for budget, rounds in kept.cells if rounds == force_rounds) if force_rounds else ()


def _thinking_generated(trace: Trace, cut_tokens: int) -> int:
    """Tokens that were generated for the first `cut_tokens` of a thinking: no "Wait"s, but what they overruled."""
    generated = before = overruled = 0
    for each in (each for each in trace.segments if each.kind in COUNTED_AS_THINKING):
        if before >= cut_tokens:
            break
        if each.kind is SegmentKind.THINK:
            generated += min(each.token_count, cut_tokens - before)
        elif before:
            generated += overruled
        overruled = len(each.delimiter_ids)
        before += each.token_count
    return generated


def _ids_of(trace: Trace) -> tuple[str, TokenIds, TokenIds]:
    thinking = [each for each in trace.segments if each.kind in COUNTED_AS_THINKING]
    first = next((place for place, each in enumerate(thinking) if each.delimiter_ids), len(thinking))
    ids = chain.from_iterable(each.token_ids for each in thinking[: first + 1])
    return trace.id, trace.prompt_token_ids, (*ids, *_delimiter_ids(trace))


def _delimiter_ids(trace: Trace) -> TokenIds:
    """With which the model ended its thinking for the first time; empty if it never did."""
    thought = (each for each in trace.segments if each.kind is SegmentKind.THINK)
    return next((each.delimiter_ids for each in thought if each.finish_reason == "natural"), ())


class StoredPasses:
    """Stored passes in place of the requests of one strategy's run; see `finished_requests.StoredRequests`."""

    def __init__(self, passes: Sequence[StoredPass], task: Task, opening: TokenIds) -> None:
        """Args:
        passes: of the question and the run's model, all with its prompt.
        task: what the strategy is given.
        opening: tokens between the prompt and the thinking.
        """
        self._by_seed = {(each.pooled.seed, each.pooled.temperature): each for each in passes}
        self._by_trace = {each.trace_id: each for each in passes}
        self._task = task
        self._opening = opening
        self._taken: dict[str, StoredPass] = {}
        """By key of the thinking."""

    def take(self, request: Request) -> Shared | None:
        """See `StoredRequests.take`."""
        match request:
            case Think():
                return self._think(request)
            case Answer(after=str() as after, tokens=None, seed=None, purpose=Purpose.ANSWER):
                is_alike = request.cap_tokens == self._task.answer_cap_tokens
                return self._answered(request.key, after) if is_alike else None
            case Look(after=str() as after, tokens=None, lead=None) if request.choices == self._task.letters:
                return self._looked(request.key, after)
        return None

    def again(self, key: str, trace_id: str) -> Finished | None:
        """A thinking that an earlier process took from the pass with this trace; None if it did not."""
        stored = self._by_trace.get(trace_id)
        if stored is None:
            return None
        self._taken[key] = stored
        return Finished(stored.thought(key, self._budget), stored.prompt_ids + self._opening)

    @property
    def _budget(self) -> int:
        return self._task.thinking_tokens or 0

    def _think(self, request: Think) -> Shared | None:
        temperature = self._task.temperature if request.temperature is None else request.temperature
        stored = self._by_seed.get((request.seed, temperature))
        is_of_question = request.chat is None and request.beginning is None and not request.model
        is_plain = is_of_question and request.purpose is Purpose.THINK
        is_followed = bool(request.pause_at or request.wants_confidence or request.force_rounds)
        if stored is None or not is_plain or is_followed or request.budget_tokens != self._budget:
            return None
        try:
            thought = stored.thought(request.key, request.budget_tokens)
        except NotInPool:
            return None
        self._taken[request.key] = stored
        delimiter = stored.pooled.delimiter_tokens if thought.finish is Finish.NATURAL else 0
        finished = Finished(thought, stored.prompt_ids + self._opening)
        return Shared(finished, thought.tokens + delimiter, stored.trace_id)

    def _answered(self, key: str, after: str) -> Shared | None:
        if after not in self._taken:
            return None
        end = self._taken[after].pooled.end(self._budget)
        return Shared(Finished(Answered(key, end.text, end.letter, end.tokens, end.is_whole)), end.tokens)

    def _looked(self, key: str, after: str) -> Shared | None:
        if after not in self._taken:
            return None
        end = self._taken[after].pooled.end(self._budget)
        return Shared(Finished(Looked(key, end.probabilities)), LOOK_TOKENS)
