"""Words before a mention that make it the answer: "the answer is", "I choose", "Response:"."""

from dataclasses import dataclass, replace

from m1app.question.answers.claim_judgements import DASHES, RULE_NAMES, STEPS, Judgements, is_east_asian
from m1app.question.answers.claims import Claim, How, Strength
from m1app.question.answers.marks import OPENERS, Mark
from m1app.question.answers.mention import Mention
from m1app.question.answers.rules import Role

IS_SIGNS = frozenset(":=→⇒】]")
_BRINGS = frozenset("会将易")
"""In Chinese, after an option that is spoken of: "choosing A will ..."."""
_GAP = 14


@dataclass(frozen=True, slots=True)
class _Lead:
    """The words before a mention that make it the answer."""

    role: Role
    language: str
    first: int
    is_hypothetical: bool = False


_LEADING = (
    Role.CHOOSES,
    Role.FINALS,
    Role.NOUNS,
    Role.LABELS,
    Role.RIGHTS,
    Role.POINTS,
    Role.CORRECTS,
    Role.CONCLUDES,
)
"""Parts that make an option the answer, in the order in which they are looked for."""


@dataclass(slots=True)
class _Way:
    """What was passed between a mention and the words before it."""

    is_said: bool = False
    """ "Is", or a sign that stands for it."""
    is_hypothetical: bool = False
    broke: bool = False
    """A line break."""


def _past_mark(mark: Mark, way: _Way) -> int | None:
    """The token before a phrase that may stand between lead and mention; None if it ends the search."""
    if mark.plays(Role.IS, Role.HYPOTHETICALS, Role.POINTS):
        way.is_said = True
        way.is_hypothetical = way.is_hypothetical or not mark.plays(Role.IS, Role.POINTS)
    elif way.broke or not mark.plays(Role.FILLERS, Role.OPTION_WORDS):
        return None
    return mark.start - 1


class Leads(Judgements):
    """Reads what leads to a mention."""

    def _led(self, m: Mention) -> Claim | None:
        lead = self._lead(m)
        if lead is None:
            return None
        rule = f"{RULE_NAMES[lead.role]} ({lead.language})"
        if lead.role in (Role.CONCLUDES, Role.CORRECTS, Role.POINTS):
            if m.is_small or not self._ends(m):
                return None
            strength = Strength.ALONE if lead.role is Role.POINTS or m.is_verdict else Strength.STATED
            return self._made(m, How.STATED, strength, rule, lead.first, m.end)
        if not self._fits(m, lead) or (lead.role is Role.CHOOSES and self._is_subject(m, lead)):
            return None
        is_weak = lead.is_hypothetical or lead.role is Role.RIGHTS
        strength = Strength.ALONE if is_weak else Strength.STATED
        claim = self._made(m, How.STATED, strength, rule, lead.first, m.end)
        return replace(claim, is_final=lead.role is Role.FINALS, is_hypothetical=lead.is_hypothetical)

    def _is_subject(self, m: Mention, lead: _Lead) -> bool:
        """ "Choosing A is an error", "selecting A misses the rash": speaks of choosing, and does not choose."""
        marked = self.marked
        after = marked.skip_closers(m.end)
        mark = marked.mark_at(after)
        if is_east_asian(marked.text(lead.first)):
            if mark is None or not mark.plays(Role.IS):
                return marked.text(after) in _BRINGS
            reason = marked.mark_at(mark.end)
            return reason is None or not reason.plays(Role.BECAUSE)
        if not marked.text(lead.first).endswith("ing"):
            return False
        if mark is None:
            return marked.text(after).isalpha()
        return mark.plays(Role.IS, Role.HYPOTHETICALS, Role.SUPPORTS)

    def _fits(self, m: Mention, lead: _Lead) -> bool:
        """Whether the clause can end after the mention, so that it is no part of a longer name."""
        after = self.marked.skip_closers(m.end)
        if not m.is_text:
            return not m.is_small or lead.role is not Role.RIGHTS
        if self.marked.text(after) == ",":
            return m.is_verdict or self._goes_on_alone(m, after + 1)
        if (
            self.marked.is_boundary(after)
            or self.marked.text(after) in ("-", "&")
            or is_east_asian(self.marked.text(after))
        ):
            return True
        mark = self.marked.mark_at(after)
        return mark is not None and not m.is_verdict and (mark.plays(Role.CORRECTS) or self._is_aside(mark, m))

    def _goes_on_alone(self, m: Mention, place: int) -> bool:
        """Whether a reason, a contrast or the option's letter follows a comma."""
        place = self.marked.skip_openers(place)
        mark = self.marked.mark_at(place)
        if mark is not None and mark.plays(Role.OPTION_WORDS):
            place = mark.end
        same = self.mention_of.get(place)
        if same is not None:
            return same.letters == m.letters
        return mark is not None and (mark.plays(Role.CORRECTS, Role.CONCLUDES, Role.BECAUSE, Role.NEGATIONS))

    def _lead(self, m: Mention) -> _Lead | None:
        place, way = m.start - 1, _Way()
        points: _Lead | None = None
        for _ in range(STEPS):
            if place < 0 or place in self.mention_of:
                return points
            mark = self.marked.mark_until(place)
            role = None if mark is None else self._leading_role(mark, way)
            if mark is not None and role is Role.POINTS:
                points = _Lead(role, mark.language(role), mark.start)
            elif mark is not None and role is not None:
                return _Lead(role, mark.language(role), mark.start, way.is_hypothetical)
            before = self._past_sign(place, way) if mark is None else _past_mark(mark, way)
            if before is None:
                break
            place = before
        return (self._distant(place, way.is_hypothetical) if way.is_said and not way.broke else None) or points

    def _past_sign(self, place: int, way: _Way) -> int | None:
        """The token before a sign that may stand between lead and mention; None if another one ends the search."""
        text = self.marked.text(place)
        if text in IS_SIGNS or (text in DASHES and self._is_spaced(place)):
            way.is_said = True
        elif text == "\n":
            if way.broke:
                return None
            way.broke = True
        elif not (
            text in OPENERS
            or (place > 0 and self.marked.text(place - 1) == "\\")
            or (text in (",", ".") and self._is_correction(place - 1))
        ):
            return None
        return place - 1

    def _leading_role(self, mark: Mark, way: _Way) -> Role | None:
        is_label = way.is_said or (way.broke and self.marked.is_line_start(mark.start))
        if way.broke and not is_label:
            return None
        found = (role for role in _LEADING if mark.plays(role) and self._leads(mark, role, way, is_label))
        return next(found, None)

    def _leads(self, mark: Mark, role: Role, way: _Way, is_label: bool) -> bool:
        """Whether a phrase makes what follows the answer, given what stands between."""
        if role is Role.FINALS:
            return True
        if role is Role.NOUNS:
            return is_label
        if role is Role.LABELS:
            return is_label and (not mark.plays(Role.RIGHTS) or self._is_label(mark))
        return not way.broke and (role is not Role.RIGHTS or way.is_said)

    def _is_correction(self, place: int) -> bool:
        mark = self.marked.mark_until(place)
        return mark is not None and mark.plays(Role.CORRECTS, Role.CONCLUDES)

    def _is_label(self, mark: Mark) -> bool:
        return self.marked.is_line_start(mark.start) and self.marked.text(mark.end) in IS_SIGNS

    def _distant(self, place: int, is_hypothetical: bool) -> _Lead | None:
        """ "The answer to this question is", "the most likely cause of her fever is"."""
        marked = self.marked
        for _ in range(_GAP):
            if (
                place < 0
                or place in self.mention_of
                or marked.is_hard(place)
                or marked.text(place) in (",", ";", ":", "(")
            ):
                return None
            mark = marked.mark_until(place)
            if mark is not None:
                for role in (Role.FINALS, Role.NOUNS, Role.RIGHTS):
                    if mark.plays(role):
                        return _Lead(role, mark.language(role), mark.start, is_hypothetical)
                if mark.plays(Role.IS) and not mark.plays(Role.FILLERS):
                    return None
                place = mark.start - 1
            else:
                place -= 1
        return None
