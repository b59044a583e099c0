"""Which of an answer's claims stands in the end."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace

from m1app.question.answers.claims import Claim, Claims, How, Strength
from m1app.question.answers.marks import Mark, Marked
from m1app.question.answers.mention import Mention
from m1app.question.answers.rules import Role

_DENYING = frozenset(("wrong", "incorrect", "falsch", "incorrecta", "incorrecto", "fausse", "faux"))
_UNSAID = 2
"""Kind of an event that takes an option back after it was named; others come before claims at the same place."""


def settle(marked: Marked, mentions: Sequence[Mention], claims: Claims) -> Claim | None:
    """The claim that stands; with several letters if none of them corrects the others; None if there is none.

    In order: a later claim replaces an earlier one if it is the "final answer", if words between them show a
    correction, or if the earlier one was weaker. A rejected or retracted option no longer stands.
    """
    chosen = _without_hypotheticals(_without_inverted(marked, _without_soft(claims)))
    unsaid = _unsaid(marked, mentions)
    current, was_taken_back = _in_order(marked, chosen, claims.rejected, unsaid)
    if current is not None and _is_weak(current) and _is_contrasted(marked, mentions, claims, current):
        return replace(current, how=How.UNSETTLED)
    if current is not None:
        return current
    if was_taken_back is not None:
        return replace(was_taken_back, how=How.UNSETTLED)
    if claims.listed:
        letters = frozenset[str]().union(*(each.letters for each in claims.listed))
        return replace(claims.listed[-1], letters=letters)
    if claims.void:
        return replace(claims.void[-1], how=How.UNSETTLED)
    return None


def _is_weak(claim: Claim) -> bool:
    """A text that a sentence names as "most likely" and the like."""
    return (
        claim.strength <= Strength.ALONE
        and claim.mention.is_text
        and not claim.mention.is_verdict
        and claim.how is How.STATED
    )


def _is_contrasted(marked: Marked, mentions: Sequence[Mention], claims: Claims, claim: Claim) -> bool:
    """Whether a word of contrast and then another option follow."""
    mark = next((mark for mark in marked.marks if mark.start >= claim.end and mark.plays(Role.CORRECTS)), None)
    if mark is None:
        return False
    rejected = {mention.start for mention in claims.rejected}
    return any(
        other.start > mark.start and not other.letters <= claim.letters and other.start not in rejected
        for other in mentions
    )


def _without_soft(claims: Claims) -> list[Claim]:
    """Without what is said of one case, if another option is named for another case."""
    cases = [each for each in claims.chosen if each.is_soft] + claims.void
    letters = {each.letters for each in cases}
    return [each for each in claims.chosen if not each.is_soft or len(letters) == 1]


def _without_hypotheticals(chosen: list[Claim]) -> list[Claim]:
    """Without "would be", if something is."""
    real = [each for each in chosen if not each.is_hypothetical]
    return real or chosen


def _without_inverted(marked: Marked, chosen: list[Claim]) -> list[Claim]:
    """Without "A is correct", if the question asks for what is false."""
    if not any(mark.plays(Role.INVERTS) for mark in marked.marks):
        return chosen
    return [each for each in chosen if not each.is_confirmed]


def _unsaid(marked: Marked, mentions: Sequence[Mention]) -> list[tuple[int, Mention]]:
    """Where words take an option back that was named before them, and the option: "It is not."."""
    starts = [mention.start for mention in mentions]
    found = []
    for mark in marked.marks:
        if mark.plays(Role.UNSAYS) or _is_denial(marked, mark):
            place = bisect_left(starts, mark.start)
            is_reply = marked.text(mark.start - 1) == "?"
            if place and mentions[place - 1].end <= mark.start and not is_reply:
                found.append((mark.start, mentions[place - 1]))
    return found


def _is_denial(marked: Marked, mark: Mark) -> bool:
    """ "It is not", "it is wrong" at the end of a clause."""
    is_denying = mark.plays(Role.NEGATIONS) or mark.phrase.words[0] in _DENYING
    before = marked.mark_until(mark.start - 1) if is_denying else None
    return before is not None and before.plays(Role.POINTS) and marked.is_boundary(mark.end)


def _in_order(
    marked: Marked, chosen: list[Claim], rejected: list[Mention], unsaid: list[tuple[int, Mention]]
) -> tuple[Claim | None, Claim | None]:
    """The claim that stands, and the last one that was taken back."""
    events: list[tuple[int, int, Claim | Mention | None]] = [(each.mention.start, 1, each) for each in chosen]
    events += [(place, _UNSAID, mention) for place, mention in unsaid]
    events += [(mention.start, 0, mention) for mention in rejected]
    events += [(mark.start, 0, None) for mark in marked.marks if mark.plays(Role.RETRACTS)]
    current: Claim | None = None
    taken_back: Claim | None = None
    for place, kind, event in sorted(events, key=lambda event: event[:2]):
        if isinstance(event, Claim):
            current = event if current is None else _next(marked, current, event)
        elif current is not None:
            is_unsaid = event is not None and kind == _UNSAID and bool(event.letters & current.letters)
            if event is None or is_unsaid or _takes_back(marked, current, event, place):
                taken_back, current = current, None
    return current, taken_back


def _takes_back(marked: Marked, current: Claim, rejected: Mention, place: int) -> bool:
    if not current.letters <= rejected.letters:
        return False
    is_corrected = marked.has(current.mention.end, place, Role.CORRECTS)
    return is_corrected or not rejected.is_text


def _next(marked: Marked, current: Claim, new: Claim) -> Claim:
    if new.letters == current.letters:
        return new if new.strength >= current.strength else current
    is_corrected = marked.has(current.mention.end, new.mention.start, Role.CORRECTS, Role.CONCLUDES)
    if new.is_final or (is_corrected and new.strength >= current.strength - 1 and new.strength > Strength.NAMED):
        return new
    if current.strength <= Strength.ALONE and new.strength > current.strength and not current.is_final:
        return new
    if new.strength is Strength.NAMED and not is_corrected and current.strength > Strength.NAMED:
        return current
    return replace(new, letters=current.letters | new.letters, strength=max(new.strength, current.strength))
