"""Corpora, their search and the corpus of corrected facts, on both dialects."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from storage.annotations.records import AnnotationAction, AnnotationState
from storage.annotations.repository import AnnotationRepository
from storage.corpora import terms
from storage.corpora.facts import FactRepository
from storage.corpora.records import Corpus, FoundPassage, Kept, NewPassage, passage_id
from storage.corpora.repository import FACTS, CorpusRepository
from storage.corpora.rows import whole_rows
from storage.corpora.search import Scope
from storage.corpora.tables import CorpusRepeatRow, FactPassageRow, PassageRow
from storage.corpora.terms import MAX_TERMS, telling_terms
from storage.database import Database
from storage.erasure.repository import ErasureRepository
from storage.errors import InvalidRecord, RecordNotFound
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from storage.trash.repository import TrashRepository
from tests.m1app.annotation.cases import stored_trace
from tests.storage.annotations.test_repository import add as annotate
from tests.storage.samples import QUESTION, discard, purge

DIGOXIN = NewPassage(
    text="Digoxin poisoning is treated with antibody fragments.", heading="Antidotes", source="Manual", page="12"
)
CALCIUM = NewPassage(text="Calcium gluconate protects the heart in hyperkalaemia.", page="3", key="k1")
KIDNEY = NewPassage(text="Hyperkalaemia follows acute injury of the kidneys.")


def add_corpus(database: Database, *passages: NewPassage, name: str = "sheets") -> Corpus:
    with database.session() as session:
        corpora = CorpusRepository(session)
        begun = corpora.begin(name, f"{name}.md", "CC BY 4.0")
        return corpora.finish(begun.id, "0" * 64, corpora.keep(begun.id, passages, 0))


def search(database: Database, asked: str, *corpora: Corpus, limit: int = 10) -> Sequence[FoundPassage]:
    scope = Scope(tuple(each.id for each in corpora))
    return database.read_now(lambda s: CorpusRepository(s).search(asked, limit, scope))


def texts(found: Sequence[NewPassage]) -> list[str]:
    return [each.text for each in found]


def stored_passages(database: Database) -> int:
    with database.session(is_read_only=True) as session:
        return session.scalar(select(func.count()).select_from(PassageRow)) or 0


def facts_found(database: Database, asked: str, *excluded: str) -> list[str]:
    with database.session() as session:
        FactRepository(session).bring_up_to_date()
    scope = Scope((), has_facts=True, excluded_questions=excluded)
    return texts(database.read_now(lambda s: CorpusRepository(s).search(asked, 10, scope)))


def test_a_passage_comes_back_with_its_place(database: Database) -> None:
    corpus = add_corpus(database, DIGOXIN, CALCIUM)
    (found,) = search(database, "digoxin", corpus)
    assert (found.text, found.heading, found.source, found.page) == (DIGOXIN.text, "Antidotes", "Manual", "12")
    assert (found.corpus, found.version, found.corpus_id) == ("sheets", 1, corpus.id)
    (other,) = search(database, "gluconate", corpus)
    assert (other.source, other.page, other.key) == ("sheets.md", "3", "k1")
    assert other.id == passage_id("", CALCIUM.text)


def test_the_passage_with_the_rarer_words_comes_first(database: Database) -> None:
    others = [NewPassage(text=f"Hyperkalaemia is mentioned in note {number}.") for number in range(30)]
    corpus = add_corpus(database, *others, CALCIUM, KIDNEY)
    found = search(database, "Does calcium gluconate help in hyperkalaemia?", corpus)
    assert found[0].text == CALCIUM.text
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)


@pytest.mark.parametrize("asked", ["hyperkalemia kidney", "HYPERKALÆMIA", "hyperkaläemia kidneys", "Kidney's"])
def test_inflections_other_spellings_and_accents_are_found(database: Database, asked: str) -> None:
    corpus = add_corpus(database, KIDNEY, DIGOXIN)
    assert texts(search(database, asked, corpus)) == [KIDNEY.text]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("Pulmonary \ufb01brosis is in\ufb02uenced.", "fibrosis"),
        ("Pulmonary \ufb01brosis is in\ufb02uenced.", "influenced"),
        ("fluoro\u00aduracil is an antimetabolite", "Fluorouracil"),
        ("Gr\u00f6\u00dfe und Ma\u00df der Stra\u00dfe", "STRASSE"),
        ("Serum FT\u2084 is low", "ft4"),
        ("심장 근육의 괴사", "근육의"),
        ("قَلْب مَرِيض", "قلب"),
        ("हृदय की मांसपेशी", "मांसपेशी"),
        ("Η καρδιακός μυς πάσχει", "ΚΑΡΔΙΑΚΟΣ"),
        ("Сердечный приступ ёлка", "елка"),
        ("İstanbul hastanesi", "istanbul"),
    ],
)
def test_words_are_found_however_a_text_spells_them(database: Database, said: str, asked: str) -> None:
    spelled = NewPassage(text=said, heading="Zebrafish")
    corpus = add_corpus(database, KIDNEY, spelled)
    assert texts(search(database, asked, corpus)) == [said]
    assert texts(search(database, said, corpus))[:1] == [said]


def test_a_word_of_a_heading_is_found_however_it_is_spelled(database: Database) -> None:
    corpus = add_corpus(database, KIDNEY, NewPassage(text="It scars.", heading="\ufb01brosis"))
    assert texts(search(database, "fibrosis", corpus)) == ["It scars."]


@pytest.mark.parametrize("asked", ["", "   ", "?!", '"', "NEAR(", "a* OR b", "' | & !", "unheardof", "\x00", "é" * 500])
def test_a_query_without_words_of_the_corpus_finds_nothing(database: Database, asked: str) -> None:
    corpus = add_corpus(database, CALCIUM)
    assert search(database, asked, corpus) == ()


def test_headings_are_searched(database: Database) -> None:
    corpus = add_corpus(database, DIGOXIN, CALCIUM)
    assert texts(search(database, "antidotes", corpus)) == [DIGOXIN.text]


def test_a_whole_question_becomes_few_terms_without_stop_words_and_numbers(database: Database) -> None:
    words = [f"term{number}" for number in range(60)]
    add_corpus(database, *(NewPassage(text=f"{word} and which of the following 58") for word in words))
    with database.session(is_read_only=True) as session:
        found = telling_terms(session, "A 58-year-old. Which of the following: " + " ".join(words))
    assert len(found) == MAX_TERMS
    assert all(term.spellings[0].startswith("term") and term.passages == 1 for term in found)


def test_a_common_word_is_searched_for_only_if_there_is_no_other(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terms, "COMMON_PASSAGES", 5)
    heart = [NewPassage(text=f"The heart, case {number}.") for number in range(10)]
    kidney = [NewPassage(text=f"The kidney, case {number}.") for number in range(10)]
    both = NewPassage(text="The kidney and the heart.")
    corpus = add_corpus(database, *heart, *kidney, both, DIGOXIN)
    assert texts(search(database, "heart and digoxin", corpus)) == [DIGOXIN.text]
    assert search(database, "heart or kidney", corpus)[0].text == both.text
    assert len(search(database, "heart", corpus)) == 10


def test_only_the_chosen_corpora_are_searched(database: Database) -> None:
    one = add_corpus(database, KIDNEY, name="one")
    other = add_corpus(database, CALCIUM, name="other")
    assert texts(search(database, "hyperkalaemia", one)) == [KIDNEY.text]
    assert texts(search(database, "hyperkalaemia", other)) == [CALCIUM.text]
    assert len(search(database, "hyperkalaemia", one, other)) == 2
    assert search(database, "hyperkalaemia") == ()


def test_a_passage_is_stored_once_within_and_among_corpora(database: Database) -> None:
    again = replace(CALCIUM, text=f"  {CALCIUM.text.upper()}\n", page="9")
    one = add_corpus(database, CALCIUM, again, KIDNEY, name="one")
    other = add_corpus(database, replace(CALCIUM, page="77"), DIGOXIN, name="other")
    assert (one.passage_count, one.duplicate_count, one.shared_count) == (2, 1, 0)
    assert (other.passage_count, other.duplicate_count, other.shared_count) == (2, 0, 1)
    assert stored_passages(database) == 3
    assert [each.page for each in search(database, "gluconate", other)] == ["77"]
    assert [each.page for each in search(database, "gluconate", one)] == ["3"]


def test_the_same_words_under_another_heading_are_another_passage(database: Database) -> None:
    dose = NewPassage(text="The dose is 5 mg/kg.", heading="Amikacin")
    corpus = add_corpus(database, dose, replace(dose, heading="Gentamicin"))
    assert corpus.passage_count == 2


def test_batches_count_what_the_corpus_has_already(database: Database) -> None:
    with database.session() as session:
        corpora = CorpusRepository(session)
        begun = corpora.begin("sheets", "sheets.md", "unknown")
        assert corpora.keep(begun.id, [CALCIUM, KIDNEY], 0) == Kept(2, 0, 0)
        assert corpora.keep(begun.id, [KIDNEY, DIGOXIN], 2) == Kept(1, 1, 0)
        corpora.finish(begun.id, "", Kept(3, 1, 0))
        assert texts(corpora.passages(begun.id, 10, 1)) == [KIDNEY.text, DIGOXIN.text]


def a_row(key: str, *texts: str) -> list[NewPassage]:
    return [NewPassage(text=each, key=key) for each in texts]


def rows_of(database: Database, *texts: str) -> dict[str, str]:
    """The whole rows of passages, by their text."""
    ids = {passage_id("", each): each for each in texts}
    with database.session(is_read_only=True) as session:
        return {ids[key]: row for key, row in whole_rows(session, list(ids)).items()}


def test_a_passage_of_several_rows_is_read_with_each_of_them(database: Database) -> None:
    rows = [*a_row("1", "Q1", "same", "E1"), *a_row("2", "Q2", "same"), *a_row("3", "Q1", "E3"), *a_row("", "same")]
    corpus = add_corpus(database, *rows)
    assert (corpus.passage_count, corpus.duplicate_count) == (5, 3)
    assert rows_of(database, "same", "Q2", "E3", "Q1") == {
        "same": "Q1\nsame\nE1\nQ2\nsame",
        "Q2": "Q2\nsame",
        "E3": "Q1\nE3",
        "Q1": "Q1\nsame\nE1\nQ1\nE3",
    }
    with database.session(is_read_only=True) as session:
        assert texts(CorpusRepository(session).passages(corpus.id, 10)) == ["Q1", "same", "E1", "Q2", "E3"]


def test_rows_of_several_batches_and_corpora_are_whole(database: Database) -> None:
    with database.session() as session:
        corpora = CorpusRepository(session)
        begun = corpora.begin("solved", "solved.jsonl", "unknown")
        first = corpora.keep(begun.id, a_row("1", "Q1", "same"), 0)
        second = corpora.keep(begun.id, a_row("2", "same", "Q2"), first.added)
        corpora.finish(begun.id, "", Kept(first.added + second.added, 1, 0))
    add_corpus(database, *a_row("9", "Q9", "same"), name="other")
    lines = rows_of(database, "same", "Q2")
    assert sorted(lines["same"].splitlines()) == ["Q1", "Q2", "Q9", "same", "same", "same"]
    assert lines["Q2"] == "same\nQ2"


def test_a_passage_of_very_many_rows_is_read_with_some(database: Database) -> None:
    add_corpus(database, *(each for number in range(80) for each in a_row(f"{number}", f"Q{number}", "same")))
    lines = rows_of(database, "same")["same"].splitlines()
    assert lines.count("same") == 50
    assert {"Q0", "Q49"} <= set(lines)


def test_words_of_a_corpus_that_was_removed_are_not_left_in_the_file(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    corpus = add_corpus(database, NewPassage(text="Zebrafish swim.", heading="Axolotl"), CALCIUM)
    other = add_corpus(database, CALCIUM, name="other")
    purge(database, discard(database, TrashKind.CORPUS, corpus.id))
    database.scrub(is_whole=False)
    content = Path(sqlite_url.removeprefix("sqlite:///")).read_bytes().lower()
    assert b"gluconate" in content
    # The index shortens words by what they share with the one before.
    assert not [word for word in (b"ebrafish", b"xolotl") if word in content]
    assert texts(search(database, "gluconate", other)) == [CALCIUM.text]
    with database.session() as session:
        session.execute(text("INSERT INTO passage_index (passage_index) VALUES ('integrity-check')"))
    database.dispose()


def test_rows_that_repeat_a_passage_go_with_their_corpus(database: Database) -> None:
    corpus = add_corpus(database, *a_row("1", "Q1", "same"), *a_row("2", "Q2", "same"))
    add_corpus(database, *a_row("9", "Q9", "same"), name="other")
    purge(database, discard(database, TrashKind.CORPUS, corpus.id))
    assert rows_of(database, "same") == {"same": "Q9\nsame"}
    with database.session() as session:
        assert session.scalar(select(func.count()).select_from(CorpusRepeatRow)) == 0
        corpora = CorpusRepository(session)
        begun = corpora.begin("killed", "killed.jsonl", "unknown")
        corpora.keep(begun.id, [*a_row("1", "Q1", "Q1"), *a_row("2", "same")], 0)
    while database.write_now(lambda s: CorpusRepository(s).remove_unfinished(1)):
        pass
    assert stored_passages(database) == 2


def test_a_corpus_is_seen_only_when_it_is_complete(database: Database) -> None:
    with database.session() as session:
        corpora = CorpusRepository(session)
        begun = corpora.begin("sheets", "sheets.md", "unknown")
        corpora.keep(begun.id, [CALCIUM], 0)
        assert corpora.all() == ()
        with pytest.raises(RecordNotFound):
            corpora.by_id(begun.id)
        with pytest.raises(RecordNotFound, match="is gone"):
            corpora.passage(passage_id("", CALCIUM.text), has_facts=True)
    while database.write_now(lambda s: CorpusRepository(s).remove_unfinished(1)):
        pass
    assert stored_passages(database) == 0


def test_a_new_version_is_searched_and_the_earlier_one_can_still_be_read(database: Database) -> None:
    first = add_corpus(database, CALCIUM, KIDNEY)
    second = add_corpus(database, CALCIUM, DIGOXIN)
    assert (second.version, second.shared_count) == (2, 1)
    with database.session(is_read_only=True) as session:
        corpora = CorpusRepository(session)
        assert corpora.all() == (second,)
        assert corpora.all(has_earlier=True) == (second, first)
        assert corpora.passage(passage_id("", KIDNEY.text), has_facts=True).version == 1
        assert corpora.passage(passage_id("", CALCIUM.text), has_facts=True).version == 2


def test_deleting_takes_all_versions_and_can_be_undone(database: Database) -> None:
    add_corpus(database, KIDNEY)
    corpus = add_corpus(database, CALCIUM)
    other = add_corpus(database, DIGOXIN, CALCIUM, name="other")
    with database.session(is_read_only=True) as session:
        assert TrashRepository(session).extent(TrashKind.CORPUS, corpus.id).passages == 1
    deletion = discard(database, TrashKind.CORPUS, corpus.id)
    with database.session() as session:
        corpora = CorpusRepository(session)
        assert corpora.all(has_earlier=True) == (other,)
        with pytest.raises(RecordNotFound, match="is gone"):
            corpora.passage(passage_id("", KIDNEY.text), has_facts=True)
        assert corpora.passage(passage_id("", CALCIUM.text), has_facts=True).corpus == "other"
        TrashRepository(session).restore(deletion.id)
        assert len(corpora.all(has_earlier=True)) == 3


def test_a_name_that_was_taken_meanwhile_keeps_a_corpus_in_the_trash(database: Database) -> None:
    deletion = discard(database, TrashKind.CORPUS, add_corpus(database, CALCIUM).id)
    assert add_corpus(database, KIDNEY).version == 1
    with database.session() as session, pytest.raises(InvalidRecord, match="another corpus named 'sheets'"):
        TrashRepository(session).restore(deletion.id)


def test_what_is_removed_for_good_leaves_the_index_and_what_others_have(database: Database) -> None:
    deletion = discard(database, TrashKind.CORPUS, add_corpus(database, CALCIUM, KIDNEY).id)
    other = add_corpus(database, CALCIUM, name="other")
    purge(database, deletion, most_rows=1)
    assert stored_passages(database) == 1
    assert texts(search(database, "hyperkalaemia", other)) == [CALCIUM.text]
    with database.session(is_read_only=True) as session:
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        asked = "passage_index MATCH 'kidney'" if is_sqlite else "words @@ to_tsquery('english', 'kidney')"
        assert session.scalar(text(f"SELECT count(*) FROM passage_index WHERE {asked}")) == 0


@pytest.mark.parametrize(("name", "licence"), [(" ", "x"), (FACTS, "x"), ("Corrected Facts", "x"), ("a", " ")])
def test_a_corpus_needs_a_name_of_its_own_and_a_licence_note(database: Database, name: str, licence: str) -> None:
    with database.session() as session, pytest.raises(InvalidRecord):
        CorpusRepository(session).begin(name, "a.md", licence)


def test_submitted_facts_are_found_and_drafts_are_not(database: Database) -> None:
    case_id = stored_trace(database)
    annotate(database, case_id, "incorrect_fact", corrected_fact="Thiamine comes before glucose.")
    annotate(database, case_id, "incorrect_fact", who="Eve", submit=False, corrected_fact="Thiamine is a sugar.")
    assert facts_found(database, "thiamine or glucose first") == ["Thiamine comes before glucose."]


def test_a_fact_that_is_withdrawn_is_gone_at_once_and_a_changed_one_is_replaced(database: Database) -> None:
    case_id = stored_trace(database)
    made = annotate(database, case_id, "incorrect_fact", corrected_fact="Thiamine comes before glucose.")
    assert facts_found(database, "thiamine")
    with database.session() as session:
        annotations = AnnotationRepository(session)
        annotations.change(
            annotations.get(made), "Ada", AnnotationAction.ADJUDICATED, corrected_fact="Give thiamine first."
        )
        # Before anything was brought up to date.
        assert CorpusRepository(session).search("thiamine", 10, Scope((), has_facts=True)) == ()
        with pytest.raises(RecordNotFound, match="is gone"):
            CorpusRepository(session).passage(passage_id("", "Thiamine comes before glucose."), has_facts=True)
    assert facts_found(database, "thiamine") == ["Give thiamine first."]
    with database.session() as session:
        annotations = AnnotationRepository(session)
        annotations.change(annotations.get(made), "Ada", AnnotationAction.WITHDRAWN, state=AnnotationState.WITHDRAWN)
    assert facts_found(database, "thiamine") == []
    assert stored_passages(database) == 0


def test_a_fact_of_an_excluded_question_is_not_found_even_if_others_said_the_same(database: Database) -> None:
    own, other = (
        stored_trace(database),
        stored_trace(database, question=replace(QUESTION, stem="Another question about sugar?")),
    )
    for case_id in (own, other):
        annotate(database, case_id, "incorrect_fact", corrected_fact="Thiamine comes before glucose.")
    annotate(database, other, "incorrect_fact", corrected_fact="Thiamine is vitamin B1.")
    with database.session(is_read_only=True) as session:
        asked = TraceRepository(session).get(own).question_id
    assert len(facts_found(database, "thiamine")) == 2
    assert facts_found(database, "thiamine", asked) == ["Thiamine is vitamin B1."]


def test_facts_are_erased_with_what_they_were_written_on(database: Database) -> None:
    case_id = stored_trace(database)
    annotate(database, case_id, "incorrect_fact", corrected_fact="Thiamine comes before glucose.")
    assert facts_found(database, "thiamine")
    with database.session() as session:
        erasure = ErasureRepository(session)
        erasure.erase(erasure.of_trace(case_id))
        assert session.scalars(select(FactPassageRow.annotation_id)).all() == []
    assert stored_passages(database) == 0


def test_the_facts_of_an_erased_person_go_with_their_annotations(database: Database) -> None:
    case_id = stored_trace(database)
    annotate(database, case_id, "incorrect_fact", corrected_fact="Thiamine comes before glucose.")
    assert facts_found(database, "thiamine")
    with database.session() as session:
        ErasureRepository(session).erase_person("Ada", "person 1", account_id="", is_removing=True)
    assert stored_passages(database) == 0


def test_a_database_that_is_only_read_is_searched(database: Database) -> None:
    corpus = add_corpus(database, CALCIUM)
    database.note_damage("a test")
    assert texts(search(database, "calcium", corpus)) == [CALCIUM.text]
