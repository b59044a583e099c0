"""The Thinking page: a stored thinking is edited and gone on with as a branch, and its sentences are resampled."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.privacy.errors import IdentifiersFound
from m1app.runs.branches import BranchRequest, Editable
from m1app.runs.errors import BranchRefused, ProbeRefused
from m1app.runs.probe_request import MAX_SEED
from m1app.ui.probe.branch_tree_view import tree_value
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, STREAMED, Updates, told_anew
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import page_component
from m1app.ui.thinking.sentences_view import resampled_value, sentences_value
from m1app.ui.thinking.thinking_view import editor_value


class ThinkingPage:
    """Builds the page into the open Blocks and holds its handlers."""

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        self._services = services
        self._branches = services.branches
        self._resampling = services.resampling
        header = PageHeader(services)
        self._editor = page_component("thinking/editor", element_id="thinking-editor", events=("start",))
        self._sentences = page_component("thinking/sentences", element_id="thinking-sentences", events=("resample",))
        self._resampled = page_component(
            "thinking/resampled", element_id="thinking-resampled", events=("stop", "resume")
        )
        self._case_id = gr.State("")
        self._tree = page_component("probe/branch_tree", element_id="branch-tree")
        shown = [self._editor, self._sentences, self._tree, self._case_id]
        loaded = demo.load(self._on_load, None, shown, **QUIET)
        began = self._sentences.resample(self._on_resample, None, self._sentences, **QUIET)
        resumed = self._resampled.resume(self._on_resume, None, self._resampled, **QUIET)
        for event in (loaded, began, resumed):
            event.then(self._follow, self._case_id, self._resampled, **STREAMED)
        self._resampled.stop(self._on_stop, None, self._resampled, **QUIET)
        self._editor.start(self._on_start, None, self._editor, **QUIET)
        # The header offers the served models to a form; this page has none.
        header.wire(demo.load, gr.Dropdown([], visible=False))

    async def _on_load(self, request: gr.Request) -> Updates:
        asked = {name: str(value) for name, value in request.query_params.items()}
        if not asked.get("case"):
            return {self._editor: editor_value(None)}
        try:
            found = await self._editable(asked)
            self._services.access.audit.saw("trace.open", found.case.trace_id)
            tree = await self._branches.tree(found.case.trace_id)
            shown = tree_value(tree, found.case.trace_id, await self._branches.origin(tree))
            changes = await self._branches.sentences(found)
            return {
                self._editor: editor_value(found, changes=changes),
                self._sentences: sentences_value(found, changes),
                self._tree: shown,
                self._case_id: found.case.id,
            }
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self._editor: editor_value(None, message_of(exc))}

    async def _editable(self, asked: Mapping[str, str]) -> Editable:
        if asked.get("part") == "answer":
            raise BranchRefused(
                "stretch",
                "This text is in the answer, after the thinking has ended. Edit the thinking instead, and the model "
                "answers again.",
            )
        start, end = (_place(asked.get(name, "")) for name in ("from", "to"))
        return await self._branches.editable(asked["case"], start, end)

    async def _on_start(self, event: gr.EventData) -> Any:
        given = event._data
        try:
            trace = await self._branches.start(_request(given), allows_identifiers=bool(given.get("anyway")))
        except IdentifiersFound as exc:
            return told_anew(str(exc), may_run_anyway=exc.may_run_anyway)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return told_anew(message_of(exc), field=exc.field if isinstance(exc, ProbeRefused) else "")
        return {"started": trace.id}

    async def _on_resample(self, event: gr.EventData) -> Any:
        try:
            given = event._data
            place = (int(given["start"]), int(given["end"]), int(given["seeds"]))
            # The question was sent before, as it is.
            await self._resampling.start(str(given["case"]), *place, allows_identifiers=True)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return told_anew(message_of(exc))
        return told_anew("")

    async def _on_resume(self, event: gr.EventData) -> Any:
        try:
            await self._resampling.resume(str(event.id))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return told_anew(message_of(exc))
        return gr.skip()

    async def _on_stop(self, event: gr.EventData) -> Any:
        try:
            await self._resampling.stop(str(event.id))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return told_anew(message_of(exc))
        return gr.skip()

    async def _follow(self, case_id: str) -> AsyncGenerator[Any, None]:
        """Show the resamplings of a case until none runs."""
        if not case_id:
            return
        try:
            async with aclosing(self._resampling.follow_case(case_id)) as snapshots:
                async for found in snapshots:
                    yield resampled_value(found)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield resampled_value((), message_of(exc))


def _place(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _request(given: Mapping[str, Any]) -> BranchRequest:
    seed = str(given.get("seed") or "").strip()
    if seed and not (seed.isascii() and seed.isdecimal() and len(seed) < 12):
        raise BranchRefused("seed", f"Seed is {seed[:20]!r}; enter a whole number from 0 to {MAX_SEED:,}, or nothing.")
    return BranchRequest(
        case_id=str(given["case"]),
        start=int(given["start"]),
        end=int(given["end"]),
        text=str(given.get("text") or ""),
        seed=int(seed) if seed else None,
    )
