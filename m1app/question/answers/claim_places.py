"""Mentions that their place makes the answer: alone, in bold, as the first or last line, at the end."""

from dataclasses import replace

from m1app.question.answers.claim_judgements import DASHES
from m1app.question.answers.claim_leads import Leads
from m1app.question.answers.claims import Claim, How, Strength
from m1app.question.answers.joined_mentions import after_brackets
from m1app.question.answers.mention import Mention
from m1app.question.answers.rules import Role

_SMALL_WORDS = frozenset("aeiouy")
_ARTICLES = frozenset(("the", "la", "el", "le", "die", "either", "both"))


class Places(Leads):
    """Reads options that stand alone."""

    def _alone(self, m: Mention) -> Claim | None:
        marked = self.marked
        before = self._before(self._before_words(m.start) - 1)
        is_opening = before < 0
        is_line = marked.text(before) == "\n" or is_opening
        is_end = m.end - 1 >= self.last
        if self._is_graded(m) or self._is_ranked(m):
            return None
        if m.is_small and not (is_opening and is_end and marked.text(m.start) not in _SMALL_WORDS):
            return None
        if is_line and self._ends_line(m):
            return self._made(
                m, How.LINE, Strength.ALONE, "whole answer" if is_opening and is_end else "line", m.start, m.end
            )
        if self._is_bold(m):
            return self._made(m, How.MARKED, Strength.ALONE, "bold", m.start, m.end)
        if is_opening and self._opens(m):
            return self._made(m, How.LINE, Strength.ALONE, "opening", m.start, m.end)
        if not m.is_small and self._is_bare(m):
            return self._made(m, How.LINE, Strength.ALONE, "sentence", m.start, m.end)
        if not m.is_small and self._closes(m, before, is_line or is_end):
            claim = self._made(m, How.LINE, Strength.ALONE, "end", m.start, m.end)
            return replace(claim, letters=m.letters | self._labelled_by(before))
        several = (
            len(m.letters) > 1
            and not m.is_text
            and (marked.is_boundary(before) or marked.mark_until(before) is not None)
        )
        if several and (marked.is_hard(marked.skip_closers(m.end)) or self._names_all(m)):
            return self._made(m, How.LINE, Strength.NAMED, "several", m.start, m.end)
        return None

    def _is_graded(self, m: Mention) -> bool:
        """ "A: true", "A. False": judged, which chooses nothing where the question asks for what is false."""
        marked = self.marked
        place = marked.skip_closers(m.end)
        if not (marked.text(place) in (".", ":", "(", "[", "=") or marked.text(place) in DASHES):
            return False
        mark = marked.mark_at(marked.skip_openers(place + 1))
        if mark is None or not mark.plays(Role.VERDICTS, Role.REJECTS_AFTER):
            return False
        end = marked.skip_closers(mark.end)
        return marked.is_boundary(end) or marked.skip_openers(end) in self.mention_of

    def _is_ranked(self, m: Mention) -> bool:
        """A later item of a numbered list within a line: "1. C 2. A"."""
        marked = self.marked
        number = marked.text(m.start - 2)
        is_item = marked.text(m.start - 1) in (".", ")") and number.isdecimal() and number != "1"
        return is_item and m.start > 2 and marked.text(m.start - 3) != "\n"

    def _closes(self, m: Mention, before: int, is_end: bool) -> bool:
        """Whether a mention ends the answer, or a sentence after a colon: "she is pregnant: B."."""
        text = self.marked.text(before)
        if m.end - 1 >= self.last and is_end:
            return before < 0 or text == "\n" or text in ".!?…,;:。、" or text in DASHES
        return text == ":" and not m.is_text and self.marked.is_hard(self.marked.skip_closers(m.end))

    def _labelled_by(self, before: int) -> frozenset[str]:
        """Letters of an option before a colon: "A: C" chooses neither."""
        named = self.mention_of.get(before - 1) if self.marked.text(before) == ":" else None
        return named.letters if named is not None else frozenset()

    def _names_all(self, m: Mention) -> bool:
        mark = self.marked.mark_at(self.marked.skip_closers(m.end))
        return mark is not None and mark.plays(Role.IS, Role.HYPOTHETICALS, Role.SUPPORTS, Role.FILLERS)

    def _is_bare(self, m: Mention) -> bool:
        """Whether a sentence has nothing but the option and words such as "definitely"."""
        marked = self.marked
        if not self._ends(m) or (m.is_text and not marked.is_hard(marked.skip_closers(m.end))):
            return False
        place = self._before(m.start - 1)
        for _ in range(6):
            if place < 0 or marked.text(place) in "!?\n;" or (marked.text(place) == "." and marked.is_hard(place)):
                is_reply = place >= 0 and marked.text(place) == "?"
                return is_reply or place != self._before(m.start - 1) or m.end - 1 >= self.last
            mark = marked.mark_until(place)
            if mark is None or not mark.plays(Role.FILLERS, Role.RIGHTS):
                return False
            place = self._before(mark.start - 1)
        return False

    def _before_words(self, place: int) -> int:
        """Before "option", "either" and an article."""
        marked = self.marked
        for _ in range(4):
            mark = marked.mark_until(marked.skip_openers_back(place - 1))
            if mark is None or not (mark.plays(Role.OPTION_WORDS) or mark.phrase.words[0] in _ARTICLES):
                return place
            place = mark.start
        return place

    def _ends_line(self, m: Mention) -> bool:
        marked = self.marked
        place = marked.skip_closers(m.end)
        for _ in range(6):
            if place >= len(marked.tokens) or marked.text(place) == "\n":
                return True
            if marked.text(place) not in ".:;!*_`)]\"'…,✅✓✔":
                return False
            place += 1
        return False

    def _is_one_of_several(self, place: int) -> bool:
        """Whether another option follows what is said in brackets: "A (possible), B (unlikely)"."""
        marked = self.marked
        end = after_brackets(marked, place)
        is_list = end > place and marked.text(end) in (",", ";", "/", ".")
        return is_list and marked.skip_openers(end + 1) in self.mention_of

    def _is_bold(self, m: Mention) -> bool:
        folded, tokens = self.marked.folded, self.marked.tokens
        start, end = tokens[m.start].start, tokens[m.end - 1].end
        if (
            not folded[:start].rstrip(" (").endswith("**")
            if start < 400
            else not folded[start - 4 : start].rstrip(" (").endswith("**")
        ):
            return False
        return "**" in folded[start:end] or folded[end : end + 5].lstrip(" .:;)!").startswith("**")

    def _opens(self, m: Mention) -> bool:
        """Whether the answer's first clause is the option: "B. The lung ...", "No; ...", "B, because ..."."""
        marked = self.marked
        after = marked.skip_closers(m.end)
        text = marked.text(after)
        if text == ".":
            return marked.is_hard(after)
        if text in (":", "(") and marked.text(after + 1)[:1].isdigit():
            return False
        if text == "(" and self._is_one_of_several(after):
            return False
        if text in ("!", ";", ":", "–", "—", "\n", "(") or (text == "-" and self._is_spaced(after)):
            return True
        mark = marked.mark_at(after)
        if mark is not None and mark.plays(Role.BECAUSE) and not m.is_text:
            return marked.text(m.start) != "a" or marked.text(after) not in ("with", "in")
        if mark is not None and not m.is_text and self._is_aside(mark, m):
            return True
        if text != ",":
            return False
        following = marked.mark_at(marked.skip_openers(after + 1))
        return m.is_verdict or (following is not None and self._is_aside(following, m))
