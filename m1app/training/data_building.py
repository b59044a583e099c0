"""Builds training data from files, the hub and stored traces, curated against the evaluation sets here."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.hub import download_from_hub, hub_request
from m1app.scratch_folder import HUB, scratch_folder
from m1app.settings import Settings
from m1app.strategies.drivers.served_models import Models
from m1app.training.curation import Curated, CurationPlan, curate
from m1app.training.curation_steps import StepReport, may_be_longer, sample_text
from m1app.training.data_card import NOT_COMPARED, DataCard, DataSource, card_markdown
from m1app.training.data_sets import DataSets, DataSetVersion, check_name, parse_reference
from m1app.training.errors import InvalidTrainingData
from m1app.training.evaluated_corrections import evaluated_corrections, evaluated_report
from m1app.training.from_database import RunQuestions, compared_questions, read_own_traces, run_questions
from m1app.training.preferences.pair_building import curated_pairs, read_all_pairs
from m1app.training.preferences.pairs import PreferencePair
from m1app.training.preview import Preview, preview_samples
from m1app.training.pruning.estimate import PruningEstimate
from m1app.training.pruning.pruner import Pruned, Pruner, PruningProgress
from m1app.training.pruning.records import SamplePruning, saving_words
from m1app.training.pruning.sample_pruning import PruningSettings
from m1app.training.sample_files import SampleFile, read_sample_file, too_much_text
from m1app.training.sample_layouts import CORRECTIONS
from m1app.training.samples import TrainingSample
from m1app.training.sources import MAX_DATA_SET_CHARACTERS, sample_length
from m1app.wording import counted
from models.engine.protocol import Engine
from models.profiles import Profiles
from storage.database import Database

OWN_TRACES = "own traces"
CORRECTIONS_FILE = "annotations-corrected.jsonl"


@dataclass(frozen=True, slots=True)
class Collected:
    """Curated samples and their sources."""

    curated: Curated
    sources: tuple[DataSource, ...]
    pruning: PruningEstimate | None = None
    """What pruning would ask of a model; None if the plan prunes nothing."""


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
        self._settings = settings
        self._profiles = profiles
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
        found = await self._collect(files, plan, engine=engine, **chosen)
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
        found = await self._collect(files, plan, engine=engine, **chosen)
        if plan.prune_steps is None:
            return found
        estimate = await self._pruner.estimate(found.curated.samples, plan.prune_steps, plan.prune_model)
        return replace(found, pruning=estimate)

    async def _collect(
        self,
        files: Sequence[Path],
        plan: CurationPlan,
        *,
        hub: Sequence[str],
        with_own_traces: bool,
        engine: Engine | None,
        layout: str,
    ) -> Collected:
        if plan.pairs:
            if files or hub or with_own_traces or layout:
                raise InvalidTrainingData(
                    "Preference pairs are made from what is stored in this app: leave out files, hub repositories, "
                    "their layout, and right answers."
                )
            return await self._collect_pairs(plan, engine)
        samples: list[TrainingSample] = []
        sources: list[DataSource] = []
        corrected: list[TrainingSample] = []
        facts: list[TrainingSample] = []
        for path in files:
            # Corrections are a file of this app's own, whatever the layout of the others.
            own_layout = "" if path.name == CORRECTIONS_FILE else layout
            file = await read_sample_file(path, layout=own_layout, room=_room(samples))
            _take(file.samples, _source(path.name, file.sha256, file), samples, sources)
            if file.layout.startswith(CORRECTIONS):
                corrected += file.samples
                facts += (await read_sample_file(path, layout="corrected-facts", room=_room(samples))).samples
        for address in hub:
            _take(*await self._read_hub(address, _room(samples), layout), samples, sources)
        if with_own_traces:
            own = await self.own_traces()
            sha256 = await asyncio.to_thread(_sha256_of, own)
            _take(own, DataSource(OWN_TRACES, sha256, len(own)), samples, sources)
        if not sources:
            raise InvalidTrainingData(
                "No source of samples was chosen. Choose a file, a hub repository, or your own traces."
            )
        # First, so that they win over other traces of the same question.
        first = set(map(id, corrected))
        samples = [*corrected, *(each for each in samples if id(each) not in first)]
        evaluation, of_run = await asyncio.to_thread(self._questions, plan)
        asked = await asyncio.to_thread(of_run.own_sets, samples)
        own_sets = [name for name in asked if name in evaluation]
        counts = await self._token_counts(samples, plan.max_tokens, engine) if engine and plan.max_tokens else None
        count: Callable[[str], int] | None = counts.__getitem__ if counts is not None else None
        compared = {name: questions for name, questions in evaluation.items() if name not in own_sets}
        evaluated = await asyncio.to_thread(evaluated_corrections, corrected, facts, compared)
        samples += evaluated.facts if plan.facts_alone else ()
        curated = await asyncio.to_thread(
            curate, samples, plan, evaluation=compared, answered=of_run.answered, count_tokens=count
        )
        if own_sets:
            report = _not_compared(own_sets, len(samples), plan.exclude_answered_by_run)
            curated = replace(curated, reports=(report, *curated.reports))
        if evaluated.corrections:
            report = evaluated_report(evaluated, len(samples), is_used=plan.facts_alone)
            curated = replace(curated, reports=(report, *curated.reports))
        return Collected(curated, tuple(sources))

    async def _collect_pairs(self, plan: CurationPlan, engine: Engine | None) -> Collected:
        pairs, sources = await asyncio.to_thread(read_all_pairs, self._database, plan)
        evaluation, _ = await asyncio.to_thread(self._questions, plan)
        sides = [side for pair in pairs for side in (pair.chosen_sample, pair.rejected_sample)]
        counts = await self._token_counts(sides, plan.max_tokens, engine) if engine and plan.max_tokens else None
        return Collected(await asyncio.to_thread(curated_pairs, pairs, plan, evaluation, counts), sources)

    @needs(Permission.MANAGE)
    async def own_traces(self) -> tuple[TrainingSample, ...]:
        """Right answers from the database with their thinking, newest first; see `from_database.read_own_traces`."""
        return await asyncio.to_thread(self._own_traces)

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

    async def _token_counts(
        self, samples: Sequence[TrainingSample], max_tokens: int, engine: Engine
    ) -> Mapping[str, int]:
        """Tokens of samples that may be too long, rendered by the profile of the engine's model; by `sample_text`."""
        name = (await engine.describe()).model
        profile = self._profiles.match(name).profile
        counts: dict[str, int] = {}
        for sample in samples:
            text = sample_text(sample)
            if may_be_longer(text, max_tokens) and text not in counts:
                (shown,) = (await preview_samples([sample], profile, engine, 0)).samples
                counts[text] = shown.tokens.total if shown.tokens else 0
        return counts

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

    async def _read_hub(self, address: str, room: int, layout: str) -> tuple[tuple[TrainingSample, ...], DataSource]:
        repo, _, split = address.partition(":")
        try:
            request = hub_request(repo, "", split or "train")
            async with scratch_folder(HUB) as folder:
                chosen, path = await download_from_hub(request, folder, self._settings)
                file = await read_sample_file(path, f"{chosen.name}.parquet", layout=layout, room=room)
        except InvalidQuestionSet as exc:
            raise InvalidTrainingData(str(exc)) from exc
        # Hash the samples, not the file: another version of `datasets` may write them differently.
        return file.samples, _source(chosen.place, await asyncio.to_thread(_sha256_of, file.samples), file)

    def _own_traces(self) -> tuple[TrainingSample, ...]:
        with self._database.session(is_read_only=True) as session:
            return read_own_traces(session, OWN_TRACES)

    def _questions(self, plan: CurationPlan) -> tuple[Mapping[str, Sequence[str]], RunQuestions]:
        """The questions evaluated here, and those of the plan's run."""
        with self._database.session(is_read_only=True) as session:
            of_run = run_questions(session, plan.exclude_answered_by_run)
            return compared_questions(session, plan.learn_from) if plan.overlap_ngram else {}, of_run


def _pruning_report(pruned: Pruned) -> StepReport:
    kept = [f"kept whole, {reason}: {count:,}" for reason, count in pruned.summary.kept_whole.items()]
    samples = len(pruned.samples)
    return StepReport("prune", saving_words(pruned.summary), samples, samples, tuple(kept))


def _not_compared(names: Sequence[str], samples: int, run: str) -> StepReport:
    title = (
        f"the samples are the questions of {', '.join(names)} that benchmark run {run} asked, so their overlap "
        "was not checked"
    )
    return StepReport(NOT_COMPARED, title, samples, samples, tuple(names))


def _source(name: str, sha256: str, file: SampleFile) -> DataSource:
    left_out = ", ".join(f"{what} of {counted(count, 'row')}" for what, count in sorted(file.left_out.items()))
    return DataSource(name, sha256, len(file.samples), file.layout, left_out)


def _take(
    read: Sequence[TrainingSample], source: DataSource, samples: list[TrainingSample], sources: list[DataSource]
) -> None:
    samples += read
    sources.append(source)
    if _room(samples) < 0:
        raise too_much_text()


def _room(samples: Sequence[TrainingSample]) -> int:
    """How many characters further samples may have; negative if there are too many already."""
    return MAX_DATA_SET_CHARACTERS - sum(map(sample_length, samples))


def _sha256_of(samples: Sequence[TrainingSample]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(json.dumps(sample.as_row()).encode("ascii") + b"\n")
    return digest.hexdigest()
