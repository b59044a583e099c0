"""Collects the samples of a data set from files, the hub and the database, and curates them as its plan says."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.hub import download_from_hub, hub_request
from m1app.scratch_folder import HUB, scratch_folder
from m1app.settings import Settings
from m1app.training.curation import Curated, CurationPlan, curate
from m1app.training.curation_steps import StepReport, may_be_longer, sample_text
from m1app.training.data_card import NOT_COMPARED, DataSource
from m1app.training.errors import InvalidTrainingData
from m1app.training.evaluated_corrections import evaluated_corrections, evaluated_report
from m1app.training.from_database import RunQuestions, compared_questions, read_own_traces, run_questions
from m1app.training.preferences.pair_building import curated_pairs, read_all_pairs
from m1app.training.preview import preview_samples
from m1app.training.pruning.estimate import PruningEstimate
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


@dataclass(slots=True)
class _Read:
    """What was read so far."""

    samples: list[TrainingSample] = field(default_factory=list)
    sources: list[DataSource] = field(default_factory=list)
    corrected: list[TrainingSample] = field(default_factory=list)
    """Those of `samples` that are corrections."""
    facts: list[TrainingSample] = field(default_factory=list)
    """The same corrections as facts alone."""

    @property
    def room(self) -> int:
        """How many characters further samples may have; negative if there are too many already."""
        return MAX_DATA_SET_CHARACTERS - sum(map(sample_length, self.samples))

    def take(self, samples: Sequence[TrainingSample], source: DataSource) -> None:
        """Add the samples of a source; raises InvalidTrainingData if they are too many."""
        self.samples += samples
        self.sources.append(source)
        if self.room < 0:
            raise too_much_text()

    def corrected_first(self) -> list[TrainingSample]:
        """All samples: corrections first, so that they win over other traces of the same question."""
        first = set(map(id, self.corrected))
        return [*self.corrected, *(each for each in self.samples if id(each) not in first)]


class SampleCollector:
    """Collects; stores nothing."""

    def __init__(self, database: Database, settings: Settings, profiles: Profiles) -> None:
        """Args:
        database: with own traces and evaluation sets.
        settings: the app's settings.
        profiles: render samples, to count their tokens.
        """
        self._database = database
        self._settings = settings
        self._profiles = profiles

    async def collect(
        self,
        files: Sequence[Path],
        plan: CurationPlan,
        *,
        hub: Sequence[str],
        with_own_traces: bool,
        engine: Engine | None,
        layout: str,
    ) -> Collected:
        """Collect and curate; see `TrainingDataService.collect`, without the estimate of pruning."""
        if plan.pairs:
            if files or hub or with_own_traces or layout:
                raise InvalidTrainingData(
                    "Preference pairs are made from what is stored in this app: leave out files, hub repositories, "
                    "their layout, and right answers."
                )
            return await self._collect_pairs(plan, engine)
        read = _Read()
        for path in files:
            await self._read_file(path, layout, read)
        for address in hub:
            read.take(*await self._read_hub(address, read.room, layout))
        if with_own_traces:
            own = await asyncio.to_thread(self.own_traces)
            read.take(own, DataSource(OWN_TRACES, await asyncio.to_thread(_sha256_of, own), len(own)))
        if not read.sources:
            raise InvalidTrainingData(
                "No source of samples was chosen. Choose a file, a hub repository, or your own traces."
            )
        return Collected(await self._curated(read, plan, engine), tuple(read.sources))

    async def _read_file(self, path: Path, layout: str, read: _Read) -> None:
        # Corrections are a file of this app's own, whatever the layout of the others.
        own_layout = "" if path.name == CORRECTIONS_FILE else layout
        file = await read_sample_file(path, layout=own_layout, room=read.room)
        read.take(file.samples, _source(path.name, file.sha256, file))
        if file.layout.startswith(CORRECTIONS):
            read.corrected += file.samples
            read.facts += (await read_sample_file(path, layout="corrected-facts", room=read.room)).samples

    async def _curated(self, read: _Read, plan: CurationPlan, engine: Engine | None) -> Curated:
        samples = read.corrected_first()
        evaluation, of_run = await asyncio.to_thread(self._questions, plan)
        asked = await asyncio.to_thread(of_run.own_sets, samples)
        own_sets = [name for name in asked if name in evaluation]
        counts = await self._token_counts(samples, plan.max_tokens, engine) if engine and plan.max_tokens else None
        count: Callable[[str], int] | None = counts.__getitem__ if counts is not None else None
        compared = {name: questions for name, questions in evaluation.items() if name not in own_sets}
        evaluated = await asyncio.to_thread(evaluated_corrections, read.corrected, read.facts, compared)
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
        return curated

    async def _collect_pairs(self, plan: CurationPlan, engine: Engine | None) -> Collected:
        pairs, sources = await asyncio.to_thread(read_all_pairs, self._database, plan)
        evaluation, _ = await asyncio.to_thread(self._questions, plan)
        sides = [side for pair in pairs for side in (pair.chosen_sample, pair.rejected_sample)]
        counts = await self._token_counts(sides, plan.max_tokens, engine) if engine and plan.max_tokens else None
        return Collected(await asyncio.to_thread(curated_pairs, pairs, plan, evaluation, counts), sources)

    def own_traces(self) -> tuple[TrainingSample, ...]:
        """Right answers from the database with their thinking, newest first; blocks."""
        with self._database.session(is_read_only=True) as session:
            return read_own_traces(session, OWN_TRACES)

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

    def _questions(self, plan: CurationPlan) -> tuple[Mapping[str, Sequence[str]], RunQuestions]:
        """The questions evaluated here, and those of the plan's run."""
        with self._database.session(is_read_only=True) as session:
            of_run = run_questions(session, plan.exclude_answered_by_run)
            return compared_questions(session, plan.learn_from) if plan.overlap_ngram else {}, of_run


def _not_compared(names: Sequence[str], samples: int, run: str) -> StepReport:
    title = (
        f"the samples are the questions of {', '.join(names)} that benchmark run {run} asked, so their overlap "
        "was not checked"
    )
    return StepReport(NOT_COMPARED, title, samples, samples, tuple(names))


def _source(name: str, sha256: str, file: SampleFile) -> DataSource:
    left_out = ", ".join(f"{what} of {counted(count, 'row')}" for what, count in sorted(file.left_out.items()))
    return DataSource(name, sha256, len(file.samples), file.layout, left_out)


def _sha256_of(samples: Sequence[TrainingSample]) -> str:
    digest = hashlib.sha256()
    for sample in samples:
        digest.update(json.dumps(sample.as_row()).encode("ascii") + b"\n")
    return digest.hexdigest()
