"""What stands where in an answer: its tokens, the phrases of the rules among them, and where its clauses end."""

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

from m1app.question.answers.rules import AnswerRules, Phrase, PhrasesOfWord, Role
from m1app.question.answers.tokens import Token, fold, tokens_of
from m1app.question.option_texts import OptionTexts

OPENERS = frozenset("*_#\"'“”‘’`´$([{<>«»「『【《~|-–—•·‣▪→⇒=\\:、，👉")
CLOSERS = frozenset(")]}\"'“”‘’`´*_$»」』】》~|")
LATEX = frozenset(
    (
        "text",
        "textbf",
        "textrm",
        "textit",
        "mathbf",
        "mathrm",
        "mathit",
        "boldsymbol",
        "bf",
        "rm",
        "mathsf",
        "texttt",
        "underline",
        "emph",
        "mathtt",
        "textsf",
        "operatorname",
        "bm",
    )
)
_HARD = frozenset(".!?\n…")
_TELLING_TOKENS = 2000
_SOFT = frozenset(",;:—–()|")
_DIVIDERS = _HARD | _SOFT
_BULLETS = frozenset("-•·*#>+‣▪–—")


@dataclass(frozen=True, slots=True)
class Mark:
    """A phrase of the rules in an answer, by its tokens."""

    start: int
    end: int
    phrase: Phrase

    def plays(self, *roles: Role) -> bool:
        """Whether the phrase plays one of these parts."""
        return not self.phrase.languages.keys().isdisjoint(roles)

    def language(self, role: Role) -> str:
        """The language in which it plays this part."""
        return self.phrase.languages[role]


@dataclass(slots=True)
class Marked:
    """A folded answer with its marks. Every step over it is bounded by the length of a phrase."""

    folded: str
    tokens: list[Token]
    marks: list[Mark]
    """In order; none overlaps another."""
    rules: AnswerRules
    quoted: OptionTexts
    mark_of: list[Mark | None] = field(default_factory=list)
    """The mark over each token."""
    sentence: list[int] = field(default_factory=list)
    """Number of the sentence of each token."""
    clause: list[int] = field(default_factory=list)
    """Number of its clause; clauses end at commas, dashes and words of contrast or conclusion too."""
    line_breaks: list[int] = field(default_factory=list)
    """Places of the line breaks."""
    _starts: list[int] = field(default_factory=list)
    """Places of the marks."""
    _starts_by_role: dict[Role, list[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, rules: AnswerRules, options: Mapping[str, str]) -> "Marked":
        """Fold and mark an answer; `options` are the folded texts of the options by letter."""
        folded = fold(text)
        tokens = tokens_of(folded)
        spoken = rules.spoken_in([token.text for token in tokens[:_TELLING_TOKENS]])
        found = cls(folded, tokens, _marks(tokens, rules.phrases_in(spoken)), rules, OptionTexts(folded, options))
        found.mark_of = [None] * len(tokens)
        for mark in found.marks:
            found.mark_of[mark.start : mark.end] = [mark] * (mark.end - mark.start)
            for role in mark.phrase.languages:
                found._starts_by_role.setdefault(role, []).append(mark.start)
        found._starts = [mark.start for mark in found.marks]
        found.line_breaks = [place for place, token in enumerate(tokens) if token.text == "\n"]
        found._divide()
        return found

    def _divide(self) -> None:
        sentence = clause = 0
        for place, (token, mark) in enumerate(zip(self.tokens, self.mark_of, strict=True)):
            if mark is None and token.text not in _DIVIDERS:
                self.sentence.append(sentence)
                self.clause.append(clause)
                continue
            starts = mark is not None and mark.start == place and mark.plays(Role.CORRECTS, Role.CONCLUDES)
            if starts:
                clause += 1
            self.sentence.append(sentence)
            self.clause.append(clause)
            if (
                token.text in _HARD and mark is None and (token.text != "." or self._is_full_stop(place))
            ) or token.text == ";":
                sentence += 1
                clause += 1
            elif token.text in _SOFT and mark is None:
                clause += 1

    def _is_full_stop(self, place: int) -> bool:
        token = self.tokens[place]
        after = self.folded[token.end : token.end + 1]
        if (
            after
            and not after.isspace()
            and after not in CLOSERS
            and after not in OPENERS
            and not _is_east_asian(after)
        ):
            return bool(re.match(r"[A-ZÀ-Þ]", after)) and self._word_before(place) > 1
        following = self.tokens[place + 1].text if place + 1 < len(self.tokens) else ""
        is_initial = self._word_before(place) == 1 and self.tokens[place - 1].text.isalpha()
        next_start = self.tokens[place + 1].start if following else 0
        return not (is_initial and following and self.folded[next_start].islower())

    def _word_before(self, place: int) -> int:
        return len(self.tokens[place - 1].text) if place else 0

    def text(self, place: int) -> str:
        """The token's text; empty outside of the answer."""
        return self.tokens[place].text if 0 <= place < len(self.tokens) else ""

    def is_upper(self, place: int) -> bool:
        """Whether the token begins with a capital."""
        return self.folded[self.tokens[place].start].isupper()

    def mark_at(self, place: int) -> Mark | None:
        """The mark that starts at a token."""
        mark = self.mark_of[place] if 0 <= place < len(self.tokens) else None
        return mark if mark is not None and mark.start == place else None

    def mark_until(self, place: int) -> Mark | None:
        """The mark that ends with a token."""
        mark = self.mark_of[place] if 0 <= place < len(self.tokens) else None
        return mark if mark is not None and mark.end == place + 1 else None

    def skip_closers(self, place: int, limit: int = 12) -> int:
        """The first token from `place` on that closes no bracket or quotation."""
        tokens = self.tokens
        end = min(len(tokens), place + limit)
        while 0 <= place < end:
            text = tokens[place].text
            if text not in CLOSERS and not (text == "\\" and self._is_latex_closer(place)):
                break
            place += 1
        return place

    def _is_latex_closer(self, place: int) -> bool:
        return self.text(place) == "\\" and self.text(place + 1) in (")", "]")

    def skip_openers_back(self, place: int, limit: int = 16) -> int:
        """The last token up to `place` that is neither an opening sign nor LaTeX."""
        end = max(-1, place - limit)
        while place > end and (
            self.text(place) in OPENERS or (self.text(place) in LATEX and self.text(place - 1) == "\\")
        ):
            place -= 1
        return place

    def skip_openers(self, place: int, limit: int = 16) -> int:
        """The first token from `place` on that is neither an opening sign nor LaTeX."""
        tokens = self.tokens
        end = min(len(tokens), place + limit)
        while 0 <= place < end:
            text = tokens[place].text
            if text not in OPENERS and not (text in LATEX and self.text(place - 1) == "\\"):
                break
            place += 1
        return place

    def is_boundary(self, place: int) -> bool:
        """Whether a clause ends before the token `place`."""
        return place >= len(self.tokens) or self.text(place) in _HARD or self.text(place) in _SOFT

    def is_hard(self, place: int) -> bool:
        """Whether a sentence ends before the token `place`, or the answer does."""
        if place >= len(self.tokens):
            return True
        return self.text(place) in "!?\n…;" or (self.text(place) == "." and self._is_full_stop(place))

    def is_line_start(self, place: int) -> bool:
        """Whether only bullets and opening signs stand before the token in its line."""
        place -= 1
        for _ in range(16):
            if place < 0 or self.text(place) == "\n":
                return True
            if self.text(place) not in OPENERS and self.text(place) not in _BULLETS:
                return False
            place -= 1
        return False

    def first_of_sentence(self, place: int) -> int:
        """The first token of the token's sentence."""
        return bisect_left(self.sentence, self.sentence[place])

    def end_of_sentence(self, place: int) -> int:
        """The token after the token's sentence."""
        return bisect_left(self.sentence, self.sentence[place] + 1)

    def marks_between(self, start: int, end: int, limit: int = 120) -> list[Mark]:
        """Marks that start within a range of tokens; of a very long one, the last `limit`."""
        first, last = bisect_left(self._starts, start), bisect_left(self._starts, end)
        return self.marks[max(first, last - limit) : last]

    def has(self, start: int, end: int, *roles: Role, limit: int = 120) -> bool:
        """Whether a phrase with one of these parts is among the marks between, see `marks_between`."""
        start = self._latest(start, end, limit)
        for role in roles:
            starts = self._starts_by_role.get(role, ())
            place = bisect_left(starts, start)
            if place < len(starts) and starts[place] < end:
                return True
        return False

    def playing(self, role: Role, start: int, end: int, limit: int = 120) -> list[Mark]:
        """Those of the marks between, see `marks_between`, that play a part."""
        starts = self._starts_by_role.get(role, ())
        first = bisect_left(starts, self._latest(start, end, limit))
        return [mark for place in starts[first : bisect_left(starts, end)] if (mark := self.mark_of[place])]

    def _latest(self, start: int, end: int, limit: int) -> int:
        """From where on the last `limit` marks of a range start."""
        last = bisect_left(self._starts, end)
        return max(start, self._starts[last - limit]) if last > limit else start


def _is_east_asian(character: str) -> bool:
    return "\u3040" <= character <= "\u9fff" or "\uac00" <= character <= "\ud7af"


def _marks(tokens: list[Token], phrases: Mapping[str, PhrasesOfWord]) -> "list[Mark]":
    found: list[Mark] = []
    end = 0
    for place, token in enumerate(tokens):
        begun = phrases.get(token.text) if place >= end else None
        mark = None if begun is None else _mark_at(tokens, place, begun)
        if mark is not None:
            found.append(mark)
            end = mark.end
    return found


def _mark_at(tokens: list[Token], place: int, begun: PhrasesOfWord) -> Mark | None:
    """The phrase at a token, of those that begin with its word."""
    for phrase in begun.before(tokens[place + 1].text if place + 1 < len(tokens) else ""):
        words, end = phrase.words, place + len(phrase.words)
        if end <= len(tokens) and all(tokens[place + n].text == words[n] for n in range(2, len(words))):
            return Mark(place, end, phrase)
    return None
