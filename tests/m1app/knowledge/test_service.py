"""Corpora as the app offers them: whole or not at all, versions, search with the guard, overlap."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from m1app.access.errors import AccessRefused
from m1app.access.person import Person, acting_as
from m1app.knowledge.errors import InvalidCorpus, KnowledgeError
from m1app.knowledge.guard import AskedQuestion
from m1app.knowledge.service import CorpusService
from m1app.knowledge.storing import lock_path
from m1app.question_sets.import_lock import open_lock, try_lock
from m1app.settings import IdentifierMode, Settings
from storage.corpora.records import NewPassage
from storage.corpora.repository import FACTS, CorpusRepository
from storage.corpora.tables import PassageRow
from storage.database import Database
from storage.errors import RecordNotFound
from storage.people.records import Role
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.trash.repository import TrashRepository
from tests.m1app.annotation.cases import stored_trace
from tests.storage.annotations.test_repository import add as annotate
from tests.storage.samples import QUESTION

SHEETS = "# Hyperkalaemia\n\nCalcium gluconate protects the heart.\n\n# Digoxin\n\nFragments bind digoxin.\n"


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(content: str = SHEETS, name: str = "sheets.md") -> Path:
        path = tmp_path / name
        path.write_text(content)
        return path

    return write


async def found(corpora: CorpusService, text: str, asked: AskedQuestion | None = None, *names: str) -> list[str]:
    found = await corpora.search(text, 10, corpora=names or None, excluding_question=asked)
    return [each.text for each in found.passages]


def passages_stored(database: Database) -> int:
    return database.read_now(lambda s: s.query(PassageRow).count())


async def test_a_file_becomes_a_corpus_that_is_listed_read_and_searched(
    corpora: CorpusService, file: Callable[..., Path]
) -> None:
    report = await corpora.add(file(), licence=" CC BY 4.0 ")
    assert (report.corpus.name, report.corpus.licence, report.corpus.passage_count) == ("sheets", "CC BY 4.0", 2)
    assert report.notes == ()
    assert await corpora.all() == (report.corpus,)
    shown = await corpora.preview(report.corpus.id)
    assert [each.heading for each in shown] == ["Hyperkalaemia", "Digoxin"]
    assert [each.heading for each in await corpora.preview(report.corpus.id, text="digoxin")] == ["Digoxin"]
    assert await found(corpora, "Which drug protects the heart?", None, "sheets") == [
        "Calcium gluconate protects the heart."
    ]
    assert (await corpora.passage(shown[1].id)).text == "Fragments bind digoxin."
    assert corpora.running() == ()


async def test_the_same_file_again_changes_nothing_and_another_one_is_the_next_version(
    corpora: CorpusService, file: Callable[..., Path]
) -> None:
    first = await corpora.add(file(), licence="unknown")
    again = await corpora.add(file(), licence="unknown")
    assert (again.is_new, again.corpus) == (False, first.corpus)
    old = (await corpora.preview(first.corpus.id))[1]
    second = await corpora.add(file(SHEETS.replace("Fragments bind", "Antibodies bind")), licence="unknown")
    assert second.corpus.version == 2
    assert second.notes[0] == "1 passage is in another corpus or version too, and stored once."
    assert await found(corpora, "digoxin") == ["Antibodies bind digoxin."]
    assert await found(corpora, "digoxin", None, first.corpus.id) == ["Fragments bind digoxin."]
    assert (await corpora.passage(old.id)).version == 1
    await corpora.delete(second.corpus.id)
    with pytest.raises(RecordNotFound, match="is gone"):
        await corpora.passage(old.id)


async def test_a_deletion_is_undone(corpora: CorpusService, file: Callable[..., Path], database: Database) -> None:
    report = await corpora.add(file(), licence="unknown")
    deletion = await corpora.delete(report.corpus.id)
    assert await found(corpora, "digoxin") == []
    database.write_now(lambda s: TrashRepository(s).restore(deletion.id))
    assert await found(corpora, "digoxin") == ["Fragments bind digoxin."]


@pytest.mark.parametrize(
    ("name", "licence", "said"),
    [
        ("", "", "Enter the licence under which"),
        ("x\n", "unknown", None),
        ("a\x00b", "unknown", "printable characters"),
    ],
)
async def test_a_licence_note_and_a_usable_name_are_required(
    corpora: CorpusService, file: Callable[..., Path], name: str, licence: str, said: str | None
) -> None:
    if said is None:
        assert (await corpora.add(file(), licence=licence, name=name)).corpus.name == "x"
        return
    with pytest.raises(InvalidCorpus, match=said):
        await corpora.add(file(), licence=licence, name=name)


async def test_nothing_stays_of_a_file_that_fails_half_way(
    corpora: CorpusService, file: Callable[..., Path], database: Database
) -> None:
    rows = "".join(f'{{"text": "Row {number} is about potassium."}}\n' for number in range(1500))
    with pytest.raises(InvalidCorpus, match=r"rows\.jsonl.*characters"):
        await corpora.add(file(rows + "x" * 9_000_000, "rows.jsonl"), licence="unknown")
    assert (await corpora.all(), passages_stored(database)) == ((), 0)
    assert corpora.running() == ()


async def test_what_a_killed_import_left_is_removed_at_the_next_start_unless_one_is_running(
    corpora: CorpusService, database: Database, settings: Settings
) -> None:
    def leave(session: object) -> None:
        repository = CorpusRepository(session)  # type: ignore[arg-type]
        begun = repository.begin("left", "left.txt", "unknown")
        repository.keep(begun.id, [NewPassage(text="Left behind.")], 0)

    database.write_now(leave)
    lock = open_lock(lock_path(settings.home))
    assert try_lock(lock)
    corpora.remove_leftovers()
    assert passages_stored(database) == 1
    os.close(lock)
    corpora.remove_leftovers()
    assert passages_stored(database) == 0


async def test_what_may_identify_a_person_is_said_or_blocked(
    database: Database, settings: Settings, corpora: CorpusService, file: Callable[..., Path]
) -> None:
    path = file("Call the ward under +49 30 1234567 or write to anna.muster@example.org.", "ward.txt")
    report = await corpora.add(path, licence="unknown")
    assert report.notes[0].startswith("1 passage of the first 1 may identify a person.")
    blocking = CorpusService(database, settings.model_copy(update={"identifiers": IdentifierMode.BLOCK}))
    with pytest.raises(InvalidCorpus, match="Passage 1 may identify a person"):
        await blocking.add(path, licence="unknown", name="blocked")
    assert len(await corpora.all()) == 1


async def test_facts_on_the_asked_question_are_never_found(corpora: CorpusService, database: Database) -> None:
    stem = (
        "A 54-year-old man with alcohol use disorder is confused and cannot look to the side. What should be given "
        "first?"
    )
    asked = replace(QUESTION, stem=stem)
    nearly = replace(QUESTION, stem=stem.replace("54", "61"), options={"A": "Glucose", "B": "Thiamine"}, target="B")
    other = replace(QUESTION, stem="A woman has crushing chest pain for one hour. Which drug helps?")
    for number, question in enumerate((asked, nearly, other)):
        case_id = stored_trace(database, question=question)
        annotate(database, case_id, "incorrect_fact", corrected_fact=f"Thiamine is given first, see note {number}.")
    assert len(await found(corpora, "thiamine", None)) == 3
    only = ["Thiamine is given first, see note 2."]
    assert await found(corpora, "thiamine", AskedQuestion(stem)) == only
    assert await found(corpora, "thiamine", AskedQuestion(stem), FACTS) == only
    assert await corpora.fact_count() == 3


async def test_an_explanation_that_stands_in_an_earlier_row_too_is_of_the_asked_question(
    corpora: CorpusService, file: Callable[..., Path]
) -> None:
    explanation = "Ascorbic acid is a cofactor of hydroxylases. " * 40
    filler = [" ".join(f"{word}{number}" for number in range(130)) + "." for word in ("bone", "gum")]
    stems = ["A sailor bleeds from the gums after months at sea. What is missing?", "Which enzyme makes collagen firm?"]
    rows = [
        json.dumps({"id": f"{number}", "text": f"{stem} {more}\n\n{explanation}"})
        for number, (stem, more) in enumerate(zip(stems, filler, strict=True))
    ]
    await corpora.add(file("\n".join(rows), "solved.jsonl"), licence="unknown")
    found = (await corpora.search("cofactor hydroxylases", 5, corpora=None, excluding_question=None)).passages
    assert found
    for stem in stems:
        asked = AskedQuestion(f"{stem} {filler[stems.index(stem)]}")
        assert await corpora.asked_again(asked, found) == {each.id for each in found}
    assert (
        await corpora.asked_again(AskedQuestion("Which nerve moves the diaphragm, and where does it arise?"), found)
        == set()
    )


async def test_facts_are_found_beside_passages_unless_only_corpora_are_named(
    corpora: CorpusService, database: Database, file: Callable[..., Path]
) -> None:
    await corpora.add(file(), licence="unknown")
    annotate(database, stored_trace(database), "incorrect_fact", corrected_fact="Digoxin is a glycoside.")
    (fact,) = (await corpora.search("glycoside", 5, corpora=None, excluding_question=None)).passages
    assert (fact.corpus, fact.corpus_id, fact.version) == (FACTS, "", 0)
    assert await found(corpora, "glycoside", None, "sheets") == []


async def test_a_fact_is_read_by_its_link_by_those_who_may_search_facts_only(
    corpora: CorpusService, database: Database
) -> None:
    case = stored_trace(database)
    annotate(database, case, "incorrect_fact", corrected_fact="Fragments bind digoxin.")
    (fact,) = (await corpora.search("digoxin", 1, corpora=[FACTS], excluding_question=None)).passages
    assert (await corpora.passage(fact.id)).text == fact.text
    with acting_as(Person("r", Role.REVIEWER, "grace")):
        assert (await corpora.passage(fact.id)).text == fact.text
    with acting_as(Person("a", Role.ANNOTATOR, "ada")), pytest.raises(RecordNotFound, match="is gone"):
        await corpora.passage(fact.id)


async def test_a_corpus_that_is_not_there_is_named(corpora: CorpusService, file: Callable[..., Path]) -> None:
    await corpora.add(file(), licence="unknown")
    with pytest.raises(KnowledgeError, match=r"Corpus 'books' not found. Available: sheets, corrected facts"):
        await found(corpora, "digoxin", None, "books")


async def test_sets_whose_questions_are_in_a_corpus_are_found(
    corpora: CorpusService, database: Database, file: Callable[..., Path]
) -> None:
    stem = "A man who farms rice has fever, red eyes and sore calves after a flood. Which germ is the likely cause?"
    questions = [
        NewQuestion(stem=stem, options={"A": "Leptospira", "B": "Brucella"}, target="A"),
        NewQuestion(stem="Which vein drains the left kidney into the inferior vena cava of an adult?", target=None),
    ]
    database.write_now(lambda s: QuestionSetRepository(s).add("exam", "exam.json", "m1", "", questions))
    report = await corpora.add(file(f"Notes.\n\n{stem} It is Leptospira.\n\n{SHEETS}"), licence="unknown")
    (overlap,) = await corpora.overlaps(report.corpus.id)
    assert (overlap.first, overlap.second, overlap.count) == ("exam", "sheets", 1)
    assert overlap.pairs[0][0] == stem
    clean = await corpora.add(file(SHEETS, "clean.md"), licence="unknown")
    assert await corpora.overlaps(clean.corpus.id) == ()


async def test_a_viewer_may_search_and_not_add_or_delete(corpora: CorpusService, file: Callable[..., Path]) -> None:
    report = await corpora.add(file(), licence="unknown")
    with acting_as(Person("v", Role.VIEWER)):
        assert await found(corpora, "digoxin") == ["Fragments bind digoxin."]
        with pytest.raises(AccessRefused):
            await corpora.add(file(), licence="unknown", name="other")
        with pytest.raises(AccessRefused):
            await corpora.delete(report.corpus.id)
