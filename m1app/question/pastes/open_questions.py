"""Where a question without a list of options ends: at its answer line or a page's footer."""

import re
from collections.abc import Sequence

from m1app.question.pastes.answer_line import loose_answer
from m1app.question.pastes.line_kinds import is_footer, stated_answer
from m1app.question.prompt_text import match_marker

# Question and answer as "Q: ..." and "A: ...".
_QUESTIONS, _ANSWERS = re.compile(r"[\s*]{0,8}Q\s?[:.]"), re.compile(r"[\s*]{0,8}A\s?[:.]")


def end_of_open(lines: Sequence[str]) -> int:
    """Index of the answer line or footer that ends a question without a list of options, else the number of lines."""
    end = next((i for i, line in enumerate(lines) if i and _ANSWERS.match(line)), len(lines))
    end = end if _QUESTIONS.match(lines[0]) else len(lines)
    while end > 1 and (not lines[end - 1].strip() or is_footer(lines[end - 1], is_last=False)):
        end -= 1
    return min(end, _answer_line_of_open(lines))


def _answer_line_of_open(lines: Sequence[str]) -> int:
    last = next((i for i in range(len(lines) - 1, -1, -1) if lines[i].strip()), 0)
    first_after_question = next((i for i in range(last, -1, -1) if "?" in lines[i] or "？" in lines[i]), -1)
    options = [i for i, line in enumerate(lines) if (marker := match_marker(line[:80])) and marker.letter in "Aa"]
    for index in range(max([1, first_after_question + 1, *options]), last + 1):
        answer = stated_answer(lines[index])
        if answer and answer.value and (answer.is_firm or loose_answer(answer.value)):
            is_end = first_after_question >= 0 or not any(map(str.strip, lines[index + 1 :]))
            return index if is_end else len(lines)
    return len(lines)
