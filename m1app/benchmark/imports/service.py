"""Imports results of others as benchmark runs, all of an import or nothing; `storing` does so in short transactions."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from m1app.access.person import Permission, needs
from m1app.benchmark.answer_files.thinking_marks import marks_of
from m1app.benchmark.imports.log_reading import ImportChoice, Log, read_log
from m1app.benchmark.imports.matching import best_matches
from m1app.benchmark.imports.run_plans import (
    NewSet,
    Place,
    RunPlan,
    Target,
    placed_questions,
    plans_of,
    write_results,
)
from m1app.benchmark.imports.sources import Source, digests_of, find_sources
from m1app.benchmark.imports.storing import ImportedRun, RunStore
from m1app.privacy.service import IdentifierCheck
from m1app.privacy.words import blocked_row_text
from m1app.question.errors import InvalidAnswers
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.working_folder import working_folder
from m1app.scratch_folder import UPLOAD
from m1app.settings import Settings
from m1app.wording import counted
from models.profiles import Profiles
from storage.benchmarks.imports import run_of_file
from storage.benchmarks.records import BenchmarkRun
from storage.database import Database, Session
from storage.question_sets.repository import QuestionSetRepository

NO_CHOICE = ImportChoice()


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import."""

    runs: tuple[ImportedRun, ...]
    new_sets: tuple[str, ...]
    """Question sets that were added, for questions that no set had."""
    present: tuple[tuple[str, BenchmarkRun], ...]
    """Names of files that were imported before, each with its run."""
    left_out: tuple[str, ...]
    """Files of folders that are no logs, each with the reason."""


class BenchmarkImports:
    """Imports logs of lm-evaluation-harness and Inspect, and result files of m1."""

    def __init__(
        self, database: Database, settings: Settings, profiles: Profiles, identifiers: IdentifierCheck
    ) -> None:
        """Args:
        database: stores the runs.
        settings: name the home, which takes temporary files.
        profiles: whose marks tell thinking and answer apart.
        identifiers: checks questions that no set has yet.
        """
        self._database = database
        self._settings = settings
        self._profiles = profiles
        self._identifiers = identifiers
        self._store = RunStore(database, settings.home, identifiers)

    @needs(Permission.MANAGE)
    async def import_files(
        self,
        paths: Sequence[Path],
        choice: ImportChoice = NO_CHOICE,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> ImportReport:
        """Import the logs among files and below folders.

        Args:
            paths: files and folders.
            choice: what a person says of them.
            on_progress: called with what is being done.

        Raises:
            InvalidAnswers: a log cannot be read or used; nothing is imported then.
            InvalidQuestionSet: a question may identify a person, and M1_IDENTIFIERS blocks that.
            NoRoom: the disk of M1_HOME is full.
            StorageError: the database cannot be read or written.
        """
        sources = await asyncio.to_thread(find_sources, paths)
        async with working_folder(UPLOAD, self._settings.home) as folder:
            logs, present, left_out = await self._read(sources, folder, choice, on_progress)
            if not logs:
                if not present:
                    raise InvalidAnswers(f"Found no log that can be imported. {left_out[0]}")
                return ImportReport((), (), tuple(present), tuple(left_out))
            plans, placed, new = await self._planned(logs, choice)
            await asyncio.to_thread(self._check_identifiers, new)
            on_progress(f"scoring the answers to {counted(sum(len(plan.items) for plan in plans), 'question')}")
            for number, plan in enumerate(plans):
                await asyncio.to_thread(write_results, plan, placed, folder / f"results-{number}.jsonl")
            runs = await self._store.add(plans, new, on_progress)
        return ImportReport(runs, tuple(each.name for each in new.values()), tuple(present), tuple(left_out))

    async def _read(
        self, sources: Sequence[Source], folder: Path, choice: ImportChoice, on_progress: Callable[[str], None]
    ) -> tuple[list[Log], list[tuple[str, BenchmarkRun]], list[str]]:
        logs: list[Log] = []
        present: list[tuple[str, BenchmarkRun]] = []
        left_out: list[str] = []
        marks = marks_of(self._profiles)
        for number, source in enumerate(sources, 1):
            on_progress(f"reading {source.name} ({number:,} of {len(sources):,})")
            digests = await asyncio.to_thread(digests_of, source)
            found = partial(run_of_file, sha256=digests.log, beside_sha256=digests.beside)
            if run := await self._database.read(found):
                present.append((source.name, run))
                continue
            if any(each.digests == digests for each in logs):
                left_out.append(f"{source.name}: it is the same file as another one.")
                continue
            try:
                logs.append(await read_log(source, digests, folder, choice, marks))
            except InvalidAnswers as exc:
                if source.is_named or source.path.suffix != ".json":
                    raise
                left_out.append(str(exc))
                continue
            if await asyncio.to_thread(digests_of, source) != digests:
                raise InvalidAnswers(
                    f"{source.name}: the file changed while it was read. Import it when it is complete."
                )
        return logs, present, left_out

    async def _planned(
        self, logs: Sequence[Log], choice: ImportChoice
    ) -> tuple[list[RunPlan], dict[Place, Target], dict[str, NewSet]]:
        wanted: dict[str, set[str]] = {}
        for log in logs:
            for name, key in log.questions:
                wanted.setdefault(name, set()).add(key)

        def place(session: Session) -> tuple[dict[Place, Target], dict[str, NewSet]]:
            matches = best_matches(session, wanted, choice.question_set)
            sets = QuestionSetRepository(session)
            return placed_questions(logs, matches, lambda name: sets.find(name) is not None)

        placed, new = await self._database.read(place)
        plans = plans_of(logs, placed, choice)
        if not plans:
            raise InvalidAnswers(
                "None of the questions has a right answer, in the files or in a question set. Import their question "
                "set first (`m1app questions import`)."
            )
        return plans, placed, new

    def _check_identifiers(self, new: Mapping[str, NewSet]) -> None:
        for each in new.values():
            for number, question in enumerate(each.questions.values(), 1):
                if found := self._identifiers.blocked((question.stem, *question.options.values())):
                    raise InvalidQuestionSet(blocked_row_text(each.name, number, found))
