"""Words after a mention that choose it: "B is correct", "B explains it best", "B: correct"."""

from dataclasses import replace

from m1app.question.answers.claim_surroundings import ONLY, Surroundings
from m1app.question.answers.claims import Claim, How, Strength
from m1app.question.answers.marks import OPENERS, Mark
from m1app.question.answers.mention import Mention
from m1app.question.answers.rules import Role

DASHES = frozenset("-–—")
STEPS = 24
FEW = 2
"""Full stops of an answer in which the text of an option alone says much."""
RULE_NAMES = {
    Role.CHOOSES: "chooses",
    Role.CHOOSES_AFTER: "chooses",
    Role.FINALS: "final answer",
    Role.NOUNS: "answer is",
    Role.LABELS: "label",
    Role.RIGHTS: "is right",
    Role.CONCLUDES: "concludes",
    Role.CORRECTS: "corrects",
    Role.POINTS: "it is",
    Role.SUPPORTS: "supports",
}
_BEFORE_VERDICT = frozenset(".:([→=")
_SIGNS_RIGHT = frozenset("✅✓✔☑")


def is_east_asian(text: str) -> bool:
    """Whether a token is Chinese, Japanese or Korean."""
    return bool(text) and ("\u3040" <= text[0] <= "\u9fff" or "\uac00" <= text[0] <= "\ud7af")


_NOUN_WORDS = 3
"""Words of a noun that may follow: "the most likely *cause*"."""
_AFTER_RIGHT = (Role.BECAUSE, Role.CONCLUDES, Role.JOINS, Role.GOES_ON, Role.CHOOSES_AFTER, Role.NEGATIONS)


class Judgements(Surroundings):
    """Reads what is said of a mention after it."""

    def _confirmed(self, m: Mention) -> Claim | None:
        """ "B is correct", "B explains it best", "B: correct"."""
        found = self._judged(m)
        if found is None or m.is_small:
            return None
        role, end, language = found
        rule = f"{RULE_NAMES[role]} ({language})"
        if role is Role.SUPPORTS:
            only = self.marked.mark_until(m.start - 1)
            is_only = only is not None and only.phrase.words[0] in ONLY
            strength = Strength.STATED if is_only else Strength.NAMED
            return self._made(m, How.STATED, strength, rule, only.start if is_only and only else m.start, end)
        mark = self.marked.mark_at(self._after(m))
        is_hypothetical = mark is not None and mark.plays(Role.HYPOTHETICALS) and not mark.plays(Role.IS)
        strength = Strength.ALONE if is_hypothetical else Strength.STATED
        claim = self._made(m, How.STATED, strength, rule, m.start, end)
        return replace(claim, is_confirmed=role is Role.RIGHTS, is_hypothetical=is_hypothetical)

    def _judged(self, m: Mention) -> tuple[Role, int, str] | None:
        """The words after a mention that choose it, and where they end."""
        marked = self.marked
        place = self._after(m)
        mark = marked.mark_at(place)
        if mark is None:
            return None
        if mark.plays(Role.CHOOSES) and mark.phrase.words[0] in _SIGNS_RIGHT:
            return Role.CHOOSES, mark.end, mark.language(Role.CHOOSES)
        if mark.plays(Role.CHOOSES_AFTER):
            return (Role.CHOOSES_AFTER, mark.end, mark.language(Role.CHOOSES_AFTER)) if self._starts_clause(m) else None
        if not self._starts_clause(m):
            return None
        is_said = mark.plays(Role.IS, Role.HYPOTHETICALS)
        if is_said:
            role = self._right_after(mark.end)
            if role is not None:
                return role
        elif mark.plays(Role.RIGHTS, Role.NOUNS) and self._stands(mark.end):
            role_ = Role.RIGHTS if mark.plays(Role.RIGHTS) else Role.NOUNS
            return role_, mark.end, mark.language(role_)
        is_short = not m.is_text or marked.sentence[-1] <= FEW
        return (
            (Role.SUPPORTS, mark.end, mark.language(Role.SUPPORTS)) if mark.plays(Role.SUPPORTS) and is_short else None
        )

    def _after(self, m: Mention) -> int:
        """The token after the mention, past brackets and a sign between it and a verdict."""
        marked = self.marked
        place = marked.skip_closers(m.end)
        if marked.text(place) in _BEFORE_VERDICT or marked.text(place) in DASHES:
            following = marked.mark_at(marked.skip_openers(place + 1))
            is_item = marked.text(place) != "." or marked.is_line_start(m.start)
            if (
                is_item
                and following is not None
                and following.plays(Role.RIGHTS, Role.WRONGS, Role.REJECTS_AFTER, Role.CHOOSES)
                and self._is_verdict_word(following)
                and marked.skip_openers(following.end) not in self.mention_of
            ):
                return following.start
        return place

    def _turns(self, place: int) -> bool:
        """Whether "but" and the like follow, after which "correct" may be taken back."""
        mark = self.marked.mark_at(place)
        return mark is not None and mark.plays(Role.CORRECTS) and not mark.plays(Role.BECAUSE, Role.CONCLUDES)

    def _is_verdict_word(self, mark: Mark) -> bool:
        return self._stands(mark.end) or mark.phrase.words[0] in _SIGNS_RIGHT

    def _starts_clause(self, m: Mention) -> bool:
        """Whether a clause starts with the mention, so that what follows is said of it alone."""
        marked = self.marked
        place = m.start - 1
        for _ in range(STEPS):
            place = marked.skip_openers_back(place)
            if place < 0 or marked.text(place) in ".!?\n,;:…。)(" or marked.text(place) in DASHES:
                return True
            mark = marked.mark_until(place)
            if mark is None:
                return False
            if mark.plays(
                Role.CORRECTS,
                Role.CONCLUDES,
                Role.BECAUSE,
                Role.CONDITIONS,
                Role.NEGATIONS,
                Role.JOINS,
                Role.HEDGES,
                Role.DISOWNS,
                Role.CHOOSES,
                Role.OPENS_CLAUSE,
            ):
                return True
            if not mark.plays(Role.FILLERS, Role.OPTION_WORDS, Role.IS, Role.NOUNS, Role.HYPOTHETICALS):
                return False
            place = mark.start - 1
        return False

    def _right_after(self, place: int) -> tuple[Role, int, str] | None:
        """ "[is] clearly the best choice"."""
        marked = self.marked
        unknown = 0
        for _ in range(8):
            mark = marked.mark_at(place)
            if mark is None:
                if marked.text(place) in OPENERS or (marked.text(place).isalpha() and unknown < 2):
                    unknown += marked.text(place).isalpha()
                    place += 1
                    continue
                return None
            if mark.phrase.words[0] in ("a", "an"):
                return None
            for role in (Role.RIGHTS, Role.NOUNS):
                if mark.plays(role):
                    if not self._stands(mark.end) or (unknown and role is Role.RIGHTS):
                        return None
                    return (
                        (role if role is Role.NOUNS else Role.RIGHTS),
                        self._end_of_noun(mark.end),
                        mark.language(role),
                    )
            if not mark.plays(Role.FILLERS):
                return None
            place = mark.end
        return None

    def _end_of_noun(self, place: int) -> int:
        mark = self.marked.mark_at(place)
        return mark.end if mark is not None and mark.plays(Role.NOUNS, Role.OPTION_WORDS) else place

    def _stands(self, place: int) -> bool:
        """Whether nothing that limits it follows "correct": a short noun at most."""
        marked = self.marked
        for step in range(5):
            place = marked.skip_closers(place)
            mark = marked.mark_at(place)
            if mark is not None:
                stands = self._stands_before(mark)
                if stands is not None:
                    return stands
                place = mark.end
                continue
            text = marked.text(place)
            if marked.is_boundary(place) or text in DASHES or is_east_asian(text):
                return text != "?" and not (text == "," and self._turns(place + 1))
            if step >= _NOUN_WORDS or not text.isalpha():
                return False
            place += 1
        return False

    def _stands_before(self, mark: Mark) -> bool | None:
        """Whether "correct" stands if a phrase follows it; None if what comes next decides."""
        if mark.plays(Role.REJECTS_AFTER, Role.WRONGS) and not mark.plays(Role.FILLERS):
            return False
        if mark.plays(Role.RESTRICTS) and not mark.plays(Role.BECAUSE):
            return False
        if mark.plays(Role.SCOPES, Role.SOFT_SCOPES):
            return self._is_here(mark.end) or mark.plays(Role.SOFT_SCOPES)
        if mark.plays(Role.CORRECTS) and not mark.plays(Role.BECAUSE, Role.CONCLUDES):
            return False
        return True if mark.plays(*_AFTER_RIGHT) else None
