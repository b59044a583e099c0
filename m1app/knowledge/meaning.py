"""The search by words and meaning: two rankings fused by reciprocal rank.

Cormack, Clarke and Büttcher (SIGIR 2009): a passage scores the sum of 1 / (60 + its rank) over the rankings that have
it. Their k = 60 is kept. By words: `storage.corpora.search`. By meaning: the cosine of the passage's vector with that
of what is searched for, exact over all passages.

Where that cannot be, the words decide alone, and the result says so: the embedding server fails or has another model
than the one that made the vectors, or a corpus has no vectors, or not all. Corrected facts have no stored vectors, so
that nothing stays of one that is withdrawn or erased: those that were found by their words, past the guard for the
question asked, are compared when they are found.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy

from m1app.knowledge.embedder import MAX_BESIDES, Embedder, QueryVectors, is_same_model
from models.errors import EngineError
from storage.corpora.records import Corpus, FoundPassage
from storage.corpora.repository import CorpusRepository
from storage.corpora.search import Scope
from storage.corpora.vectors import Embedding, VectorRepository
from storage.database import Database, Session

RECIPROCAL_RANK_K = 60
POOL = 100
"""Passages of each ranking that count, at least."""
_REST_SECONDS = 15.0
"""For which an embedding server that failed is not asked again: each question may search many times."""
_ALONE = "Found by words alone: "


@dataclass(frozen=True, slots=True)
class Findings:
    """What a search has found."""

    passages: tuple[FoundPassage, ...]
    """The best first."""
    note: str = ""
    """How they were found, for people; empty if no embedding model is set, and so the words decide as always."""


class MeaningSearch:
    """Adds the ranking by meaning to that by words."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder
        self._asked_again_at = 0.0
        self._problem = ""

    @property
    def is_set(self) -> bool:
        """Whether there is an embedding model."""
        return bool(self._embedder.model)

    async def fused(
        self, text: str, by_words: Sequence[FoundPassage], scope: Scope, corpora: Sequence[Corpus], most: int
    ) -> Findings:
        """The ranking by words, fused with that by meaning if there can be one.

        Args:
            text: what is searched for.
            by_words: at least POOL passages, if so many were found.
            scope: where the search looks.
            corpora: of the scope.
            most: passages that are returned.
        """
        ids = list(scope.corpus_ids)
        embeddings = await self._database.read(lambda s: VectorRepository(s).embeddings(ids))
        if problem := self._missing(corpora, embeddings):
            return Findings(tuple(by_words[:most]), _ALONE + problem)
        facts = [each for each in by_words if not each.corpus_id][:MAX_BESIDES]
        if isinstance(asked := await self._asked(text, facts), str):
            return Findings(tuple(by_words[:most]), _ALONE + asked)
        changed = [each for each in corpora if not is_same_model(embeddings[each.id].sample, asked.sample)]
        if changed:
            return Findings(
                tuple(by_words[:most]),
                f"{_ALONE}the embedding server answers with another model than the one that made the vectors of "
                f"{changed[0].name}. Make them again.",
            )
        by_meaning = await self._nearest(asked, facts, scope, max(most, POOL))
        found = fuse(by_words, by_meaning)[:most]
        return Findings(found, f"Found by words and meaning ({self._embedder.model}).")

    def _missing(self, corpora: Sequence[Corpus], embeddings: Mapping[str, Embedding]) -> str:
        """Why there is no ranking by meaning; empty if nothing is missing."""
        for each in corpora:
            has = embeddings.get(each.id)
            if has is None:
                return f"{each.name} has no vectors yet. Make them on the Admin page, on the Corpus tab."
            if has.model != self._embedder.model:
                return f"the vectors of {each.name} are of the model {has.model}. Make them again."
            if has.passage_count < each.passage_count:
                return (
                    f"{has.passage_count:,} of {each.passage_count:,} passages of {each.name} have a vector. Make the "
                    "rest on the Admin page, on the Corpus tab."
                )
        return ""

    async def _asked(self, text: str, facts: Sequence[FoundPassage]) -> QueryVectors | str:
        """The vectors, or why there are none."""
        if not text.strip():
            return "there is no text to compare."
        if time.monotonic() < self._asked_again_at:
            return self._problem
        try:
            return await self._embedder.query(text, facts)
        except EngineError as exc:
            self._problem = str(exc)
            self._asked_again_at = time.monotonic() + _REST_SECONDS
            return self._problem

    async def _nearest(
        self, asked: QueryVectors, facts: Sequence[FoundPassage], scope: Scope, most: int
    ) -> list[FoundPassage]:
        def read(session: Session) -> tuple[FoundPassage, ...]:
            numbers = VectorRepository(session).nearest(scope.corpus_ids, asked.query, most)
            return CorpusRepository(session).found(numbers, replace(scope, has_facts=False))

        near = await self._database.read(read)
        cosines = asked.besides @ numpy.frombuffer(asked.query, dtype="<f4")
        compared = [replace(each, score=float(cosine)) for each, cosine in zip(facts, cosines, strict=True)]
        return sorted([*near, *compared], key=lambda each: -each.score)


def fuse(*rankings: Sequence[FoundPassage]) -> tuple[FoundPassage, ...]:
    """Fuse rankings by reciprocal rank; the scores are the sums. Of equal ones, the earlier ranking's comes first."""
    scores: dict[str, float] = {}
    passages: dict[str, FoundPassage] = {}
    for ranking in rankings:
        # A passage that several corpora have counts once, at its best place.
        unique = dict.fromkeys(each.id for each in ranking)
        passages = {each.id: each for each in reversed(ranking)} | passages
        for rank, passage_id in enumerate(unique, 1):
            scores[passage_id] = scores.get(passage_id, 0.0) + 1 / (RECIPROCAL_RANK_K + rank)
    best = sorted(scores, key=lambda passage_id: -scores[passage_id])
    return tuple(replace(passages[passage_id], score=scores[passage_id]) for passage_id in best)
