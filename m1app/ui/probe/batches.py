"""Several questions of one paste on the Probe page: stored as a set, asked at once, and followed."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.runs.probe_request import ProbeRequest
from m1app.ui.probe.batch_view import batch_value
from m1app.ui.probe.form import ProbeForm
from m1app.ui.question.identifier_warning import may_run_anyway
from m1app.ui.question.question_set import ChosenSet, read_chosen, stored_note
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, STREAMED, Updates
from m1app.ui.shell.page_component import page_component
from m1app.wording import counted
from storage.questions.records import NewQuestion

_FRAME_SECONDS = 0.3
_NONE: dict[str, Any] = {"id": ""}


class BatchPart:
    """Builds the progress into the open Blocks and holds the handlers."""

    def __init__(self, services: Services, form: ProbeForm) -> None:
        self._services = services
        self._form = form
        self.shown = page_component(
            "probe/batch", element_id="batch", events=("open_trace", "stop_batch", "go_on", "put_away")
        )
        self._batch_id = gr.State("")

    def wire(self, demo: gr.Blocks, unkept: gr.Checkbox, after: Callable[[Any], Any]) -> None:
        """Connect the handlers.

        Args:
            demo: the page.
            unkept: whether traces are not kept.
            after: called with the event after which all of a batch is in the history.
        """
        preview = self._form.boxes.preview
        asked = preview.ask_set(
            self._on_ask_set, [*self._form.inputs, unkept], [preview, self._batch_id], trigger_mode="once", **QUIET
        )
        loaded = demo.load(self._on_load, None, self._batch_id, **QUIET)
        resumed = self.shown.go_on(self._on_go_on, None, [self.shown, self._batch_id], trigger_mode="once", **QUIET)
        for begun in (asked, loaded, resumed):
            after(begun.then(self._follow, self._batch_id, self.shown, **STREAMED))
        self.shown.stop_batch(self._on_stop, None, self.shown, **QUIET)
        self.shown.put_away(self._on_put_away, None, [self.shown, self._batch_id], **QUIET)

    async def _on_ask_set(self, event: gr.EventData, *values: Any) -> Updates:
        stored = ""
        try:
            *typed, is_unkept = values
            chosen = read_chosen(event._data)
            # In a thread: long questions take a while to read.
            requests = await asyncio.to_thread(self._requests, chosen, typed)
            if chosen.how != "ask":
                stored = await self._store(chosen, requests, is_unkept=bool(is_unkept))
            if chosen.how == "store":
                return {self._form.boxes.preview: _outcome(stored, is_stored=True)}
            batch_id = await self._services.batches.start(
                requests, allows_identifiers=chosen.is_anyway, is_kept=not is_unkept
            )
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            message = " ".join(filter(None, [stored, message_of(exc)]))
            outcome = _outcome(message, is_stored=bool(stored), may_ask_anyway=may_run_anyway(exc))
            return {self._form.boxes.preview: outcome}
        asking = f"Asking {counted(len(requests), 'question')}. Each trace is in the history."
        message = " ".join(filter(None, [stored, asking]))
        outcome = _outcome(message, is_stored=bool(stored), is_asked=True)
        return {self._form.boxes.preview: outcome, self._batch_id: batch_id}

    def _requests(self, chosen: ChosenSet, typed: Sequence[Any]) -> list[ProbeRequest]:
        _, _, _, *settings = typed
        return [self._form.read([*boxes, *settings]) for boxes in chosen.questions]

    async def _store(self, chosen: ChosenSet, requests: Sequence[ProbeRequest], *, is_unkept: bool) -> str:
        if is_unkept:
            raise InvalidQuestionSet("“Do not keep” is chosen, so no set is stored. Turn it off, or only ask.")
        questions = [NewQuestion(stem=each.stem, options=each.options, target=each.target) for each in requests]
        return stored_note(await self._services.question_sets.store_typed(questions, name=chosen.name))

    async def _on_load(self) -> str:
        return await self._services.batches.latest()

    async def _follow(self, batch_id: str) -> AsyncGenerator[Any, None]:
        try:
            while batch_id:
                async for value in self._values(batch_id):
                    yield value
                # Whoever asks more meanwhile, perhaps in another tab, sees these.
                latest = await self._services.batches.latest()
                batch_id = latest if latest != batch_id else ""
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield {"notice": message_of(exc)}

    async def _values(self, batch_id: str) -> AsyncGenerator[dict[str, Any], None]:
        """What is shown of a batch until it is over, or the person has a newer one."""
        batches, is_new = self._services.batches, True
        async with aclosing(batches.follow(batch_id)) as found:
            async for batch in found:
                yield batch_value(batch, is_new=is_new and not batch.is_over)
                is_new = False
                if await batches.latest() != batch_id:
                    return
                await asyncio.sleep(0 if batch.is_over else _FRAME_SECONDS)

    async def _on_stop(self, event: gr.EventData) -> Any:
        # Async, to stay on the runs' event loop.
        try:
            self._services.batches.stop(str(event.id))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"notice": message_of(exc)}
        return gr.skip()

    async def _on_go_on(self, event: gr.EventData) -> Updates:
        batch_id = str(event.id)
        try:
            await self._services.batches.go_on(batch_id)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self.shown: {"notice": message_of(exc)}}
        return {self._batch_id: batch_id}

    async def _on_put_away(self, event: gr.EventData) -> Updates:
        try:
            await self._services.batches.put_away(str(event.id))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self.shown: {"notice": message_of(exc)}}
        return {self.shown: _NONE, self._batch_id: ""}


def _outcome(
    message: str, *, is_stored: bool = False, is_asked: bool = False, may_ask_anyway: bool = False
) -> dict[str, Any]:
    flags = {"is_stored": is_stored, "is_asked": is_asked, "may_ask_anyway": may_ask_anyway}
    return {"outcome": {"message": message, **flags}}
