"""Prunes one sample's reasoning: its functional steps are left out one at a time, the least important are pruned, and
the pruned reasoning is kept only if it leads to the target as probably as the whole one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from m1app.targets import has_several
from m1app.training.pruning.choosing import choose_steps, count_to_prune, importance, is_as_probable
from m1app.training.pruning.letter_probe import LetterProbe, SampleContext
from m1app.training.pruning.probe_cache import Probabilities
from m1app.training.pruning.reasoning_steps import ReasoningStep, split_steps, without_steps
from m1app.training.pruning.records import Outcome, SamplePruning, SampleStep
from m1app.training.samples import TrainingSample

MAX_FUNCTIONAL_STEPS = 200
"""A reasoning with more would cost more than it teaches: each is a request with the whole reasoning as its prompt."""
_QUESTION_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class PruningSettings:
    """How samples are pruned."""

    ratio: float
    """Share of the functional steps to prune, above 0 and at most 1."""
    min_reasoning_characters: int = 0
    """A reasoning is not pruned below this."""


def why_not_probed(sample: TrainingSample, steps: Sequence[ReasoningStep], ratio: float) -> Outcome | None:
    """Why a sample is kept whole without asking a model; None if it is probed."""
    functional = sum(step.is_functional for step in steps)
    if not sample.options:
        return Outcome.OPEN
    if sample.target is None:
        return Outcome.NO_TARGET
    if has_several(sample.target):
        return Outcome.SEVERAL
    if sample.target not in sample.options:
        return Outcome.NO_TARGET
    if not count_to_prune(functional, ratio):
        return Outcome.NOTHING
    return Outcome.TOO_MANY if functional > MAX_FUNCTIONAL_STEPS else None


async def prune_sample(
    sample: TrainingSample, probe: LetterProbe, settings: PruningSettings
) -> tuple[TrainingSample, SamplePruning]:
    """The sample with its reasoning pruned, or as it is, and what was done; raises EngineError."""
    steps = await asyncio.to_thread(split_steps, sample.reasoning)
    tokens = len(await probe.tokens(sample.reasoning))
    record = SamplePruning(Outcome.NOTHING, _asked(sample), tokens_before=tokens, tokens_after=tokens)
    if outcome := why_not_probed(sample, steps, settings.ratio):
        return sample, replace(record, outcome=outcome)
    return await _Probing(sample, steps, probe, settings).prune(record)


class _Probing:
    """The probes of one sample."""

    def __init__(
        self, sample: TrainingSample, steps: tuple[ReasoningStep, ...], probe: LetterProbe, settings: PruningSettings
    ) -> None:
        self._sample = sample
        self._target = sample.target or ""
        self._steps = steps
        self._probe = probe
        self._settings = settings

    async def prune(self, record: SamplePruning) -> tuple[TrainingSample, SamplePruning]:
        context = await self._probe.context(self._sample)
        reasoning = await self._probe.tokens(self._sample.reasoning)
        if not self._probe.fits(context, reasoning):
            return self._sample, replace(record, outcome=Outcome.TOO_LONG)
        found = await self._probe.probabilities(context, reasoning)
        if found is None:
            return self._sample, replace(record, outcome=Outcome.NO_PROBABILITIES)
        whole = found[self._target]
        record = replace(record, whole_probability=whole)
        if whole <= 0:
            return self._sample, replace(record, outcome=Outcome.UNLIKELY)
        importances = await self._importances(context, whole)
        if importances is None:
            return self._sample, replace(record, outcome=Outcome.NO_PROBABILITIES)
        return await self._verified(context, record, importances, whole)

    async def _importances(self, context: SampleContext, whole: float) -> dict[int, float] | None:
        """Place of each functional step to its importance; None if the engine returned no probabilities."""
        places = [place for place, step in enumerate(self._steps) if step.is_functional]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._without(context, (place,))) for place in places]
        except BaseExceptionGroup as failed:
            raise failed.exceptions[0] from None
        found = [task.result() for task in tasks]
        if any(each is None for each in found):
            return None
        known = zip(places, filter(None, found), strict=True)
        return {place: importance(whole, each[self._target]) for place, each in known}

    async def _verified(
        self, context: SampleContext, record: SamplePruning, importances: dict[int, float], whole: float
    ) -> tuple[TrainingSample, SamplePruning]:
        """Prune if the target stays as probable."""
        chosen = choose_steps(self._steps, importances, self._settings.ratio)
        text = without_steps(self._steps, chosen)
        record = replace(record, steps=self._shown(importances, ()))
        if len(text) < self._settings.min_reasoning_characters:
            return self._sample, replace(record, outcome=Outcome.TOO_SHORT)
        found = await self._without(context, chosen)
        if found is None:
            return self._sample, replace(record, outcome=Outcome.NO_PROBABILITIES)
        record = replace(record, pruned_probability=found[self._target])
        if not is_as_probable(whole, found[self._target]):
            return self._sample, replace(record, outcome=Outcome.LESS_PROBABLE)
        shown, tokens = self._shown(importances, chosen), len(await self._probe.tokens(text))
        pruned = replace(record, outcome=Outcome.PRUNED, steps=shown, tokens_after=tokens)
        return replace(self._sample, reasoning=text), pruned

    async def _without(self, context: SampleContext, left_out: Sequence[int]) -> Probabilities | None:
        text = without_steps(self._steps, left_out)
        return await self._probe.probabilities(context, await self._probe.tokens(text))

    def _shown(self, importances: dict[int, float], chosen: Sequence[int]) -> tuple[SampleStep, ...]:
        return tuple(
            SampleStep(step.text, step.label, importances.get(place), place in chosen)
            for place, step in enumerate(self._steps)
        )


def _asked(sample: TrainingSample) -> str:
    return " ".join(sample.question.split())[:_QUESTION_CHARACTERS]
