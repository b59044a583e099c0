"""The button that runs a question although it may identify a person, shown once that was said."""

from collections.abc import Iterable

import gradio as gr

from m1app.privacy.errors import IdentifiersFound


def run_anyway_button(element_id: str) -> gr.Button:
    """The button, hidden until a question is refused."""
    return gr.Button("Run anyway", visible=False, elem_id=element_id, min_width=90)


def may_run_anyway(error: Exception) -> bool:
    """Whether the button is shown with an error."""
    return isinstance(error, IdentifiersFound) and error.may_run_anyway


def hide_once_edited(button: gr.Button, boxes: Iterable[gr.Textbox | gr.Dropdown]) -> None:
    """Hide the button when one of `boxes` is edited: what was refused is no longer what it would run."""
    # In the page alone: the next run takes the button out of the page before it may show it anew.
    hide = f"() => {{ document.getElementById('{button.elem_id}')?.style.setProperty('display', 'none'); }}"
    for box in boxes:
        box.change(None, box, None, js=hide, queue=False)
