"""Where an answer names options: by letter, by letter and text, by text, or by number."""

import re
from collections.abc import Callable, Mapping
from string import ascii_lowercase

from m1app.question.answers.containers import SIGN
from m1app.question.answers.joined_mentions import joined
from m1app.question.answers.marks import CLOSERS, LATEX, OPENERS, Marked
from m1app.question.answers.mention import Mention
from m1app.question.answers.rules import Role
from m1app.question.answers.tokens import fold, words_of

MOST_MENTIONS = 2000
_AFTER_LETTER_SIGNS = frozenset(".):,=-–—([")
_BEFORE_TEXT = _AFTER_LETTER_SIGNS | OPENERS | CLOSERS | LATEX
"""What may stand between a letter and the text of its option."""
_LETTER = re.compile("[a-z]")
_LATIN = re.compile("[a-zà-ÿ]")
_SMALL_NUMBER = re.compile("[0-9]{1,2}")
_GLUED_BEFORE = re.compile(r"(?:[A-Za-zÀ-ÿ0-9_]|[A-Za-z0-9][-']|(?:\A|[\s({\[$])[!¬])\Z")
_GLUED_AFTER = re.compile(r"[A-Za-zÀ-ÿ0-9+%°²]|[-'][^\W_]|[-/.]\d|_[^\W_]")
_WORDS = frozenset("aeioyuà")
"""Letters that are words in one of the languages."""
_AFTER_LETTER = frozenset(".,;:!?/&()[]{}\\\n…–—-=、<|>\"'*_`$✅✓✔❌✗✘☑✖×→」』】》")


class Options:
    """The options of a question, prepared for finding them."""

    def __init__(self, options: Mapping[str, str], *, are_several: bool = False) -> None:
        self.texts = options
        self.are_several = are_several
        """Whether several may be right, so that a list of them is an answer."""
        self.folded = {letter: fold(text) for letter, text in options.items()}
        self.by_letter = {letter.upper(): letter for letter in options}
        bare = {text.strip().upper(): letter for letter, text in self.folded.items()}
        self.are_letters = any(
            text in self.by_letter and self.by_letter[text] != letter for text, letter in bare.items()
        )
        """Whether the text of an option is the letter of another one: then no bare letter is certain."""
        self.begin_with_numbers = any(text.lstrip()[:1].isdigit() for text in self.folded.values())
        self.words = frozenset(word for text in self.folded.values() for word in words_of(text))
        self.firsts: dict[str, bool] = {}
        for text in self.folded.values():
            for word in words_of(text)[:8]:
                self.firsts[word] = True
                if word.isalnum():
                    break

    def is_verdict(self, marked: Marked, letters: frozenset[str]) -> bool:
        """Whether an option's text is a short answer, such as "no", which is a word of its own elsewhere."""
        return words_of(self.folded[min(letters)]) in marked.rules.verdicts

    def at(self, number: int) -> str | None:
        """The letter of the option at a place, from 1."""
        letters = list(self.texts)
        return letters[number - 1] if 1 <= number <= len(letters) else None

    def number_letters(self, number: str) -> frozenset[str]:
        """Letters of the options whose text begins with a number."""
        return frozenset(
            letter for letter, text in self.folded.items() if (words := words_of(text)) and words[0] == number
        )


def find_mentions(marked: Marked, options: Options, contained: Callable[[int, int], Mention | None]) -> list[Mention]:
    """The mentions in order; none overlaps another. Lists such as "A or B" are one mention.

    None for an answer of more than `MOST_MENTIONS`, or of more than twice as many in lists, which chooses nothing.
    """
    begins = frozenset((*options.firsts, *ascii_lowercase, *marked.rules.numbers, SIGN))
    longest = len(options.texts) if options.are_several else 1
    single: list[Mention] = []
    place = 0
    while place < len(marked.tokens):
        text = marked.tokens[place].text
        found = None
        if text == SIGN:
            found = contained(marked.tokens[place].start, place)
        elif text in begins or text[0].isdigit() or 1 < len(text) <= longest:
            found = _mention_at(marked, options, place)
        if found is None:
            place += 1
            continue
        single.append(found)
        place = max(found.end, place + 1)
        if len(single) > 2 * MOST_MENTIONS:
            return []
    found_joined = joined(marked, single, are_several=options.are_several)
    return found_joined if len(found_joined) <= MOST_MENTIONS else []


def _mention_at(marked: Marked, options: Options, place: int) -> Mention | None:
    text = _text_at(marked, options, place)
    if text is not None:
        return _with_letter(marked, options, text)
    several = _letters_at(marked, options, place) if options.are_several else None
    return several or _letter_at(marked, options, place) or _number_at(marked, options, place)


def _letters_at(marked: Marked, options: Options, place: int) -> Mention | None:
    """ "ACD": capitals in order, which no option's text has as a word."""
    token = marked.tokens[place]
    letters = marked.folded[token.start : token.end]
    is_set = letters.isupper() and 1 < len(letters) <= len(options.texts) and letters == "".join(sorted(set(letters)))
    if not is_set or not set(letters) <= set(options.by_letter) or token.text in options.words:
        return None
    if not _is_apart(marked, place) or not marked.is_boundary(marked.skip_closers(place + 1)):
        return None
    return Mention(frozenset(options.by_letter[letter] for letter in letters), place, place + 1, parts=len(letters))


def _with_letter(marked: Marked, options: Options, text: Mention) -> Mention:
    """An option's text and, in brackets after it, its letter: "text (D)", "text (choice D)"."""
    place = text.end
    while marked.text(place) in ("*", "_", '"', "}"):
        place += 1
    if marked.text(place) not in ("(", "["):
        return text
    place += 1
    mark = marked.mark_at(place)
    if mark is not None and mark.plays(Role.OPTION_WORDS):
        place = mark.end
    letter = options.by_letter.get(marked.text(place).upper())
    if letter is None or marked.text(place + 1) not in (")", "]"):
        return text
    return Mention(
        text.letters | {letter} if letter not in text.letters else frozenset({letter}), text.start, place + 2
    )


def _text_at(marked: Marked, options: Options, place: int) -> Mention | None:
    token = marked.tokens[place]
    if token.text not in options.firsts:
        return None
    before = marked.folded[token.start - 1 : token.start] if token.start else ""
    if before and (before == "_" or (before.isalnum() and before.isascii() and token.text[0].isalnum())):
        return None
    if token.text[0].isdigit() and re.search(
        r"(?:[<>≤≥~−]|(?<![\w)])-)\s?\Z", marked.folded[max(0, token.start - 3) : token.start]
    ):
        return None
    found = marked.quoted.at(token.start)
    if found is None or found.end == token.start:
        return None
    end = place
    while end < len(marked.tokens) and marked.tokens[end].start < found.end:
        end += 1
    is_verdict = options.is_verdict(marked, found.letters)
    return Mention(found.letters, place, end, is_text=True, is_verdict=is_verdict)


def _letter_at(marked: Marked, options: Options, place: int) -> Mention | None:
    token = marked.tokens[place]
    if len(token.text) != 1 or not _LETTER.match(token.text) or not _is_apart(marked, place):
        return None
    if _is_claimed(marked, place):
        return None
    is_upper = marked.is_upper(place)
    letter = options.by_letter.get(token.text.upper(), token.text.upper())
    text = _own_text(marked, options, place)
    if text is not None and letter in text.letters:
        return Mention(frozenset({letter}), place, text.end)
    is_bracketed = _is_bracketed(marked, place)
    if not (is_upper or is_bracketed) and not _ends_small(marked, place):
        return None
    is_named_twice = text is not None and _text_stands(marked, text.end)
    if not (is_bracketed or is_named_twice) and not _may_follow(marked, place):
        return None
    letters = frozenset({letter})
    if text is not None and is_named_twice:
        letters, end = letters | text.letters, text.end
    else:
        end = place + 1
    end = _after_words(marked, end)
    return Mention(letters, place, end, is_small=not (is_upper or is_bracketed))


def _is_apart(marked: Marked, place: int) -> bool:
    """False if the letter is glued to a word, a number or a sign: "B12", "A1c", "C-reactive", "A+", "E's", "!A"."""
    token = marked.tokens[place]
    before, after = marked.folded[max(0, token.start - 2) : token.start], marked.folded[token.end : token.end + 2]
    if _GLUED_BEFORE.search(before) and not before.endswith("_"):
        return False
    if before.endswith("_") and len(before) == 2 and before[0].isalnum():
        return False
    return not _GLUED_AFTER.match(after)


def _is_claimed(marked: Marked, place: int) -> bool:
    """Whether the letter belongs to the word before or after it: "vitamin A", "part (i)"."""
    is_numeral = marked.text(place - 1) == "(" and not marked.is_upper(place)
    before = marked.mark_until(place - 1 - is_numeral)
    if before is not None and before.plays(Role.CLAIMS_LETTER) and not before.plays(Role.OPTION_WORDS, Role.NOUNS):
        return True
    after = marked.mark_at(place + 1)
    return (
        after is not None
        and after.plays(Role.CLAIMS_AFTER)
        and marked.tokens[place].end == marked.tokens[place + 1].start
    )


def _is_bracketed(marked: Marked, place: int) -> bool:
    """(b), [b], "b)" at the start of a line."""
    if marked.text(place + 1) == ")" and marked.is_upper(place):
        return True
    is_closed = marked.text(place + 1) in (")", "]", "}")
    return is_closed and (marked.text(place - 1) in ("(", "[", "{") or marked.is_line_start(place))


def _own_text(marked: Marked, options: Options, place: int) -> Mention | None:
    """The option's text after a letter, past brackets and a sign: "B) text", "B - text", "B (text)"."""
    following = marked.text(place + 1)
    if following not in _BEFORE_TEXT and following not in options.firsts:
        return None
    start = marked.skip_closers(place + 1)
    if marked.text(start) in _AFTER_LETTER_SIGNS or start > place + 1:
        start = marked.skip_closers(start + (marked.text(start) in _AFTER_LETTER_SIGNS))
    start = marked.skip_openers(start)
    if start >= len(marked.tokens) or start - place > 14:
        return None
    if "\n" in (marked.text(n) for n in range(place + 1, start)):
        return None
    return _text_at(marked, options, start) or _single_letter_text(marked, options, place, start)


def _single_letter_text(marked: Marked, options: Options, place: int, start: int) -> Mention | None:
    """ "C. X", where X is the text of option C."""
    key = options.by_letter.get(marked.text(place).upper(), "")
    text = options.folded.get(key, "").strip().lower()
    if (
        len(text) == 1
        and start > place + 1
        and marked.text(start) == text
        and marked.is_boundary(marked.skip_closers(start + 1))
    ):
        return Mention(frozenset({key}), start, start + 1, is_text=True)
    return None


def _text_stands(marked: Marked, end: int) -> bool:
    place = marked.skip_closers(end)
    return marked.is_boundary(place)


def _ends_small(marked: Marked, place: int) -> bool:
    """Whether the clause ends after a lower-case letter, so that it is no article."""
    after = marked.skip_closers(place + 1)
    if marked.is_hard(after) or marked.text(after) in (",", ";", ":"):
        return True
    if marked.text(after) == ".":
        return not (after + 1 < len(marked.tokens) and marked.folded[marked.tokens[after + 1].start].islower())
    mark = marked.mark_at(after)
    if mark is None:
        return False
    if mark.plays(Role.JOINS):
        following = marked.text(marked.skip_openers(mark.end))
        return len(following) == 1 and bool(_LETTER.match(following))
    return mark.plays(Role.BECAUSE) and marked.tokens[place].text not in _WORDS


def _may_follow(marked: Marked, place: int) -> bool:
    """Whether what follows a letter shows that it is not a word or an initial."""
    letter = marked.tokens[place].text
    after = marked.skip_closers(place + 1)
    text = marked.text(after)
    if not text or text in _AFTER_LETTER:
        return not _is_initial(marked, after)
    if not text.isascii() and not _LATIN.match(text):
        return True
    mark = marked.mark_at(after)
    if mark is None:
        return False
    if letter == "i":
        return mark.plays(Role.JOINS) or text == "is"
    if letter == "a" and (
        mark.plays(Role.FILLERS, Role.NOUNS, Role.DISOWNS, Role.RIGHTS, Role.HEDGES, Role.WRONGS)
        and not mark.plays(Role.IS, Role.JOINS, Role.BECAUSE)
        and not (marked.is_upper(place) and text in ("only", "alone", "to", "through"))
    ):
        return False
    return mark.plays(
        Role.IS,
        Role.HYPOTHETICALS,
        Role.SUPPORTS,
        Role.REJECTS_AFTER,
        Role.JOINS,
        Role.BECAUSE,
        Role.GOES_ON,
        Role.CONDITIONS,
        Role.NEGATIONS,
        Role.CORRECTS,
        Role.DISOWNS_AFTER,
        Role.SCOPES,
        Role.SOFT_SCOPES,
        Role.CONCLUDES,
        Role.RIGHTS,
        Role.WRONGS,
        Role.CHOOSES_AFTER,
        Role.RESTRICTS,
        Role.LIKEWISE_AFTER,
    )


def _is_initial(marked: Marked, after: int) -> bool:
    """E. coli, C. difficile: an initial, and a word in lower case."""
    if marked.text(after) != "." or after + 1 >= len(marked.tokens):
        return False
    following = marked.tokens[after + 1]
    if following.start == marked.tokens[after].end and following.text[0].isalnum():
        return following.text[0].isascii()
    mark = marked.mark_at(after + 1)
    is_lower = marked.folded[following.start].islower()
    return (
        is_lower
        and following.text[0].isalpha()
        and not (mark is not None and mark.plays(Role.WRONGS, Role.RIGHTS, Role.BECAUSE))
    )


def _number_at(marked: Marked, options: Options, place: int) -> Mention | None:
    """ "option 2", "number two", "the second option", "2번"; "8" alone, for the only text that begins with it."""
    token = marked.tokens[place]
    if token.text[0].isdigit() and marked.is_boundary(marked.skip_closers(place + 1)) and _is_led(marked, place):
        letters = options.number_letters(token.text)
        # "2" may be the second option, too.
        is_place = token.text.isdecimal() and options.at(int(token.text[:4])) is not None
        if len(letters) == 1 and not is_place:
            return Mention(letters, place, place + 1, is_text=True)
    number = int(token.text) if _SMALL_NUMBER.fullmatch(token.text) else marked.rules.numbers.get(token.text)
    if number is None:
        return None
    before, after = marked.mark_until(place - 1), marked.mark_at(place + 1)
    is_named = before is not None and before.plays(Role.OPTION_WORDS) and not before.plays(Role.CONCLUDES)
    is_named_after = after is not None and after.plays(Role.OPTION_WORDS_AFTER)
    is_ordinal = not token.text.isdecimal() and after is not None and after.plays(Role.OPTION_WORDS)
    letter = options.at(number)
    if letter is None or not (is_named or is_named_after or is_ordinal):
        return None
    if token.text.isdecimal() and options.number_letters(token.text) - {letter}:
        return None
    end = after.end if after is not None and not is_named else place + 1
    letters = frozenset({letter})
    text = _own_text(marked, options, end - 1)
    if text is not None:
        letters, end = letters | text.letters, text.end
    return Mention(letters, place, end, is_number=True)


def _is_led(marked: Marked, place: int) -> bool:
    """Whether a number is all of an answer, or stands directly after a colon or "is"."""
    before = marked.skip_openers_back(place - 1)
    mark = marked.mark_until(before)
    return before < 0 or (mark is not None and mark.plays(Role.IS, Role.NOUNS, Role.LABELS))


def _after_words(marked: Marked, end: int) -> int:
    """Past "项" and "번", which follow the letter."""
    place = marked.skip_closers(end)
    mark = marked.mark_at(place)
    if mark is not None and mark.plays(Role.OPTION_WORDS_AFTER):
        return mark.end
    return end
