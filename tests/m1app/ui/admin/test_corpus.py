"""The corpus tab without a browser: what it answers, and what it shows."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from m1app.bootstrap import Services, build_services
from m1app.knowledge.vectors import Making
from m1app.settings import Settings
from m1app.ui.admin.corpus_tab import CorpusTab
from m1app.ui.admin.corpus_view import PREVIEW_PAGE, VectorsShown, corpora_value
from storage.corpora.records import Corpus
from storage.corpora.vectors import Embedding
from tests.m1app.knowledge.meanings import serving_meanings

NOWHERE = "http://127.0.0.1:9"

SENTENCES = "".join(f"## Sheet {number}\n\nFact {number} is about potassium.\n\n" for number in range(PREVIEW_PAGE + 5))


@pytest.fixture
def tab(services: Services) -> CorpusTab:
    with gr.Blocks():
        return CorpusTab(services)


async def ask(tab: CorpusTab, action: str, **values: Any) -> dict[str, Any]:
    event = SimpleNamespace(_data={"number": 3, "action": action, **values})
    return await tab._on_ask(cast(gr.EventData, event))


async def test_a_corpus_is_read_in_parts_searched_deleted_and_brought_back(
    tab: CorpusTab, services: Services, tmp_path: Path
) -> None:
    path = tmp_path / "sheets.md"
    path.write_text(SENTENCES)
    corpus = (await services.corpora.add(path, licence="CC BY 4.0")).corpus
    value = await tab._on_load()
    assert [(row["name"], row["passages"], row["licence"]) for row in value["rows"]] == [("sheets", 25, "CC BY 4.0")]
    first = (await ask(tab, "preview", id=corpus.id))["reply"]["preview"]
    assert (len(first["passages"]), first["has_more"], first["empty"]) == (PREVIEW_PAGE, True, "")
    assert first["passages"][0] == {"heading": "Sheet 0", "text": "Fact 0 is about potassium.", "place": "sheets.md"}
    rest = (await ask(tab, "preview", id=corpus.id, offset=PREVIEW_PAGE))["reply"]["preview"]
    assert [each["heading"] for each in rest["passages"]] == [f"Sheet {number}" for number in range(20, 25)]
    nothing = (await ask(tab, "preview", id=corpus.id, text="kangaroo"))["reply"]["preview"]
    assert (nothing["passages"], nothing["empty"]) == ([], "No passage contains any of these words. Try others.")
    assert "25 passages will move to the trash" in (await ask(tab, "extent", id=corpus.id))["reply"]["extent"]
    deleted = await ask(tab, "delete", id=corpus.id)
    assert (deleted["rows"], deleted["number"]) == ([], 3)
    restored = await ask(tab, "restore", deletion=deleted["reply"]["deleted"]["deletion"])
    assert restored["reply"] == {"restored": "sheets is back."}
    assert len(restored["rows"]) == 1


async def test_what_goes_wrong_is_said_with_the_number_of_the_question(tab: CorpusTab) -> None:
    value = await ask(tab, "preview", id="f" * 32)
    assert value["number"] == 3
    assert "not found" in value["reply"]["error"]
    assert (await ask(tab, "progress"))["reply"] == {"progress": ""}


def test_corrected_facts_are_counted() -> None:
    nothing = VectorsShown("", {}, {})
    assert "There are none yet" in corpora_value((), 0, nothing)["facts"]
    assert "1 corrected fact from annotations is searched" in corpora_value((), 1, nothing)["facts"]


CORPUS = Corpus(
    id="c" * 32,
    name="sheets",
    version=1,
    source="sheets.md",
    licence="unknown",
    sha256="0" * 64,
    created_at=datetime(2026, 11, 30, tzinfo=UTC),
    passage_count=2_000,
    duplicate_count=0,
    shared_count=0,
)


def made(count: int, model: str = "bge") -> dict[str, Embedding]:
    return {CORPUS.id: Embedding(CORPUS.id, model, count, b"0" * 4096, CORPUS.created_at)}


def making(problem: str, *, is_running: bool = False) -> dict[str, Making]:
    return {CORPUS.id: Making(CORPUS.id, "sheets", 2_000, 500, is_running, problem)}


@pytest.mark.parametrize(
    ("vectors", "short", "said", "can"),
    [
        (VectorsShown("", {}, {}), "", "", ""),
        (VectorsShown("bge", {}, {}), "none", "No vectors; search uses words only.", "make"),
        (VectorsShown("bge", made(2_000), {}), "all", "have a vector of 1,024 numbers, by bge.", "make delete"),
        (VectorsShown("bge", made(500), {}), "500", "They are used once every passage has one.", "make delete"),
        (VectorsShown("e5", made(2_000), {}), "2,000", "because the model is now e5. Make them again.", "make delete"),
        (VectorsShown("", made(2_000), {}), "2,000", "because no embedding model is set.", "delete"),
        (VectorsShown("bge", made(500), making("", is_running=True)), "500", "500 of 2,000 passages.", "stop"),
        (VectorsShown("bge", {}, making("It is down.")), "none", "The last attempt ended: It is down.", "make"),
    ],
)
def test_whether_a_corpus_has_vectors_is_shown(vectors: VectorsShown, short: str, said: str, can: str) -> None:
    (row,) = corpora_value((CORPUS,), 0, vectors)["rows"]
    shown = row["vectors"]
    assert (shown["short"], shown["said"].endswith(said)) == (short, True)
    actions = {"make": shown["can_make"], "delete": shown["can_delete"], "stop": shown["is_running"]}
    assert " ".join(action for action, may in actions.items() if may) == can


async def test_vectors_are_made_stopped_and_deleted_by_the_tab(no_settings: None, tmp_path: Path) -> None:
    path = tmp_path / "sheets.md"
    path.write_text(SENTENCES)
    with serving_meanings() as server:
        settings = Settings(
            home=tmp_path / "home", embedding_url=server.url, embedding_model="meanings", engine_url=NOWHERE
        )
        services = build_services(settings)
        with gr.Blocks():
            tab = CorpusTab(services)
        corpus = (await services.corpora.add(path, licence="CC BY 4.0")).corpus
        value = await ask(tab, "make_vectors", id=corpus.id)
        assert "error" not in value["reply"]
        while (value := await ask(tab, "list"))["rows"][0]["vectors"]["is_running"]:
            await asyncio.sleep(0.02)
        assert value["rows"][0]["vectors"]["short"] == "all"
        value = await ask(tab, "delete_vectors", id=corpus.id)
        assert value["rows"][0]["vectors"]["short"] == "none"
        assert (await ask(tab, "stop_vectors", id=corpus.id))["reply"] == {}
        assert "not found" in (await ask(tab, "make_vectors", id="f" * 32))["reply"]["error"]
        await services.aclose()
