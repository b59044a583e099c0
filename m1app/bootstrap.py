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
from m1app.benchmark.queries import BenchmarkReading
from m1app.benchmark.recipe import MAX_IN_FLIGHT
from m1app.benchmark.service import BenchmarkService
from m1app.benchmark.strategy_comparison import StrategyReading
from m1app.engines.model_library import ModelLibrary
from m1app.engines.profile_library import ProfileLibrary
from m1app.engines.server_list import ServerList
from m1app.engines.service import EngineService
from m1app.engines.vllm_service import VllmService
from m1app.engines.watch import EngineWatch
from m1app.jobs.service import JobService
from m1app.privacy.erasure import ErasureService
from m1app.privacy.retention import RetentionService
from m1app.privacy.service import IdentifierCheck
from m1app.question_sets.service import QuestionSetService
from m1app.runs.pass_plan import PassPlanner
from m1app.runs.probe import ProbeService
from m1app.runs.sweeps import SweepService
from m1app.scratch_folder import sweep_scratch_folders
from m1app.settings import IdentifierMode, Settings, SettingsError
from m1app.training.data_building import TrainingDataService
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
    sweeps: SweepService
    annotations: AnnotationService
    exchange: AnnotationExchange
    question_sets: QuestionSetService
    jobs: JobService
    benchmarks: BenchmarkService
    benchmark_reading: BenchmarkReading
    strategy_reading: StrategyReading
    training_data: TrainingDataService
    fine_tuning: FineTuningService
    backups: BackupService
    home_use: HomeUse

    async def aclose(self) -> None:
        """Stop all runs, keeping their results, and stop the engine."""
        # Together: each may wait for a database that takes nothing.
        await asyncio.gather(self.probe.aclose(), self.sweeps.aclose(), self.benchmarks.aclose())
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
    backups = BackupService(database, settings)
    if not is_worker:
        _prepare(settings, access, question_sets, backups)
    # Beside the start: a large file takes seconds.
    start_thread(database.look_for_damage, "database-check")
    planner = PassPlanner(engines, profiles)
    quota = _quota_of_runs(settings)
    jobs = JobService(database, settings)
    identifiers = IdentifierCheck(settings.identifiers)
    unwatched = PassPlanner(engines, profiles, is_watched=False)
    benchmark_sweeps = SweepService(unwatched, database, MAX_IN_FLIGHT, _check_of_benchmarks(settings))
    training_data = TrainingDataService(database, settings, profiles)
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
        probe=ProbeService(planner, database, identifiers, quota),
        sweeps=SweepService(planner, database, identifiers=identifiers, quota=quota),
        annotations=AnnotationService(database, taxonomy),
        exchange=AnnotationExchange(database, taxonomy),
        question_sets=question_sets,
        jobs=jobs,
        benchmarks=BenchmarkService(database, benchmark_sweeps, engines, profiles, jobs),
        benchmark_reading=BenchmarkReading(database),
        strategy_reading=StrategyReading(database),
        training_data=training_data,
        fine_tuning=FineTuningService(settings, profiles, jobs, training_data),
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


def _prepare(settings: Settings, access: Access, question_sets: QuestionSetService, backups: BackupService) -> None:
    """Make the account that the settings name, and remove what killed processes have left."""
    sweep_scratch_folders((settings.home, settings.home / "training-data", Path(tempfile.gettempdir())))
    # A damaged database can still be read by whoever is logged in.
    with suppress(DatabaseCorrupt):
        access.prepare()
        question_sets.remove_leftovers()
    backups.remove_leftovers()


def _quota_of_runs(settings: Settings) -> Quota:
    return Quota(
        settings.runs_per_person,
        f"You have {settings.runs_per_person} questions and sweeps running, as many as one person may have. "
        "Wait until one ends, or stop one.",
    )
