"""Whether the claim that stands names all options that an answer means, where several may be right.

One letter too few would be a wrong set, so this is stricter than the reading of a single letter: what is not clearly a
whole list is not read. Options that are judged one by one ("A: true, B: false") are left unread, too: what is true of
an option need not be what the question asks for. The words are in `rules/sets.toml`.
"""

from collections.abc import Sequence

from m1app.question.answers.claims import Claim, Claims, Strength
from m1app.question.answers.marks import Marked
from m1app.question.answers.mention import Mention
from m1app.question.answers.mention_finding import Options
from m1app.question.answers.rules import Role

_BESIDE_TOKENS = 3


class ClaimedSet:
    """The claim that stands, among everything else that the answer says of the options."""

    def __init__(
        self, marked: Marked, mentions: Sequence[Mention], claims: Claims, claim: Claim, options: Options
    ) -> None:
        self._marked, self._rules = marked, marked.rules
        self._mentions, self._options = mentions, options
        self._claim, self._named = claim, claim.mention
        self._others = [each for each in mentions if each.letters and not each.letters <= claim.letters]
        rejected = {each.start for each in claims.rejected}
        self._standing = [each for each in self._others if each.start not in rejected]
        """Other options that the answer names and does not reject."""
        self._start = marked.first_of_sentence(claim.first)
        self._end = self._end_of_statement()

    def is_whole(self) -> bool:
        """Whether these are all options that the answer means."""
        if not self._is_list() or any(self._is_added(each) for each in self._others):
            return False
        return bool(self._named.container) or (self._is_firm() and self._is_alone_in_sentence())

    def _end_of_statement(self) -> int:
        """The token after the claim's sentence, or after the part of it before a reason."""
        end = self._marked.end_of_sentence(self._named.end - 1)
        marks = self._marked.marks_between(self._named.end, end)
        return next((mark.start for mark in marks if mark.plays(Role.BECAUSE)), end)

    def _is_list(self) -> bool:
        """Whether each name fits one option, and what stands between them joins them."""
        named = self._named
        if self._claim.letters != named.letters or named.parts != len(named.letters):
            return False
        # Lines without words before them, or lines with every option, may only repeat the options.
        is_led = self._claim.first < named.start and not named.container
        is_list_of_lines = is_led and len(named.letters) < len(self._options.texts)
        return named.joins <= self._rules.together and ("\n" not in named.joins or is_list_of_lines)

    def _is_added(self, other: Mention) -> bool:
        """ "D too", "also D"."""
        before, after = max(0, other.start - _BESIDE_TOKENS), other.end + _BESIDE_TOKENS
        return self._says(before, other.start, self._rules.adds) or self._says(other.end, after, self._rules.adds)

    def _is_firm(self) -> bool:
        """Whether one letter is said to be the answer alone; several are, unless they are only named together."""
        if len(self._named.letters) == 1 and (self._claim.is_confirmed or self._standing):
            return False
        return self._claim.strength is not Strength.NAMED

    def _is_alone_in_sentence(self) -> bool:
        """Whether the claim's sentence speaks of no more, and of no fewer, options."""
        if self._says(self._start, self._end, self._rules.limits):
            return False
        if self._standing and self._says(self._start, self._end, self._rules.adds):
            return False
        return not (self._names_another() or self._has_unread_letter() or self._goes_on() or self._began_before())

    def _names_another(self) -> bool:
        return any(self._start <= each.start < self._end for each in self._standing)

    def _has_unread_letter(self) -> bool:
        """Whether the sentence has an option's letter that was not read as such: "A to C"."""
        read = {place for each in self._mentions for place in range(each.start, each.end)}
        rest = (place for place in range(self._start, self._end) if place not in read)
        return any(
            self._marked.text(place).upper() in self._options.by_letter and self._marked.is_upper(place)
            for place in rest
        )

    def _goes_on(self) -> bool:
        """Whether the list goes on with something that was not recognised: "A, C and the last one"."""
        after = self._marked.skip_closers(self._named.end)
        mark = self._marked.mark_at(after)
        if mark is not None and mark.plays(Role.JOINS):
            return True
        if "…" in (text := [self._marked.text(place) for place in range(after, after + 3)]) or text.count(".") > 1:
            return True
        if not self._named.is_text or text[0] != ",":
            return False
        following = self._marked.mark_at(after + 1)
        return following is None or not following.plays(Role.BECAUSE, Role.NEGATIONS)

    def _began_before(self) -> bool:
        """Whether the list began with something that was not recognised: "insulin, A and C"."""
        if self._claim.first < self._named.start:
            return False
        before = self._marked.skip_openers_back(self._named.start - 1)
        mark = self._marked.mark_until(before)
        return self._marked.text(before) == "," or (mark is not None and mark.plays(Role.JOINS))

    def _says(self, start: int, end: int, phrases: frozenset[tuple[str, ...]]) -> bool:
        """Whether one of the phrases stands within a range of tokens."""
        words = tuple(self._marked.text(place) for place in range(start, end))
        lengths = {len(phrase) for phrase in phrases}
        return any(words[place : place + length] in phrases for place in range(len(words)) for length in lengths)
