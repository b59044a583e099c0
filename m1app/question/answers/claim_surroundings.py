"""The mentions of an answer in their surroundings: what stands before and after them."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise

from m1app.question.answers.claims import Claim, How, Strength
from m1app.question.answers.marks import OPENERS, Mark, Marked
from m1app.question.answers.mention import Mention
from m1app.question.answers.rules import Role

_CLAUSE_REACH = 100
_WRAPPERS = OPENERS - frozenset(":=→⇒、，–—-•·‣▪<>|~")
_BEFORE_BULLET = frozenset(("\n", "", "=", "-"))
_BULLET_DASHES = frozenset("-–—•·‣▪*+>#")
_LATEX_WORDS = frozenset(("text", "textbf", "mathbf", "mathrm", "textrm"))
ONLY = frozenset(("only", "alone", "solo", "sólo", "seul", "seule", "nur", "allein", "只有", "仅"))
_RELATIVE = frozenset(("which", "who", "where", "with", "qui", "que", "as", "in"))


class Surroundings:
    """An answer's tokens and the mentions among them."""

    def __init__(self, marked: Marked, mentions: Sequence[Mention], options: int) -> None:
        self.marked = marked
        self.mentions = mentions
        self.options = options
        self.mention_of = {place: m for m in mentions for place in range(m.start, min(m.end, m.start + 200))}
        self.last = max(
            (n for n in range(len(marked.tokens) - 1, max(-1, len(marked.tokens) - 40), -1) if not self._is_empty(n)),
            default=-1,
        )
        """The last token that says something."""
        self.listed = self._find_lists()

    def _is_empty(self, place: int) -> bool:
        return self.marked.text(place) in "\n.!*_`\"')]}$#>-–—…|。]" or (self.marked.text(place) == "\\")

    def _find_lists(self) -> set[int]:
        """Mentions that begin the lines of a list of options: A, B, C, ... in order."""
        lines = [
            m
            for m in self.mentions
            if len(m.letters) == 1 and not m.container and self.marked.is_line_start(m.start) and self._has_text(m)
        ]
        found: set[int] = set()
        for one, other in pairwise(lines):
            a, b = next(iter(one.letters)), next(iter(other.letters))
            if len(a) == len(b) == 1 and ord(b) == ord(a) + 1:
                found |= {one.start, other.start}
        return found

    def _has_text(self, m: Mention) -> bool:
        """Whether more than the letter stands in the line."""
        place = self.marked.skip_closers(m.end)
        while self.marked.text(place) in (".", ":"):
            place += 1
        return m.end - m.start > 1 or self.marked.text(place) not in ("", "\n")

    def _made(self, m: Mention, how: How, strength: Strength, rule: str, first: int, end: int) -> Claim:
        return Claim(m, m.letters, how, strength, rule, first, end)

    def _is_spaced(self, place: int) -> bool:
        token = self.marked.tokens[place]
        folded = self.marked.folded
        return folded[token.start - 1 : token.start].isspace() and folded[token.end : token.end + 1].isspace()

    def _before(self, place: int) -> int:
        """The last token up to `place` that is no bracket, quotation, bullet or emphasis."""
        marked = self.marked
        for _ in range(16):
            text = marked.text(place)
            is_wrapper = text in _WRAPPERS or (text in _LATEX_WORDS and marked.text(place - 1) == "\\")
            if place < 0 or not (is_wrapper or (text in _BULLET_DASHES and marked.text(place - 1) in _BEFORE_BULLET)):
                return self._before_number(place)
            place -= 1
        return place

    def _before_number(self, place: int) -> int:
        """Before the "2." of a numbered line."""
        marked = self.marked
        is_number = marked.text(place) in (".", ")") and marked.text(place - 1).isdigit()
        return place - 2 if is_number and marked.text(place - 2) in ("\n", "") else place

    def _is_here(self, place: int) -> bool:
        mark = self.marked.mark_at(place)
        return mark is not None and mark.plays(Role.HERE)

    def _ends(self, m: Mention) -> bool:
        """Whether the sentence ends after the mention, or a reason follows."""
        marked = self.marked
        after = marked.skip_closers(m.end)
        mark = marked.mark_at(after)
        if mark is not None and mark.phrase.words[0] in ONLY:
            after = mark.end
            mark = marked.mark_at(after)
        if marked.is_hard(after) or marked.text(after) == ".":
            return True
        if mark is not None and (mark.plays(Role.CHOOSES_AFTER) or self._is_aside(mark, m)):
            return True
        if marked.text(after) in (",", "-", "–", "—", "(", ":"):
            following = marked.mark_at(marked.skip_openers(after + 1))
            return marked.text(after) in ("(", "–", "—") or (following is not None and self._is_aside(following, m))
        return False

    def _is_aside(self, mark: Mark, m: Mention) -> bool:
        """Whether a reason follows, or what it is not: "because ...", "not A"."""
        is_contrast = mark.plays(Role.NEGATIONS) and not mark.plays(Role.REJECTS_AFTER)
        return is_contrast or (mark.plays(Role.BECAUSE) and not (m.is_text and mark.phrase.words[0] in _RELATIVE))

    def _negation_start(self, place: int) -> int:
        """The first token of the clause, or of its last `_CLAUSE_REACH` ones up to `place`."""
        marked = self.marked
        start = max(bisect_left(marked.clause, marked.clause[place]), place - _CLAUSE_REACH)
        number = bisect_left(marked.line_breaks, place)
        return max(start, marked.line_breaks[number - 1] + 1) if number else start
