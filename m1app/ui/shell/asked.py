"""Pages that ask the app by name: an action and its values go up, and a reply comes down."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from m1app.ui.shell.boundary import message_of

Values = Mapping[str, Any]
Reply = dict[str, Any]


def refusal(error: Exception) -> Reply:
    """The reply that an action was refused."""
    return {"error": message_of(error)}


async def answer(
    event: gr.EventData,
    actions: Mapping[str, Callable[[Values], Awaitable[Reply]]],
    refused: Callable[[Exception], Reply] = refusal,
) -> dict[str, Any]:
    """The value of a page component that has asked.

    Args:
        event: has "number" of the question, "action" and "values".
        actions: what answers, by the action's name.
        refused: makes the reply of an error.
    """
    asked = event._data
    try:
        reply = await actions[asked["action"]](asked["values"])
    except Exception as exc:  # noqa: BLE001 - the UI boundary
        reply = refused(exc)
    # As text: Gradio's page code watches every part of a value, which is slow for long tables.
    return {"number": int(asked["number"]), "reply": json.dumps(reply, ensure_ascii=False, allow_nan=False)}
