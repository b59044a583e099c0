"""The search by meaning with a real server of embeddings: llama.cpp, with the mean of a small model's last layer."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from m1app.access.person import COMMAND_LINE, acting_as
from m1app.knowledge.service import CorpusService
from m1app.knowledge.vectors import CorpusVectors
from m1app.settings import Settings
from storage.corpora.records import NewPassage
from storage.database import Database
from tests.models.engine.embedding_worker import MODEL
from tests.storage.corpora.test_repository import add_corpus

ROOT = Path(__file__).resolve().parents[3]
TEXTS = ("Digoxin is bound by fragments of antibodies.", "Gout makes toes swell.", "Fever after a flood. " * 200)


@pytest.fixture(scope="module")
def embedding_url(smollm2_path: Path) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.models.engine.embedding_worker", str(smollm2_path)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    yield address
    process.communicate(timeout=30)


async def test_passages_get_vectors_of_a_real_server_also_those_that_are_too_long_for_it(
    embedding_url: str, database: Database, settings: Settings
) -> None:
    own = Settings(home=settings.home, embedding_url=embedding_url, embedding_model=MODEL)
    vectors = CorpusVectors(database, own)
    with acting_as(COMMAND_LINE):
        made = await vectors.make(add_corpus(database, *(NewPassage(text=text) for text in TEXTS)))
        assert (made.passage_count, made.dimensions) == (3, 576)
        corpora = CorpusService(database, own, vectors)
        for text in TEXTS[:2]:
            found = await corpora.search(text, 1, corpora=None, excluding_question=None)
            assert found.passages[0].text == text
            assert found.note == f"Found by words and meaning ({MODEL})."
    await vectors.aclose()
