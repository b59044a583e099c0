"""Loads every table: foreign keys cross aggregates, so no table can be used without the rest."""

from storage import search  # noqa: F401
from storage.annotations import tables as annotation_tables  # noqa: F401
from storage.base import Base
from storage.benchmarks import tables as benchmark_tables  # noqa: F401
from storage.branches import tables as branch_tables  # noqa: F401
from storage.corpora import tables as corpus_tables  # noqa: F401
from storage.fact_tests import tables as fact_test_tables  # noqa: F401
from storage.jobs import tables as job_tables  # noqa: F401
from storage.open_verdicts import tables as open_verdict_tables  # noqa: F401
from storage.people import tables as people_tables  # noqa: F401
from storage.probe_batches import tables as probe_batch_tables  # noqa: F401
from storage.question_sets import tables as question_set_tables  # noqa: F401
from storage.resamplings import tables as resampling_tables  # noqa: F401
from storage.strategies import tables as strategy_tables  # noqa: F401
from storage.studies import tables as study_tables  # noqa: F401
from storage.sweeps import tables as sweep_tables  # noqa: F401
from storage.trash import tables as trash_tables  # noqa: F401

metadata = Base.metadata
"""Every table of the database."""
