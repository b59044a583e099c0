"""The message of a form that was refused; the page leads to the field that must be changed."""

from collections.abc import Mapping, Sequence
from typing import Any

from m1app.question.errors import InvalidQuestion
from m1app.runs.errors import ProbeRefused
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import Updates
from m1app.ui.shell.page_component import page_component

KEYS_HINT = "Ctrl+Enter runs, Escape stops, Ctrl+Shift+Enter answers now."
"""What the page's keys do (`shell/page.js`)."""
NOTHING_TO_END = (
    "There is no thinking to end: the model is already answering, or this run belongs to another process of the app."
)
Fields = Mapping[str, Sequence[str]]
"""By the field that an error names: ids of the components that may hold it, likeliest first."""


class FormMessage:
    """Says why a form was refused."""

    def __init__(self, element_id: str, fields: Fields | None = None) -> None:
        """Args:
        element_id: id of its element in the page.
        fields: where the form's fields are; None if each refusal says it.
        """
        self.component = page_component("question/form_message", element_id=element_id)
        self._fields = fields or {}

    def cleared(self) -> Updates:
        """Nothing is refused."""
        return {self.component: {"text": ""}}

    def of(self, error: Exception) -> Updates:
        """Say what was refused, and where."""
        return {self.component: message_value(error, self._fields)}

    def at(self, message: str, element_id: str) -> Updates:
        """Lead to the element with this id, which says `message` itself; an empty id is nowhere, so it is said here."""
        return {self.component: {"fields": [element_id]} if element_id else {"text": message}}


def message_value(error: Exception, fields: Fields) -> dict[str, Any]:
    """The message, with the components that the error is about."""
    named = error.field if isinstance(error, ProbeRefused | InvalidQuestion) else ""
    return {"text": message_of(error), "fields": list(fields.get(named, ()))}
