"""What a run reports while it works."""

from dataclasses import replace

from m1app.benchmark.intervals import wilson
from m1app.benchmark.run_progress import RunProgress, accuracy_so_far
from storage.database import Database
from tests.m1app.benchmark.stored_passes import store_passes

PASSES = [[("A", 60, None), ("A", 60, None)]] * 4


def test_passes_of_a_question_do_not_narrow_the_interval_so_far(tmp_path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    database.migrate()
    run = store_passes(database, [PASSES], budgets=(100, 200))
    database.dispose()
    often, once = RunProgress(run), RunProgress(replace(run, passes=1))
    often.begin(right=24, judged=40)
    once.begin(right=24, judged=40)
    assert accuracy_so_far(often.report()) == wilson(6, 10)
    assert accuracy_so_far(once.report()) == wilson(24, 40)
