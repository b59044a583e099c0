"""The exchange in a row of chat messages: a question, the thinking and the answer.

A sample is one question and its answer, and the profile writes the prompt as the app asks it. So a system message is
left out, and of several turns, the first exchange is taken: it is the only one that can be understood without the
others. Both are counted and reported.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from m1app.question_sets.row_values import Row, RowProblem, unexpected, unpacked
from m1app.training.thinking_in_text import take_apart

_ROLES = {
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
}
_REASONING = ("reasoning_content", "reasoning", "thinking")
SYSTEM, TURNS = "system messages", "further turns"
"""What is left out of a conversation."""


@dataclass(frozen=True, slots=True)
class MessageForm:
    """How a layout writes its messages."""

    column: str
    role: str
    text: str


OPENAI = MessageForm("messages", "role", "content")
SHAREGPT = MessageForm("conversations", "from", "value")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question and its answer."""

    question: str
    reasoning: str
    answer: str


def first_exchange(row: Row, form: MessageForm) -> Exchange:
    """The first question of a conversation with its answer; raises RowProblem if there is none."""
    messages = [each for each in _messages(row, form) if _role(each, form) != "system"]
    roles = [_role(each, form) for each in messages[:2]]
    if roles != ["user", "assistant"]:
        found = " and ".join(str(each.get(form.role))[:20] for each in messages[:2]) or "no message"
        raise RowProblem(f"column {form.column}: found {found}, expected a question of the user and its answer first")
    question, answer = messages[0], messages[1]
    if answer.get("tool_calls"):
        raise RowProblem(f"column {form.column}: found a tool call, expected an answer in words")
    given = next((text for name in _REASONING if isinstance(text := answer.get(name), str) and text.strip()), "")
    text = _text(answer, form)
    thinking, said = (given, text) if given else take_apart(text)
    return Exchange(_text(question, form), thinking, said)


def left_out_of(row: Row, form: MessageForm) -> tuple[str, ...]:
    """What `first_exchange` leaves out: a system message, further turns."""
    roles = [_role(each, form) for each in _messages(row, form)]
    has_system = "system" in roles or bool(str(row.get("system") or "").strip())
    return (*([SYSTEM] if has_system else []), *([TURNS] if roles.count("user") > 1 else []))


def _messages(row: Row, form: MessageForm) -> Sequence[Mapping[str, Any]]:
    found = unpacked(row.get(form.column), form.column)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise unexpected(form.column, found, f"a list of messages, each with {form.role} and {form.text}")
    return found


def _role(message: Mapping[str, Any], form: MessageForm) -> str:
    return _ROLES.get(str(message.get(form.role)).casefold(), "another")


def _text(message: Mapping[str, Any], form: MessageForm) -> str:
    """A message's text; as a list, all of its parts must be texts."""
    content = message.get(form.text)
    if isinstance(content, list):
        found = [each.get("text") if isinstance(each, Mapping) else each for each in content]
        parts = [each for each in found if isinstance(each, str)]
        if len(parts) < len(found):
            raise unexpected(form.column, content, "messages of text only")
        content = "\n".join(parts)
    if not isinstance(content, str) or not content.strip():
        raise unexpected(form.column, content, f"text in {form.text} of the question and the answer")
    return content
