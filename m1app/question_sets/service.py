"""Question sets: imported from files and the hub, listed, previewed, compared, deleted."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.hub import download_from_hub, hub_request
from m1app.question_sets.importing import (
    KNOWN_LAYOUTS,
    Candidate,
    candidate,
    check_name,
    notes_of,
    parse_question_sets,
    questions_sha256,
)
from m1app.question_sets.overlap import Text, find_overlap, read_training_texts
from m1app.scratch_folder import scratch_folder
from m1app.settings import Settings
from m1app.wording import counted
from storage.database import Database, Session
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import Question
from storage.questions.repository import QuestionRepository

_SHOWN_PAIRS = 50
_BATCH_QUESTIONS = 1000


@dataclass(frozen=True, slots=True)
class Overlap:
    """Questions of one set that also appear, exactly or nearly, in another set or in fine-tuning data."""

    first: str
    """Name of a set."""
    second: str
    """Name of a set, or of a file of fine-tuning data."""
    pairs: tuple[tuple[str, str, float], ...]
    """Up to 50 of them, the closest first: question, its closest counterpart, share of 8-word runs in common."""
    count: int
    """Number of questions of the first that have a counterpart in the second."""

    @property
    def sentence(self) -> str:
        """What is shared with what, in words."""
        return f"{self.first} shares {counted(self.count, 'question')} with {self.second} (identical or nearly so)"


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
    """Further notes: what already existed, what was left out."""


class QuestionSetService:
    """Manages question sets. Every method may raise `storage.errors.StorageError`."""

    layouts: tuple[tuple[str, str], ...] = KNOWN_LAYOUTS
    """(id, user-visible label) of the supported layouts."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    async def import_file(self, path: Path, *, name: str = "", layout: str = "") -> ImportReport:
        """Import a file, all or nothing. Importing the same file again returns the existing sets.

        Args:
            path: JSON, JSON lines, CSV, TSV or Parquet.
            name: name of the set; a prefix of the sets' own names if the file has several. Empty uses the file's.
            layout: id of the layout; empty detects it.

        Raises:
            InvalidQuestionSet: the file or a row of it cannot be used, or another set has the name.
        """
        return await asyncio.to_thread(self._import_file, path, name, layout)

    async def import_hub(
        self, repo: str, *, name: str = "", layout: str = "", config: str = "", split: str = ""
    ) -> ImportReport:
        """Import a dataset from the Hugging Face hub; nothing else downloads datasets.

        Args:
            repo: repository, such as "GBaker/MedQA-USMLE-4-options".
            name: as in `import_file`; empty uses the repository's, with config and split.
            layout: as in `import_file`.
            config: one of the repository's configs; empty uses the usual one, or the only one.
            split: empty uses the usual one, else test, validation, or the only one.

        Raises:
            InvalidQuestionSet: it cannot be downloaded, or as in `import_file`.
        """
        request = hub_request(repo, config, split, layout)
        async with scratch_folder("m1-hub-") as folder:
            chosen, path = await download_from_hub(request, folder, self._settings)
            content = await asyncio.to_thread(path.read_bytes)
        parsed = await asyncio.to_thread(parse_question_sets, content, path.name, chosen.layout)
        own = name or ("" if chosen.file else chosen.name)
        # Hash the questions, not the file: another version of `datasets` may write them differently.
        candidates = [candidate(each, own, len(parsed), questions_sha256(each)) for each in parsed]
        return await asyncio.to_thread(self._store, candidates, chosen.place)

    async def all(self) -> tuple[QuestionSet, ...]:
        """All sets, by name."""
        return await self._database.read(lambda s: QuestionSetRepository(s).all())

    async def preview(self, set_id: str, *, limit: int = 50, offset: int = 0, text: str = "") -> tuple[Question, ...]:
        """Questions of a set in order that contain every word of `text`.

        Raises:
            RecordNotFound: no set has that id.
        """

        def read(session: Session) -> tuple[Question, ...]:
            sets = QuestionSetRepository(session)
            return sets.questions(sets.by_id(set_id).id, max(1, limit), offset, text)

        return await self._database.read(read)

    async def overlaps(self, set_ids: Sequence[str], training_file: Path | None = None) -> tuple[Overlap, ...]:
        """Find sets that share questions with each other or with a file of fine-tuning data.

        Args:
            set_ids: sets to compare.
            training_file: JSON, JSON lines, CSV or Parquet with `question` or `prompt`; its overlaps come first.

        Raises:
            RecordNotFound: no set has one of the ids.
            InvalidQuestionSet: the file cannot be used.
        """
        return await asyncio.to_thread(self._overlaps, tuple(dict.fromkeys(set_ids)), training_file)

    async def delete(self, set_id: str) -> None:
        """Delete a set; runs keep their questions and results.

        Raises:
            RecordNotFound: no set has that id.
        """
        await self._database.write(lambda s: QuestionSetRepository(s).delete(set_id))

    def _import_file(self, path: Path, name: str, layout: str) -> ImportReport:
        content = _read_file(path)
        parsed = parse_question_sets(content, path.name, layout)
        sha256 = hashlib.sha256(content).hexdigest()
        return self._store([candidate(each, name, len(parsed), sha256) for each in parsed], path.name)

    def _store(self, candidates: Sequence[Candidate], source: str) -> ImportReport:
        here = {each.name: each for each in self._database.read_now(lambda s: QuestionSetRepository(s).all())}
        for each in candidates:
            check_name(each, here.get(each.name))
        new = [each for each in candidates if each.name not in here]
        kept = {each.name: self._keep_questions(each) for each in new}
        with self._database.session() as session:
            repository = QuestionSetRepository(session)
            for each in new:
                here[each.name] = repository.add_kept(
                    each.name, source, each.parsed.layout, each.sha256, kept[each.name]
                )
        added = {each.name for each in new}
        return ImportReport(
            sets=tuple(here[each.name] for each in candidates),
            duplicates={each.name: each.repeated for each in candidates},
            overlaps=self._overlaps_of_new([here[each.name] for each in new], list(here.values())),
            notes=tuple(note for each in candidates for note in notes_of(each, here[each.name], each.name in added)),
        )

    def _keep_questions(self, new: Candidate) -> list[str]:
        """Store the questions in short transactions first: a long one would block running benchmarks from writing."""
        questions = new.new_questions()
        ids: list[str] = []
        for begin in range(0, len(questions), _BATCH_QUESTIONS):
            with self._database.session() as session:
                ids += QuestionRepository(session).upsert_all(questions[begin : begin + _BATCH_QUESTIONS])
        return ids

    def _overlaps_of_new(self, new: Sequence[QuestionSet], every: Sequence[QuestionSet]) -> tuple[Overlap, ...]:
        if not new:
            return ()
        texts = {each.id: self._texts(each) for each in every}
        added = {each.id for each in new}
        pairs = [(one, other) for one in new for other in every if other.id not in added]
        pairs += list(combinations(new, 2))
        found = (_overlap(one.name, texts[one.id], other.name, texts[other.id]) for one, other in pairs)
        return tuple(each for each in found if each.count)

    def _overlaps(self, set_ids: Sequence[str], training_file: Path | None) -> tuple[Overlap, ...]:
        chosen = self._database.read_now(lambda s: [QuestionSetRepository(s).by_id(set_id) for set_id in set_ids])
        texts = {each.id: self._texts(each) for each in chosen}
        found = []
        if training_file is not None:
            trained = read_training_texts(_read_file(training_file), training_file.name)
            found += [_overlap(each.name, texts[each.id], training_file.name, trained) for each in chosen]
        for one, other in combinations(chosen, 2):
            found.append(_overlap(one.name, texts[one.id], other.name, texts[other.id]))
        return tuple(each for each in found if each.count)

    def _texts(self, each: QuestionSet) -> tuple[Text, ...]:
        questions = self._database.read_now(lambda s: QuestionSetRepository(s).questions(each.id))
        return tuple(Text(question.stem, tuple(question.options.values())) for question in questions)


def _overlap(first: str, ours: Sequence[Text], second: str, theirs: Sequence[Text]) -> Overlap:
    matches = find_overlap(ours, theirs)
    pairs = tuple((ours[m.first].stem, theirs[m.second].stem, m.share) for m in matches[:_SHOWN_PAIRS])
    return Overlap(first, second, pairs, len(matches))


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise InvalidQuestionSet(f"{path}: the file cannot be read ({exc.strerror}). Check its name.") from exc
