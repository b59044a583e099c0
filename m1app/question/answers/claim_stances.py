"""What is said of a mention: whether it is rejected, or holds in another case, for others, or with a doubt."""

import re
from functools import cached_property

from m1app.question.answers.claim_leads import IS_SIGNS
from m1app.question.answers.claim_places import Places
from m1app.question.answers.claims import Stance
from m1app.question.answers.marks import OPENERS, Mark, Marked
from m1app.question.answers.mention import Mention
from m1app.question.answers.rules import Role

_REACH = 60
_OR = frozenset(("or", "o", "ou", "oder", "或", "或者", "또는", "혹은"))
_UP_TO = frozenset(("to", "through", "bis", "à", "hasta", "到", "至"))
"""Between the ends of a range: "A to C"."""
_BEFORE_CHANCE = frozenset(":(=[-–—,")
_CHANCE_REACH = 12
_NUMBER = re.compile(r"\d{1,3}(?:[.,]\d{1,6})?")


def _chance(marked: Marked, place: int) -> float | None:
    """The number at a token as a share of 1; None if there is none."""
    if not _NUMBER.fullmatch(marked.text(place)):
        return None
    value = float(marked.text(place).replace(",", "."))
    is_percent = value > 1 or marked.text(place + 1) in ("%", "percent", "prozent")
    return value / 100 if is_percent else value


def _is_likely(marked: Marked, place: int) -> bool:
    chance = _chance(marked, place)
    return chance is not None and 0.5 <= chance <= 1


def _is_unlikely(marked: Marked, place: int) -> bool:
    chance = _chance(marked, place)
    return chance is not None and chance < 0.5


class Stances(Places):
    """Reads whether a mention counts."""

    def _stance(self, m: Mention, first: int) -> Stance:
        if self._is_rejected(m, first):
            return Stance.REJECTED
        if self._is_void(m, first):
            return Stance.VOID
        return self._scope(m, first)

    def _is_rejected(self, m: Mention, first: int) -> bool:
        marked = self.marked
        start = self._negation_start(min(first, m.start))
        if marked.has(start, m.start, Role.NEGATIONS):
            return True
        if any(
            mark.plays(Role.WRONGS)
            for mark in marked.marks_between(max(start, min(first, m.start) - 3), m.start)
            if self._is_led_by_wrong(mark, m)
        ):
            return True
        return self._is_rejected_after(m) or self._is_labelled_wrong(m)

    def _label(self, m: Mention) -> Mark | None:
        """The phrase before a colon before the mention."""
        marked = self.marked
        place = marked.skip_openers_back(m.start - 1)
        if not any(marked.text(n) in IS_SIGNS for n in range(place + 1, m.start)):
            return None
        mark = marked.mark_until(place)
        if mark is not None and mark.plays(Role.NOUNS, Role.OPTION_WORDS):
            mark = marked.mark_until(mark.start - 1)
        return mark

    def _is_labelled_wrong(self, m: Mention) -> bool:
        """ "Incorrect: A, B"."""
        mark = self._label(m)
        if mark is None or not mark.plays(Role.WRONGS):
            return False
        before = self._before(mark.start - 1)
        return before < 0 or self.marked.is_boundary(before)

    def _is_led_by_wrong(self, mark: Mark, m: Mention) -> bool:
        """ "The wrong answer is C", but not "B is wrong, C"."""
        return self.marked.clause[mark.start] == self.marked.clause[m.start] or not any(
            place in self.mention_of for place in range(self._negation_start(mark.start), mark.start)
        )

    def _is_rejected_after(self, m: Mention) -> bool:
        marked = self.marked
        place = self._after(m)
        mark = marked.mark_at(place)
        if mark is None:
            return False
        if mark.plays(Role.REJECTS_AFTER) or (mark.plays(Role.WRONGS) and not mark.plays(Role.NEGATIONS)):
            return True
        if not mark.plays(Role.IS, Role.HYPOTHETICALS):
            return False
        place = mark.end
        for _ in range(8):
            mark = marked.mark_at(place)
            if mark is None:
                if marked.text(place) in OPENERS:
                    place += 1
                    continue
                return False
            if mark.plays(Role.WRONGS, Role.NEGATIONS, Role.REJECTS_AFTER):
                return True
            if not mark.plays(Role.FILLERS, Role.RIGHTS, Role.NOUNS, Role.IS):
                return False
            place = mark.end
        return False

    def _is_void(self, m: Mention, first: int) -> bool:
        marked = self.marked
        start, end = self._segment(m, first)
        if self._is_asked(m) or marked.has(*self._sentence(m, first), Role.FORMATS):
            return True
        clause_start = self._negation_start(min(first, m.start))
        label = self._label(m)
        if label is not None and label.plays(Role.DISOWNS):
            return True
        join = marked.mark_until(marked.skip_openers_back(m.start - 1))
        if join is not None and join.phrase.words[0] in _OR and self._names_other(join.start - 1, m):
            return True
        if marked.has(start, m.start, Role.CONDITIONS) or marked.has(
            clause_start, m.start, Role.HEDGES, Role.DISOWNS, Role.HABITS
        ):
            return True
        if self._is_conditional_after(m, end) or m.start in self._divided or self._is_improbable(m, clause_start):
            return True
        place = marked.skip_closers(m.end)
        mark = marked.mark_at(place + (marked.text(place) == ","))
        if mark is None:
            return False
        if mark.plays(Role.JOINS) and not mark.plays(Role.BECAUSE) and place == mark.start:
            return mark.phrase.words[0] in _OR or self._is_unread_letter(marked.skip_openers(mark.end))
        is_next = place == mark.start
        if is_next and mark.phrase.words[0] in _UP_TO and marked.skip_openers(mark.end) in self.mention_of:
            return True
        return (
            (is_next and mark.plays(Role.DISOWNS_AFTER))
            or (mark.plays(Role.HEDGES) and place != mark.start)
            or (
                is_next and mark.plays(Role.RESTRICTS) and not mark.plays(Role.BECAUSE) and not mark.plays(Role.GOES_ON)
            )
        )

    def _is_unread_letter(self, place: int) -> bool:
        """Whether a capital stands here that may be an option's, and was not read as one: "A and B blockers"."""
        marked, text = self.marked, self.marked.text(place)
        return len(text) == 1 and text.isalpha() and marked.is_upper(place) and place not in self.mention_of

    def _sentence(self, m: Mention, first: int) -> tuple[int, int]:
        return self.marked.first_of_sentence(min(first, m.start)), self.marked.end_of_sentence(m.start)

    @cached_property
    def _divided(self) -> set[int]:
        """Mentions that answer a part each: "A for the first and C for the second"."""
        found: set[int] = set()
        for m in self.mentions:
            other = self._other_part(m)
            if other is not None:
                found |= {m.start, other.start}
        return found

    def _other_part(self, m: Mention) -> Mention | None:
        """Another option that is joined to a mention, behind words about it."""
        marked = self.marked
        for place in range(m.end, min(marked.end_of_sentence(m.start), m.end + _REACH)):
            mark = marked.mark_at(place)
            if mark is not None and mark.plays(Role.BECAUSE, Role.CONCLUDES, Role.NEGATIONS, Role.CORRECTS):
                return None
            other = self.mention_of.get(place)
            if other is None or place != other.start or other.is_text or other.letters == m.letters:
                continue
            if bool(other.container) != bool(m.container):
                return None
            join = marked.mark_until(marked.skip_openers_back(self._past_option_words(place) - 1))
            following = marked.mark_at(marked.skip_closers(other.end))
            is_judged = following is not None and following.plays(
                Role.IS, Role.HYPOTHETICALS, Role.REJECTS_AFTER, Role.SUPPORTS, Role.WRONGS
            )
            if join is not None and join.plays(Role.JOINS) and join.start > m.end and not is_judged:
                return other
        return None

    def _past_option_words(self, place: int) -> int:
        mark = self.marked.mark_until(self.marked.skip_openers_back(place - 1))
        return mark.start if mark is not None and mark.plays(Role.OPTION_WORDS) else place

    def _is_improbable(self, m: Mention, clause_start: int) -> bool:
        """Whether a chance is given that is below one half, or a chance "that" it is so and no number."""
        marked = self.marked
        end = marked.end_of_sentence(m.start)
        if marked.has(clause_start, m.start, Role.CHANCES):
            return not any(_is_likely(marked, place) for place in range(m.end, min(end, m.end + _REACH)))
        place = marked.skip_closers(m.end)
        signs = marked.text(place) in _BEFORE_CHANCE
        if signs and _is_unlikely(marked, marked.skip_openers(place + 1)) and self._is_percent_alone(place + 1):
            return True
        reasons = (mark.start for mark in marked.playing(Role.BECAUSE, m.end, end) if marked.text(mark.start) != "with")
        end = min(end, m.end + _CHANCE_REACH, next(reasons, end))
        return any(
            _is_unlikely(marked, number)
            for mark in marked.playing(Role.CHANCES, m.end, end)
            for number in range(max(m.end, mark.start - 3), min(end, mark.end + 4))
        )

    def _is_percent_alone(self, place: int) -> bool:
        """ "A (10%)", but not "A: 10% of patients"."""
        place = self.marked.skip_openers(place)
        return self.marked.text(place + 1) == "%" and self.marked.is_boundary(self.marked.skip_closers(place + 2))

    def _names_other(self, place: int, m: Mention) -> bool:
        for before in range(place, max(-1, place - 6), -1):
            if before in self.mention_of:
                return self.mention_of[before].letters != m.letters
        return False

    def _is_asked(self, m: Mention) -> bool:
        end = self.marked.end_of_sentence(m.start)
        return any(self.marked.text(place) == "?" for place in range(max(m.end, end - 3), end))

    def _segment(self, m: Mention, first: int) -> tuple[int, int]:
        """The mention's sentence, or its part between words of contrast."""
        marked = self.marked
        start, end = marked.first_of_sentence(min(first, m.start)), marked.end_of_sentence(m.start)
        for mark in marked.playing(Role.CORRECTS, start, end):
            if not mark.plays(Role.CONDITIONS):
                if mark.end <= m.start:
                    start = mark.end
                elif mark.start >= m.end:
                    return start, mark.start
        return start, end

    def _is_conditional_after(self, m: Mention, end: int) -> bool:
        for mark in self.marked.marks_between(m.end, min(end, m.end + _REACH)):
            if mark.plays(Role.CONDITIONS):
                return True
            if mark.plays(Role.BECAUSE, Role.CONCLUDES) or mark.start in self.mention_of:
                return False
        return False

    def _scope(self, m: Mention, first: int) -> Stance:
        """Whether it is said of some case only."""
        marked = self.marked
        start, _ = self._segment(m, first)
        found = [self._scope_at(self._past_leads(start))]
        inside = marked.marks_between(min(first, m.start), m.start)
        found += [self._scope_at(mark.start) for mark in inside if not mark.plays(Role.FILLERS)]
        after = marked.skip_closers(m.end)
        found.append(self._scope_at(after))
        if m.is_verdict and marked.text(after) == ",":
            found.append(self._scope_at(after + 1))
        judged = self._judged(m)
        if judged is not None:
            found.append(self._scope_at(judged[1]))
        if Stance.VOID in found:
            return Stance.VOID
        return Stance.SOFT if Stance.SOFT in found else Stance.PLAIN

    def _past_leads(self, place: int) -> int:
        marked = self.marked
        for _ in range(4):
            place = marked.skip_openers(place)
            mark = marked.mark_at(place)
            if marked.text(place) in (",", "\n"):
                place += 1
            elif mark is not None and mark.plays(Role.CORRECTS, Role.CONCLUDES) and not mark.plays(Role.SCOPES):
                place = mark.end
            else:
                return place
        return place

    def _scope_at(self, place: int) -> Stance:
        mark = self.marked.mark_at(place)
        if mark is not None and mark.plays(Role.ABSENCES):
            return Stance.VOID
        if mark is None or not mark.plays(Role.SCOPES, Role.SOFT_SCOPES) or self._is_here(mark.end):
            return Stance.PLAIN
        return Stance.VOID if mark.plays(Role.SCOPES) else Stance.SOFT
