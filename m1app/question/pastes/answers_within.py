"""Sets an answer, or its explanation, apart that stands within a line: "... C. Zinc Answer: B Explanation: ...".

Line breaks are put in and nothing is taken out, so that everything else knows answers as lines only. Whether the result
is a better reading is decided in `pasted_question`.
"""

import re
from functools import cache

from m1app.question.pastes.line_kinds import any_of, is_packed, words_for
from m1app.question.prompt_text import narrow

_OPTION = r"\(?[Aa1][.)、:]"
_WORD = re.compile(r"[^\W_]")
_VALUE = r"(?:[A-Za-z]|\d{1,2}|[①-⑳])"
_QUESTION_AND_ANSWER = re.compile(r"\s{0,8}Q\s?[:.][^\n?]{3,5000}\?[^\S\n]{1,4}(?P<answer>A\s?[:.]\s)")
_LETTER_THEN_OPTION = re.compile(
    rf"[?？_\u3040-\u9fff][^\S\n]{{0,4}}[(\[【]\s?[A-Za-z]\s?[)\]】][.。:?？]?(?P<gap>)[^\S\n]{{0,8}}{_OPTION}"
)


def with_answers_apart(text: str) -> str:
    """`text` with a line break before each answer and explanation within a line, and before options behind one."""
    folded = narrow(text)
    places = {found.start() for found in _explanation().finditer(folded)}
    for found in _answer().finditer(folded):
        places.add(found.start())
        if found["option"]:
            places.add(found.start("option"))
    places |= {found.start("gap") for found in _LETTER_THEN_OPTION.finditer(folded)}
    if asked := _QUESTION_AND_ANSWER.match(folded):
        places.add(asked.start("answer"))
    parts, at = [], 0
    for place in sorted(places):
        line = text[at:place].rpartition("\n")[2]
        if _WORD.search(line):
            parts.append(text[at:place])
            at = place
    return "\n".join([*parts, text[at:]])


@cache
def _answer() -> re.Pattern[str]:
    words = words_for("answer")
    spaced = any_of(word for word in words if not is_packed(word))
    packed = any_of(word for word in words if is_packed(word) and len(word) > 1)
    return re.compile(
        rf"""(?:(?<=[\s.;,?!)\]】>])(?<!your\s)(?<!user\s)(?<!selected\s)(?<!marked\s)(?<!chosen\s)(?<!given\s)(?<!my\s)(?<!submitted\s)[(\[【*_]{{0,4}}(?:(?:the|la|le|die)\s)?
            (?:{spaced})[\s*_]{{0,4}}(?:[:=]|(?<=\bans)\.|(?<=\bkey)\s|\b(?:is|es|est|ist)\b:?)[^\S\n]{{0,4}}[*_]{{0,3}}
            [(\[]?{_VALUE}[)\]]?(?!\w)
          |[(\[【*_]{{0,4}}(?:{packed})[)\]】*_]{{0,4}}[^\S\n]{{0,4}}(?:[:=]|是|为|為)?[^\S\n]{{0,4}}[*_]{{0,3}}
            [(\[]?{_VALUE}[)\]]?(?![A-Za-z0-9]))
        (?=[*_)\]】]{{0,4}}(?:[^\S\n]{{0,8}}(?:\n|\Z)|[.,;)、]|[^\S\n]{{1,8}}(?P<option>{_OPTION})
          |[^\S\n]{{0,8}}[(\[【*_]{{0,3}}{_explaining()}))""",
        re.IGNORECASE | re.VERBOSE,
    )


@cache
def _explanation() -> re.Pattern[str]:
    before = r"(?:(?<=[\s.;,)\]】\u3040-\u9fff])|(?<=[A-Za-z0-9])(?=[【\[]))"
    return re.compile(rf"{before}[(\[【*_]{{0,4}}{_explaining()}", re.IGNORECASE)


@cache
def _explaining() -> str:
    return rf"(?:{any_of(words_for('explanation_within'))})(?:[*_]{{0,4}}:|[\]】])"
