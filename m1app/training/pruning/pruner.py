"""Prunes the samples of a build, one build at a time, with progress, and can be stopped."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from m1app.strategies.drivers.served_models import Models, ServedModel
from m1app.training.errors import PruningRefused, PruningStopped
from m1app.training.pruning.estimate import PruningEstimate, count_prompt_tokens, estimate_pruning
from m1app.training.pruning.letter_probe import LetterProbe
from m1app.training.pruning.probe_cache import ProbeCache
from m1app.training.pruning.records import ProbeCosts, PruningSummary, SamplePruning, summarise_pruning
from m1app.training.pruning.sample_pruning import PruningSettings, prune_sample
from m1app.training.samples import TrainingSample
from m1app.wording import counted
from models.errors import EngineError


@dataclass(frozen=True, slots=True)
class PruningProgress:
    """How far a build's pruning has come."""

    name: str
    """Of the data set."""
    model: str
    done: int = 0
    """Samples."""
    total: int = 0
    costs: ProbeCosts = field(default_factory=ProbeCosts)
    is_stopping: bool = False


@dataclass(frozen=True, slots=True)
class Pruned:
    """Pruned samples, and what was done to each, in the same order."""

    samples: tuple[TrainingSample, ...]
    records: tuple[SamplePruning, ...]
    summary: PruningSummary


class Pruner:
    """Prunes with the app's models."""

    def __init__(self, models: Models | None) -> None:
        """Args:
        models: where to find a model; None if this process has none.
        """
        self._models = models
        self._progress: PruningProgress | None = None

    @property
    def progress(self) -> PruningProgress | None:
        """Of the build that prunes now; None if there is none."""
        return self._progress

    def stop(self) -> None:
        """End the build that prunes now, if there is one, at its next request."""
        if self._progress:
            self._progress = replace(self._progress, is_stopping=True)

    async def estimate(self, samples: Sequence[TrainingSample], ratio: float, model: str) -> PruningEstimate:
        """What pruning would ask at most; raises ModelsError, PruningRefused."""
        served = await self._served(model)
        found = await asyncio.to_thread(estimate_pruning, samples, ratio, served.name)
        tokens = await count_prompt_tokens(found, samples, LetterProbe(served, None, self._check))
        return replace(found, prompt_tokens=tokens)

    async def prune(
        self,
        samples: Sequence[TrainingSample],
        settings: PruningSettings,
        *,
        model: str,
        name: str,
        cache: Path,
        report: Callable[[PruningProgress], None] | None = None,
    ) -> Pruned:
        """Prune all samples.

        Args:
            samples: the curated samples.
            settings: how.
            model: name of a served model; empty for the app's own.
            name: of the data set.
            cache: file of the letter probes, which a later try finds.
            report: called after each sample.

        Raises:
            PruningRefused: another build is being pruned, or this process has no models.
            PruningStopped: it was stopped, or the engine failed.
            ModelsError: the model is not served.
            OSError: the probes cannot be kept.
        """
        if self._progress:
            raise PruningRefused(
                f"The data set {self._progress.name} is already being pruned: {self._progress.done:,} of "
                f"{self._progress.total:,} samples. Wait until it is done, or stop it."
            )
        self._progress = PruningProgress(name, model, total=len(samples))
        try:
            return await self._prune(await self._served(model), samples, settings, cache, report)
        finally:
            self._progress = None

    async def _prune(
        self,
        served: ServedModel,
        samples: Sequence[TrainingSample],
        settings: PruningSettings,
        cache_file: Path,
        report: Callable[[PruningProgress], None] | None,
    ) -> Pruned:
        await asyncio.to_thread(cache_file.parent.mkdir, parents=True, exist_ok=True)
        cache = ProbeCache(cache_file)
        await asyncio.to_thread(cache.read)
        probe = LetterProbe(served, cache, self._check)
        kept: list[TrainingSample] = []
        records: list[SamplePruning] = []
        for sample in samples:
            self._check()
            try:
                left, record = await prune_sample(sample, probe, settings)
            except EngineError as exc:
                raise PruningStopped(self._ended(f"The engine failed: {exc}")) from exc
            kept.append(left)
            records.append(record)
            self._advance(served.name, len(records), probe.costs, report)
        summary = summarise_pruning(records, served.name, served.profile.id, settings.ratio, probe.costs)
        return Pruned(tuple(kept), tuple(records), summary)

    def _advance(
        self, model: str, done: int, costs: ProbeCosts, report: Callable[[PruningProgress], None] | None
    ) -> None:
        if self._progress:
            self._progress = replace(self._progress, model=model, done=done, costs=costs)
            if report:
                report(self._progress)

    def _check(self) -> None:
        if self._progress and self._progress.is_stopping:
            raise PruningStopped(self._ended("Stopped."))

    def _ended(self, why: str) -> str:
        done = f"{self._progress.done:,} of {self._progress.total:,} samples" if self._progress else "no sample"
        return (
            f"{why} {done[0].upper()}{done[1:]} were pruned, and nothing was built. Finished probes are kept; build "
            "the data set again under the same name to continue."
        )

    async def _served(self, model: str) -> ServedModel:
        if self._models is None:
            raise PruningRefused("Reasoning cannot be pruned here: this process has no engine to ask.")
        return await self._models.served(model)


def progress_words(progress: PruningProgress) -> str:
    """How far pruning has come, in words."""
    costs = progress.costs
    reused = f", {costs.reused:,} known from before" if costs.reused else ""
    return (
        f"{progress.done:,} of {counted(progress.total, 'sample')}, {counted(costs.requests, 'letter probe')}{reused}, "
        f"{costs.prompt_tokens:,} prompt tokens"
    )
