r"""Boxes, tags and JSON fields in which an answer stands: `\boxed{B}`, `<answer>B</answer>`, `{"answer": "B"}`.

Each is replaced by one sign, so that the words around it are read as around a letter: "not \boxed{A}". Thinking between
tags, and the other fields of a JSON object, are blanked. Positions stay what they were.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from m1app.question.answers.rules import AnswerRules

SIGN = "\ue000"
"""Stands for a container in the text that is read."""

_MAX_CONTENT = 2000
_MAX_OPEN = 300
"""Characters of a container that is not closed, because the answer was cut off."""
_BOX = re.compile(r"\\?\\(?:[fc]?box|boxed|framebox)\s{0,3}\{")
_TAG = re.compile(
    r"<(/?)\s{0,3}([A-Za-z_\-\u00c0-\u9fff\uac00-\ud7a3]{1,30})(?:\s[^<>]{0,80})?>|\[(/?)(ANSWER|FINAL ANSWER)\]"
)
_THINKING = frozenset(
    (
        "think",
        "thinking",
        "thought",
        "thoughts",
        "reasoning",
        "reason",
        "scratchpad",
        "analysis",
        "explanation",
        "rationale",
        "reflection",
    )
)
_STRUCK = re.compile(r"~~(?=\S)[^~\n]{1,300}~~")
_STRUCK_LATEX = re.compile(r"\\(?:sout|st|cancel|bcancel|xcancel)\s{0,3}\{")
_STRUCK_TAG = re.compile(
    r"<(?P<name>del|strike|wrong|rejected)\b[^<>]{0,80}>[^<>]{1,2000}</(?P=name)\s{0,3}>", re.IGNORECASE
)
"""Not `<s>`, which begins what some models write."""
_FIELD = re.compile(r"""(?P<quote>\\?["'])(?P<name>[^"'\\\n{}:,]{1,40})(?P=quote)\s{0,9}:\s{0,20}""")
_VALUE = re.compile(
    r"""\\?"(?P<double>(?:[^"\\]|\\[^"]|\\"(?!\s{0,9}[,}\]])){0,2000})(?:\\?"|$)|\\?'(?P<single>(?:[^'\\]|\\.){0,2000})'"""
    r"""|\[(?P<list>[^\[\]]{0,300})\]|\{(?P<object>[^{}]{0,600})\}|(?P<bare>[^\s,{}\[\]"'][^,{}\[\]\n"']{0,60})""",
    re.DOTALL,
)

_DENIED = re.compile(
    r"""[^{}]{0,200}?["'](?:(?:is_?)?(?:correct|right|valid)["']\s{0,3}:\s{0,3}(?:false|0)\b"""
    r"""|(?:status|verdict)["']\s{0,3}:\s{0,3}["'](?:rejected|wrong|incorrect|discarded)\b)""",
    re.IGNORECASE,
)
"""Behind a field of the same object."""


@dataclass(frozen=True, slots=True)
class Container:
    """A box, tag or field with its content; positions count code points."""

    kind: str
    """"box", "tag" or "field"."""
    start: int
    end: int
    content_start: int
    content_end: int


def find_containers(text: str, rules: AnswerRules) -> tuple[str, list[Container]]:
    """The text with a sign for each container, and the containers in order."""
    text, tags = _read_tags(_without_struck(text), rules)
    every = [*_find_boxes(text), *tags, *_find_fields(text, rules)]
    found = _outermost([each for each in every if text[each.content_start : each.content_end].strip()])
    masked = list(text)
    for start, end in _objects_of(text, found):
        masked[start:end] = [c if c == "\n" else " " for c in text[start:end]]
    for each in found:
        masked[each.start : each.end] = SIGN + " " * (each.end - each.start - 1)
    return "".join(masked), found


def _without_struck(text: str) -> str:
    """The text without what is struck out in Markdown, HTML or LaTeX."""
    closing = _closing_braces(text) if _STRUCK_LATEX.search(text) else {}
    spans = [found.span() for pattern in (_STRUCK, _STRUCK_TAG) for found in pattern.finditer(text)]
    for found in _STRUCK_LATEX.finditer(text):
        end = closing.get(found.end() - 1, -1)
        if 0 < end - found.end() <= _MAX_CONTENT:
            spans.append((found.start(), end + 1))
    return _blanked(text, spans)


def _outermost(containers: list[Container]) -> list[Container]:
    found: list[Container] = []
    for each in sorted(containers, key=lambda each: (each.start, -each.end)):
        if not found or each.start >= found[-1].end:
            found.append(each)
    return found


def _find_boxes(text: str) -> Iterator[Container]:
    closing, last = _closing_braces(text), len(text.rstrip())
    for opened in _BOX.finditer(text):
        start = opened.end()
        end = closing.get(start - 1)
        if end is None or end - start > _MAX_CONTENT:
            line_end = text.find("\n", start, start + _MAX_OPEN)
            cut = min(len(text), start + _MAX_OPEN) if line_end < 0 else line_end
            if end is None and cut >= last and _BOX.search(text, start) is None:
                yield Container("box", opened.start(), cut, start, cut)
            continue
        yield Container("box", opened.start(), end + 1, start, end)


def _closing_braces(text: str) -> dict[int, int]:
    """The closing brace of each opening one."""
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for found in re.finditer(r"\\[{}]|[{}]", text):
        if found[0] == "{":
            opened.append(found.start())
        elif found[0] == "}" and opened:
            pairs[opened.pop()] = found.start()
    return pairs


def _read_tags(text: str, rules: AnswerRules) -> tuple[str, list[Container]]:
    """The text without thinking, and the tags that hold an answer."""
    tags = [
        (found.start(), found.end(), bool(found[1] or found[3]), (found[2] or found[4]).lower())
        for found in _TAG.finditer(text)
    ]
    closing: dict[str, list[int]] = {}
    for number, (_, _, is_closing, name) in enumerate(tags):
        if is_closing:
            closing.setdefault(name, []).append(number)
    last = len(text.rstrip())
    found: list[Container] = []
    blank: list[tuple[int, int]] = []
    for number, (start, end, is_closing, name) in enumerate(tags):
        ends = closing.get(name, [])
        place = bisect_left(ends, number)
        close = tags[ends[place]] if place < len(ends) else None
        if name in _THINKING:
            if not is_closing:
                blank.append((start, close[1] if close else len(text)))
            elif name in ("think", "thinking") and not found:
                blank.append((0, end))
        elif not is_closing and rules.is_answer_field(name.replace("-", "_")):
            content_end = close[0] if close else min(len(text), end + _MAX_OPEN)
            if content_end - end <= _MAX_CONTENT and (close or content_end >= last):
                found.append(Container("tag", start, close[1] if close else content_end, end, content_end))
        elif is_closing and rules.is_answer_field(name.replace("-", "_")):
            blank.append((start, end))
    return _blanked(text, blank), [each for each in found if not any(s <= each.start < e for s, e in blank[:50])]


def _blanked(text: str, spans: list[tuple[int, int]]) -> str:
    if not spans:
        return text
    parts, last = [], 0
    for start, end in sorted(spans):
        if end > last:
            parts.append(text[last : max(start, last)])
            parts.append(re.sub(r"[^\n]", " ", text[max(start, last) : end]))
            last = end
    return "".join([*parts, text[last:]])


def _find_fields(text: str, rules: AnswerRules) -> Iterator[Container]:
    place = 0
    while name := _FIELD.search(text, place):
        place = name.end()
        if not rules.is_answer_field(name["name"]):
            continue
        value = _VALUE.match(text, place)
        if value is None or value.lastgroup is None or value["bare"] in ("null", "None"):
            continue
        if _DENIED.match(text, value.end()):
            place = value.end()
            continue
        start, end = value.span(value.lastgroup)
        yield Container("field", name.start(), value.end(), start, end)
        place = value.end()


def _objects_of(text: str, found: list[Container]) -> Iterator[tuple[int, int]]:
    """The JSON objects with fields, from brace to brace."""
    clean = _blanked(text, [(each.start, each.end) for each in found if each.kind == "box"])
    closing = _closing_braces(clean)
    covered = 0
    for field in _FIELD.finditer(clean):
        start = clean.rfind("{", max(covered, field.start() - _MAX_CONTENT), field.start())
        if field.start() < covered or start < 0 or len(field["name"]) < 2:
            continue
        covered = min(len(text), closing.get(start, len(text)) + 1)
        yield start, covered
