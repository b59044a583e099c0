"""A run with guessed tokens beside the same one without: equal tokens, and seconds beside each other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from m1app.benchmark.strategy_comparison import PassSelection, StrategyReading
from m1app.benchmark.strategy_table import guessing_note, measured_notes, measured_table
from storage.benchmarks.guessing import guessing_pair
from storage.benchmarks.records import BenchmarkRun
from storage.benchmarks.repository import BenchmarkRepository
from storage.database import Database
from tests.m1app.benchmark.stored_passes import store_passes
from tests.m1app.benchmark.test_service import services_at

POOL = [[[("A", 50, None)], [("B", 60, None)]], [[("A", 70, None)], [("A", 80, None)]]]
ROWS = ["All passes, no token guessed", "All passes, tokens guessed (ngram)"]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    made.migrate()
    yield made
    made.dispose()


def stored(database: Database, speculation: str | None, seconds: float, tokens: int, **run) -> BenchmarkRun:
    """A run whose two questions took so many seconds and tokens each; the second took ten more of both."""
    made = store_passes(database, POOL, budgets=(100,), speculation=speculation, **run)
    with database.session() as session:
        session.execute(
            text(
                "update sweep set seconds = :s + 10 * (select position from benchmark_item i where i.id = sweep.id), "
                "tokens_generated = :t + 10 * (select position from benchmark_item i where i.id = sweep.id) "
                "where id in (select id from benchmark_item where run_id = :run)"
            ),
            {"s": seconds, "t": tokens, "run": made.id},
        )
    return made


def pair_of(database: Database, run: BenchmarkRun):
    return database.read_now(lambda s: guessing_pair(s, run.id, run.models[0]))


async def test_seconds_stand_beside_each_other_where_only_guessing_differs(database: Database) -> None:
    plain, guessing = stored(database, "", 20.0, 300), stored(database, "ngram", 10.0, 300)
    found = pair_of(database, plain)
    assert found == pair_of(database, guessing)
    assert (found.plain_run, found.guessing_run, found.questions, found.equal_questions) == (
        plain.id,
        guessing.id,
        2,
        2,
    )
    assert (found.plain_tokens, found.guessing_tokens) == (610, 610)
    assert (found.plain_seconds, found.guessing_seconds) == (50.0, 30.0)
    choice = PassSelection(run_id=plain.id, model=plain.models[0], question_set="", force_rounds=0, budget_tokens=100)
    compared = await StrategyReading(database).compare(choice)
    rows = measured_table(compared).rows
    # Tokens and seconds for the mean question.
    assert [[row.cells[i].text for i in (0, 2, 3, 6)] for row in rows] == [
        [ROWS[0], "2", "305", "25.0"],
        [ROWS[1], "2", "305", "15.0"],
    ]
    assert "took 0.60 of the seconds; 2 of 2 questions took the same number of tokens" in guessing_note(found)
    assert guessing_note(found) in list(measured_notes(compared))


async def test_tokens_that_differ_are_counted(database: Database) -> None:
    plain = stored(database, "", 20.0, 300)
    stored(database, "ngram", 10.0, 301)
    assert pair_of(database, plain).equal_questions == 0


@pytest.mark.parametrize(
    ("speculation", "changes"),
    [("", {}), (None, {}), ("ngram", {"temperature": 0.7}), ("ngram", {"seed": 3}), ("ngram", {"models": ("other",)})],
)
async def test_runs_that_differ_otherwise_or_of_which_nobody_knows_are_no_pair(database, speculation, changes) -> None:
    plain = stored(database, "", 20.0, 300)
    stored(database, speculation, 10.0, 300, **changes)
    assert pair_of(database, plain) is None


async def test_a_run_that_went_on_with_another_engine_says_nothing_of_guessing(database: Database) -> None:
    run = stored(database, "", 20.0, 300)

    def note(value):
        database.write_now(lambda s: BenchmarkRepository(s).note_speculation(run.id, value))
        return database.read_now(lambda s: BenchmarkRepository(s).get(run.id)).speculation

    assert note("") == ""
    assert note("ngram") is None


@pytest.mark.usefixtures("no_settings")
async def test_nobody_knows_how_a_remote_engine_guesses(tmp_path: Path) -> None:
    async with services_at(tmp_path / "remote", "http://127.0.0.1:9") as services:
        assert services.engines.speculation("") is None
