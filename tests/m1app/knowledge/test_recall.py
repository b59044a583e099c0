"""Whether needed passages are found: what the file may say, and where a passage came."""

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from m1app.knowledge.errors import KnowledgeError
from m1app.knowledge.recall import Needed, asked_of, rank_of, read_needed
from m1app.knowledge.service import CorpusService
from storage.corpora.records import NewPassage, Passage
from storage.database import Database
from tests.m1app.annotation.cases import stored_trace
from tests.m1app.runs.corpora import add_corpus
from tests.storage.annotations.test_repository import add as annotate
from tests.storage.samples import QUESTION


def a_passage(text: str, source: str = "a.md") -> Passage:
    return Passage(text=text, source=source, id="0" * 32, corpus_id="1" * 32, corpus="sheets", version=1)


@pytest.mark.parametrize(
    ("needed", "rank"),
    [
        ({"sheets": ["b.md", "c.md"]}, 2),
        ({"sheets": ["d.md"]}, None),
        ({"sentence": "it\n is  GOUT."}, 2),
        ({"sheets": ["a.md"], "sentence": "It is gout."}, 1),
    ],
)
def test_a_passage_is_needed_by_its_source_or_without_one_by_its_sentence(needed: dict, rank: int | None) -> None:
    found = [a_passage("It is scurvy."), a_passage("Indeed it is gout.", "b.md")]
    assert rank_of(Needed(question="q", **needed), found).rank == rank


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("needed = [", "not valid TOML"),
        ("", "needed: Field required"),
        ('[[needed]]\nquestion = "q"', "sheets or a sentence are missing"),
        ('[[needed]]\nquestion = "q"\nsheets = "a.md"', "needed.0.sheets"),
        ('[[needed]]\nquestion = "q"\nsheets = ["a.md"]\nrank = 1', "needed.0.rank"),
        ("\x00\xff", "not valid TOML"),
    ],
)
def test_a_file_that_does_not_say_it_is_refused_with_its_place(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "needed.toml"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(KnowledgeError, match=r"needed\.toml") as refused:
        read_needed(path)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 600


def test_a_file_that_is_not_there_and_a_question_that_is_not_asked_are_named(tmp_path: Path) -> None:
    with pytest.raises(KnowledgeError, match=r"none.toml: the file cannot be read \(No such file"):
        read_needed(tmp_path / "none.toml")
    with pytest.raises(KnowledgeError, match="1 of 2 questions are not among those asked, such as 'b'"):
        asked_of([Needed(question=name, sheets=["x"]) for name in "ab"], {"a": "stem"})


async def test_the_share_of_questions_whose_passage_is_found_is_counted(
    corpora: CorpusService, database: Database
) -> None:
    texts = ["Scurvy makes gums bleed.", "Gout makes toes swell.", "Gums bleed in leukaemia too, and gums swell."]
    add_corpus(database, "sheets", *(NewPassage(text=text, source=f"{n}.md") for n, text in enumerate(texts)))
    asked = [
        (Needed(question="gout", sheets=["1.md"]), "Which disease makes toes swell?"),
        (Needed(question="gums", sheets=["0.md", "2.md"]), "Why do gums bleed?"),
        (Needed(question="asthma", sheets=["1.md"]), "What is asthma?"),
    ]
    found = await corpora.recall("sheets", asked)
    assert [each.rank for each in found.ranks] == [1, 1, None]
    assert (found.found_at(1), [each.question for each in found.missed_at(5)]) == (2, ["asthma"])
    with pytest.raises(KnowledgeError, match="Corpus 'books' not found"):
        await corpora.recall("books", asked)


async def test_of_corrected_facts_the_passage_that_fits_best_is_needed(
    corpora: CorpusService, database: Database
) -> None:
    with pytest.raises(KnowledgeError, match="no corrected fact"):
        await corpora.recall_of_facts("sheets")
    texts = ["Vitamin C heals scurvy.", "Sailors are given an anchor.", "Gout is treated with colchicine."]
    add_corpus(database, "sheets", *(NewPassage(text=text, heading=text[:4]) for text in texts))
    facts = [
        ("Which drug do sailors need?", "It is vitamin C."),
        ("What helps in gout?", "Colchicine does."),
        ("?", "Zinc."),
    ]
    for stem, fact in facts:
        case = stored_trace(database, question=replace(QUESTION, stem=stem))
        annotate(database, case, "incorrect_fact", corrected_fact=fact)
    found = await corpora.recall_of_facts("sheets")
    assert sorted((each.needed, each.rank or 0) for each in found.ranks) == [("", 0), ("Gout", 1), ("Vita", 0)]


def test_the_example_of_the_documentation_can_be_read() -> None:
    path = Path(__file__).parents[3] / "docs" / "examples" / "fact-sheets" / "needed.toml"
    assert len(read_needed(path)) == len(tomllib.loads(path.read_text())["needed"])
