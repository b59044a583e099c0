"""Error places of an Admin form: a hidden one next to each group of fields."""

import json
from collections.abc import Sequence
from typing import Any

import gradio as gr

from m1app.ui.shell.events import QUIET, Updates
from m1app.ui.shell.page_component import escaped

_PROBLEM = '<span class="m1-problem" role="alert">{}</span>'


class ProblemPlaces:
    """Error places of one form."""

    def __init__(self, form: str = "") -> None:
        """Args:
        form: prefix of the places' ids; empty for the benchmark form.
        """
        self._prefix = f"admin-problem-{form}-" if form else "admin-problem-"
        self._places: dict[str, gr.HTML] = {}

    def add(self, name: str) -> None:
        """Add a place here."""
        self._places[name] = gr.HTML("", visible=False, elem_id=self._prefix + name, apply_default_css=False)

    @property
    def components(self) -> list[gr.components.Component]:
        """Outputs of a handler that shows problems."""
        return list(self._places.values())

    def element_of(self, place: str) -> str:
        """Id of a place's element; empty if there is no such place."""
        return self._prefix + place if place in self._places else ""

    def show(self, place: str, message: str) -> Updates:
        """Show the message at `place` and clear all others; an empty place clears all."""
        return {
            spot: gr.update(visible=name == place, value=_PROBLEM.format(escaped(message)) if name == place else "")
            for name, spot in self._places.items()
        }


def clear_when_changed(inputs: Sequence[Any], cleared: Updates) -> None:
    """What was said of the form is taken back as soon as a field changes.

    The page does it: a handler's reply could come after that of a button pressed meanwhile, and take that back.
    """
    code = f"() => {json.dumps(list(cleared.values()))}"
    gr.on([field.change for field in inputs], None, None, list(cleared), js=code, **QUIET)
