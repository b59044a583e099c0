"""Answers that a paste states within its stem or its options, and the target that all of them name."""

import re
from collections.abc import Mapping, Sequence

from m1app.question.pastes.answer_line import letter_of, lone_letter
from m1app.question.pastes.line_kinds import StatedAnswer, answer_at_end, is_citation, stated_answer
from m1app.question.pastes.option_blocks import Block
from m1app.targets import is_target

_BOLD = re.compile(r"(?:\*\*|__)([^*_]+)(?:\*\*|__)")


def without_answer_line(lines: Sequence[str], block: Block) -> tuple[str, list[tuple[str, StatedAnswer]]]:
    """A stem without lines that state one of the options as the answer, and these."""
    found = [(line.strip(), answer) for line in lines if (answer := firm_answer(line, block))]
    kept = [line for line in lines if not firm_answer(line, block)] if found else lines
    return plain("\n".join(kept).strip()), found


def firm_answer(line: str, block: Block) -> StatedAnswer | None:
    """What a line of a stem states for certain as the answer, one of the options; None if it does not."""
    may_state = len(line) < 200 and not any(mark in line for mark in "?？؟")
    answer = stated_answer(line) if may_state else None
    return answer if answer and _is_sure(answer) and is_target(letter_of(answer.value, block), block.options) else None


def _is_sure(answer: StatedAnswer) -> bool:
    return answer.is_firm or bool(lone_letter(answer.value))


def stem_without_answer(stem: str) -> tuple[str, list[tuple[str, StatedAnswer]]]:
    """A stem without the answer at its end: "(Answer: C)"."""
    kept, words = answer_at_end(stem)
    answer = stated_answer(words) if words else None
    return (kept, [(words, answer)]) if answer else (stem, [])


def without_answers(options: Mapping[str, str]) -> tuple[dict[str, str], list[tuple[str, StatedAnswer]]]:
    """Options without an answer stated behind the last one, and that."""
    kept, answers = dict(options), []
    for letter in list(options)[-1:]:
        text, words = answer_at_end(options[letter])
        if words and text and (answer := stated_answer(words)):
            kept[letter] = text
            answers.append((words, answer))
    return kept, answers


def target_of(answers: Sequence[tuple[str, StatedAnswer]], block: Block) -> str | None:
    """The letters that the answers state, else the one that is marked, else what they state."""
    stated = [letter_of(answer.value, block) for _, answer in answers if answer.value]
    known = next((text for text in stated if is_target(text, block.options)), None)
    return known or block.marked or next((text for text in stated if text and not is_citation(text)), None)


def plain(stem: str) -> str:
    """A stem without the asterisks that make all of it, or its last line, bold."""
    head, gap, last = stem.rpartition("\n")
    if len(last) < 2000 and (bold := _BOLD.fullmatch(last.strip())):
        return f"{head}{gap}{bold[1].strip()}"
    return stem
