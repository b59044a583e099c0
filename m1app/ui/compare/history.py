"""The History of the Compare page."""

from collections.abc import Awaitable, Sequence
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.ui.compare.history_view import history_value
from m1app.ui.shell.run_history import ORDER_CHOICES, NamedRunHistory
from storage.naming import Naming
from storage.sweeps.records import Sweep
from storage.traces.listing import RunOrder


class SweepHistory(NamedRunHistory[Sweep]):
    """Sweeps, found by their words."""

    _more_id = "compare-more"

    def __init__(self, services: Services, strip: gr.HTML) -> None:
        super().__init__(services, strip, "compare/history", "sweep-history", "open_sweep")

    def _build_controls(self) -> Sequence[Any]:
        search = gr.Textbox(
            label="Search", placeholder="Words in the question, name or tags", scale=3, elem_id="compare-search"
        )
        order = gr.Dropdown(
            ORDER_CHOICES, value=RunOrder.NEWEST.value, label="Order", min_width=140, elem_id="compare-order"
        )
        return search, order

    async def _read(self, values: Sequence[Any], limit: int) -> tuple[dict[str, Any], bool]:
        text, order = values
        sweeps = self._services.sweeps
        running = await sweeps.running_now(text or "")
        found = await sweeps.recent(limit + 1, text or "", is_running=False, order=RunOrder(order or RunOrder.NEWEST))
        return history_value(found[:limit], bool((text or "").strip()), running), len(found) > limit

    async def _record(self, run_id: str) -> Sweep:
        return (await self._services.sweeps.get(run_id)).sweep

    def _discard(self, run_id: str) -> Awaitable[Any]:
        return self._services.trash.discard_sweep(run_id)

    async def _set_naming(self, run_id: str, naming: Naming) -> None:
        await self._services.sweeps.set_naming(run_id, naming)
