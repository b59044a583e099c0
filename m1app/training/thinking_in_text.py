"""Answers with their thinking in the same text, as models write it: taken apart into both."""

import re

from m1app.question_sets.row_values import RowProblem

_TAGGED = re.compile(r"\s*<(?P<tag>think|thinking|thought)>(?P<thinking>.*?)</(?P=tag)>(?P<answer>.*)", re.DOTALL)
_OPENED = re.compile(r"\s*<(?:think|thinking|thought)>")
_CLOSED = re.compile(r"</(?:think|thinking|thought)>")
_HEADINGS = re.compile(
    r"\s*##\s*Thinking\s*\n(?P<thinking>.*?)\n\s*##\s*Final (?:Response|Answer)\s*\n(?P<answer>.*)", re.DOTALL
)
"""As HuatuoGPT-o1 and MedReason are trained."""
_WRAPPED = re.compile(r"<answer>(.*)</answer>", re.DOTALL)


def take_apart(text: str) -> tuple[str, str]:
    """The thinking and the answer in a text; no thinking if the text has none.

    Raises:
        RowProblem: the thinking begins and does not end.
    """
    found = _TAGGED.fullmatch(text) or _HEADINGS.fullmatch(text)
    if found:
        return found["thinking"].strip(), _unwrapped(found["answer"])
    if _OPENED.match(text):
        raise RowProblem("found thinking that begins with <think> and has no end, expected </think> before the answer")
    # Chat templates of DeepSeek-R1 and QwQ put <think> into the prompt, so the text begins within it.
    thinking, *rest = _CLOSED.split(text, maxsplit=1)
    return (thinking.strip(), _unwrapped(rest[0])) if rest else ("", _unwrapped(text))


def _unwrapped(answer: str) -> str:
    answer = answer.strip()
    found = _WRAPPED.fullmatch(answer)
    return found[1].strip() if found else answer
