"""Vectors of corpora and the search by words and meaning: made, resumed, fused, and what is said where they are of no
use."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from m1app.access.person import COMMAND_LINE, acting_as
from m1app.knowledge.errors import KnowledgeError
from m1app.knowledge.guard import AskedQuestion
from m1app.knowledge.meaning import Findings, fuse
from m1app.knowledge.recall import Needed
from m1app.knowledge.service import CorpusService
from m1app.knowledge.vectors import CorpusVectors
from m1app.settings import Settings
from models.errors import EngineError
from storage.corpora.records import Corpus, FoundPassage, NewPassage
from storage.corpora.tables import CorpusEmbeddingRow, CorpusVectorsRow
from storage.database import Database
from storage.errors import RecordNotFound
from tests.m1app.annotation.cases import stored_trace
from tests.m1app.knowledge.meanings import DOWN, MODEL, serving_meanings, texts_asked, turned, vector_of
from tests.models.engine.scripted_server import Script, embedding_of
from tests.storage.annotations.test_repository import add as annotate
from tests.storage.corpora.test_repository import add_corpus
from tests.storage.samples import QUESTION, purge

INFARCTION = NewPassage(text="Aspirin is given for a myocardial infarction.", heading="Cardiology")
GUMS = NewPassage(text="Bleeding gums and poor healing point to a missing vitamin.")
OTHER = NewPassage(text="Heart sounds are heard with a stethoscope.")


@pytest.fixture
def server() -> Iterator[Script]:
    with serving_meanings() as script:
        yield script


@pytest.fixture
def vectors(database: Database, settings: Settings, server: Script) -> Iterator[CorpusVectors]:
    with acting_as(COMMAND_LINE):
        yield CorpusVectors(database, with_server(settings, server))


@pytest.fixture
def searched(database: Database, settings: Settings, vectors: CorpusVectors) -> CorpusService:
    return CorpusService(database, settings, vectors)


def with_server(settings: Settings, server: Script, model: str = MODEL, **more: str) -> Settings:
    return Settings(home=settings.home, embedding_url=server.url, embedding_model=model, **more)


def again(database: Database, settings: Settings, server: Script, model: str = MODEL, **more: str) -> CorpusService:
    """The app after a restart."""
    return CorpusService(database, with_server(settings, server, model, **more))


async def search(corpora: CorpusService, text: str, k: int = 5, asked: AskedQuestion | None = None) -> Findings:
    return await corpora.search(text, k, corpora=None, excluding_question=asked)


def texts(found: Findings) -> list[str]:
    return [each.text for each in found.passages]


def stored(database: Database) -> tuple[int, int]:
    """Corpora with vectors, and blocks of vectors."""
    return database.read_now(lambda s: (s.query(CorpusEmbeddingRow).count(), s.query(CorpusVectorsRow).count()))


async def test_a_passage_without_a_word_of_the_question_is_found_by_its_meaning(
    searched: CorpusService, vectors: CorpusVectors, database: Database, server: Script
) -> None:
    corpus = add_corpus(database, OTHER, INFARCTION, GUMS)
    assert texts(await search(searched, "What helps in a heart attack?")) == [OTHER.text]
    seen: list[int] = []
    made = await vectors.make(corpus, lambda making: seen.append(making.done))
    assert (made.passage_count, made.dimensions, made.model, seen) == (3, 4, MODEL, [0, 3])
    assert "Cardiology\nAspirin is given for a myocardial infarction." in texts_asked(server)
    found = await search(searched, "What helps in a heart attack?")
    assert found.note == "Found by words and meaning (meanings)."
    assert set(texts(found)[:2]) == {OTHER.text, INFARCTION.text}
    assert found.passages[0].corpus == "sheets"
    assert texts(await search(searched, "foxglove and gums", 1)) == [GUMS.text]
    by_words = await searched.search("heart attack", 5, corpora=None, excluding_question=None, is_by_words=True)
    assert (texts(by_words), by_words.note) == ([OTHER.text], "")


def a_passage(text: str) -> FoundPassage:
    place = {"source": "a.md", "corpus_id": "1" * 32, "corpus": "sheets", "version": 1}
    return FoundPassage(text=text, id=text * 32, score=9.0, **place)


def test_ranks_are_fused_by_their_reciprocals() -> None:
    a, b, c, d = map(a_passage, "abcd")
    fused = fuse([a, b, c], [c, a, c, d])
    assert [each.text for each in fused] == ["a", "c", "b", "d"]
    expected = [1 / 61 + 1 / 62, 1 / 63 + 1 / 61, 1 / 62, 1 / 63]
    assert [each.score for each in fused] == pytest.approx(expected)


async def test_without_an_embedding_model_nothing_is_asked_and_nothing_is_said(
    corpora: CorpusService, database: Database, settings: Settings
) -> None:
    corpus = add_corpus(database, OTHER)
    assert await search(corpora, "heart") == Findings((await search(corpora, "heart")).passages, "")
    with pytest.raises(KnowledgeError, match="set M1_EMBEDDING_URL and M1_EMBEDDING_MODEL"):
        await CorpusVectors(database, settings).make(corpus)


async def test_words_decide_alone_while_a_corpus_lacks_vectors(
    searched: CorpusService, vectors: CorpusVectors, database: Database, server: Script
) -> None:
    corpus = add_corpus(database, OTHER, INFARCTION)
    assert (await search(searched, "heart")).note == (
        "Found by words alone: sheets has no vectors yet. Make them on the Admin page, on the Corpus tab."
    )
    assert server.requests == []
    await vectors.make(corpus)
    more = add_corpus(database, GUMS, name="more")
    assert "words alone: more has no vectors" in (await search(searched, "heart")).note
    found = await searched.search("heart attack", 5, corpora=["sheets"], excluding_question=None)
    assert INFARCTION.text in texts(found)
    await vectors.make(more)
    assert await vectors.forget(more)
    assert not await vectors.forget(more)
    assert "words alone: more has no vectors" in (await search(searched, "heart")).note


async def test_vectors_that_ended_half_way_are_not_used_and_are_gone_on_with(
    searched: CorpusService, vectors: CorpusVectors, database: Database, server: Script, settings: Settings
) -> None:
    many = [NewPassage(text=f"Note {number} about bleeding gums.") for number in range(300)]
    corpus = add_corpus(database, *many, INFARCTION)
    whole, count = server.embeddings, 0

    def failing(handler, body):
        nonlocal count
        count += len(body["input"])
        (DOWN if count > 260 else whole)(handler, body)

    server.embeddings = failing
    with pytest.raises(EngineError, match="Loading model"):
        await vectors.make(corpus)
    (state,) = vectors.making().values()
    assert (state.done, state.is_running) == (256, False)
    server.embeddings = whole
    note = (await search(searched, "heart attack")).note
    assert note.startswith("Found by words alone: 256 of 301 passages of sheets have a vector.")
    server.requests.clear()
    made = await CorpusVectors(database, with_server(settings, server)).make(corpus)
    assert made.passage_count == 301
    assert not any("Note 255 " in text for text in texts_asked(server)), "what was made is not asked for again"
    assert INFARCTION.text in texts(await search(searched, "heart attack"))


@pytest.mark.parametrize("what", ["another name", "another model of the name", "fewer numbers", "another prefix"])
async def test_vectors_of_another_model_are_not_used_and_are_made_anew(
    vectors: CorpusVectors, database: Database, settings: Settings, server: Script, what: str
) -> None:
    corpus = add_corpus(database, OTHER, INFARCTION)
    await vectors.make(corpus)
    name, more = MODEL, {}
    if what == "another name":
        name = "others"
    elif what == "another prefix":
        more = {"embedding_passage_prefix": "passage: "}
    else:
        server.embeddings = embedding_of(turned if what.startswith("another") else lambda text: vector_of(text)[1:])
    restarted = again(database, settings, server, name, **more)
    found = await search(restarted, "heart attack")
    assert texts(found) == [OTHER.text]
    assert found.note.startswith("Found by words alone: the ")
    assert found.note.endswith("ake them again.")
    made = await CorpusVectors(database, with_server(settings, server, name, **more)).make(corpus)
    shown = f"{name}, passages after 'passage: '" if more else name
    assert (made.passage_count, made.model) == (2, shown)
    assert (await search(again(database, settings, server, name, **more), "heart attack")).note == (
        f"Found by words and meaning ({shown})."
    )


async def test_a_server_that_fails_is_left_alone_for_a_while_and_named(
    searched: CorpusService, vectors: CorpusVectors, database: Database, server: Script
) -> None:
    await vectors.make(add_corpus(database, OTHER, INFARCTION))
    server.embeddings = DOWN
    server.requests.clear()
    for _ in range(3):
        found = await search(searched, "heart attack")
        assert texts(found) == [OTHER.text]
        assert found.note == "Found by words alone: The embedding server failed (HTTP 503): Loading model"
    assert len(server.requests) == 1


async def test_a_text_of_nothing_is_not_compared(
    searched: CorpusService, vectors: CorpusVectors, database: Database, server: Script
) -> None:
    await vectors.make(add_corpus(database, OTHER))
    server.requests.clear()
    assert (await search(searched, " \n")).passages == ()
    assert server.requests == []


async def test_prefixes_stand_before_what_is_searched_for_and_before_passages(
    database: Database, settings: Settings, server: Script
) -> None:
    own = with_server(settings, server, embedding_query_prefix="query: ", embedding_passage_prefix="passage: ")
    vectors = CorpusVectors(database, own)
    with acting_as(COMMAND_LINE):
        await vectors.make(add_corpus(database, OTHER))
        await search(CorpusService(database, own, vectors), "heart")
    asked = texts_asked(server)
    assert f"passage: {OTHER.text}" in asked
    assert "query: heart" in asked


async def test_corrected_facts_keep_their_guard_and_leave_no_vector(
    searched: CorpusService, vectors: CorpusVectors, database: Database, server: Script
) -> None:
    stem = "Which heart attack is treated with which drug today?"
    case = stored_trace(database, question=replace(QUESTION, stem=stem))
    annotate(database, case, "incorrect_fact", corrected_fact="Heart attack: a myocardial infarction needs aspirin.")
    await vectors.make(add_corpus(database, OTHER, GUMS))
    before = stored(database)
    found = await search(searched, "heart attack", 1)
    assert texts(found) == ["Heart attack: a myocardial infarction needs aspirin."]
    assert found.note == "Found by words and meaning (meanings)."
    server.requests.clear()
    kept = await search(searched, stem, asked=AskedQuestion(stem))
    assert not any("aspirin" in text for text in texts(kept))
    assert not any("aspirin" in text for text in texts_asked(server)), "a fact on this question is not even sent"
    assert stored(database) == before


async def test_vectors_go_with_their_corpus(
    searched: CorpusService, vectors: CorpusVectors, database: Database
) -> None:
    corpus = add_corpus(database, OTHER, INFARCTION)
    await vectors.make(corpus)
    assert stored(database) == (1, 1)
    deletion = await searched.delete(corpus.id)
    assert (await search(searched, "heart attack")).passages == ()
    purge(database, deletion)
    assert stored(database) == (0, 0)
    with pytest.raises(RecordNotFound):
        await vectors.make(corpus)


async def test_vectors_are_made_in_the_background_stopped_and_gone_on_with(
    vectors: CorpusVectors, database: Database, server: Script
) -> None:
    corpus = add_corpus(database, OTHER, INFARCTION)
    vectors.start(corpus)
    with pytest.raises(KnowledgeError, match="already being made"):
        vectors.start(corpus)
    await wait_for_end(vectors, corpus)
    assert (await vectors.of([corpus]))[corpus.id].passage_count == 2
    assert vectors.making()[corpus.id].problem == ""
    await vectors.forget(corpus)
    server.embeddings = DOWN
    vectors.start(corpus)
    await wait_for_end(vectors, corpus)
    assert "Loading model" in vectors.making()[corpus.id].problem
    held = asyncio.Event()

    async def hold(_: object) -> bytes:
        await held.wait()
        return b""

    vectors.embedder.sample = lambda: hold(None)  # type: ignore[method-assign]
    vectors.start(corpus)
    await asyncio.sleep(0)
    vectors.stop(corpus.id)
    await wait_for_end(vectors, corpus)
    assert vectors.making()[corpus.id].problem == "Stopped."
    await vectors.aclose()


async def wait_for_end(vectors: CorpusVectors, corpus: Corpus) -> None:
    while vectors.making()[corpus.id].is_running:
        await asyncio.sleep(0.01)


async def test_recall_is_measured_with_and_without(
    searched: CorpusService, vectors: CorpusVectors, database: Database
) -> None:
    sheets: Sequence[NewPassage] = [replace(each, source=f"{n}.md") for n, each in enumerate((INFARCTION, OTHER, GUMS))]
    await vectors.make(add_corpus(database, *sheets))
    asked = [(Needed(question="attack", sheets=["0.md"]), "A heart attack: what now?")]
    with_vectors = await searched.recall("sheets", asked)
    assert (with_vectors.found_at(5), with_vectors.notes) == (1, ("Found by words and meaning (meanings).",))
    assert (await searched.recall("sheets", asked, is_by_words=True)).found_at(5) == 0
