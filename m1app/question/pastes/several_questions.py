"""Divides a paste with several questions; a list of facts before a question does not make it two."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.inline_options import inline_options
from m1app.question.pastes.line_kinds import (
    asks,
    begins_explanation,
    is_question,
    question_number,
    stated_answer,
)
from m1app.question.pastes.option_lists import OptionList, find_lists
from m1app.question.prompt_text import narrow

_NUMBERED = re.compile(r"[\s*_#>]{0,12}(?P<number>\d{1,3})[*_]{0,2}\s?(?P<mark>[.)、:])[*_]{0,2}\s{0,8}(?P<rest>\S?)")
_KEY_ENTRY = re.compile(
    r"(?<![\w.])(?P<number>\d{1,3})\s{0,3}[.):、\-–=]{0,2}\s{0,3}"
    r"\(?(?P<letters>[A-Z]{2,10}|[A-Za-z](?:\s?[,/&]\s?[A-Za-z](?!\w)){0,9})\)?(?!\w)"
)
_RUNS_TRIED = 4
_STEM_LINES = 40
"""Lines before a list that are looked at."""
_SHARED_CHARACTERS = 40
"""From this length on, text before the first question is a case that all of them share, not a title."""


def split_questions(lines: Sequence[str]) -> tuple[list[list[str]], list[int]]:
    """The lines of each question, and their numbers; one part with all lines if these are not several questions."""
    lists = [each for each in find_lists(lines) if len(each.items) > 1]
    for starts in (_headings(lines), _numbered(lines, lists)):
        if len(starts) > 1:
            return _parts(lines, [index for index, _ in starts], _without_number), [number for _, number in starts]
    starts_at = _by_lists(lines, lists)
    parts = _parts(lines, starts_at, list) if len(starts_at) > 1 else [list(lines)]
    return parts, list(range(1, len(parts) + 1))


def answer_key(lines: Sequence[str], numbers: Sequence[int]) -> Mapping[int, str]:
    """Question number -> letters, from a key at the end of the last question: "1. C 2. A, D"; empty without one."""
    tail = "\n".join(lines[-len(numbers) - 4 :])[-2000:]
    entries = {int(found["number"]): found["letters"].upper() for found in _KEY_ENTRY.finditer(tail)}
    return entries if all(number in entries for number in numbers) else {}


def _parts(
    lines: Sequence[str], starts: Sequence[int], cleaned: Callable[[Sequence[str]], list[str]]
) -> list[list[str]]:
    ends = [*starts[1:], len(lines)]
    before = [line for line in lines[: starts[0]] if line.strip()]
    shared = before if sum(map(len, before)) >= _SHARED_CHARACTERS else []
    parts = [[*shared, *cleaned(lines[start:end])] for start, end in zip(starts, ends, strict=True)]
    return parts if shared else [[*before, *parts[0]], *parts[1:]]


def _without_number(lines: Sequence[str]) -> list[str]:
    heading = question_number(lines[0])
    if heading:
        return [heading[1], *lines[1:]] if heading[1] else list(lines[1:])
    found = _NUMBERED.match(narrow(lines[0][:40]))
    return [lines[0][found.start("rest") :], *lines[1:]] if found else list(lines)


def _headings(lines: Sequence[str]) -> list[tuple[int, int]]:
    """(line, number) of "Question 1", "Question 2", ..., if a question follows each."""
    found = [(index, heading[0]) for index, line in enumerate(lines) if (heading := question_number(line))]
    return _consecutive(lines, found, _is_whole)


def _numbered(lines: Sequence[str], lists: Sequence[OptionList]) -> list[tuple[int, int]]:
    """(line, number) of "1. A man ...", "2. A woman ...", if each has a list of its own, or asks."""
    by_mark: dict[str, list[tuple[int, int]]] = {}
    for index, line in enumerate(lines):
        if found := _NUMBERED.match(narrow(line[:40])):
            by_mark.setdefault(found["mark"], []).append((index, int(found["number"])))
    return max((_numbered_with(lines, lists, mark, found) for mark, found in by_mark.items()), key=len, default=[])


def _numbered_with(
    lines: Sequence[str], lists: Sequence[OptionList], mark: str, found: Sequence[tuple[int, int]]
) -> list[tuple[int, int]]:
    others = sorted({each.start for each in lists if (each.scheme, each.style) != ("numbers", mark)})

    def has_own(part: Sequence[str], start: int) -> bool:
        place = bisect_left(others, start)
        if place < len(others) and others[place] < start + len(part):
            return True
        text = "\n".join(part).strip()
        return asks(text) or (is_question(text) and _has_inline(text))

    return _consecutive(lines, found, has_own)


def _has_inline(text: str) -> bool:
    try:
        return inline_options(text) is not None
    except InvalidQuestion:
        return True


def _consecutive(
    lines: Sequence[str], found: Sequence[tuple[int, int]], is_question_at: Callable[[Sequence[str], int], bool]
) -> list[tuple[int, int]]:
    """The longest run of numbers n, n + 1, ... whose parts are all questions; empty if there is none."""
    longest = sorted(_runs(found), key=len, reverse=True)[:_RUNS_TRIED]
    for run in (each for each in longest if len(each) > 1):
        ends = [index for index, _ in run[1:]] + [len(lines)]
        if all(is_question_at(lines[index:end], index) for (index, _), end in zip(run, ends, strict=True)):
            return run
    return []


def _runs(found: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Runs of consecutive numbers; a number that does not go on is passed over."""
    waiting: dict[int, list[tuple[int, int]]] = {}
    for index, number in found:
        run = waiting.pop(number, [])
        run.append((index, number))
        if number + 1 in waiting:
            yield waiting.pop(number + 1)  # A key below the questions counts as they do.
        waiting[number + 1] = run
    yield from waiting.values()


def _is_whole(part: Sequence[str], _start: int) -> bool:
    return is_question("\n".join(part)) or any(stated_answer(line) for line in part)


def _by_lists(lines: Sequence[str], lists: Sequence[OptionList]) -> list[int]:
    """First lines of the questions, each of which has its own list of options; none if they are not several."""
    starts, begin = [0], 0
    for one, other in pairwise(_apart(lists)):
        stem = "\n".join(lines[max(begin, one.start - _STEM_LINES) : one.start]).strip()
        boundary, has_answer = _boundary(lines, one, other)
        is_own = (asks(stem) or has_answer) and boundary < other.start
        if is_own and any(map(str.strip, lines[boundary : other.start])) and _asks_behind(lines, boundary, other):
            starts.append(boundary)
            begin = boundary
    return starts


def _asks_behind(lines: Sequence[str], boundary: int, other: OptionList) -> bool:
    stem = "\n".join(lines[boundary : other.start]).strip()
    return is_question(stem) or any(item.is_right for item in other.items) or other.is_lettered


def _apart(lists: Sequence[OptionList]) -> list[OptionList]:
    """Lists that do not overlap, in order; of two that begin together, the longer one."""
    chosen: list[OptionList] = []
    for each in sorted(lists, key=lambda each: (each.start, -len(each.items), not each.is_lettered)):
        if not chosen or each.start > chosen[-1].end:
            chosen.append(each)
    return chosen


def _boundary(lines: Sequence[str], one: OptionList, other: OptionList) -> tuple[int, bool]:
    """First line of the question after the list `one`, and whether an answer line comes before it."""
    index, has_answer, is_over = one.end + 1, False, False
    while index < other.start:
        line = lines[index]
        if stated_answer(line) or begins_explanation(line):
            has_answer, is_over = has_answer or stated_answer(line) is not None, stated_answer(line) is not None
        elif not line.strip():
            is_over = True
        elif is_over or _begins_anew(line):
            return index, has_answer
        index += 1
    return index, has_answer


def _begins_anew(line: str) -> bool:
    first = line.strip()[0]
    return first.isupper() or first.isdigit() or "\u3040" <= first <= "\u9fff"
