"""The composition root: settings in, services out, shared by pages and command line."""

from dataclasses import dataclass

from m1app.annotation.exchange import AnnotationExchange
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from m1app.benchmark.queries import BenchmarkReading
from m1app.benchmark.recipe import MAX_IN_FLIGHT
from m1app.benchmark.service import BenchmarkService
from m1app.engines.service import EngineService
from m1app.engines.watch import EngineWatch
from m1app.jobs.service import JobService
from m1app.question_sets.service import QuestionSetService
from m1app.runs.pass_plan import PassPlanner
from m1app.runs.probe import ProbeService
from m1app.runs.sweeps import SweepService
from m1app.settings import Settings, SettingsError
from m1app.training.data_building import TrainingDataService
from m1app.training.service import FineTuningService
from models.profiles import Profiles, load_profiles
from models.weights.catalog import Catalog
from storage.database import Database


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a page or a command needs."""

    settings: Settings
    database: Database
    profiles: Profiles
    engines: EngineService
    engine_watch: EngineWatch
    probe: ProbeService
    sweeps: SweepService
    annotations: AnnotationService
    exchange: AnnotationExchange
    question_sets: QuestionSetService
    jobs: JobService
    benchmarks: BenchmarkService
    benchmark_reading: BenchmarkReading
    training_data: TrainingDataService
    fine_tuning: FineTuningService

    async def aclose(self) -> None:
        """Stop all runs, keeping their results, and stop the engine."""
        await self.probe.aclose()
        await self.sweeps.aclose()
        await self.benchmarks.aclose()
        await self.jobs.aclose()
        await self.engine_watch.aclose()
        await self.engines.aclose()
        self.database.dispose()


def make_home(settings: Settings) -> None:
    """Create M1_HOME and its log folder if missing; raises SettingsError if that fails."""
    try:
        settings.logs_directory.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise SettingsError(
            f"M1_HOME: {exc.strerror}: {exc.filename}. Set it to a writable folder (found {settings.home})."
        ) from exc


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
    """
    make_home(settings)
    catalog = Catalog.load(extra=settings.home / "catalog.toml")
    profiles = load_profiles()
    user_labels = settings.home / "labels.toml"
    taxonomy = load_taxonomy(user_labels if user_labels.exists() else None)
    engines = EngineService(settings, catalog, profiles, is_worker=is_worker)
    if not is_worker:
        engines.start()
    database = Database(settings.database_address)
    database.migrate()
    planner = PassPlanner(engines, profiles)
    jobs = JobService(database, settings)
    training_data = TrainingDataService(database, settings, profiles)
    return Services(
        settings=settings,
        database=database,
        profiles=profiles,
        engines=engines,
        engine_watch=EngineWatch(engines),
        probe=ProbeService(planner, database),
        sweeps=SweepService(planner, database),
        annotations=AnnotationService(database, taxonomy),
        exchange=AnnotationExchange(database, taxonomy),
        question_sets=QuestionSetService(database, settings),
        jobs=jobs,
        benchmarks=BenchmarkService(database, SweepService(planner, database, MAX_IN_FLIGHT), engines, profiles, jobs),
        benchmark_reading=BenchmarkReading(database),
        training_data=training_data,
        fine_tuning=FineTuningService(settings, profiles, jobs, training_data),
    )
