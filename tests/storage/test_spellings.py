"""British and American spellings, and the names of a drug, are one word to the search."""

import pytest
from sqlalchemy import select

from storage.database import Database
from storage.questions.records import NewQuestion
from storage.questions.tables import QuestionRow
from storage.search import question_matches, words_of
from storage.spellings import MAX_SPELLINGS, _data, spellings_of, spellings_of_beginning
from storage.traces.listing import TraceFilter
from storage.traces.repository import TraceRepository
from tests.storage.samples import begin, finish, think

PAIRS = [
    ("haemorrhage", "hemorrhage"),
    ("haematemesis", "hematemesis"),
    ("anaemia", "anemia"),
    ("hypoglycaemic", "hypoglycemic"),
    ("anaesthesia", "anesthesia"),
    ("oedema", "edema"),
    ("œdema", "edema"),
    ("œdema", "oedema"),
    ("lymphœdema", "lymphedema"),
    ("cæcum", "cecum"),
    ("anæmia", "anemia"),
    ("lymphoedema", "lymphedema"),
    ("oesophagus", "esophagus"),
    ("oestrogen", "estrogen"),
    ("diarrhoea", "diarrhea"),
    ("dyspnoea", "dyspnea"),
    ("apnoea", "apnea"),
    ("foetal", "fetal"),
    ("faeces", "feces"),
    ("caecum", "cecum"),
    ("coeliac", "celiac"),
    ("paediatric", "pediatric"),
    ("gynaecomastia", "gynecomastia"),
    ("phaeochromocytoma", "pheochromocytoma"),
    ("leucocytosis", "leukocytosis"),
    ("sulphonylurea", "sulfonylurea"),
    ("tumour", "tumor"),
    ("colour", "color"),
    ("behavioural", "behavioral"),
    ("fibre", "fiber"),
    ("millilitres", "milliliters"),
    ("titre", "titer"),
    ("goitre", "goiter"),
    ("hospitalised", "hospitalized"),
    ("immunisation", "immunization"),
    ("dialysed", "dialyzed"),
    ("anaesthetised", "anesthetized"),
    ("anaesthetised", "anesthetised"),
    ("labelled", "labeled"),
    ("practise", "practice"),
    ("naevus", "nevus"),
    ("paracetamol", "acetaminophen"),
    ("adrenaline", "epinephrine"),
    ("salbutamol", "albuterol"),
    ("pethidine", "meperidine"),
    ("glibenclamide", "glyburide"),
    ("frusemide", "furosemide"),
    ("ciclosporin", "cyclosporine"),
]


def texts(word: str) -> set[str]:
    return {each.text for each in spellings_of(word)}


@pytest.mark.parametrize(("british", "american"), PAIRS)
def test_a_word_has_the_other_spelling_in_both_directions(british: str, american: str) -> None:
    assert american in texts(british)
    assert british in texts(american)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hemisphere", "haemisphere"),
        ("rigor", "rigour"),
        ("doctor", "doctour"),
        ("motor", "motour"),
        ("hour", "hor"),
        ("four", "for"),
        ("liver", "livre"),
        ("ulcer", "ulcre"),
        ("cancer", "cancre"),
        ("meter", "metier"),
        ("pedal", "paedal"),
        ("never", "naever"),
        ("size", "sise"),
        ("prize", "prise"),
        ("dopamine", "dobutamine"),
    ],
)
def test_words_that_only_look_like_a_pair_are_none(one: str, other: str) -> None:
    assert other not in texts(one)
    assert one not in texts(other)


@pytest.mark.parametrize(
    ("beginning", "word"),
    [
        ("hae", "hemorrhage"),
        ("haemorr", "hemorrhage"),
        ("hem", "haemorrhage"),
        ("oed", "edema"),
        ("œd", "edema"),
        ("œde", "oedema"),
        ("edem", "œdema"),
        ("diarrho", "diarrhea"),
        ("diarrhe", "diarrhoea"),
        ("anaem", "anemia"),
        ("anem", "anaemia"),
        ("leukaemi", "leukemia"),
        ("tumou", "tumors"),
        ("colour", "colored"),
        ("parac", "acetaminophen"),
        ("acetam", "paracetamol"),
        ("hospitalis", "hospitalization"),
        ("hospitaliza", "hospitalisation"),
    ],
)
def test_the_beginning_of_a_word_finds_the_other_spelling(beginning: str, word: str) -> None:
    assert any(word.startswith(e.text) if e.is_beginning else word == e.text for e in spellings_of_beginning(beginning))


@pytest.mark.parametrize(
    ("beginning", "word"),
    [
        ("haem", "hemiplegia"),
        ("colour", "colorectal"),
        ("litre", "literature"),
        ("naev", "never"),
        ("tumour", "tumorless"),
        ("faec", "femur"),
        ("para", "acetaminophenol"),
    ],
)
def test_the_beginning_of_a_word_finds_no_other_word(beginning: str, word: str) -> None:
    found = spellings_of_beginning(beginning)
    assert not any(word.startswith(e.text) if e.is_beginning else word == e.text for e in found)


def test_the_data_are_words_as_the_search_has_them_and_none_has_too_many_spellings() -> None:
    data = _data()
    assert all(words_of(word) == [word] for word in data.listed)
    assert all(words_of(each) == [each] for part in data.parts for each in part[:2])
    begun = {word[:size] for word in data.listed for size in range(1, len(word) + 1)}
    begun |= {part.british[:size] for part in data.parts for size in range(1, 20)}
    assert max(len(spellings_of_beginning(each)) for each in begun) < MAX_SPELLINGS
    assert max(len(spellings_of(each)) for each in data.listed) < MAX_SPELLINGS


@pytest.mark.parametrize(
    ("written", "query"),
    [
        ("Intracranial haemorrhage after labour", "hemorrhage labor"),
        ("Intracranial hemorrhage after labor", "haemorrhage labour"),
        ("Intracranial hemorrhage", "intracranial haemo"),
        ("Œdème of the lung", "oedème"),
        ("Œdema of the lung", "edema lung"),
        ("Edema of the lung", "œdema"),
        ("Oedema of the lung", "œde"),
        ("Given acetaminophen and epinephrine", "adrenaline paracetamol"),
        ("Given paracetamol and adrenaline", "epinephrine acetamin"),
    ],
)
def test_traces_and_questions_are_found_by_either_spelling(database: Database, written: str, query: str) -> None:
    asked = begin(database, NewQuestion(stem=written))
    thought = begin(database, NewQuestion(stem="Unrelated"))
    finish(database, thought, think(written))
    finish(database, begin(database, NewQuestion(stem="Hemiplegia after labelling of a sample")), think("no"))
    with database.session(is_read_only=True) as session:
        found = {each.id for each in TraceRepository(session).list(TraceFilter(text=query)).items}
        stems = session.scalars(select(QuestionRow.stem).where(question_matches(session, query))).all()
    assert found == {asked.id, thought.id}
    assert list(stems) == [written]
