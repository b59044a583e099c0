"""Shared by the pages' event handlers."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import gradio as gr

Updates = dict[gr.components.Component, Any]
"""Updates from a handler, by component."""

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Event options: no Gradio progress display, not part of the API."""

STREAMED: dict[str, Any] = {**QUIET, "postprocess": False}
"""Options of a handler that streams values of page components, which are sent as they are.

Otherwise Gradio passes every frame to a thread that returns it unchanged.
"""

_ENABLED_JS = "() => ({ __type__: 'update', interactive: true })"


def enable_after(event: Any, button: gr.Button) -> None:
    """Enable `button`, which `event`'s handler disables, when the event has ended.

    A handler must not do that itself: Gradio drops a click whose last event has not ended in the page, and the update
    that enables the button gets there before the event's end.
    """
    event.then(None, None, button, js=_ENABLED_JS, trigger_mode="multiple", **QUIET)


def after_changes(changes: Sequence[Any], handler: Callable[..., Any], inputs: Any, outputs: Any) -> None:
    """Let what is shown follow a form: at any of these events the handler is called with the newest values.

    One call at a time, and again if something changed meanwhile. With a call for each field, the reply to an earlier
    change could come last, and stay.
    """
    gr.on(list(changes), handler, inputs, outputs, trigger_mode="always_last", **QUIET)


def with_query(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Wrap a handler that takes the address's query, then the components' values."""

    async def wrapped(request: gr.Request, *values: Any) -> Any:
        return await handler({name: str(text) for name, text in request.query_params.items()}, *values)

    return wrapped


def told_anew(problem: str, **more: Any) -> dict[str, Any]:
    """A reply that differs from the one before: Gradio does not tell a page of an equal value."""
    return {"problem": problem, "at": time.monotonic(), **more}
