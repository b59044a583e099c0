"""The History of the Strategies page."""

from collections.abc import Awaitable, Sequence
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.ui.shell.run_history import RunHistory
from m1app.ui.strategies.history_view import history_value
from storage.strategies.records import StrategyRun


class StrategyHistory(RunHistory[StrategyRun]):
    """Runs of strategies, found by the words of their question."""

    _more_id = "strategies-more"

    def __init__(self, services: Services, strip: gr.HTML) -> None:
        super().__init__(services, strip, "strategies/history", "strategies-history", "open_run")

    def _build_controls(self) -> Sequence[Any]:
        return (gr.Textbox(label="Search", placeholder="Words in the question", elem_id="strategies-search"),)

    async def _read(self, values: Sequence[Any], limit: int) -> tuple[dict[str, Any], bool]:
        (text,) = values
        strategies = self._services.strategies
        running = await strategies.running_now(text or "")
        found = await strategies.recent(limit + 1, text or "", is_running=False)
        return history_value(found[:limit], bool((text or "").strip()), running), len(found) > limit

    async def _record(self, run_id: str) -> StrategyRun:
        return (await self._services.strategies.get(run_id)).run

    def _discard(self, run_id: str) -> Awaitable[Any]:
        return self._services.trash.discard_strategy_run(run_id)
