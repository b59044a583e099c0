"""Builds training data from files, the hub and stored traces, curated against the evaluation sets here."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.question.library import load_library
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.hub import download_from_hub, hub_request
from m1app.scratch_folder import HUB, scratch_folder
from m1app.settings import Settings
from m1app.training.curation import Curated, CurationPlan, curate
from m1app.training.curation_steps import StepReport, comparable_text, sample_text
from m1app.training.data_card import NOT_COMPARED, DataCard, DataSource
from m1app.training.data_sets import DataSets, DataSetVersion, check_name, parse_reference
from m1app.training.errors import InvalidTrainingData
from m1app.training.from_database import RunQuestions, evaluation_questions, read_own_traces, run_questions
from m1app.training.preview import Preview, preview_samples
from m1app.training.sample_files import SampleFile, read_sample_file, too_much_text
from m1app.training.samples import TrainingSample
from m1app.training.sources import MAX_DATA_SET_CHARACTERS, sample_length
from m1app.wording import counted
from models.engine.protocol import Engine
from models.profiles import Profiles
from storage.database import Database

OWN_TRACES = "own traces"
CORRECTIONS_FILE = "annotations-corrected.jsonl"
LIBRARY = "library"
"""Name of the app's own questions among the evaluation sets."""


@dataclass(frozen=True, slots=True)
class Collected:
    """Curated samples and their sources."""

    curated: Curated
    sources: tuple[DataSource, ...]


class TrainingDataService:
    """Manages training data sets. Methods that read the database may raise `storage.errors.StorageError`."""

    def __init__(self, database: Database, settings: Settings, profiles: Profiles) -> None:
        self._database = database
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
    ) -> DataSetVersion:
        """Collect, curate and store as the next version of `name`. Other args and errors as in `collect`.

        Raises:
            DataSetRefused: the name cannot be used.
        """
        check_name(name)
        found = await self.collect(files, plan, hub=hub, with_own_traces=with_own_traces, engine=engine, layout=layout)
        made = await asyncio.to_thread(self.data_sets.add, name, found.curated, plan, found.sources)
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
            InvalidTrainingData: there is no source, a source cannot be read, or they have too much text together.
            TooLittleData: fewer than eight samples are left.
            RecordNotFound: the plan names an unknown benchmark run.
            AppError: that run has several models, and the plan does not choose one.
            EngineError: the engine failed to count tokens.
        """
        samples: list[TrainingSample] = []
        sources: list[DataSource] = []
        for path in files:
            # Corrections are a file of this app's own, whatever the layout of the others.
            own_layout = "" if path.name == CORRECTIONS_FILE else layout
            file = await read_sample_file(path, layout=own_layout, room=_room(samples))
            _take(file.samples, _source(path.name, file.sha256, file), samples, sources)
        for address in hub:
            _take(*await self._read_hub(address, _room(samples), layout), samples, sources)
        if with_own_traces:
            own = await self.own_traces()
            sha256 = await asyncio.to_thread(_sha256_of, own)
            _take(own, DataSource(OWN_TRACES, sha256, len(own)), samples, sources)
        if not sources:
            raise InvalidTrainingData("No source of samples: name a file, a hub repository, or own traces.")
        evaluation, of_run = await asyncio.to_thread(self._questions, plan)
        asked = await asyncio.to_thread(of_run.own_sets, samples)
        own_sets = [name for name in asked if name in evaluation]
        counts = await _token_counts(samples, plan.max_tokens, engine) if engine and plan.max_tokens else None
        count: Callable[[str], int] | None = counts.__getitem__ if counts is not None else None
        compared = {name: questions for name, questions in evaluation.items() if name not in own_sets}
        curated = await asyncio.to_thread(
            curate, samples, plan, evaluation=compared, answered=of_run.answered, count_tokens=count
        )
        if own_sets:
            report = _not_compared(own_sets, len(samples), plan.exclude_answered_by_run)
            curated = replace(curated, reports=(report, *curated.reports))
        return Collected(curated, tuple(sources))

    @needs(Permission.MANAGE)
    async def own_traces(self) -> tuple[TrainingSample, ...]:
        """Right answers from the database with their thinking, newest first; see `from_database.read_own_traces`."""
        return await asyncio.to_thread(self._own_traces)

    @needs(Permission.MANAGE)
    async def preview(
        self, reference: str, profile: str, *, engine: Engine | None = None, limit: int = 3, max_tokens: int = 0
    ) -> Preview:
        """Return the first samples of a data set, rendered for training.

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
        samples = await asyncio.to_thread(self.samples, reference)
        return await preview_samples(samples[:limit], self._profiles.get(profile), engine, max_tokens)

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
        """Return its samples; raises like `get`."""
        return self.data_sets.samples(self.get(reference))

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
            kept = evaluation_questions(session) if plan.overlap_ngram else {}
        library = [comparable_text(each.question, each.options) for each in load_library()]
        return {LIBRARY: library, **kept} if plan.overlap_ngram else {}, of_run


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


async def _token_counts(samples: Sequence[TrainingSample], max_tokens: int, engine: Engine) -> Mapping[str, int]:
    """Token counts of samples that may be too long; all others have fewer bytes than the token limit."""
    counts: dict[str, int] = {}
    for text in map(sample_text, samples):
        if len(text.encode()) > max_tokens and text not in counts:
            counts[text] = len(await engine.tokenize(text, parse_special=False))
    return counts
