"""The composition root: settings in, services out, shared by pages and command line."""

import asyncio
import logging
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from m1app.access.quota import Quota
from m1app.access.service import Access
from m1app.annotation.exchange import AnnotationExchange
from m1app.annotation.labels import Taxonomy, load_taxonomy
from m1app.annotation.service import AnnotationService
from m1app.background import start_thread
from m1app.backup.home_lock import HomeUse
from m1app.backup.service import BackupService
from m1app.benchmark.imports.service import BenchmarkImports
from m1app.benchmark.policy_making import PolicyMaking
from m1app.benchmark.queries import BenchmarkReading
from m1app.benchmark.recipe import MAX_IN_FLIGHT
from m1app.benchmark.run_fits import FitReading
from m1app.benchmark.service import BenchmarkService
from m1app.benchmark.setting_search import SettingSearch
from m1app.benchmark.strategy_comparison import StrategyReading
from m1app.engines.model_library import ModelLibrary
from m1app.engines.profile_library import ProfileLibrary
from m1app.engines.server_list import ServerList
from m1app.engines.service import EngineService
from m1app.engines.vllm_service import VllmService
from m1app.engines.watch import EngineWatch
from m1app.fact_tests.queue import FactTestQueue
from m1app.fact_tests.service import FactTestService
from m1app.jobs.service import JobService
from m1app.judging.service import JudgingService
from m1app.knowledge.service import CorpusService
from m1app.knowledge.vectors import CorpusVectors
from m1app.privacy.erasure import ErasureService
from m1app.privacy.retention import RetentionService
from m1app.privacy.service import IdentifierCheck
from m1app.publishing.service import SiteService
from m1app.question_sets.service import QuestionSetService
from m1app.resampling.service import ResamplingService
from m1app.runs.branches import BranchService
from m1app.runs.kept_batches import KeptBatches
from m1app.runs.pass_plan import PassPlanner
from m1app.runs.policies import PolicyLibrary
from m1app.runs.probe import ProbeService
from m1app.runs.probe_batches import ProbeBatches
from m1app.runs.strategies import StrategyService
from m1app.runs.sweeps import SweepService
from m1app.scratch_folder import HUB, sweep_scratch_folders
from m1app.settings import IdentifierMode, Settings, SettingsError
from m1app.studies.fact_testing import StudyFactTests
from m1app.studies.library import StudyLibrary
from m1app.studies.planning import StudyPlanner
from m1app.studies.queries import StudyReading
from m1app.studies.report.service import StudyReporting
from m1app.studies.service import StudyService
from m1app.studies.training_checks import TrainingChecks
from m1app.training.accuracy.questions import AccuracyQuestions
from m1app.training.data_building import TrainingDataService
from m1app.training.data_jobs.service import DataJobService
from m1app.training.learned_questions import LearnedQuestions
from m1app.training.publishing.service import PublishingService
from m1app.training.sample_service import SampleService
from m1app.training.service import FineTuningService
from m1app.trash.service import TrashService
from models.profiles import Profiles, load_profiles
from models.profiles.own_profiles import LiveProfiles
from models.weights.catalog import Catalog
from storage.database import Database
from storage.errors import DatabaseCorrupt

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a page or a command needs."""

    settings: Settings
    database: Database
    access: Access
    trash: TrashService
    identifiers: IdentifierCheck
    erasure: ErasureService
    retention: RetentionService
    profiles: Profiles
    engines: EngineService
    engine_watch: EngineWatch
    models: ModelLibrary
    own_profiles: ProfileLibrary
    vllm: VllmService
    servers: ServerList
    probe: ProbeService
    branches: BranchService
    batches: ProbeBatches
    sweeps: SweepService
    strategies: StrategyService
    fact_tests: FactTestService
    fact_queue: FactTestQueue
    resampling: ResamplingService
    policies: PolicyLibrary
    annotations: AnnotationService
    judging: JudgingService
    exchange: AnnotationExchange
    question_sets: QuestionSetService
    corpora: CorpusService
    corpus_vectors: CorpusVectors
    jobs: JobService
    benchmarks: BenchmarkService
    benchmark_imports: BenchmarkImports
    benchmark_reading: BenchmarkReading
    strategy_reading: StrategyReading
    fit_reading: FitReading
    policy_making: PolicyMaking
    setting_search: SettingSearch
    studies: StudyService
    study_files: StudyLibrary
    study_reading: StudyReading
    sites: SiteService
    study_reports: StudyReporting
    training_data: TrainingDataService
    samples: SampleService
    data_jobs: DataJobService
    fine_tuning: FineTuningService
    publishing: PublishingService
    backups: BackupService
    home_use: HomeUse

    async def aclose(self) -> None:
        """Stop all runs, keeping their results, and stop the engine."""
        await self.batches.aclose()
        # Together: each may wait for a database that takes nothing.
        runs = (self.probe, self.sweeps, self.strategies, self.benchmarks)
        await asyncio.gather(*(each.aclose() for each in runs))
        await self.corpus_vectors.aclose()
        await self.jobs.aclose()
        await self.engine_watch.aclose()
        await self.engines.aclose()
        await self.access.audit.aclose()
        self.database.dispose()
        self.home_use.close()


def make_home(settings: Settings) -> None:
    """Create M1_HOME and its log folder if missing, readable by this account only; raises SettingsError if that fails.

    Questions may describe patients. From then on, no file of this process is readable by other accounts.
    """
    os.umask(0o077)
    try:
        settings.logs_directory.mkdir(parents=True, exist_ok=True)
        _close_to_others(settings.home)
    except OSError as exc:
        raise SettingsError(
            f"M1_HOME: {exc.strerror}: {exc.filename}. Set it to a writable folder (found {settings.home})."
        ) from exc


def _close_to_others(home: Path) -> None:
    """Take access from other accounts, which earlier versions left to the system's default."""
    for path in (home, *home.glob("m1.sqlite3*")):
        try:
            path.chmod(path.stat().st_mode & 0o700)
        except OSError as exc:
            _log.warning("other accounts of this machine may be able to read %s (%s)", path, exc.strerror)


def build_services(settings: Settings, *, is_worker: bool = False) -> Services:
    """Open the database, read catalog and profiles, and start the engine in the background.

    Args:
        settings: the app's settings.
        is_worker: True in a job's process, which starts an engine only if its job needs one; see `EngineService`.

    Raises:
        StorageError: the database cannot be opened or has a newer version.
        CatalogError: the catalog or a profile file has an error.
        LabelsError: M1_HOME/labels.toml has an error.
        SettingsError: M1_HOME cannot be written.
        HomeInUse: a backup is being restored into M1_HOME.
    """
    make_home(settings)
    home_use = HomeUse(settings)
    catalog = Catalog.load(extra=settings.home / "catalog.toml")
    profiles = LiveProfiles(load_profiles(), settings.home / "profiles")
    taxonomy = _taxonomy(settings)
    engines = EngineService(settings, catalog, profiles, is_worker=is_worker)
    if not is_worker:
        engines.start()
    database = Database(settings.database_address)
    database.migrate()
    access = Access(settings, database)
    question_sets = QuestionSetService(database, settings)
    corpus_vectors = CorpusVectors(database, settings)
    corpora = CorpusService(database, settings, corpus_vectors)
    backups = BackupService(database, settings)
    if not is_worker:
        _prepare(settings, access, question_sets, corpora, backups)
    # Beside the start: a large file takes seconds.
    start_thread(database.look_for_damage, "database-check")
    planner = PassPlanner(engines, profiles)
    quota = _quota_of_runs(settings)
    policies = PolicyLibrary(settings.home / "policies")
    jobs = JobService(database, settings)
    identifiers = IdentifierCheck(settings.identifiers)
    judging = JudgingService(database, planner, identifiers)
    unwatched = PassPlanner(engines, profiles, is_watched=False)
    probe = ProbeService(planner, database, identifiers, quota)
    benchmark_sweeps = SweepService(unwatched, database, MAX_IN_FLIGHT, _check_of_benchmarks(settings))
    benchmark_strategies = StrategyService(
        unwatched, database, MAX_IN_FLIGHT, _check_of_benchmarks(settings), policies=policies, corpora=corpora
    )
    strategies = StrategyService(
        planner, database, identifiers=identifiers, quota=quota, policies=policies, corpora=corpora
    )
    sweeps = SweepService(planner, database, identifiers=identifiers, quota=quota)
    fact_tests = FactTestService(database, planner, strategies, identifiers)
    training_data = TrainingDataService(database, settings, profiles, planner)
    benchmarks = BenchmarkService(database, benchmark_sweeps, benchmark_strategies, engines, profiles, jobs, judging)
    benchmark_reading = BenchmarkReading(database)
    training_checks = TrainingChecks(question_sets, LearnedQuestions(settings))
    study_planner = StudyPlanner(database, settings.home, benchmarks, question_sets, engines, training_checks)
    studies = StudyService(database, study_planner, benchmarks, StudyFactTests(database, fact_tests), jobs)
    return Services(
        settings=settings,
        database=database,
        access=access,
        trash=TrashService(database, settings.trash_days, jobs.remove_files, settings.home),
        identifiers=identifiers,
        erasure=ErasureService(database, settings),
        retention=RetentionService(database, settings.retention_days),
        profiles=profiles,
        engines=engines,
        engine_watch=EngineWatch(engines),
        models=ModelLibrary(settings, engines, profiles),
        own_profiles=ProfileLibrary(settings, engines, profiles),
        vllm=VllmService(settings, engines),
        servers=ServerList(engines),
        probe=probe,
        branches=BranchService(database, planner, probe, identifiers),
        batches=ProbeBatches(probe, KeptBatches(database), identifiers),
        sweeps=sweeps,
        strategies=strategies,
        fact_tests=fact_tests,
        fact_queue=FactTestQueue(database, fact_tests, jobs),
        resampling=ResamplingService(database, planner, strategies),
        policies=policies,
        annotations=AnnotationService(database, taxonomy),
        judging=judging,
        exchange=AnnotationExchange(database, taxonomy),
        question_sets=question_sets,
        corpora=corpora,
        corpus_vectors=corpus_vectors,
        jobs=jobs,
        benchmarks=benchmarks,
        benchmark_imports=BenchmarkImports(database, settings, profiles, identifiers),
        benchmark_reading=benchmark_reading,
        strategy_reading=StrategyReading(database),
        fit_reading=FitReading(database, engines.catalog, settings.models_directory),
        policy_making=PolicyMaking(database, policies),
        setting_search=SettingSearch(database, unwatched),
        studies=studies,
        study_files=StudyLibrary(settings.home / "studies"),
        study_reading=StudyReading(database, studies, benchmark_reading, fact_tests),
        sites=SiteService(
            database, benchmark_reading, StrategyReading(database), benchmark_sweeps, taxonomy, identifiers
        ),
        study_reports=StudyReporting(database, sweeps, engines, settings),
        training_data=training_data,
        samples=SampleService(database, training_data.data_sets),
        data_jobs=DataJobService(database, training_data.data_sets, unwatched, jobs),
        fine_tuning=FineTuningService(settings, profiles, jobs, training_data, AccuracyQuestions(database)),
        publishing=PublishingService(settings, database, benchmark_reading),
        backups=backups,
        home_use=home_use,
    )


def _taxonomy(settings: Settings) -> Taxonomy:
    own = settings.home / "labels.toml"
    return load_taxonomy(own if own.exists() else None)


def _check_of_benchmarks(settings: Settings) -> IdentifierCheck:
    """Whoever imported a set was told what its questions may hold; what is blocked was perhaps imported before that."""
    is_blocking = settings.identifiers is IdentifierMode.BLOCK
    return IdentifierCheck(IdentifierMode.BLOCK if is_blocking else IdentifierMode.OFF)


def _prepare(
    settings: Settings,
    access: Access,
    question_sets: QuestionSetService,
    corpora: CorpusService,
    backups: BackupService,
) -> None:
    """Make the account that the settings name, and remove what killed processes have left."""
    sweep_scratch_folders((settings.home, settings.home / "training-data"))
    sweep_scratch_folders((Path(tempfile.gettempdir()),), (HUB,))
    # A damaged database can still be read by whoever is logged in.
    with suppress(DatabaseCorrupt):
        access.prepare()
        question_sets.remove_leftovers()
        corpora.remove_leftovers()
    backups.remove_leftovers()


def _quota_of_runs(settings: Settings) -> Quota:
    return Quota(
        settings.runs_per_person,
        f"You have {settings.runs_per_person} questions and sweeps running, as many as one person may have. "
        "Wait until one ends, or stop one.",
    )
