"""Services that need a database but no engine: commands with these do not start one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from m1app.access.service import Access
from m1app.backup.home_lock import HomeUse
from m1app.benchmark.imports.service import BenchmarkImports
from m1app.benchmark.queries import BenchmarkReading
from m1app.benchmark.strategy_comparison import StrategyReading
from m1app.bootstrap import make_home
from m1app.jobs.service import JobService
from m1app.privacy.service import IdentifierCheck
from m1app.settings import Settings, load_settings
from m1app.training.accuracy.questions import AccuracyQuestions
from m1app.training.data_building import TrainingDataService
from m1app.training.service import FineTuningService
from m1app.trash.service import TrashService
from models.profiles import load_profiles
from models.profiles.own_profiles import LiveProfiles
from storage.database import Database


@contextmanager
def open_database() -> Iterator[Database]:
    """The migrated database of the home in the environment."""
    settings = load_settings()
    make_home(settings)
    home_use = HomeUse(settings)
    database = Database(settings.database_address)
    try:
        database.migrate()
        yield database
    finally:
        database.dispose()
        home_use.close()


def access_over(database: Database) -> Access:
    """Accounts and the audit log."""
    return Access(load_settings(), database)


def trash_over(database: Database) -> TrashService:
    """The trash."""
    settings = load_settings()
    return TrashService(database, settings.trash_days, JobService(database, settings).remove_files, settings.home)


def fine_tuning_over(database: Database, settings: Settings, jobs: JobService) -> FineTuningService:
    """Fine-tuning with these jobs; its training data can ask no engine."""
    profiles = LiveProfiles(load_profiles(), settings.home / "profiles")
    data = TrainingDataService(database, settings, profiles)
    return FineTuningService(settings, profiles, jobs, data, AccuracyQuestions(database))


@dataclass(frozen=True, slots=True)
class ImportServices:
    """Imports of results, and what reads the runs that they become."""

    benchmark_imports: BenchmarkImports
    benchmark_reading: BenchmarkReading
    strategy_reading: StrategyReading


def imports_over(database: Database) -> ImportServices:
    """Imports of results."""
    settings = load_settings()
    profiles = LiveProfiles(load_profiles(), settings.home / "profiles")
    imports = BenchmarkImports(database, settings, profiles, IdentifierCheck(settings.identifiers))
    return ImportServices(imports, BenchmarkReading(database), StrategyReading(database))
