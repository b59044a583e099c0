r"""Questions in the formats of examination programs, as text with options and an answer line.

LaTeX (`\choice`, `\CorrectChoice`, `\item` with "% correct"), GIFT and XML of Moodle, and a row of a table in which the
options stand between the question and the answer. `says_answer` knows more of such formats than are read.
"""

import csv
import re
from html import unescape
from string import ascii_uppercase

from m1app.question.pastes.line_kinds import is_question, stated_answer

_MOST_CHARACTERS = 50_000
_MOST_OPTIONS = 26
_LATEX_CHOICE = re.compile(
    r"\\(?P<kind>[Cc]orrect[Cc]hoice|choice|item)\b(?:\[[^\[\]\n]{0,20}\])?[ \t]{0,8}(?P<text>[^\n\\%]{1,500})"
    r"(?P<rest>(?:%[^\n]{0,200})?)"
)
_LATEX_COMMAND = re.compile(r"\\(?:begin|end)\{[^{}\n]{0,40}\}(?:\[[^\[\]\n]{0,40}\])?|\\question(?:\[\d{0,3}\])?\s?")
_GIFT = re.compile(r"(?:::[^:\n]{0,200}::)?(?P<stem>[^{}]{3,5000})\{(?P<options>[^{}]{3,5000})\}\s{0,50}")
_GIFT_OPTION = re.compile(r"(?P<mark>[~=])(?:%-?\d{1,3}(?:\.\d{1,5})?%)?(?P<text>[^~=#]{1,500})(?:#[^~=]{0,500})?")
_MOODLE_STEM = re.compile(r"<questiontext\b[^<>]{0,100}>(?P<text>.{1,8000}?)</questiontext>", re.DOTALL | re.IGNORECASE)
_MOODLE_OPTION = re.compile(
    r"<answer\b[^<>]{0,100}\bfraction=[\"'](?P<share>-?[\d.]{1,9})[\"'][^<>]{0,100}>(?P<text>.{1,2000}?)</answer>",
    re.DOTALL | re.IGNORECASE,
)
_FEEDBACK = re.compile(r"<feedback\b.{0,2000}?</feedback>", re.DOTALL | re.IGNORECASE)
_TAGS = re.compile(r"<!\[CDATA\[|\]\]>|</?[a-zA-Z][^<>]{0,200}>")
_SAYS_ANSWER = re.compile(
    r"""\bfraction\s?=\s?["']|<(?:correct\w{0,20}|solution|rationale|answerkey)\b
      |\\(?:[Cc]orrect(?:[Cc]hoice)?|solution|answer)\b|\\item[^\n]{0,200}%\s?(?:correct|right|true|answer)
      |\\(?:item|choice)\s{0,9}\\(?:textbf|underline|emph)\{|\{\s{0,9}[=~]\s?[^\W\d_]|\{\{c\d{1,2}::""",
    re.VERBOSE | re.IGNORECASE,
)
_IS_CODE = re.compile(r"""\A\s{0,50}["']|[{\[]\s{0,50}["']""")
_FIELD_SAYS_ANSWER = re.compile(
    r"""["'](?:\w{0,20}_)?(?:answers?|answer_?\w{0,12}|(?:is_?)?correct\w{0,12}|cop|gold|label|target|solution|rationale|exp
          |explanation)["']\s{0,4}:\s{0,4}(?:["'\[{\d]|true)
      |["']role["']\s{0,4}:\s{0,4}["']assistant["']""",
    re.VERBOSE | re.IGNORECASE,
)
_COMMAND = re.compile(r"\\[a-zA-Z]{2,12}\{([^{}\n]{0,200})\}")


def exam_to_text(text: str) -> str:
    """The question of a text in one of the formats, with an answer line; empty if it is in none."""
    if len(text) > _MOST_CHARACTERS:
        return ""
    return next(filter(None, (read(text) for read in (_latex, _moodle, _gift, _row))), "")


def says_answer(text: str) -> bool:
    """Whether a text in such a format names the right option in its fields, tags or commands."""
    begin = text[:_MOST_CHARACTERS]
    return bool(_SAYS_ANSWER.search(begin) or (_IS_CODE.search(begin) and _FIELD_SAYS_ANSWER.search(begin)))


def _made(stem: str, options: list[str], right: list[int]) -> str:
    texts = [" ".join(option.split()) for option in options]
    if not stem.strip() or not 1 < len(texts) <= _MOST_OPTIONS or not all(texts):
        return ""
    lines = [stem.strip(), *(f"{letter}. {each}" for letter, each in zip(ascii_uppercase, texts, strict=False))]
    letters = ", ".join(ascii_uppercase[place] for place in right)
    return "\n".join([*lines, f"Answer: {letters}"] if letters else lines)


def _latex(text: str) -> str:
    found = list(_LATEX_CHOICE.finditer(text))
    has_end = "\\end{" in text or "choice" in text.casefold()
    if len(found) < 2 or not has_end:
        return ""
    said = [each["kind"].casefold() == "correctchoice" or "correct" in each["rest"].casefold() for each in found]
    behind = _COMMAND.sub(r"\1", _LATEX_COMMAND.sub(" ", text[found[-1].end() :])).strip()
    if (behind and not stated_answer(behind)) or text.count("\\question") > 1:
        return ""
    stem = _LATEX_COMMAND.sub("", text[: found[0].start()])
    made = _made(stem, [each["text"] for each in found], [place for place, is_right in enumerate(said) if is_right])
    return f"{made}\n{behind}" if made and behind else made


def _gift(text: str) -> str:
    found = _GIFT.fullmatch(text)
    options = list(_GIFT_OPTION.finditer(found["options"])) if found else []
    if (
        found is None
        or len(options) < 2
        or found["options"].lstrip()[0] not in "~="
        or not any(each["mark"] == "~" for each in options)
    ):
        return ""
    right = [place for place, each in enumerate(options) if each["mark"] == "="]
    return _made(found["stem"], [each["text"] for each in options], right)


def _moodle(text: str) -> str:
    if text.count("<questiontext") != 1 or text.count("<answer") > _MOST_OPTIONS:
        return ""
    stems, options = list(_MOODLE_STEM.finditer(text)), list(_MOODLE_OPTION.finditer(text))
    if len(stems) != 1 or len(options) < 2:
        return ""
    right = [
        place for place, each in enumerate(options) if not each["share"].startswith("-") and each["share"].strip("0.")
    ]
    return _made(_shown(stems[0]["text"]), [_shown(_FEEDBACK.sub("", each["text"])) for each in options], right)


def _shown(text: str) -> str:
    return _TAGS.sub(" ", unescape(_TAGS.sub(" ", text))).strip()


def _row(text: str) -> str:
    """A row of a table: question, options, and the right one's letter or text."""
    line = text.strip().strip("|").strip()
    separator = next((each for each in "\t|;," if each in line), "")
    if "\n" in line or not separator:
        return ""
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
    except (csv.Error, StopIteration):
        return ""
    stem, *options, answer = cells if len(cells) > 3 else ("", "")
    letters = ascii_uppercase[: len(options)]
    if not (
        stem.endswith(("?", "？", ":", "؟")) or (is_question(stem) and (separator in "\t|" or line.startswith('"')))
    ):
        return ""
    if len(answer) == 1 and answer.upper() in letters:
        return _made(stem, options, [letters.index(answer.upper())])
    return _made(stem, options, [options.index(answer)]) if options.count(answer) == 1 else ""
