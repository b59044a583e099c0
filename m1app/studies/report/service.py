"""Makes the report of a study, and compares a manifest with what is here."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from m1app.access.person import Permission, needs
from m1app.benchmark.cell_summaries import MACRO
from m1app.benchmark.errors import NothingAnswered
from m1app.benchmark.first_traces import first_trace
from m1app.benchmark.intervals import PairedComparison
from m1app.benchmark.queries import BenchmarkReading, CellPair
from m1app.engines.managed_vllm import cached_commit
from m1app.engines.served_name import read_served_name
from m1app.engines.service import EngineService
from m1app.jobs.code_version import git_commit
from m1app.runs.sweeps import SweepService
from m1app.settings import Settings
from m1app.studies.records import StudyOutcome
from m1app.studies.report.accuracies import reading_tables
from m1app.studies.report.figures import FlipPairs, Flips, drawn_figures, flip_pairs
from m1app.studies.report.files import PAGE, PRINTED, Files, report_files
from m1app.studies.report.making import SetHere, Surroundings, Weights, bare_manifest, make_manifest
from m1app.studies.report.manifest import Manifest
from m1app.studies.report.manifest_file import FILE_NAME
from m1app.studies.report.page import StudyContent
from m1app.studies.report.printing import find_browser, print_pdf
from m1app.studies.report.verifying import Verification, verify
from models.errors import ModelsError, UnknownModel
from models.weights.catalog import Catalog, CatalogModel
from models.weights.sources import FileSource
from storage.benchmarks.asked import asked_hashes
from storage.database import Database, Session
from storage.question_sets.repository import QuestionSetRepository
from storage.traces.records import Trace

_COMMIT = re.compile("[0-9a-f]{40}")


class StudyReporting:
    """Reports of studies. Every method may raise `storage.errors.StorageError`."""

    def __init__(
        self,
        database: Database,
        sweeps: SweepService,
        engines: EngineService,
        settings: Settings,
        code_version: Callable[[], str] = git_commit,
    ) -> None:
        self._database = database
        self._reading = BenchmarkReading(database)
        self._sweeps = sweeps
        self._engines = engines
        self._settings = settings
        self._code_version = code_version
        self._printing = asyncio.Lock()

    @needs(Permission.READ)
    async def manifest(self, outcome: StudyOutcome) -> Manifest:
        """Return the manifest of a study in its present state."""
        around = Surroundings(
            commit=await asyncio.to_thread(self._code_version),
            weights=await asyncio.to_thread(self._weights, tuple(outcome.models.values())),
            traces=await self._traces(outcome),
            set_hashes=await self._set_hashes(each.question_set for each in outcome.set_checks),
            asked_hashes=await self._asked_hashes(outcome),
            made_at=datetime.now(UTC),
        )
        return await asyncio.to_thread(make_manifest, outcome, around)

    @needs(Permission.READ)
    async def files(self, outcome: StudyOutcome, *, paper: str = "") -> Files:
        """Return the report of a study as files.

        Args:
            outcome: the study.
            paper: a key of `printing.PAPERS` adds the PDF; empty leaves it out.

        Raises:
            PrintingFailed: no browser was found, or it failed.
        """
        browser = await asyncio.to_thread(find_browser, self._settings.chromium) if paper else ""
        manifest = await self.manifest(outcome)
        flips = [each for pairs in flip_pairs(outcome.study) for each in await self._flips(outcome, pairs)]
        files = await asyncio.to_thread(_files, outcome, manifest, flips)
        if not paper:
            return files
        # A browser takes a core and half a gigabyte: one at a time.
        async with self._printing:
            printed = await print_pdf(files[PAGE].decode(), browser, self._settings.home, paper=paper)
        rest = {name: content for name, content in files.items() if name != FILE_NAME}
        return {**rest, PRINTED: printed, FILE_NAME: files[FILE_NAME]}

    @needs(Permission.READ)
    async def verify(self, there: Manifest, outcome: StudyOutcome | None) -> Verification:
        """Compare somebody's manifest with what is here.

        Args:
            there: the manifest.
            outcome: the study here that is compared; None if there is none, which leaves models, sets and software.
        """
        here = await self.manifest(outcome) if outcome else await self._without_study(there)
        return await asyncio.to_thread(verify, there, here)

    async def _without_study(self, there: Manifest) -> Manifest:
        """What is here of a study that was not run here: sets of the same name, and models that are served or known."""
        sets = await self._database.read(lambda session: _sets_here(session, there))
        served = await self._served()
        wanted = tuple(each.served for each in there.models if each.served)

        def made() -> Manifest:
            return bare_manifest(
                there,
                commit=self._code_version(),
                sets=sets,
                weights=self._weights(wanted),
                served=served,
                made_at=datetime.now(UTC),
            )

        return await asyncio.to_thread(made)

    async def _served(self) -> frozenset[str]:
        """Names of the served models; none while no engine answers."""
        try:
            return frozenset(await self._engines.models())
        except ModelsError:
            return frozenset()

    def _weights(self, models: Sequence[str]) -> Mapping[str, Weights]:
        """What is known of the weights of served models; blocks."""
        catalog = self._engines.catalog()
        return {each: found for each in models if (found := self._weights_of(each, catalog))}

    def _weights_of(self, served: str, catalog: Catalog) -> Weights | None:
        name = read_served_name(self._engines.named(served).model).model
        try:
            return _of_entry(catalog.get(name))
        except UnknownModel:
            # A repository that vLLM serves under its own name.
            commit = cached_commit(name, "main") if name.count("/") == 1 and not name.startswith("/") else ""
            return Weights(source=f"hf:{name}", commit=commit) if commit else None

    async def _traces(self, outcome: StudyOutcome) -> Mapping[tuple[str, str], Trace]:
        found = {}
        for part in outcome.parts:
            for model in part.benchmark.models if part.benchmark else ():
                assert part.benchmark is not None
                trace = await first_trace(part.benchmark, model, self._reading, self._sweeps)
                if trace is not None:
                    found[part.run_id, model] = trace
        return found

    async def _asked_hashes(self, outcome: StudyOutcome) -> Mapping[str, Mapping[str, Sequence[str]]]:
        ids = [part.benchmark.id for part in outcome.parts if part.benchmark]
        return await self._database.read(lambda session: {each: asked_hashes(session, each) for each in ids})

    async def _set_hashes(self, names: Iterable[str]) -> Mapping[str, Sequence[str]]:
        wanted = tuple(dict.fromkeys(filter(None, names)))
        return await self._database.read(lambda session: _hashes(session, wanted))

    async def _flips(self, outcome: StudyOutcome, pairs: FlipPairs) -> list[Flips]:
        run = next((part.benchmark for part in outcome.parts if part.run_id == pairs.run_id), None)
        if run is None:
            return []
        sets = [outcome.sets.get(name, "") for name in pairs.question_sets] or [MACRO]
        found = []
        for model in run.models:
            for after in pairs.after:
                of_sets = [CellPair(model, name, pairs.before, after) for name in sets]
                counted = [await self._compared(run.id, pair, outcome.study.rule) for pair in of_sets]
                if compared := [each for each in counted if each]:
                    found.append(_flips_of(pairs, model, after, compared))
        return found

    async def _compared(self, run_id: str, pair: CellPair, rule: str) -> PairedComparison | None:
        """None without a question that was answered at both settings."""
        try:
            return (await self._reading.transitions(run_id, pair, rule)).comparison
        except NothingAnswered:
            return None


def _files(outcome: StudyOutcome, manifest: Manifest, flips: Sequence[Flips]) -> Files:
    content = StudyContent(
        outcome=outcome,
        manifest=manifest,
        figures=drawn_figures(outcome, flips),
        accuracies=reading_tables(outcome),
    )
    return report_files(content)


def _flips_of(pairs: FlipPairs, model: str, after: tuple[int, int], compared: Sequence[PairedComparison]) -> Flips:
    return Flips(
        figure=pairs.figure,
        run_id=pairs.run_id,
        model=model,
        before=pairs.before,
        after=after,
        gained=sum(each.gained for each in compared),
        lost=sum(each.lost for each in compared),
        n=sum(each.n for each in compared),
    )


def _of_entry(entry: CatalogModel) -> Weights:
    # A path of this machine is nobody else's business.
    source = "a separate file" if isinstance(entry.source, FileSource) else str(entry.source)
    commit = entry.revision if _COMMIT.fullmatch(entry.revision) else ""
    if not commit and entry.is_downloaded_by_engine:
        commit = cached_commit(str(entry.hub_repo), entry.revision)
    return Weights(source=source, commit=commit, sha256=entry.sha256)


def _hashes(session: Session, names: Sequence[str]) -> dict[str, Sequence[str]]:
    sets = QuestionSetRepository(session)
    found = {name: sets.find(name) for name in names}
    return {name: sets.content_hashes(each.id) for name, each in found.items() if each}


def _sets_here(session: Session, there: Manifest) -> dict[str, SetHere]:
    """The study's name of each set -> the set here of that name, or of the name that it had there."""
    found = {}
    sets = QuestionSetRepository(session)
    for each in there.question_sets:
        own = sets.find(each.question_set) or sets.find(each.name)
        if own:
            found[each.name] = SetHere(own.name, sets.content_hashes(own.id))
    return found
