"""Text of pasted HTML: tags become lines, entities their characters; what a list counts with stays as marks."""

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from string import ascii_lowercase, ascii_uppercase

_LINES = r"""address|article|aside|blockquote|br|dd|details|div|dl|dt|fieldset|figure|footer|form|h[1-6]|header|hr|label
    |legend|li|main|ol|p|pre|section|summary|table|tbody|tfoot|thead|tr|ul"""
_LINE = re.compile(_LINES, re.VERBOSE)
_PARAGRAPH = re.compile(r"p|h[1-6]|ol|ul|table|blockquote")
_HIDDEN = frozenset({"script", "style", "head", "title", "template"})
_TAG = re.compile(
    rf"""</?(?:{_LINES}|a|abbr|b|big|button|center|cite|code|col|colgroup|del|em|font|i|img|input|ins|kbd|mark|nobr
    |option|q|s|select|small|span|strike|strong|sub|sup|td|th|tt|u|var|wbr|html|head|body|meta|link|script|style|title)
    (?:\s[^<>]{{0,2000}})?/?>""",
    re.IGNORECASE | re.VERBOSE,
)
# "<b>" may be two comparisons, "a<b>c"; these are not.
_SURE = re.compile(r"</[a-z][a-z0-9]{0,9}\s*>|<(?:br|p|li|hr|img|input|div|td)\b[^<>]{0,2000}>|<!--", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:nbsp|amp|lt|gt|quot|apos|#\d{1,6}|#x[0-9a-f]{1,5}|[a-z]{2,10}\d{0,2});", re.IGNORECASE)
_OWN_MARK = re.compile(r"[(\[]?(?P<label>\w{1,3})[.):\]](?:\s|$)|[•*\-–☐□○](?:\s|$)")
_BLANK_LINES = re.compile(r"\n{3,}")
_BLANKS = re.compile(r"[ \t\r\n\f]+")
_NOT_SHOWN = re.compile(r"<(?:script|style|template)\b[^<>]{0,2000}>[^<]{0,5000}|<[a-z][^<>]{0,2000}>", re.IGNORECASE)
"""Attributes of tags, and what is in a script."""
_ANSWER_WORD = re.compile(r"correct|answer|solution|is-?right|checked|selected|\bkey\b", re.IGNORECASE)
_DECLARATION = re.compile(r"<[!?][^<>]{0,500}>")
"""As in "<![if !supportLists]>", with which Word surrounds what a list counts with."""
_ANY_TAG = re.compile(r"</?[a-z][^<>]{0,5000}>", re.IGNORECASE)
_LIST_STYLE = re.compile(
    r"list-style(?:-type)?\s*:[^;]*?\b(upper-alpha|upper-latin|lower-alpha|lower-latin|upper-roman|lower-roman|none)"
)
_KINDS = {
    "upper-alpha": "A",
    "upper-latin": "A",
    "lower-alpha": "a",
    "lower-latin": "a",
    "upper-roman": "I",
    "lower-roman": "i",
}
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_MOST_NUMBER = 100


def has_html(text: str) -> bool:
    """Whether a text has tags or entities of HTML; "K < 3" and "<5 mg" are none."""
    return bool((_TAG.search(text) and _SURE.search(text)) or _has_entity(text))


def _has_entity(text: str) -> bool:
    return any(unescape(found[0]) != found[0] for found in _ENTITY.finditer(text))


def has_answer_in_source(text: str) -> bool:
    """Whether tags, comments or scripts, which are not shown, may say which option is right."""
    comments = (each.partition("-->")[0] for each in text.split("<!--")[1:])
    tags = (found[0] for found in _NOT_SHOWN.finditer(text))
    return any(map(_ANSWER_WORD.search, [*comments, *tags]))


def html_to_text(text: str) -> str:
    """The text that HTML shows, a line for each of its lines; takes time in proportion to its length."""
    reader = _Reader()
    reader.feed(_with_other_angles_escaped(_without_comments(text)))
    reader.close()
    return reader.text()


def shown_text(html: str) -> str:
    """The text that HTML from the clipboard shows: all of it is HTML, and line breaks within it are blanks."""
    reader = _Reader(collapses=True)
    reader.feed(_with_other_angles_escaped(_DECLARATION.sub("", _without_comments(html)), _ANY_TAG))
    reader.close()
    return reader.text()


def _without_comments(text: str) -> str:
    parts, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        parts.append(text[at:start])
        at = end + 3
    return "".join([*parts, text[at:]])


def _with_other_angles_escaped(text: str, tag: re.Pattern[str] = _TAG) -> str:
    """Less-than signs that begin no known tag stay what they are."""
    parts, at = [], 0
    for found in tag.finditer(text):
        parts += [text[at : found.start()].replace("<", "&lt;"), found[0]]
        at = found.end()
    return "".join([*parts, text[at:].replace("<", "&lt;")])


class _Reader(HTMLParser):
    def __init__(self, *, collapses: bool = False) -> None:
        super().__init__(convert_charrefs=True)
        self._collapses = collapses
        self._preformatted = 0
        self._parts: list[str] = []
        self._lists: list[Iterator[str]] = []
        """Of every open list, the marks of its items to come; none for bullets."""
        self._mark = ""
        """Of the item that has begun and has no text yet."""
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in ("ol", "ul"):
            self._lists.append(_marks_of(tag, dict(attrs)))
        elif tag == "pre":
            self._preformatted += 1
        if _LINE.fullmatch(tag):
            self._break(tag)
        if tag == "li":
            self._mark = next(self._lists[-1], "• ") if self._lists else "• "
        elif tag in ("td", "th") and self._parts and not self._parts[-1].endswith("\n"):
            self._parts.append("\t")
        elif tag == "sup" and self._parts and self._parts[-1][-1:].isdigit():
            self._parts.append("^")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _HIDDEN:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in ("ol", "ul") and self._lists:
            self._lists.pop()
        elif tag == "pre":
            self._preformatted = max(0, self._preformatted - 1)
        if _LINE.fullmatch(tag):
            self._break(tag)

    def handle_data(self, data: str) -> None:
        if self._hidden:
            return
        if self._collapses and not self._preformatted:
            data = _BLANKS.sub(" ", data)
            if data == " " and (not self._parts or self._parts[-1][-1:] in ("\n", "\t")):
                return  # Between two rows or cells.
        if self._mark and data.strip():
            self._parts.append("" if _has_own_mark(data, self._mark) else self._mark)
            self._mark = ""
        self._parts.append(data)

    def _break(self, tag: str) -> None:
        if self._mark and tag != "li":
            return  # A paragraph within the item, which begins on the line of its mark.
        self._mark = ""
        self._parts.append("\n\n" if _PARAGRAPH.fullmatch(tag) else "\n")

    def text(self) -> str:
        """What was read, without blanks at the ends of lines and with one blank line between paragraphs at most."""
        lines = [line.strip() for line in "".join(self._parts).replace("\xa0", " ").split("\n")]
        return _BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def _marks_of(tag: str, attributes: dict[str, str | None]) -> Iterator[str]:
    """Marks of a list's items, made as they are needed: a paste may open thousands of lists; none for bullets."""
    style = _LIST_STYLE.search((attributes.get("style") or "")[:2000].lower())
    kind = _KINDS.get(style[1], "") if style else attributes.get("type") or ""
    if tag == "ul" and kind not in _KINDS.values():
        return iter(())
    number = attributes.get("start") or "1"
    first = int(number) if number.isdecimal() and 0 < int(number[:4]) < _MOST_NUMBER else 1
    marks = {
        "A": ascii_uppercase,
        "a": ascii_lowercase,
        "I": tuple(each.upper() for each in _ROMAN),
        "i": _ROMAN,
    }.get(kind, range(1, _MOST_NUMBER))
    return (f"{mark}. " for mark in marks[first - 1 :])


def _has_own_mark(data: str, mark: str) -> bool:
    """Whether an item's text begins with a mark itself: any in a list of bullets, else the same."""
    own = _OWN_MARK.match(data.lstrip())
    return own is not None and (mark == "• " or (own["label"] or "").casefold() == mark[:-2].casefold())
