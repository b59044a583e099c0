"""The History of the Probe page."""

from collections.abc import Awaitable, Sequence
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.ui.probe.history_view import (
    ORDER_CHOICES,
    STATE_CHOICES,
    VERDICT_CHOICES,
    history_value,
    running_filter,
    trace_filter,
)
from m1app.ui.probe.policy_run import run_of
from m1app.ui.shell.events import Updates
from m1app.ui.shell.run_history import NamedRunHistory
from storage.naming import Naming
from storage.traces.listing import RunOrder
from storage.traces.records import Trace


class TraceHistory(NamedRunHistory[Trace]):
    """Traces, found by their words, state, verdict and model."""

    def __init__(self, services: Services, strip: gr.HTML) -> None:
        super().__init__(services, strip, "probe/history", "history", "open_trace")

    def _build_controls(self) -> Sequence[Any]:
        search = gr.Textbox(
            label="Search",
            placeholder="Words in the question, thinking, answer, name or tags",
            scale=3,
            elem_id="search",
        )
        state = gr.Dropdown(STATE_CHOICES, value="", label="State", min_width=120)
        verdict = gr.Dropdown(VERDICT_CHOICES, value="", label="Verdict", min_width=120)
        self._model = gr.Dropdown([("Any model", "")], value="", label="Model", min_width=160)
        order = gr.Dropdown(
            ORDER_CHOICES, value=RunOrder.NEWEST.value, label="Order", min_width=140, elem_id="history-order"
        )
        return search, state, verdict, self._model, order

    async def _read(self, values: Sequence[Any], limit: int) -> tuple[dict[str, Any], bool]:
        text, state, verdict, model, order = values
        wanted = trace_filter(text, state, verdict, model)
        probe = self._services.probe
        of_running = running_filter(wanted)
        running = await probe.running_now(of_running) if of_running else ()
        page = await probe.history(wanted, limit, order=RunOrder(order or RunOrder.NEWEST))
        return history_value(page, bool(text or state or verdict or model), running), page.has_more

    async def _choices(self) -> Updates:
        names = await self._services.probe.models()
        return {self._model: gr.update(choices=[("Any model", ""), *((name, name) for name in names)])}

    async def _record(self, run_id: str) -> Trace:
        return await self._services.probe.get(run_id)

    async def _strip_value(self, run_id: str) -> dict[str, Any]:
        # A run of strategies has no name.
        return {} if run_of(run_id) else await super()._strip_value(run_id)

    def _is_kept(self, run_id: str) -> bool:
        return self._services.probe.is_kept(run_id)

    def _discard(self, run_id: str) -> Awaitable[Any]:
        return self._services.trash.discard_trace(run_id)

    async def _set_naming(self, run_id: str, naming: Naming) -> None:
        await self._services.probe.set_naming(run_id, naming)
