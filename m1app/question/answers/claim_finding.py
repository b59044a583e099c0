"""Finds the claims of an answer: every mention with what makes it the answer, and whether it counts."""

from collections.abc import Sequence
from dataclasses import replace

from m1app.question.answers.claim_judgements import FEW
from m1app.question.answers.claim_stances import Stances
from m1app.question.answers.claims import Claim, Claims, How, Stance, Strength
from m1app.question.answers.marks import Marked
from m1app.question.answers.mention import Mention
from m1app.question.answers.rules import Role


class Finder(Stances):
    """Sorts the mentions of an answer."""

    def find(self) -> Claims:
        """What the answer says of the mentioned options."""
        found = Claims()
        before: Mention | None = None
        for mention in self.mentions:
            if before is not None and self._is_likewise(mention):
                self._sort_likewise(mention, before, found)
            else:
                self._sort(mention, found)
            before = mention
        return found

    def _is_likewise(self, m: Mention) -> bool:
        """Whether the same is said of a mention as of the one before: "so is D", "D too"."""
        marked = self.marked
        before = marked.mark_until(marked.skip_openers_back(self._before_words(m.start) - 1))
        if before is not None and before.plays(Role.LIKEWISE):
            return True
        place = marked.skip_closers(m.end)
        after = marked.mark_at(place + (marked.text(place) == ","))
        return after is not None and after.plays(Role.LIKEWISE_AFTER) and marked.is_boundary(after.end)

    def _sort_likewise(self, m: Mention, before: Mention, found: Claims) -> None:
        """Rejected as the one before, or as much the answer: then several are."""
        if found.rejected and found.rejected[-1] is before:
            found.rejected.append(m)
        elif found.chosen and found.chosen[-1].mention is before:
            last = found.chosen[-1]
            found.chosen[-1] = replace(last, letters=last.letters | m.letters)

    def _sort(self, mention: Mention, found: Claims) -> None:
        claim = self._claim(mention)
        first = claim.first if claim else mention.start
        stance = self._stance(mention, first)
        if stance is Stance.REJECTED:
            found.rejected.append(mention)
        elif mention.container and not mention.letters:
            found.unread = claim or found.unread
        elif claim is None:
            return
        elif stance is Stance.VOID or (stance is Stance.SOFT and claim.strength <= Strength.ALONE):
            found.void.append(claim)
        elif mention.start in self.listed and claim.strength is Strength.ALONE:
            found.listed.append(claim)
        else:
            found.chosen.append(replace(claim, is_soft=stance is Stance.SOFT))

    def _claim(self, m: Mention) -> Claim | None:
        if m.container:
            how = How.BOXED if m.container == "box" else How.FIELD
            return Claim(m, m.letters, how, Strength.FINAL, m.container, self._negation_start(m.start), m.end)
        return self._led(m) or self._confirmed(m) or self._alone(m)

    def name_only(self) -> Claim | None:
        """The only option that a short answer names."""
        letters = {letter for m in self.mentions for letter in m.letters}
        named = [m for m in self.mentions if m.is_text and not m.is_verdict]
        if len(letters) != 1 or not named or self.marked.sentence[-1] > FEW:
            return None
        m = named[-1]
        if self._stance(m, m.start) is not Stance.PLAIN or not self._is_taken(m):
            return None
        start, end = self.marked.first_of_sentence(m.start), self.marked.end_of_sentence(m.start)
        if self.marked.has(start, end, Role.NEGATIONS, Role.CONDITIONS, Role.HEDGES, Role.DISOWNS, Role.REJECTS_AFTER):
            return None
        return self._made(m, How.NAMED, Strength.NAMED, "only option named", m.start, m.end)

    def _is_taken(self, m: Mention) -> bool:
        """Whether the sentence ends with the option, after a verb that it can be the object of."""
        marked = self.marked
        if not marked.is_hard(marked.skip_closers(m.end)):
            return False
        place = m.start - 1
        for _ in range(6):
            place = marked.skip_openers_back(place)
            mark = marked.mark_until(place)
            if mark is None:
                return False
            if mark.plays(Role.TAKES, Role.IS):
                return True
            if not mark.plays(Role.FILLERS):
                return False
            place = mark.start - 1
        return False


def find_claims(marked: Marked, mentions: Sequence[Mention], options: int) -> Claims:
    """What the answer says of the mentioned options."""
    return Finder(marked, mentions, options).find()


def name_only(marked: Marked, mentions: Sequence[Mention]) -> Claim | None:
    """The only option that a short answer names, in words: "The dose should be 8 mg."."""
    return Finder(marked, mentions, 0).name_only()
