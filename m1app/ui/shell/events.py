"""Shared by the pages' event handlers."""

from collections.abc import Awaitable, Callable
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


def with_query(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Wrap a handler that takes the address's query, then the components' values."""

    async def wrapped(request: gr.Request, *values: Any) -> Any:
        return await handler({name: str(text) for name, text in request.query_params.items()}, *values)

    return wrapped
