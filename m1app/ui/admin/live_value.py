"""A page component's value that is kept up to date while somebody has the page open."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import gradio as gr

from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.shared_reading import SharedReading

Value = dict[str, Any]


class LiveValue:
    """Reads a value at intervals, once for all tabs, and sends it to those that do not have it yet."""

    def __init__(
        self, component: gr.HTML, read: Callable[[], Awaitable[Value]], *, tick_seconds: float, shared_seconds: float
    ) -> None:
        """Args:
        component: what shows the value.
        read: makes it; what it raises is shown as the value's "broken".
        tick_seconds: between two readings.
        shared_seconds: how long a reading serves every tab; less than `tick_seconds`.
        """
        self._component = component
        self._read = read
        self._tick_seconds = tick_seconds
        self._readings: SharedReading[Value] = SharedReading(shared_seconds)

    def wire(self, *opened: Callable[..., Any]) -> None:
        """Send it on these events, such as a page's load, and at intervals."""
        sent = gr.State("")
        outputs = [self._component, sent]
        for event in (*opened, gr.Timer(self._tick_seconds).tick):
            event(self._on_tick, sent, outputs, **QUIET)

    def forget(self) -> None:
        """Read it anew at the next tick, after a change."""
        self._readings.forget()

    async def _on_tick(self, sent: str) -> tuple[Any, Any]:
        try:
            value = await self._readings.get("", self._read)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            value = {"broken": message_of(exc)}
        text = json.dumps(value, sort_keys=True)
        return (gr.skip(), gr.skip()) if text == sent else (value, text)
