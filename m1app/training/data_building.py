"""Data sets for training: built, previewed, read and deleted."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.settings import Settings
from m1app.strategies.drivers.served_models import Models
from m1app.training.collecting import Collected, SampleCollector
from m1app.training.curation import Curated, CurationPlan
from m1app.training.curation_steps import StepReport
from m1app.training.data_card import DataCard, card_markdown
from m1app.training.data_sets import DataSets, DataSetVersion, check_name, parse_reference
from m1app.training.preferences.pairs import PreferencePair
from m1app.training.preview import Preview, preview_samples
from m1app.training.pruning.pruner import Pruned, Pruner, PruningProgress
from m1app.training.pruning.records import SamplePruning, saving_words
from m1app.training.pruning.sample_pruning import PruningSettings
from m1app.training.samples import TrainingSample
from models.engine.protocol import Engine
from models.profiles import Profiles
from storage.database import Database


class TrainingDataService:
    """Manages training data sets. Methods that read the database may raise `storage.errors.StorageError`."""

    def __init__(
        self, database: Database, settings: Settings, profiles: Profiles, models: Models | None = None
    ) -> None:
        """Args:
        database: with own traces and evaluation sets.
        settings: the app's settings.
        profiles: for previews.
        models: finds the models that say which steps of a reasoning matter; None if this process has none.
        """
        self._database = database
        self._pruner = Pruner(models)
        self._profiles = profiles
        self._collector = SampleCollector(database, settings, profiles)
        self.data_sets = DataSets(settings.home / "training-data")
        self.folder = settings.home
        """Folder for a build's temporary files."""

    @needs(Permission.MANAGE)
    async def build(
        self,
        files: Sequence[Path],
        plan: CurationPlan,
        name: str,
        *,
        hub: Sequence[str] = (),
        with_own_traces: bool = False,
        engine: Engine | None = None,
        layout: str = "",
        report: Callable[[PruningProgress], None] | None = None,
    ) -> DataSetVersion:
        """Collect, curate, prune if the plan says so, and store as the next version of `name`.

        Other args and errors as in `collect`, and as in `Pruner.prune`. `report` is told how far the pruning has come.

        Raises:
            DataSetRefused: the name cannot be used.
        """
        check_name(name)
        chosen: dict[str, Any] = {"hub": hub, "with_own_traces": with_own_traces, "layout": layout}
        found = await self._collector.collect(files, plan, engine=engine, **chosen)
        curated, pruned = found.curated, None
        if plan.prune_steps:
            pruned = await self._prune(found.curated.samples, plan, name, report)
            curated = Curated(pruned.samples, (*curated.reports, _pruning_report(pruned)), curated.dropped)
        made = await asyncio.to_thread(self.data_sets.add, name, curated, plan, found.sources, pruned)
        await self._record("training_data.build", made)
        return made

    @needs(Permission.MANAGE)
    async def collect(
        self,
        files: Sequence[Path],
        plan: CurationPlan,
        *,
        hub: Sequence[str] = (),
        with_own_traces: bool = False,
        engine: Engine | None = None,
        layout: str = "",
    ) -> Collected:
        """Collect and curate without storing: a dry run of `build`.

        Args:
            files: reasoning traces, exported corrections or samples; see docs/training-data.md.
            plan: how they are curated.
            hub: repositories of the Hugging Face hub, "ORG/REPO" or "ORG/REPO:SPLIT"; the split defaults to train.
            with_own_traces: also use right answers from the database.
            engine: counts tokens for the plan's length limit; None leaves that to training.
            layout: id of the layout of all files and repositories; empty detects each one's from its columns.

        Raises:
            InvalidTrainingData: there is no source, a source cannot be read, they have too much text together, or the
                plan wants preference pairs and sources of samples are named.
            TooLittleData: fewer than eight samples are left.
            RecordNotFound: the plan names an unknown benchmark run.
            AppError: that run has several models, and the plan does not choose one.
            EngineError: the engine failed to count tokens.
            ModelsError: the plan prunes, and its model is not served.
        """
        chosen: dict[str, Any] = {"hub": hub, "with_own_traces": with_own_traces, "layout": layout}
        found = await self._collector.collect(files, plan, engine=engine, **chosen)
        if plan.prune_steps is None:
            return found
        estimate = await self._pruner.estimate(found.curated.samples, plan.prune_steps, plan.prune_model)
        return replace(found, pruning=estimate)

    @needs(Permission.MANAGE)
    async def own_traces(self) -> tuple[TrainingSample, ...]:
        """Right answers from the database with their thinking, newest first; see `from_database.read_own_traces`."""
        return await asyncio.to_thread(self._collector.own_traces)

    @needs(Permission.MANAGE)
    async def preview(
        self, reference: str, profile: str, *, engine: Engine | None = None, limit: int = 3, max_tokens: int = 0
    ) -> Preview:
        """Return the first samples or pairs of a data set, rendered for training.

        Args:
            reference: "NAME" or "NAME:vN".
            profile: id of the profile to render them with.
            engine: serves the base model; provides its chat template if the profile has none, and counts tokens.
            limit: maximum number of samples.
            max_tokens: the block size; 0 does not check for long samples.

        Raises:
            DataSetNotFound: no such data set.
            DataSetRefused: its files are damaged.
            UnknownProfile: no such profile.
            NoChatTemplate: the profile leaves the prompt to the base model, and there is no engine or no usable
                template.
            EngineError: the engine does not respond.
        """
        content = await asyncio.to_thread(self.read, reference)
        return await preview_samples(content[:limit], self._profiles.get(profile), engine, max_tokens)

    @needs(Permission.MANAGE)
    def get(self, reference: str) -> DataSetVersion:
        """Return the version "NAME" (newest) or "NAME:vN"; raises DataSetNotFound, DataSetRefused."""
        return self.data_sets.get(*parse_reference(reference))

    @needs(Permission.MANAGE)
    def card(self, reference: str) -> DataCard:
        """Return its card; raises like `get`."""
        return self.data_sets.card(self.get(reference))

    @needs(Permission.MANAGE)
    def samples(self, reference: str) -> tuple[TrainingSample, ...]:
        """Return its samples; raises like `get`, and DataSetRefused if it holds preference pairs."""
        return self.data_sets.samples(self.get(reference))

    @needs(Permission.MANAGE)
    def pairs(self, reference: str) -> tuple[PreferencePair, ...]:
        """Return its preference pairs; raises like `get`, and DataSetRefused if it holds samples."""
        return self.data_sets.pairs(self.get(reference))

    @needs(Permission.MANAGE)
    def read(self, reference: str) -> tuple[TrainingSample, ...] | tuple[PreferencePair, ...]:
        """Return what it holds, samples or preference pairs; raises like `get`."""
        return self.pairs(reference) if self.get(reference).kind == "pairs" else self.samples(reference)

    @needs(Permission.MANAGE)
    def card_text(self, reference: str) -> str:
        """Return its card as Markdown; raises like `get`."""
        content = self.read(reference)
        samples = [each.chosen_sample if isinstance(each, PreferencePair) else each for each in content]
        return card_markdown(self.card(reference), samples)

    @needs(Permission.MANAGE)
    async def all(self) -> tuple[DataSetVersion, ...]:
        """All versions of all data sets, by name, newest version first."""
        return await asyncio.to_thread(self.data_sets.all)

    @needs(Permission.MANAGE)
    async def delete(self, reference: str) -> DataSetVersion:
        """Delete one version, by default the newest; raises like `get`."""
        found = await asyncio.to_thread(self.get, reference)
        # Recorded first: the files cannot be deleted and recorded in one step.
        await self._record("training_data.delete", found)
        await asyncio.to_thread(self.data_sets.delete, found.name, found.version)
        return found

    @needs(Permission.MANAGE)
    def prunings(self, reference: str) -> tuple[SamplePruning, ...]:
        """What pruning did to each sample of a data set, in order; empty if nothing. Raises like `get`."""
        return self.data_sets.prunings(self.get(reference))

    @needs(Permission.MANAGE)
    def pruning(self) -> PruningProgress | None:
        """How far the build that prunes now has come; None if there is none."""
        return self._pruner.progress

    @needs(Permission.MANAGE)
    def stop_pruning(self) -> None:
        """End the build that prunes now, if there is one. What was probed is kept."""
        self._pruner.stop()

    async def _prune(
        self,
        samples: Sequence[TrainingSample],
        plan: CurationPlan,
        name: str,
        report: Callable[[PruningProgress], None] | None,
    ) -> Pruned:
        settings = PruningSettings(plan.prune_steps or 0.0, plan.min_reasoning_characters)
        cache = self.data_sets.probes_file(name)
        return await self._pruner.prune(
            samples, settings, model=plan.prune_model, name=name, cache=cache, report=report
        )

    async def _record(self, action: str, made: DataSetVersion) -> None:
        """Note an action under the hash of the samples: the name is somebody's words."""
        version, samples = made.version, made.samples
        await self._database.write(lambda s: record(s, action, made.sha256, version=version, samples=samples))


def _pruning_report(pruned: Pruned) -> StepReport:
    kept = [f"kept whole, {reason}: {count:,}" for reason, count in pruned.summary.kept_whole.items()]
    samples = len(pruned.samples)
    return StepReport("prune", saving_words(pruned.summary), samples, samples, tuple(kept))
