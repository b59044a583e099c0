"""Vectors of a corpus's passages: stored block after block in the order of its file, and compared with one.

A vector is `dimensions` little-endian 32-bit floats of length 1, so that a product is a cosine. Comparing reads all
vectors of a corpus, one block at a time: exact, and its memory does not grow with the corpus.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from storage.corpora.tables import CorpusEmbeddingRow, CorpusPassageRow, CorpusVectorsRow
from storage.errors import RecordNotFound
from storage.questions.repository import utc_now

_BYTES = 4
"""Of a number."""


@dataclass(frozen=True, slots=True)
class Embedding:
    """How far the passages of a corpus have vectors."""

    corpus_id: str
    model: str
    passage_count: int
    """Passages that have one: the first ones of the file."""
    sample: bytes
    """See `CorpusEmbeddingRow.sample`."""
    made_at: datetime
    """When the first one was made. Aware, UTC."""

    @property
    def dimensions(self) -> int:
        """Numbers in each vector."""
        return len(self.sample) // _BYTES


class VectorRepository:
    """Vectors in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def embeddings(self, corpus_ids: Sequence[str]) -> Mapping[str, Embedding]:
        """Of those corpora that have vectors, by id."""
        query = select(CorpusEmbeddingRow).where(CorpusEmbeddingRow.corpus_id.in_(corpus_ids))
        return {row.corpus_id: _embedding(row) for row in self._session.scalars(query)}

    def begin(self, corpus_id: str, model: str, sample: bytes) -> Embedding:
        """Forget the vectors of a corpus, and begin with those of a model."""
        self.forget(corpus_id)
        row = CorpusEmbeddingRow(corpus_id=corpus_id, model=model, passage_count=0, sample=sample, made_at=self._now())
        self._session.add(row)
        self._session.flush()
        return _embedding(row)

    def keep(self, embedding: Embedding, vectors: bytes) -> Embedding:
        """Store the vectors of the passages that come next.

        Args:
            embedding: as it was when the passages were read.
            vectors: one after the other.

        Returns:
            The embedding as it is now; unchanged vectors if somebody else has stored these passages meanwhile.

        Raises:
            RecordNotFound: the corpus, or what was begun, was deleted meanwhile.
        """
        row = self._session.get(CorpusEmbeddingRow, embedding.corpus_id, with_for_update=True)
        if row is None or row.sample != embedding.sample:
            raise RecordNotFound("In the meantime, the corpus was deleted or its vectors were started again.")
        if row.passage_count == embedding.passage_count:
            block = CorpusVectorsRow(corpus_id=row.corpus_id, first_position=row.passage_count, vectors=vectors)
            row.passage_count += len(vectors) // len(row.sample)
            self._session.add(block)
            self._session.flush()
        return _embedding(row)

    def forget(self, corpus_id: str) -> bool:
        """Delete the vectors of a corpus; return whether there were any."""
        deleted = self._session.execute(
            delete(CorpusEmbeddingRow)
            .where(CorpusEmbeddingRow.corpus_id == corpus_id)
            .returning(CorpusEmbeddingRow.corpus_id)
        )
        return deleted.first() is not None

    def nearest(self, corpus_ids: Sequence[str], vector: bytes, most: int) -> list[tuple[int, float]]:
        """Numbers of the passages whose vectors are nearest to one, each with its cosine, the nearest first.

        Args:
            corpus_ids: corpora whose vectors have as many dimensions as this one.
            vector: of length 1.
            most: passages that are returned.
        """
        scored = (each for corpus_id in corpus_ids for each in self._scored(corpus_id, vector, most))
        best = heapq.nlargest(most, scored)
        places = [(corpus_id, position) for _, corpus_id, position in best]
        numbers = self._numbers(places)
        return [(numbers[place], score) for place, (score, *_) in zip(places, best, strict=True) if place in numbers]

    def _scored(self, corpus_id: str, vector: bytes, most: int) -> Iterator[tuple[float, str, int]]:
        """The best of each block, with their places."""
        wanted = numpy.frombuffer(vector, dtype="<f4")
        for first, block in self._blocks(corpus_id):
            cosines = numpy.frombuffer(block, dtype="<f4").reshape(-1, len(wanted)) @ wanted
            chosen: Iterable[int] = range(len(cosines))
            if len(cosines) > most:
                chosen = numpy.argpartition(-cosines, most)[:most].tolist()
            for at in chosen:
                yield float(cosines[at]), corpus_id, first + at

    def _blocks(self, corpus_id: str) -> Iterator[tuple[int, bytes]]:
        row = CorpusVectorsRow
        query = select(row.first_position, row.vectors).where(row.corpus_id == corpus_id).order_by(row.first_position)
        for each in self._session.execute(query.execution_options(yield_per=8)):
            yield each.first_position, each.vectors

    def _numbers(self, places: Sequence[tuple[str, int]]) -> dict[tuple[str, int], int]:
        row = CorpusPassageRow
        found: dict[tuple[str, int], int] = {}
        for corpus_id in {corpus_id for corpus_id, _ in places}:
            positions = [position for of, position in places if of == corpus_id]
            query = select(row.position, row.passage_number).where(
                row.corpus_id == corpus_id, row.position.in_(positions)
            )
            found |= {(corpus_id, each.position): each.passage_number for each in self._session.execute(query)}
        return found


def _embedding(row: CorpusEmbeddingRow) -> Embedding:
    return Embedding(row.corpus_id, row.model, row.passage_count, row.sample, row.made_at)
