"""The corpus tab: passages with search, comparison with question sets, delete and undo. Files go through `files`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.trash.words import extent_text
from m1app.ui.admin.corpus_view import PREVIEW_PAGE, VectorsShown, corpora_value, preview_value
from m1app.ui.admin.question_sets_view import overlaps_value
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from m1app.wording import counted
from storage.corpora.records import Corpus
from storage.errors import not_found
from storage.trash.records import TrashKind

Reply = dict[str, Any]
_MAX_OFFSET = 100_000_000
_MAX_SEARCH_CHARACTERS = 5000


class CorpusTab:
    """Builds the tab and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._corpora = services.corpora
        self._vectors = services.corpus_vectors
        self._sets = services.question_sets
        self._trash = services.trash
        self.list = page_component("admin/corpus", element_id="admin-corpus", events=("ask",))

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the handlers."""
        self.list.ask(self._on_ask, None, self.list, trigger_mode="multiple", **QUIET)
        for opened in (demo.load, tab.select):
            opened(self._on_load, None, self.list, **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]]:
        return {
            "list": self._list,
            "progress": self._progress,
            "preview": self._preview,
            "extent": self._extent,
            "delete": self._delete,
            "restore": self._restore,
            "overlaps": self._overlaps,
            "make_vectors": self._make_vectors,
            "stop_vectors": self._stop_vectors,
            "delete_vectors": self._delete_vectors,
        }

    async def _on_load(self) -> dict[str, Any]:
        return await self._shown(0, {})

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        asked = event._data
        try:
            reply = await self._answers[str(asked["action"])](asked)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply = {"error": message_of(exc)}
        return await self._shown(int(asked["number"]), reply)

    async def _shown(self, number: int, reply: Reply) -> dict[str, Any]:
        """The current list with a reply."""
        try:
            corpora, facts = await self._corpora.all(), await self._corpora.fact_count()
            made = await self._vectors.of(corpora)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"number": number, "reply": {"error": message_of(exc)}}
        vectors = VectorsShown(self._vectors.model, made, self._vectors.making())
        return corpora_value(corpora, facts, vectors) | {"number": number, "reply": reply}

    async def _list(self, _: Mapping[str, Any]) -> Reply:
        return {}

    async def _progress(self, _: Mapping[str, Any]) -> Reply:
        running = self._corpora.running()
        return {"progress": "; ".join(f"{each.name}: {counted(each.passages, 'passage')} stored" for each in running)}

    async def _preview(self, asked: Mapping[str, Any]) -> Reply:
        corpus_id, text = str(asked["id"]), str(asked.get("text") or "")[:_MAX_SEARCH_CHARACTERS]
        offset = min(max(0, int(asked.get("offset") or 0)), _MAX_OFFSET)
        corpus = await self._corpus(corpus_id)
        found = await self._corpora.preview(corpus_id, limit=PREVIEW_PAGE + 1, offset=offset, text=text)
        return {"preview": preview_value(corpus, found, text=text, offset=offset)}

    async def _extent(self, asked: Mapping[str, Any]) -> Reply:
        extent = await self._trash.extent(TrashKind.CORPUS, str(asked["id"]))
        return {"extent": extent_text(extent, self._trash.days)}

    async def _delete(self, asked: Mapping[str, Any]) -> Reply:
        deletion = await self._corpora.delete(str(asked["id"]))
        said = f"{deletion.name} moved to the trash."
        return {"deleted": {"id": deletion.subject_id, "deletion": deletion.id, "said": said}}

    async def _restore(self, asked: Mapping[str, Any]) -> Reply:
        restored = await self._trash.restore(str(asked["deletion"]))
        return {"restored": f"{restored.name} is back."}

    async def _overlaps(self, asked: Mapping[str, Any]) -> Reply:
        if not await self._sets.all():
            return {
                "overlaps": [],
                "no_overlap": "There are no question sets yet. Import one on the Question sets tab.",
            }
        found = overlaps_value(await self._corpora.overlaps(str(asked["id"])))
        return {"overlaps": found, "no_overlap": "This corpus contains no questions of any set."}

    async def _make_vectors(self, asked: Mapping[str, Any]) -> Reply:
        self._vectors.start(await self._corpus(str(asked["id"])))
        return {}

    async def _stop_vectors(self, asked: Mapping[str, Any]) -> Reply:
        self._vectors.stop(str(asked["id"]))
        return {}

    async def _delete_vectors(self, asked: Mapping[str, Any]) -> Reply:
        await self._vectors.forget(await self._corpus(str(asked["id"])))
        return {}

    async def _corpus(self, corpus_id: str) -> Corpus:
        """The newest version with this id; raises RecordNotFound."""
        corpus = next((each for each in await self._corpora.all() if each.id == corpus_id), None)
        if corpus is None:
            raise not_found("corpus", corpus_id)
        return corpus
