"""Makes the vectors of corpora, with which they are searched by meaning: in the background, and resumed where it ended.

Each block of passages is stored in a transaction of its own, so what was made stays when the app ends or the embedding
server fails, and memory does not grow with the corpus.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.background import reported, start_task
from m1app.knowledge.embedder import Embedder, is_same_model
from m1app.knowledge.errors import KnowledgeError
from m1app.settings import Settings
from models.engine.embedding import MAX_TEXTS
from storage.corpora.records import Corpus
from storage.corpora.repository import CorpusRepository
from storage.corpora.vectors import Embedding, VectorRepository
from storage.database import Database, Session
from storage.errors import not_found

_BLOCK = 4 * MAX_TEXTS
"""Passages that are stored at once; their requests run together."""


@dataclass(slots=True)
class Making:
    """Vectors of a corpus that are being made, or the last attempt to."""

    corpus_id: str
    name: str
    passages: int
    """Of the corpus."""
    done: int = 0
    """Of these, those that have a vector."""
    is_running: bool = True
    problem: str = ""
    """For people: why it ended too early."""


class CorpusVectors:
    """Makes and deletes vectors. Every method may raise `storage.errors.StorageError`."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self.embedder = Embedder(settings)
        self._making: dict[str, Making] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def model(self) -> str:
        """Name of the embedding model; empty if the settings name none."""
        return self.embedder.model

    @needs(Permission.READ)
    async def of(self, corpora: Sequence[Corpus]) -> Mapping[str, Embedding]:
        """How far corpora have vectors, by id; those that have none are left out."""
        ids = [each.id for each in corpora]
        return await self._database.read(lambda s: VectorRepository(s).embeddings(ids))

    @needs(Permission.READ)
    def making(self) -> Mapping[str, Making]:
        """By corpus: what this process makes, and how the last attempt of each ended."""
        return dict(self._making)

    @needs(Permission.MANAGE)
    async def make(self, corpus: Corpus, tell: Callable[[Making], object] = lambda _: None) -> Embedding:
        """Make the vectors of a corpus, or those that are still missing.

        Those of another model, or made with another prefix, are made anew.

        Args:
            corpus: one version.
            tell: called after each block.

        Raises:
            KnowledgeError: no embedding model is set, or the corpus's vectors are already being made.
            EngineError: the embedding server fails; what was made is kept.
            RecordNotFound: the corpus was deleted meanwhile.
        """
        return await self._make(self._begun(corpus), tell)

    @needs(Permission.MANAGE)
    def start(self, corpus: Corpus) -> None:
        """Make them in the background; `making` tells how far. Raises KnowledgeError as `make` does."""
        making = self._begun(corpus)

        async def work() -> None:
            with reported("vectors of a corpus", lambda problem: setattr(making, "problem", problem)):
                await self._make(making, lambda _: None)

        self._tasks[corpus.id] = start_task(work(), "corpus-vectors")

    @needs(Permission.MANAGE)
    def stop(self, corpus_id: str) -> None:
        """Stop making them; those that were made stay."""
        if (task := self._tasks.get(corpus_id)) and not task.done():
            task.cancel()

    @needs(Permission.MANAGE)
    async def forget(self, corpus: Corpus) -> bool:
        """Delete the vectors of a corpus; return whether there were any."""
        self.stop(corpus.id)

        def forget(session: Session) -> bool:
            had_any = VectorRepository(session).forget(corpus.id)
            if had_any:
                record(session, "corpus.delete_vectors", corpus.id)
            return had_any

        self._making.pop(corpus.id, None)
        return await self._database.write(forget)

    async def aclose(self) -> None:
        """Stop making vectors, and close the connections."""
        tasks = [task for task in self._tasks.values() if not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.embedder.aclose()

    def _begun(self, corpus: Corpus) -> Making:
        if not self.model:
            raise KnowledgeError(
                "No embedding model is set. Start an embedding server, and set M1_EMBEDDING_URL and M1_EMBEDDING_MODEL."
            )
        if (before := self._making.get(corpus.id)) and before.is_running:
            raise KnowledgeError(f"The vectors of {corpus.name} are already being made.")
        self._making[corpus.id] = Making(corpus.id, corpus.name, corpus.passage_count)
        return self._making[corpus.id]

    async def _make(self, making: Making, tell: Callable[[Making], object]) -> Embedding:
        try:
            embedding = await self._going_on(making.corpus_id)
            while True:
                making.done = embedding.passage_count
                tell(making)
                if making.done >= making.passages:
                    return embedding
                embedding = await self._next_block(embedding)
        except asyncio.CancelledError:
            making.problem = "Stopped."
            raise
        finally:
            making.is_running = False

    async def _going_on(self, corpus_id: str) -> Embedding:
        """What there is, or a new beginning if there is nothing, or something of another model."""
        sample = await self.embedder.sample()
        found = (await self._database.read(lambda s: VectorRepository(s).embeddings([corpus_id]))).get(corpus_id)
        if found is not None and found.model == self.model and is_same_model(found.sample, sample):
            return found

        def begin(session: Session) -> Embedding:
            corpus = CorpusRepository(session).by_id(corpus_id)
            record(session, "corpus.make_vectors", corpus.id, passages=corpus.passage_count)
            return VectorRepository(session).begin(corpus.id, self.model, sample)

        return await self._database.write(begin)

    async def _next_block(self, embedding: Embedding) -> Embedding:
        first, corpus_id = embedding.passage_count, embedding.corpus_id
        passages = await self._database.read(lambda s: CorpusRepository(s).passages(corpus_id, _BLOCK, first))
        if not passages:
            raise not_found("corpus", corpus_id)
        parts = [passages[at : at + MAX_TEXTS] for at in range(0, len(passages), MAX_TEXTS)]
        made = await asyncio.gather(*map(self.embedder.passages, parts))
        if any(each.shape[1] != embedding.dimensions for each in made):
            raise KnowledgeError(
                f"The embedding server answers with another model than before: {made[0].shape[1]} numbers in a vector "
                f"instead of {embedding.dimensions}. Make the vectors again; this starts over."
            )
        vectors = b"".join(each.tobytes() for each in made)
        return await self._database.write(lambda s: VectorRepository(s).keep(embedding, vectors))
