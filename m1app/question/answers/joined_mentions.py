"""Mentions that are named as one: "A or B", "A, C and D", boxes and lines of a list."""

from dataclasses import replace
from itertools import pairwise

from m1app.question.answers.marks import CLOSERS, OPENERS, Marked
from m1app.question.answers.mention import Mention
from m1app.question.answers.rules import Role

_LOOKED_AT = 26
"""Mentions after one that may belong to the same list."""
_MOST_IN_BRACKETS = 12


def joined(marked: Marked, single: list[Mention], *, are_several: bool) -> list[Mention]:
    """Mentions in order, with lists as one each; `are_several` as in `Options`."""
    found: list[Mention] = []
    for number, mention in enumerate(single):
        last = found[-1] if found else None
        if last is not None and _starts_anew(marked, last, single[number : number + _LOOKED_AT]):
            found.append(mention)
            continue
        joins = _joins(marked, last, mention, are_several=are_several) if last is not None else frozenset()
        if last is not None and joins and not mention.letters <= last.letters:
            found[-1] = replace(
                last,
                letters=last.letters | mention.letters,
                end=mention.end,
                is_small=last.is_small and mention.is_small,
                parts=last.parts + mention.parts,
                joins=last.joins | joins,
            )
        else:
            found.append(mention)
    return found


def _starts_anew(marked: Marked, last: Mention, rest: list[Mention]) -> bool:
    """ "The answer is C, A and B are wrong": a clause of its own begins after the comma."""
    if marked.text(marked.skip_closers(last.end)) != ",":
        return False
    before = marked.mark_until(marked.skip_openers_back(last.start - 1))
    if before is None or not before.plays(Role.IS, Role.CHOOSES, Role.FILLERS, Role.NOUNS, Role.LABELS):
        return False
    end = rest[0]
    for one, other in pairwise(rest):
        if not _joins(marked, one, other):
            break
        end = other
    mark = marked.mark_at(marked.skip_closers(end.end))
    return mark is not None and mark.plays(Role.IS, Role.REJECTS_AFTER, Role.HYPOTHETICALS, Role.SUPPORTS)


def _are_lines(marked: Marked, last: Mention, mention: Mention) -> bool:
    """Whether two mentions are lines of their own, one below the other."""
    ends = (marked.text(marked.skip_closers(each.end)) for each in (last, mention))
    starts_lines = marked.is_line_start(last.start) and marked.is_line_start(mention.start)
    return starts_lines and all(end in ("\n", "", ".") for end in ends)


def _after_alternative(marked: Marked, last: Mention, mention: Mention) -> int:
    """Past what is said in brackets of each of two options, "A (for adults) or B (for children)"; else right after."""
    end = after_brackets(marked, last.end)
    mark = marked.mark_at(end)
    is_pair = end > last.end and mark is not None and mark.plays(Role.JOINS)
    return end if is_pair and after_brackets(marked, mention.end) > mention.end else last.end


def after_brackets(marked: Marked, place: int) -> int:
    """The token after round brackets that begin at a place; the place itself without any, or with long ones."""
    if marked.text(place) != "(":
        return place
    closed = (n for n in range(place + 2, place + 2 + _MOST_IN_BRACKETS) if marked.text(n) == ")")
    return next(closed, place - 1) + 1


def _joins(marked: Marked, last: Mention, mention: Mention, *, are_several: bool = False) -> frozenset[str]:
    """What joins two mentions, if only "and", "or", a comma and the like stand between; empty if anything else does.

    Where several may be right, boxes and the lines of a list are joined, too.
    """
    joins: set[str] = set()
    place = _after_alternative(marked, last, mention)
    if mention.start - place > 10 or ((last.container or mention.container) and not are_several):
        return frozenset()
    if are_several and _are_lines(marked, last, mention):
        return frozenset(("\n",))
    while place < mention.start:
        mark = marked.mark_at(place)
        text = marked.text(place)
        if mark is not None and mark.plays(Role.JOINS) and mark.end <= mention.start:
            joins.add(" ".join(mark.phrase.words))
            place = mark.end
        elif text in (",", "/", "&", "、", "+"):
            joins.add(text)
            place += 1
        elif text in CLOSERS or (text in OPENERS and text not in (":", "-", "–", "—", "→", "⇒", "=")) or text == "text":
            place += 1
        elif mark is not None and mark.plays(Role.OPTION_WORDS) and mark.end <= mention.start:
            place = mark.end
        elif text in ("the", "la", "die", "l", "le", "el") or (
            mark is not None and mark.phrase.words in (("either",), ("both",))
        ):
            place += 1
        else:
            return frozenset()
    return frozenset(joins)
