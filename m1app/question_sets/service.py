"""Question sets: imported from files and the hub, listed, previewed, compared, deleted."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m1app.access.audit import record
from m1app.access.discarding import discard
from m1app.access.person import Permission, needs
from m1app.privacy.service import IdentifierCheck
from m1app.privacy.words import set_text
from m1app.question_sets.comparison import Comparison, Overlap
from m1app.question_sets.errors import InvalidQuestionSet, QuestionSetError
from m1app.question_sets.file_reading import file_messages
from m1app.question_sets.file_sample import FileSample, read_file_sample
from m1app.question_sets.halves import split_set
from m1app.question_sets.hub import download_from_hub, hub_request
from m1app.question_sets.import_options import DEFAULTS, ImportOptions
from m1app.question_sets.importing import KNOWN_LAYOUTS
from m1app.question_sets.overlap import Text
from m1app.question_sets.row_values import SetQuestion
from m1app.question_sets.set_messages import QUESTIONS, SetHeader, SetsLine, SetsMessage
from m1app.question_sets.storing import Candidate, SetStore, Stored
from m1app.question_sets.typed_sets import (
    LIBRARY,
    LIBRARY_SOURCE,
    TYPED_SOURCE,
    first_message,
    header_of,
    library_questions,
    messages_of,
    set_questions,
)
from m1app.question_sets.working_folder import working_folder
from m1app.scratch_folder import HUB
from m1app.settings import Settings
from m1app.wording import counted
from storage.database import Database, Session
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion, Question
from storage.trash.records import Deletion, TrashKind

_MOST_CHECKED = 20_000
"""Questions of a set that are checked for what may identify a person; each takes about a millisecond."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was left out because it cannot be used."""

    where: str
    """Place in the file."""
    reason: str


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Result of an import."""

    sets: tuple[QuestionSet, ...]
    """The sets of the file, in order: new ones, and already existing ones."""
    duplicates: Mapping[str, int]
    """Set name to number of duplicate questions in the file; they are stored once."""
    overlaps: tuple[Overlap, ...]
    """Overlaps of the new sets with each other and with existing ones."""
    notes: tuple[str, ...] = ()
    """Further notes: what already existed, what was left out, how the file was read."""
    bad_rows: tuple[BadRow, ...] = ()
    """The first 5,000 of the rows that were left out."""
    bad_row_count: int = 0


class QuestionSetService:
    """Manages question sets. Every method may raise `storage.errors.StorageError`."""

    layouts: tuple[tuple[str, str], ...] = KNOWN_LAYOUTS
    """(id, user-visible label) of the supported layouts."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._identifiers = IdentifierCheck(settings.identifiers)
        self._comparison = Comparison(database, settings.home)
        self._store = SetStore(database, settings.home, self._identifiers)

    @needs(Permission.MANAGE)
    async def import_file(
        self,
        path: Path,
        *,
        name: str = "",
        layout: str = "",
        options: ImportOptions = DEFAULTS,
        ids: Path | None = None,
    ) -> ImportReport:
        """Import a file, all or nothing. Importing the same file again returns the existing sets.

        Args:
            path: JSON, JSON lines, CSV, TSV, Parquet or an Excel workbook, also as .gz or in a .zip.
            name: name of the set; a prefix of the sets' own names if the file has several. Empty uses the file's.
            layout: id of the layout; empty detects it.
            options: which columns and rows are taken.
            ids: a file with a list of ids; only rows with one of them are taken.

        Raises:
            InvalidQuestionSet: the file or a row of it cannot be used, or another set has the name.
        """
        return await self._import(_Reading(path, _shown_name(path), layout, options, ids), name)

    @needs(Permission.MANAGE)
    async def sample_file(
        self, path: Path, *, layout: str = "", options: ImportOptions = DEFAULTS, file_name: str = ""
    ) -> FileSample:
        """Read the columns of a file and its first rows as questions; nothing is stored.

        Args:
            path: as in `import_file`, as are `layout` and `options`.
            layout: id of the layout; empty detects it.
            options: which columns are taken.
            file_name: determines the format; empty uses the path's.

        Raises:
            InvalidQuestionSet: the file cannot be read. What is wrong with its columns or rows is in the result.
        """
        return await read_file_sample(path, file_name or _shown_name(path), layout, options)

    @needs(Permission.MANAGE)
    async def sample_hub(
        self, repo: str, *, layout: str = "", config: str = "", split: str = "", options: ImportOptions = DEFAULTS
    ) -> FileSample:
        """Download a dataset as `import_hub` does, and read it as `sample_file` does; the download is kept.

        Raises:
            InvalidQuestionSet: it cannot be downloaded, or as in `sample_file`.
        """
        request = hub_request(repo, config, split, layout)
        async with working_folder(HUB, self._settings.home) as folder:
            chosen, path = await download_from_hub(request, folder, self._settings)
            return await read_file_sample(path, _shown_name(path), chosen.layout, options)

    @needs(Permission.MANAGE)
    async def import_hub(
        self,
        repo: str,
        *,
        name: str = "",
        layout: str = "",
        config: str = "",
        split: str = "",
        options: ImportOptions = DEFAULTS,
        ids: Path | None = None,
    ) -> ImportReport:
        """Import a dataset from the Hugging Face hub; nothing else downloads datasets.

        Args:
            repo: repository, such as "GBaker/MedQA-USMLE-4-options".
            name: as in `import_file`; empty uses the repository's, with config and split.
            layout: as in `import_file`.
            config: one of the repository's configs; empty uses the usual one, or the only one.
            split: empty uses the usual one, else test, validation, or the only one.
            options: as in `import_file`.
            ids: as in `import_file`.

        Raises:
            InvalidQuestionSet: it cannot be downloaded, or as in `import_file`.
        """
        request = hub_request(repo, config, split, layout)
        async with working_folder(HUB, self._settings.home) as folder:
            chosen, path = await download_from_hub(request, folder, self._settings)
            own = name or ("" if chosen.file else chosen.name)
            # By its questions, not the file: another version of `datasets` may write that differently.
            return await self._import(_Reading(path, chosen.place, chosen.layout, options, ids), own, by_questions=True)

    @needs(Permission.MANAGE)
    async def store_typed(self, questions: Sequence[NewQuestion], *, name: str) -> ImportReport:
        """Store questions that were typed or pasted as a set, all or nothing; storing them again returns that set.

        Args:
            questions: each with options and a target.
            name: name of the set.

        Raises:
            InvalidQuestionSet: a question cannot be scored or stored, or another set has the name.
        """
        given = set_questions(questions)
        return await self._store_given(given, header_of(given, name.strip()), TYPED_SOURCE)

    @needs(Permission.MANAGE)
    async def import_library(self, *, name: str = "") -> ImportReport:
        """Store the questions with options that come with the app as a set; again returns that set.

        Args:
            name: name of the set; empty uses "library".

        Raises:
            InvalidQuestionSet: another set has the name.
        """
        given = library_questions()
        return await self._store_given(given, header_of(given, name.strip() or LIBRARY, LIBRARY), LIBRARY_SOURCE)

    async def _store_given(self, given: Sequence[SetQuestion], header: SetHeader, source: str) -> ImportReport:
        candidate = Candidate(header.name, header, header.sha256)
        stored = await self._store.add([candidate], messages_of(given), source)
        return await self._report([candidate], stored, first_message(header))

    @needs(Permission.MANAGE)
    async def split(self, set_id: str) -> tuple[QuestionSet, QuestionSet]:
        """Store one half of a set to learn from, and one to measure with; raises like `halves.split_set`."""

        def store(session: Session) -> tuple[QuestionSet, QuestionSet]:
            halves = split_set(session, set_id)
            for half in halves:
                record(session, "question_set.split", half.id, questions=half.question_count)
            return halves

        return await self._database.write(store)

    @needs(Permission.READ)
    async def all(self) -> tuple[QuestionSet, ...]:
        """All sets, by name."""
        return await self._database.read(lambda s: QuestionSetRepository(s).all())

    @needs(Permission.READ)
    async def preview(self, set_id: str, *, limit: int = 50, offset: int = 0, text: str = "") -> tuple[Question, ...]:
        """Questions of a set in order that contain every word of `text`.

        Raises:
            RecordNotFound: no set has that id.
        """

        def read(session: Session) -> tuple[Question, ...]:
            sets = QuestionSetRepository(session)
            return sets.questions(sets.by_id(set_id).id, max(1, limit), offset, text)

        return await self._database.read(read)

    @needs(Permission.READ)
    async def overlaps(self, set_ids: Sequence[str], training_file: Path | None = None) -> tuple[Overlap, ...]:
        """Find sets that share questions with each other or with a file of fine-tuning data.

        Args:
            set_ids: sets to compare.
            training_file: JSON, JSON lines, CSV or Parquet with `question` or `prompt`; its overlaps come first.

        Raises:
            RecordNotFound: no set has one of the ids.
            InvalidQuestionSet: the file cannot be used, or comparing takes too much memory or time.
            NoRoom: the disk of M1_HOME is full.
        """
        wanted = tuple(dict.fromkeys(set_ids))
        chosen = await self._database.read(lambda s: [QuestionSetRepository(s).by_id(each) for each in wanted])
        return await self._comparison.of_chosen(chosen, training_file)

    @needs(Permission.READ)
    async def overlaps_with(
        self, set_ids: Sequence[str], name: str, texts: Iterable[Sequence[Text]], producer: str
    ) -> tuple[Overlap, ...]:
        """Find what sets share with other texts, not with each other; see `Comparison.with_texts`.

        Raises:
            RecordNotFound: no set has one of the ids.
            InvalidQuestionSet: comparing takes too much memory or time.
            NoRoom: the disk of M1_HOME is full.
        """
        chosen = await self._database.read(lambda s: [QuestionSetRepository(s).by_id(each) for each in set_ids])
        return await self._comparison.with_texts(chosen, name, texts, producer)

    @needs(Permission.MANAGE)
    async def delete(self, set_id: str) -> Deletion:
        """Move a set to the trash; runs keep their questions and results.

        Raises:
            RecordNotFound: no set has that id.
        """
        return await self._database.write(lambda s: discard(s, TrashKind.QUESTION_SET, set_id))

    def remove_leftovers(self) -> None:
        """Remove what an import that was killed has added; blocks. Problems are logged."""
        self._store.remove_leftovers()

    async def _import(self, reading: "_Reading", name: str, *, by_questions: bool = False) -> ImportReport:
        # A part of a file, or another reading of it, is not that file.
        by_questions = by_questions or reading.options != DEFAULTS or reading.ids is not None
        options = reading.options.to_json()
        async with file_messages(
            reading.path, QUESTIONS, SetsLine, ids=reading.ids, layout=reading.layout, options=options
        ) as messages:
            first = await anext(messages, None)
            if first is None or not first.sets:
                raise InvalidQuestionSet(f"{reading.source}: no question set was found in the file. Export it again.")
            given = [_candidate(each, name, first, by_questions) for each in first.sets]
            stored = await self._store.add(given, messages, reading.source)
        return await self._report(given, stored, first)

    async def _report(self, given: Sequence[Candidate], stored: Stored, first: SetsMessage) -> ImportReport:
        each_set = tuple(zip(given, stored.sets, strict=True))
        new = [each for each in stored.sets if each.id in stored.new_ids]
        notes = [*first.notes, *filter(None, [_bad_rows_note(first)])]
        notes += [note for each, kept in each_set for note in _notes(each, kept, kept.id in stored.new_ids)]
        notes += filter(None, [await asyncio.to_thread(self._identifier_note, each) for each in new])
        overlaps, problem = await self._overlaps_of_new(new)
        return ImportReport(
            sets=stored.sets,
            duplicates={kept.name: each.header.count - kept.question_count for each, kept in each_set},
            overlaps=overlaps,
            notes=(*notes, *filter(None, [problem])),
            bad_rows=tuple(BadRow(each.where, each.reason) for each in first.bad_rows),
            bad_row_count=first.bad_row_count,
        )

    async def _overlaps_of_new(self, new: Sequence[QuestionSet]) -> tuple[tuple[Overlap, ...], str]:
        """Overlaps of new sets, or a note that they were not checked: the sets are stored already, and stay."""
        others = [each for each in await self.all() if each not in new] if new else []
        try:
            return (await self._comparison.of_new(new, others) if new else ()), ""
        except QuestionSetError as exc:
            return (), f"The sets were imported, but not compared with the others. {exc}"

    def _identifier_note(self, kept: QuestionSet) -> str:
        """How many questions of a new set may identify a person; empty if none do."""
        questions = self._database.read_now(lambda s: QuestionSetRepository(s).questions(kept.id, _MOST_CHECKED))
        found = [self._identifiers.findings((each.stem, *each.options.values())) for each in questions]
        checked = _MOST_CHECKED if kept.question_count > _MOST_CHECKED else 0
        return set_text(kept.name, found, checked=checked)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is read, and how."""

    path: Path
    source: str
    """The file or hub address, for users."""
    layout: str
    options: ImportOptions
    ids: Path | None


def _shown_name(path: Path) -> str:
    return path.name.encode(errors="backslashreplace").decode()


def _bad_rows_note(first: SetsMessage) -> str:
    """What was left out of a file; empty if nothing was."""
    if not first.bad_row_count:
        return ""
    were = "was" if first.bad_row_count == 1 else "were"
    return f"{counted(first.bad_row_count, 'row')} could not be used and {were} left out."


def _candidate(header: SetHeader, name: str, first: SetsMessage, by_questions: bool) -> Candidate:
    """The candidate for a set.

    Args:
        header: the set.
        name: given by the user; prefixes the set's own if the file has several. Empty uses the set's own.
        first: the file's first message.
        by_questions: identify it by its questions, not by the file.
    """
    own = name.strip()
    full = f"{own} {header.name}" if own and len(first.sets) > 1 else own or header.name
    return Candidate(full.strip(), header, header.sha256 if by_questions else first.sha256 or "")


def _notes(given: Candidate, kept: QuestionSet, is_new: bool) -> list[str]:
    """Notes for the user besides the numbers."""
    notes = []
    if not is_new:
        notes.append(
            f"{kept.name} already exists, imported {kept.created_at:%Y-%m-%d} from {kept.source}; nothing was added."
        )
    if left_out := given.header.left_out:
        were, them = ("was", "it") if left_out == 1 else ("were", "them")
        notes.append(
            f"{kept.name}: {counted(left_out, 'question')} in other subjects {were} left out; "
            f"layout {kept.layout}-all includes {them}."
        )
    return notes
