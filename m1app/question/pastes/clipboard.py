"""What is pasted from a program that puts its formatting on the clipboard beside the plain text.

The plain text of a list in a web page or a document has lost its letters, and a table its columns. The formatted one is
taken where more of a question is recognised in it, and where it says nothing else.
"""

import re

from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.html_text import shown_text
from m1app.question.pastes.pasted_question import read_paste

MAX_HTML_CHARACTERS = 400_000
"""Of a paste that is looked at; the page sends no more."""
_WORDS = re.compile(r"[^\W\d_]{2,}")
_NUMERAL = re.compile(r"[ivx]{2,5}")


def better_text(plain: str, html: str) -> str:
    """The text that `html` shows, if more options or questions are recognised in it than in `plain`; else empty.

    It is also empty if `html` has words that the plain text does not: what somebody pasted is what they have seen.
    """
    if len(html) > MAX_HTML_CHARACTERS or "<" not in html:
        return ""
    shown = shown_text(html)
    if not shown or _recognised(shown) <= _recognised(plain) or _words(shown) - _words(plain):
        return ""
    return shown


def _recognised(text: str) -> tuple[int, int, bool]:
    """How many questions a text is, how many options it has, and whether it states which is right."""
    try:
        paste = read_paste(text)
    except InvalidQuestion:
        return 0, 0, False
    every = paste.questions or (paste,)
    options = sum(len(each.options) for each in every)
    return len(every), options, options > 0 and all(each.target for each in every)


def _words(text: str) -> set[str]:
    """Words of two letters and more; a list may count with Roman numerals."""
    return {word for word in _WORDS.findall(text.casefold()) if not _NUMERAL.fullmatch(word)}
