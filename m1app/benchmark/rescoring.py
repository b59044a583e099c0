"""Reads the answers of a stored run again, by the present version of the rule `strict`.

No engine is asked. What the earlier version read is kept beside it, so that every change can be looked up. The rule
`m1` has no versions and is left alone.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from m1app.access.audit import record
from m1app.benchmark.errors import BenchmarkRefused
from m1app.question.answers.scoring import STRICT_VERSION, letter_basis, score
from m1app.runs.sweep_reading import leading_of
from models.profiles import Profiles
from storage.benchmarks.records import RunState
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.rescoring import (
    ReadAnswer,
    Reading,
    answers_read_before,
    replace_readings,
    set_strict_version,
)
from storage.database import Database, Session
from storage.questions.repository import utc_now

_ITEMS_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescoring:
    """What reading a run's answers again changed."""

    run_id: str
    from_version: int
    """Version of the rule that had read the oldest ones."""
    to_version: int
    answers: int = 0
    """Answers read again; one can be the answer of several cells."""
    other_letter: int = 0
    """Those in which another letter was read, or one where there was none, or none where there was one."""
    now_right: int = 0
    now_wrong: int = 0

    def plus(self, old: Reading, new: Reading) -> "Rescoring":
        """The same with one more answer."""
        return Rescoring(
            run_id=self.run_id,
            from_version=self.from_version,
            to_version=self.to_version,
            answers=self.answers + 1,
            other_letter=self.other_letter + (old.letter != new.letter),
            now_right=self.now_right + bool(new.is_correct and not old.is_correct),
            now_wrong=self.now_wrong + bool(old.is_correct and not new.is_correct),
        )


async def rescore(
    database: Database, profiles: Profiles, run_id: str, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Rescoring:
    """Read all answers of a run again that an earlier version read; one that is interrupted can be repeated.

    Args:
        database: stores the run.
        profiles: the models' thinking formats.
        run_id: the run.
        on_progress: called with the questions done and those of the run.

    Raises:
        RecordNotFound: no such run.
        BenchmarkRefused: it is running, or was imported.
        ModelsError: a profile that its answers were made with is gone.
        StorageError: the database cannot be read or written.
    """
    run = await database.read(lambda s: BenchmarkRepository(s).get(run_id))
    if run.state is RunState.RUNNING:
        raise BenchmarkRefused("run", "This run is running; stop its job first, then score it again.")
    if run.state is RunState.IMPORTED:
        raise BenchmarkRefused(
            "run", "This run was imported. Delete it and import its files again to score them again."
        )
    found = Rescoring(run_id=run_id, from_version=run.strict_version, to_version=STRICT_VERSION)
    for start in range(0, run.items, _ITEMS_AT_ONCE):
        positions = range(start, start + _ITEMS_AT_ONCE)
        found = await _read_again(database, profiles, found, positions)
        on_progress(min(positions.stop, run.items), run.items)
    await database.write(lambda s: _finish(s, found))
    return found


async def _read_again(database: Database, profiles: Profiles, found: Rescoring, positions: range) -> Rescoring:
    before = await database.read(lambda s: answers_read_before(s, found.run_id, positions, STRICT_VERSION))
    readings = await asyncio.to_thread(lambda: [(answer, reading_of(answer, profiles)) for answer in before])
    await database.write(lambda s: replace_readings(s, readings, utc_now()))
    for answer, new in readings:
        found = found.plus(answer.reading, new)
    return found


def reading_of(answer: ReadAnswer, profiles: Profiles) -> Reading:
    """What the present version of the rule reads in an answer; raises ModelsError if its profile is gone."""
    leading = leading_of(answer.thinking_finish_reason, profiles.get(answer.profile))
    scored = score(leading + answer.text, dict(answer.options), answer.target)
    basis: dict[str, Any] = letter_basis(scored, leading)
    return Reading(
        letter=scored.letter,
        is_correct=scored.is_correct,
        letter_rule=basis.get("letter_rule"),
        letter_start=basis.get("letter_start"),
        letter_end=basis.get("letter_end"),
        strict_version=STRICT_VERSION,
    )


def _finish(session: Session, found: Rescoring) -> None:
    set_strict_version(session, found.run_id, STRICT_VERSION)
    record(
        session,
        "benchmark_run.rescore",
        found.run_id,
        from_version=found.from_version,
        to_version=found.to_version,
        answers=found.answers,
        other_letter=found.other_letter,
        now_right=found.now_right,
        now_wrong=found.now_wrong,
    )
