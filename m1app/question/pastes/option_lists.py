"""Finds lists in text whose items may be options: lettered in any script, numbered, bulleted, ticked, or in a table.

A list is a run of lines whose marks follow one another from the first on: A, B, C or 1, 2, 3 or أ, ب, ج. Whether it is
the options of a question is decided in `pasted_question`.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from string import ascii_uppercase

from m1app.question.prompt_text import narrow

_LETTERS = {
    "latin": ascii_uppercase,
    "cyrillic": "АБВГДЕЖЗИК",
    "cyrillic that looks latin": "АВСDЕ",
    "greek": "ΑΒΓΔΕΖΗΘ",
    "arabic": "أبجدهوزحطي",
    "arabic dictionary order": "أبتثجحخد",
    "persian": "ابپتثج",
    "persian abjad": "ابجدهوزح",
    "hebrew": "אבגדהוזחטי",
    "hangul": "가나다라마바사아",
    "hangul letters": "ㄱㄴㄷㄹㅁㅂㅅㅇ",
    "katakana": "アイウエオカキク",
    "iroha": "イロハニホヘト",
    "stems": "甲乙丙丁戊己",
    "devanagari": "कखगघङच",
    "bengali": "কখগঘঙ",
    "thai": "กขคงจฉ",
    "georgian": "აბგდევ",
}
"""Scheme to its letters in order. A letter of several schemes counts in all of them."""
_NUMERALS = {
    "circled": "①②③④⑤⑥⑦⑧⑨⑩⑪⑫⑬⑭⑮",
    "parenthesised": "⑴⑵⑶⑷⑸⑹⑺⑻⑼⑽",
    "circled hangul": "㉮㉯㉰㉱㉲㉳",
    "arabic digits": "١٢٣٤٥٦٧٨٩",
    "persian digits": "۱۲۳۴۵۶۷۸۹",
    "devanagari digits": "१२३४५६७८९",
    "chinese": "一二三四五六七八",
}
_ROMAN = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII", "XIII", "XIV", "XV"]
_SPELT = {"الف": [("persian", 1), ("persian abjad", 1)], "هـ": [("arabic", 5)]}
"""Letters that are written with several characters."""
LETTERED = frozenset(_LETTERS)
"""Schemes whose marks are letters: these are options more surely than numbers, which count anything."""

_HEAD_CHARACTERS = 160
_LABEL = r"(?:الف|هـ|[IVX]{2,5}|[ivx]{2,5}|[0-9]{1,2}|[^\W\d_]|[١-٩۱-۹१-९])"
_INVISIBLE = r"\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff"
_ITEM = re.compile(
    rf"""(?P<lead>[\s{_INVISIBLE}>]{{0,40}})
    (?P<table>\|[^\S\n]{{0,20}})?
    (?P<bullets>(?:[-+•·‣▪◦●○–—*][^\S\n]{{1,8}}){{0,2}})
    (?P<box>\[[ ]?\][^\S\n]{{0,4}}|[☐□◯✗❌][^\S\n]{{0,4}})?
    (?P<right>(?:\*(?![*\s])|→|->|=>|√|[✓✔✅☑☒]|\[[xX✓✔*]\](?=[^\S\n]{{0,4}}\S))[^\S\n]{{0,4}})?
    (?P<bold>\*\*|__)?(?P<right_within>\*(?![*\s]))?
    (?:\((?P<paren>{_LABEL})\)
      |\[(?P<square>{_LABEL})\]
      |(?P<circled>[①-⑮⑴-⑽㉮-㉳])[.、)]?
      |(?P<bare>{_LABEL})(?P<star>\*(?![*]))?(?(bold)(?:\*\*|__)?)
        (?P<mark>[^\S\n\t]{{0,1}}(?:[.)\]:、،](?![0-9])\)?|-\s?\))|[–—-](?=\s)|[^\S\n]{{1,4}}[–—-](?=\s|$)
          |[^\S\n]{{0,4}}\||[^\S\n]{{0,4}}\t|[^\S\n]{{2,8}}(?=\S)|[^\S\n](?=\S)|[^\S\n]{{0,8}}$)
    )
    (?(bold)(?:\*\*|__)?)(?P<star_after>\*(?![*]))?[^\S\n]{{0,40}}\|?""",
    re.VERBOSE,
)
_BULLET = re.compile(r"[^\S\n]{0,40}(?P<mark>[-+•·‣▪◦●○–*■□])[^\S\n]{1,8}(?=\S)")
_BOX = re.compile(
    r"[^\S\n]{0,40}(?:[-+*•][^\S\n]{1,4})?(?P<box>\[[ xX✓✔*]?\]|\([ xX✓✔*]?\)|[☐☑☒□■✓✔✅✗❌◯⬜])[^\S\n]{0,8}(?=\S)"
)
_RADIO = re.compile(r"[^\S\n]{0,40}(?P<box>[○◯⚪●◉⦿⚫🔘])[^\S\n]{0,8}(?=\S)")
_TICKED = frozenset("xX✓✔*☑☒■✅●◉⦿⚫🔘")
_RULE = re.compile(r"[\s|:+=-]{3,}")


@dataclass(frozen=True, slots=True)
class Item:
    """A line that may be an item of a list."""

    line: int
    """Index of the line."""
    position: int
    """1 for the first item."""
    label: str
    """The mark as written, without punctuation."""
    text: str
    """The rest of the line."""
    is_right: bool = False
    """Marked as the right one, by an asterisk or a tick."""


@dataclass(slots=True)
class OptionList:
    """A run of items, from the first position without a gap."""

    scheme: str
    """A name in `LETTERED`, or of numerals, "bullets", "boxes" or "radio buttons"."""
    style: str
    """What surrounds the marks: ".", "()", "|" and others."""
    items: list[Item] = field(default_factory=list)

    @property
    def is_lettered(self) -> bool:
        """Whether its marks are letters."""
        return self.scheme in LETTERED

    @property
    def start(self) -> int:
        """Index of the first line."""
        return self.items[0].line

    @property
    def end(self) -> int:
        """Index of the last item's first line."""
        return self.items[-1].line


def find_lists(lines: Sequence[str]) -> list[OptionList]:
    """All lists of at least two items, ordered by their first line; several may share lines."""
    found = [*_marked_lists(lines), *_plain_lists(lines, _BULLET, "bullets"), *_plain_lists(lines, _BOX, "boxes")]
    # Filled bullets are filled for all items; of radio buttons one is.
    found += [each for each in _plain_lists(lines, _RADIO, "radio buttons") if only_right(each.items) is not None]
    return sorted((each for each in found if len(each.items) > 1), key=lambda each: (each.start, each.scheme))


def _marked_lists(lines: Sequence[str]) -> Iterator[OptionList]:
    open_lists: dict[tuple[str, str], OptionList] = {}
    for index, line in enumerate(lines):
        found = _ITEM.match(narrow(line[:_HEAD_CHARACTERS])) if line.strip() else None
        if not found:
            continue
        label, style = label_of(found), _style(found)
        item = _item(index, line, found, label)
        for scheme, position in positions(label):
            yield from _extended(open_lists, (scheme + _case(label), style), scheme, item, position)
    yield from open_lists.values()


def _extended(
    open_lists: dict[tuple[str, str], OptionList], key: tuple[str, str], scheme: str, item: Item, position: int
) -> Iterator[OptionList]:
    """Add an item to the open list that it continues, or begin a new one; yields the one that this ends."""
    current = open_lists.get(key)
    placed = Item(item.line, position, item.label, item.text, item.is_right)
    if current and position == len(current.items) + 1:
        current.items.append(placed)
    elif position == 1:
        if current:
            yield current
        open_lists[key] = OptionList(scheme, key[1], [placed])


def label_of(found: re.Match[str]) -> str:
    """The mark of a match, without punctuation."""
    return found["paren"] or found["square"] or found["circled"] or found["bare"]


def _style(found: re.Match[str]) -> str:
    if found["paren"] or found["square"] or found["circled"]:
        return "()" if found["paren"] else "[]" if found["square"] else "circled"
    if "|" in found[0]:
        return "|"
    mark = found["mark"]
    return mark.strip() or ("alone" if not mark else "tab" if "\t" in mark else "spaces" if len(mark) > 1 else "space")


def _item(index: int, line: str, found: re.Match[str], label: str) -> Item:
    text = line[found.end() :].strip()
    if "|" in found[0] or "\t" in found[0]:
        text = _cells(text, "|" if "|" in found[0] else "\t")
    if found["bold"] and found[0].count(found["bold"]) == 1:
        text = text.removesuffix(found["bold"]).strip()
    is_right = any(found[name] for name in ("right", "right_within", "star", "star_after"))
    return Item(index, 0, label, text, is_right)


def _cells(text: str, between: str) -> str:
    """The rest of a table's row, with bars between its cells only."""
    return " | ".join(cell for cell in (part.strip() for part in text.split(between)) if cell)


def _case(label: str) -> str:
    return " lower" if label.islower() else ""


def positions(label: str) -> list[tuple[str, int]]:
    """The places that a mark may have: (scheme, position from 1)."""
    if label in _SPELT:
        return _SPELT[label]
    if label.isascii() and label.isdigit():
        return [("numbers", int(label))] if 0 < int(label) <= len(ascii_uppercase) else []
    upper = label.upper()
    found = [
        (scheme, letters.index(upper) + 1)
        for scheme, letters in (*_LETTERS.items(), *_NUMERALS.items())
        if len(upper) == 1 and upper in letters
    ]
    if upper == "ا":
        found += [("arabic", 1), ("arabic dictionary order", 1)]
    # In lists of Latin letters typed on a Cyrillic keyboard.
    if upper in "АВСЕ" and len(upper) == 1:
        found.append(("latin", "ABCDE".index("ABCE"["АВСЕ".index(upper)]) + 1))
    return found + ([("roman", _ROMAN.index(upper) + 1)] if upper in _ROMAN else [])


def _plain_lists(lines: Sequence[str], pattern: re.Pattern[str], scheme: str) -> Iterator[OptionList]:
    """Lists without letters: consecutive lines with the same mark."""
    current = OptionList(scheme, "")
    for index, line in enumerate(lines):
        found = pattern.match(line[:_HEAD_CHARACTERS])
        mark = found[1] if found and scheme == "bullets" else ""
        if not found or mark != current.style:
            if not found and (not line.strip() or (current.items and _continues(line))):
                continue
            if current.items:
                yield current
                current = OptionList(scheme, mark)
            current.style = mark if found else current.style
        if found:
            ticked = bool(_TICKED & set(found[1])) if scheme != "bullets" else False
            text = line[found.end() :].strip()
            current.items.append(Item(index, len(current.items) + 1, "", text, ticked))
    yield current


def _continues(line: str) -> bool:
    """Whether a line is rather the rest of the item above it than text of its own."""
    return line.startswith(("  ", "\t")) or line[:1].islower()


def is_rule(line: str) -> bool:
    """Whether a line only rules a table: "|---|---|"."""
    return len(line) < 400 and bool(_RULE.fullmatch(line)) and "-" in line


def only_right(items: Iterable[Item]) -> int | None:
    """Index of the one item that is marked as right; None if none, several or all are."""
    marked = [index for index, item in enumerate(items) if item.is_right]
    return marked[0] if len(marked) == 1 else None
