"""Vectors of a corpus's passages, on both dialects: block after block, compared exactly, gone with their corpus."""

import struct
from collections.abc import Sequence

import pytest

from storage.corpora.records import Corpus, NewPassage
from storage.corpora.repository import CorpusRepository
from storage.corpora.search import Scope
from storage.corpora.vectors import Embedding, VectorRepository
from storage.database import Database
from storage.errors import RecordNotFound
from storage.trash.records import TrashKind
from tests.storage.corpora.test_repository import add_corpus
from tests.storage.samples import delete_for_good

SAMPLE = (0.6, 0.8)
TURNS = ((1.0, 0.0), (0.8, 0.6), (0.6, 0.8), (0.0, 1.0), (-1.0, 0.0))


def packed(*vectors: Sequence[float]) -> bytes:
    return b"".join(struct.pack(f"<{len(each)}f", *each) for each in vectors)


def notes(database: Database, name: str = "notes") -> Corpus:
    return add_corpus(database, *(NewPassage(text=f"{name} {number}") for number in range(len(TURNS))), name=name)


def begin(database: Database, corpus: Corpus, model: str = "bge") -> Embedding:
    return database.write_now(lambda s: VectorRepository(s).begin(corpus.id, model, packed(SAMPLE)))


def keep(database: Database, embedding: Embedding, *vectors: Sequence[float]) -> Embedding:
    return database.write_now(lambda s: VectorRepository(s).keep(embedding, packed(*vectors)))


def nearest(database: Database, vector: Sequence[float], most: int, *corpora: Corpus) -> list[tuple[str, float]]:
    scope = Scope(tuple(each.id for each in corpora))

    def read(session):
        numbers = VectorRepository(session).nearest(scope.corpus_ids, packed(vector), most)
        return [(each.text, round(each.score, 4)) for each in CorpusRepository(session).found(numbers, scope)]

    return database.read_now(read)


def state(database: Database, *corpora: Corpus) -> dict[str, int]:
    found = database.read_now(lambda s: VectorRepository(s).embeddings([each.id for each in corpora]))
    return {key: each.passage_count for key, each in found.items()}


def test_the_nearest_of_all_blocks_and_corpora_come_first(database: Database) -> None:
    first, second = notes(database), notes(database, "more")
    embedding = begin(database, first)
    assert (embedding.dimensions, embedding.passage_count, embedding.model) == (2, 0, "bge")
    embedding = keep(database, embedding, *TURNS[:2])
    embedding = keep(database, embedding, *TURNS[2:])
    assert embedding.passage_count == 5
    keep(database, begin(database, second), *TURNS[::-1])
    assert nearest(database, (0.0, 1.0), 3, first) == [("notes 3", 1.0), ("notes 2", 0.8), ("notes 1", 0.6)]
    assert sorted(nearest(database, (0.0, 1.0), 2, first, second)) == [("more 1", 1.0), ("notes 3", 1.0)]
    assert nearest(database, (1.0, 0.0), 9, first)[-1] == ("notes 4", -1.0)
    assert nearest(database, (1.0, 0.0), 9) == []


def test_a_block_that_somebody_else_has_stored_is_not_stored_twice(database: Database) -> None:
    corpus = notes(database)
    before = begin(database, corpus)
    after = keep(database, before, *TURNS[:2])
    assert keep(database, before, *TURNS[:2]) == after
    assert state(database, corpus) == {corpus.id: 2}


def test_beginning_anew_forgets_and_an_earlier_beginning_goes_nowhere(database: Database) -> None:
    corpus = notes(database)
    before = begin(database, corpus)
    keep(database, before, *TURNS)
    database.write_now(lambda s: VectorRepository(s).begin(corpus.id, "e5", packed((1.0, 0.0, 0.0))))
    assert state(database, corpus) == {corpus.id: 0}
    with pytest.raises(RecordNotFound, match="started again"):
        keep(database, before, *TURNS)
    assert database.write_now(lambda s: VectorRepository(s).forget(corpus.id))
    assert not database.write_now(lambda s: VectorRepository(s).forget(corpus.id))
    assert state(database, corpus) == {}


def test_vectors_are_removed_with_their_corpus_in_steps(database: Database) -> None:
    corpus, other = notes(database), notes(database, "more")
    for each in (corpus, other):
        embedding = begin(database, each)
        for turn in TURNS:
            embedding = keep(database, embedding, turn)
    delete_for_good(database, TrashKind.CORPUS, corpus.id)
    assert state(database, corpus, other) == {other.id: 5}
    assert len(nearest(database, (1.0, 0.0), 9, other)) == 5
