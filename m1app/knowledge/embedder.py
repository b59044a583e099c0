"""The embedding model that the settings name: vectors of passages and of what is searched for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy

from m1app.settings import Settings
from models.engine.embedding import MAX_TEXTS, EmbeddingServer, Vectors
from storage.corpora.records import Passage

_SAMPLE = "Digoxin slows the conduction through the atrioventricular node. 0.5 mg/kg; HbA1c 6.5 %."
_SAME_COSINE = 0.9
"""Of one model's vectors of one text: 0.985 and more, as llama.cpp rounds a 4-bit model differently by what else is in
a batch. Those of two models have nothing to do with each other."""
_QUERY_SECONDS = 10.0
_PASSAGES_SECONDS = 300.0
MAX_QUERY_CHARACTERS = 8000
"""Of what is searched for; models read less than that."""
MAX_BESIDES = MAX_TEXTS - 2


@dataclass(frozen=True, slots=True)
class QueryVectors:
    """Vectors of one search."""

    query: bytes
    sample: bytes
    """Of the text that is always the same; see `is_same_model`."""
    besides: Vectors


class Embedder:
    """Asks the embedding model. Every method raises `models.errors.EngineError`."""

    def __init__(self, settings: Settings) -> None:
        endpoint = settings.embedding_endpoint
        self._server = EmbeddingServer(endpoint, settings.embedding_model) if endpoint else None
        self._query_prefix = settings.embedding_query_prefix
        self._passage_prefix = settings.embedding_passage_prefix
        prefix = f", passages after {self._passage_prefix!r}" if self._passage_prefix else ""
        self.model = f"{settings.embedding_model}{prefix}" if endpoint else ""
        """Its name, with what stands before passages; empty if there is none, and then nothing may be asked."""

    async def sample(self) -> bytes:
        """The model's vector of a text that is always the same."""
        return (await self._embed([self._passage_prefix + _SAMPLE], _PASSAGES_SECONDS)).tobytes()

    async def passages(self, passages: Sequence[Passage]) -> Vectors:
        """Vectors of at most MAX_TEXTS passages."""
        return await self._embed([self._text(each) for each in passages], _PASSAGES_SECONDS)

    async def query(self, text: str, besides: Sequence[Passage]) -> QueryVectors:
        """Vectors of what is searched for, and of at most MAX_BESIDES passages, in one request."""
        asked = [self._query_prefix + text[:MAX_QUERY_CHARACTERS], self._passage_prefix + _SAMPLE]
        rows = await self._embed([*asked, *map(self._text, besides)], _QUERY_SECONDS)
        return QueryVectors(rows[0].tobytes(), rows[1].tobytes(), rows[2:])

    async def aclose(self) -> None:
        """Close the connections."""
        if self._server is not None:
            await self._server.aclose()

    async def _embed(self, texts: Sequence[str], seconds: float) -> Vectors:
        assert self._server is not None
        return (await self._server.embed(texts, seconds=seconds)).astype("<f4")

    def _text(self, passage: Passage) -> str:
        heading = f"{passage.heading}\n" if passage.heading else ""
        return f"{self._passage_prefix}{heading}{passage.text}"


def is_same_model(one: bytes, other: bytes) -> bool:
    """Whether two vectors of the sample can be of one model."""
    if len(one) != len(other):
        return False
    first, second = (numpy.frombuffer(each, dtype="<f4") for each in (one, other))
    return float(first @ second) >= _SAME_COSINE
