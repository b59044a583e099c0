"""Shared by the pages' event handlers."""

from typing import Any

import gradio as gr

Updates = dict[gr.components.Component, Any]
"""Updates from a handler, by component."""

QUIET: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""Event options: no Gradio progress display, not part of the API."""
