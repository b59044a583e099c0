"""What the pages' event handlers share."""

from typing import Any

import gradio as gr

Updates = dict[gr.components.Component, Any]
"""What a handler changes: component to its update."""

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Options of an event that shows no progress of Gradio's and is no API."""
