"""Erases one trace, one question or one person: from the database with its free pages and its search index, and from
files of the home if asked to. Says which copies still hold it.

Not reached: backups, what somebody has downloaded, logs of a remote engine, weights that were trained on it, and blocks
that the file system has freed.
"""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.backup.leftovers import copies_beside
from m1app.backup.naming import backups_in
from m1app.privacy.errors import ErasureRefused
from m1app.privacy.file_search import SearchedFiles, databases_aside, search_files
from m1app.settings import Settings
from m1app.wording import counted
from storage.annotations.names import NameRepository
from storage.database import Database, Session
from storage.erasure.records import ErasureExtent
from storage.erasure.repository import ErasureRepository
from storage.errors import RecordNotFound, StorageError
from storage.people.accounts import AccountRepository

_TRAINING_DATA = "training-data"
_AGAIN = "When this is solved, run `python -m m1app erase leftovers`."


@dataclass(frozen=True, slots=True)
class ErasureReport:
    """What an erasure has removed, or would remove."""

    counts: Mapping[str, int]
    """How many records, by kind."""
    removed: tuple[Path, ...] = ()
    """Files of the home that contained it."""
    files: tuple[Path, ...] = ()
    """Files of the home that contain it and are still there."""
    unread: tuple[Path, ...] = ()
    """Files and folders of the home that could not be read, so that they may contain it."""
    copies: tuple[Path, ...] = ()
    """Backups and databases that were put aside, which may hold it."""
    problems: tuple[str, ...] = ()
    """What could not be done."""


class ErasureService:
    """Erases in one home. May raise StorageError and OSError."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @needs(Permission.MANAGE)
    async def erase_trace(
        self, trace_id: str, *, with_annotations: bool = False, with_files: bool = False, is_dry_run: bool = False
    ) -> ErasureReport:
        """Erase a trace; its question stays.

        Args:
            trace_id: its id.
            with_annotations: whether to erase what people wrote about it too.
            with_files: whether to remove the files of the home that contain it.
            is_dry_run: whether to only count.

        Raises:
            RecordNotFound: no such trace.
            ErasureRefused: it is running, or annotated.
        """
        extent = await self._database.read(lambda s: ErasureRepository(s).of_trace(trace_id))
        return await self._erase("trace", trace_id, extent, with_annotations, with_files, is_dry_run)

    @needs(Permission.MANAGE)
    async def erase_question(
        self, question_id: str, *, with_annotations: bool = False, with_files: bool = False, is_dry_run: bool = False
    ) -> ErasureReport:
        """Erase a question with all its traces, sweeps and benchmark items, and from all sets; as `erase_trace`."""
        extent = await self._database.read(lambda s: ErasureRepository(s).of_question(question_id))
        return await self._erase("question", question_id, extent, with_annotations, with_files, is_dry_run)

    @needs(Permission.MANAGE)
    async def erase_person(
        self, person: str, *, with_annotations: bool = False, is_dry_run: bool = False
    ) -> ErasureReport:
        """Erase an account, and its name from all annotations; the audit log keeps the account's id.

        Args:
            person: id or name of an account, or a name that somebody has annotated under.
            with_annotations: whether to remove the person's annotations too; else they stay under a pseudonym.
            is_dry_run: whether to only count.

        Raises:
            RecordNotFound: nobody has that id or name.
            InvalidRecord: no administrator who can log in would be left.
        """

        def store(session: Session) -> Mapping[str, int]:
            name, account_id = _named(session, person)
            pseudonym = f"person {uuid4().hex[:8]}"
            done = ErasureRepository(session).erase_person(
                name, pseudonym, account_id=account_id, is_removing=with_annotations
            )
            counts = asdict(done)
            if is_dry_run:
                session.rollback()
            else:
                record(session, "person.erase", account_id, **counts)
            return counts

        counts = await self._database.write(store)
        problem = "" if is_dry_run else await self.scrub()
        return ErasureReport(counts, copies=await asyncio.to_thread(self._copies), problems=_filled(problem))

    @needs(Permission.MANAGE)
    async def scrub(self) -> str:
        """Overwrite what deleted records left in the database's files; return what could not be done."""
        try:
            return await asyncio.to_thread(self._database.scrub, is_whole=True)
        except StorageError as exc:
            return f"{exc} Parts of deleted records may be left in the database's files. {_AGAIN}"

    async def _erase(
        self,
        kind: str,
        subject_id: str,
        extent: ErasureExtent,
        with_annotations: bool,
        with_files: bool,
        is_dry_run: bool,
    ) -> ErasureReport:
        _check(extent, with_annotations)
        found = await asyncio.to_thread(self._search, extent)
        if is_dry_run:
            copies = await asyncio.to_thread(self._copies)
            return ErasureReport(counts_of(extent), files=found.containing, unread=found.unread, copies=copies)

        def store(session: Session) -> Mapping[str, int]:
            erasure = ErasureRepository(session)
            now = erasure.of_trace(subject_id) if kind == "trace" else erasure.of_question(subject_id)
            _check(now, with_annotations)  # Somebody may have begun to annotate it.
            erasure.erase(now)
            counts = counts_of(now)
            record(session, f"{kind}.erase", subject_id, **counts)
            return counts

        counts = await self._database.write(store)
        try:
            removal = await asyncio.to_thread(_remove, found.containing if with_files else (), self._settings.home)
        finally:
            problem = await self.scrub()
        return ErasureReport(
            counts,
            removed=removal.removed,
            files=tuple(path for path in found.containing if path not in removal.removed),
            unread=found.unread,
            copies=await asyncio.to_thread(self._copies),
            problems=(*removal.problems, *_filled(problem)),
        )

    def _search(self, extent: ErasureExtent) -> SearchedFiles:
        def is_shared(line: str) -> bool:
            return self._database.read_now(lambda s: ErasureRepository(s).has_elsewhere(line, extent))

        return search_files(extent.passages, self._settings, self._database.file, is_shared)

    def _copies(self) -> tuple[Path, ...]:
        """Backups, what restores have put aside, what killed ones have left, and other databases in the home."""
        home = self._settings.home
        folders = dict.fromkeys((self._settings.backups_directory, home / "backups"))
        backups = [found.file for folder in folders for found in backups_in(folder)]
        beside = copies_beside(self._settings)
        databases = databases_aside(home, self._database.file)
        return (*backups, *beside, *(path for path in databases if not set(beside) & set(path.parents)))


def counts_of(extent: ErasureExtent) -> dict[str, int]:
    """How many records of each kind an extent has."""
    return {
        "traces": len(extent.traces),
        "sweeps": len(extent.sweeps),
        "strategy_runs": len(extent.strategy_runs),
        "benchmark_items": len(extent.items),
        "questions": len(extent.questions),
        "set_memberships": extent.memberships,
        "annotations": extent.annotations,
        "assessments": extent.assessments,
    }


def _check(extent: ErasureExtent, with_annotations: bool) -> None:
    if extent.is_running:
        raise ErasureRefused("A run of this is still in progress. Stop it, then erase.")
    if (extent.annotations or extent.assessments) and not with_annotations:
        raise ErasureRefused(
            f"People have worked on this: {counted(extent.annotations, 'annotation')} and "
            f"{counted(extent.assessments, 'assessment')}. To erase these too, add --with-annotations."
        )


def _named(session: Session, person: str) -> tuple[str, str]:
    """The name that somebody annotates under, and the id of their account, empty without one."""
    for account in AccountRepository(session).all():
        if person == account.id or person == account.name:
            return account.name, account.id
    if any(each.name == person for each in NameRepository(session).all()):
        return person, ""
    raise RecordNotFound(f"There is neither an account nor an annotator {person[:80]!r}. `m1app users list` has names.")


@dataclass(frozen=True, slots=True)
class _Removal:
    removed: tuple[Path, ...]
    problems: tuple[str, ...]


def _remove(files: Sequence[Path], home: Path) -> _Removal:
    """Remove files; a version of a data set goes as a whole, because its card has its hash and examples."""
    removed, problems = list[Path](), list[str]()
    for path in files:
        parts = path.relative_to(home).parts
        try:
            if parts[0] == _TRAINING_DATA and len(parts) > 3:
                shutil.rmtree(home.joinpath(*parts[:3]))
            else:
                path.unlink()
        except FileNotFoundError:
            pass  # Gone with another file of its data set, or meanwhile.
        except OSError as exc:
            problems.append(f"{path} could not be removed ({exc.strerror or exc}). Remove it yourself.")
            continue
        removed.append(path)
    return _Removal(tuple(removed), tuple(problems))


def _filled(problem: str) -> tuple[str, ...]:
    return (problem,) if problem else ()
