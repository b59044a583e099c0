"""The History of a page: a list that is searched, filtered and sorted, with what runs now on top.

There and in a strip beside the run that is shown, runs are deleted, and where they can have a name, named and tagged.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import Any, Generic, TypeVar

import gradio as gr

from m1app.bootstrap import Services
from m1app.runs.naming import may_change, typed_naming
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.deletions import Notice, discarded, restored
from m1app.ui.shell.events import QUIET, Updates, after_changes
from m1app.ui.shell.page_component import page_component
from storage.naming import Naming
from storage.strategies.records import StrategyRun
from storage.sweeps.records import Sweep
from storage.traces.listing import MAX_PAGE_SIZE, RunOrder
from storage.traces.records import Trace

PAGE_SIZE = 25

ORDER_CHOICES = [
    ("Newest first", RunOrder.NEWEST.value),
    ("Oldest first", RunOrder.OLDEST.value),
    ("Name or question", RunOrder.NAME.value),
    ("Model", RunOrder.MODEL.value),
]
RunT = TypeVar("RunT", Trace, Sweep, StrategyRun)
NamedT = TypeVar("NamedT", Trace, Sweep)
_ACTIONS = ("rename", "discard", "restore")


def run_strip(element_id: str) -> gr.HTML:
    """A strip with name, tags and deletion of the run that a page shows."""
    return page_component("shell/run_strip", element_id=element_id, events=_ACTIONS)


class RunHistory(ABC, Generic[RunT]):
    """Builds the list into the open Blocks and holds its handlers."""

    def __init__(self, services: Services, strip: gr.HTML, name: str, element_id: str, open_event: str) -> None:
        """Args:
        services: the app's services.
        strip: from `run_strip`, where the run is shown.
        name: of the list's page code.
        element_id: of the list.
        open_event: triggered by a click on a row.
        """
        self._services = services
        self._strip = strip
        gr.HTML("<h2>History</h2>", elem_classes="m1-history-heading", apply_default_css=False)
        with gr.Row(elem_classes="m1-history-controls"):
            self._controls = self._build_controls()
        self.list = page_component(name, element_id=element_id, events=(open_event, *_ACTIONS, "refresh"))
        self._shown = gr.State(PAGE_SIZE)
        self._more = gr.Button("Show more", visible=False, elem_id=self._more_id)

    _more_id = "more"

    @abstractmethod
    def _build_controls(self) -> Sequence[Any]:
        """Build the controls: first the search, then filters and order."""

    @abstractmethod
    async def _read(self, values: Sequence[Any], limit: int) -> tuple[dict[str, Any], bool]:
        """The list's value for the controls' values, and whether there is more than `limit`."""

    @abstractmethod
    async def _record(self, run_id: str) -> RunT:
        """The run; may raise what the service raises."""

    @abstractmethod
    def _discard(self, run_id: str) -> Awaitable[Any]:
        """Delete a run."""

    def _named(self, record: RunT) -> dict[str, Any]:
        """What the strip shows of a run's name; empty for one that is not stored, and so cannot be deleted either."""
        return {"id": record.id}

    async def _choices(self) -> Updates:
        """Updates of the controls' choices."""
        return {}

    @property
    def inputs(self) -> list[gr.components.Component]:
        """What `updates` needs the values of."""
        return [*self._controls, self._shown]

    @property
    def outputs(self) -> list[gr.components.Component]:
        """What `updates` updates."""
        return [self.list, self._more, self._shown, *self._controls[1:]]

    def wire(self, run_id: gr.State) -> None:
        """Args:
        run_id: id of the run that is shown; empty for none.
        """
        search, *choices = self._controls
        changes = [search.change, *(each.input for each in choices)]
        after_changes(changes, self._on_search, self.inputs, self.outputs)
        self._more.click(self._on_more, self.inputs, self.outputs, **QUIET)
        self.list.refresh(self._on_refresh, self.inputs, [self.list, self._more], **QUIET)
        for place in (self.list, self._strip):
            place.discard(self._on_discard, **self._changed(run_id))
            place.restore(self._on_restore, **self._changed(run_id))

    def _changed(self, run_id: gr.State) -> dict[str, Any]:
        """Options of a handler that changes a run."""
        return {
            "inputs": [run_id, *self.inputs],
            "outputs": [self._strip, *self.outputs],
            "trigger_mode": "multiple",
            **QUIET,
        }

    def show_strip(self, event: Any, run_id: gr.State) -> None:
        """After `event`, show the strip of the run."""
        event.then(self._on_shown, run_id, self._strip, **QUIET)

    async def updates(self, *values: Any) -> Updates:
        """The list for the values of `inputs`; the first ones if there are none."""
        listed = values or (*(None for _ in self._controls), PAGE_SIZE)
        return await self._listed(listed) | {self._shown: listed[-1]} | await self._choices()

    async def _listed(self, values: Sequence[Any]) -> Updates:
        *chosen, limit = values
        value, has_more = await self._read(chosen, limit)
        return {self.list: value, self._more: gr.update(visible=has_more and limit < MAX_PAGE_SIZE)}

    async def _on_search(self, *values: Any) -> Updates:
        return await self.updates(*values[:-1], PAGE_SIZE)

    async def _on_more(self, *values: Any) -> Updates:
        return await self.updates(*values[:-1], values[-1] + PAGE_SIZE)

    async def _on_refresh(self, *values: Any) -> Updates:
        try:
            return await self._listed(values)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self.list: {"notice": message_of(exc)}}

    async def _on_shown(self, run_id: str) -> Any:
        return await self._strip_value(run_id)

    async def _on_discard(self, event: gr.EventData, run_id: str, *values: Any) -> Updates:
        gone = str(event.id)
        return await self._after(event, discarded(self._discard(gone)), run_id, values, gone=gone)

    async def _on_restore(self, event: gr.EventData, run_id: str, *values: Any) -> Updates:
        work = restored(self._services.trash.restore(str(event.id)))
        return await self._after(event, work, run_id, values)

    async def _after(
        self, event: gr.EventData, work: Awaitable[Notice], run_id: str, values: Sequence[Any], gone: str = ""
    ) -> Updates:
        """The list and the strip after a change; the notice is where the change was asked for."""
        notice = await work
        updates = await self.updates(*values)
        is_gone = bool(notice["undo"]) and gone == run_id
        strip = {"id": run_id, "is_deleted": True} if is_gone else await self._strip_value(run_id)
        is_in_list = event.target is self.list
        updates[self.list] |= notice if is_in_list else {}
        return updates | {self._strip: strip | ({} if is_in_list else notice)}

    async def _strip_value(self, run_id: str) -> dict[str, Any]:
        if not run_id:
            return {}
        try:
            record = await self._record(run_id)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"id": "", "notice": message_of(exc)}
        asked = record.question
        named = self._named(record) | {"may_change": may_change(record.asked_by)}
        printed = {"question": asked.stem, "options": [f"{letter}. {text}" for letter, text in asked.options.items()]}
        return named | printed | {"target": asked.target or ""}


class NamedRunHistory(RunHistory[NamedT]):
    """A History whose runs can have a name and tags."""

    @abstractmethod
    async def _set_naming(self, run_id: str, naming: Naming) -> None:
        """Name and tag a run."""

    def _is_kept(self, run_id: str) -> bool:
        """Whether a run is stored, and so can have a name."""
        return True

    def wire(self, run_id: gr.State) -> None:
        """See `RunHistory.wire`."""
        super().wire(run_id)
        for place in (self.list, self._strip):
            place.rename(self._on_rename, **self._changed(run_id))

    def _named(self, record: NamedT) -> dict[str, Any]:
        is_kept = self._is_kept(record.id)
        return {"id": record.id, "name": record.name, "tags": list(record.tags)} if is_kept else {}

    async def _on_rename(self, event: gr.EventData, run_id: str, *values: Any) -> Updates:
        work = _told(self._renamed(str(event.id), str(event.name), str(event.tags)))
        return await self._after(event, work, run_id, values)

    async def _renamed(self, run_id: str, name: str, tags: str) -> None:
        await self._set_naming(run_id, typed_naming(name, tags))


async def _told(work: Awaitable[None]) -> Notice:
    try:
        await work
    except Exception as exc:  # noqa: BLE001 - the UI boundary
        return {"notice": message_of(exc), "undo": ""}
    return {"notice": "", "undo": ""}
