"""Checks whether answers agree with their question's target, for training data.

If the answer commits to an option, the scoring rule `strict` decides. Reasoning traces are often made from open
questions and commit in words only. Then the last sentence decides if it plainly names one option; an answer that names
only the target agrees with it; and so does one that states the target, and no other option, as what is the case ("the
most likely diagnosis is ..."). Options are found as `option_words` finds them. Where a question asks for the exception,
an answer chooses what it denies. Where several options are right, only the rule decides. Published scorers guess more;
in training data, a wrong guess would teach an error.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from m1app.question.answers.scoring import score
from m1app.question.option_texts import OptionTexts
from m1app.question.prompt_text import narrow
from m1app.question.sentences import sentences
from m1app.targets import has_several
from m1app.training.option_words import NamedOption, OptionWords, Word, words_of

_WORD_START = re.compile(r"(?<!\w)\w")
_TELLING_CHARACTERS = 3
_NEGATIONS = r"not|no|never|none|neither|nor|without|unlikely|incorrect|except|cannot"
_CONTRASTS = r"while|whereas|although|though|but|instead|rather|however|unlike|if|either|or"
# A sentence that negates or weighs options may name a rejected one as well as the chosen one.
_NEGATED = re.compile(rf"\b(?:{_NEGATIONS})\b|n[’']t\b", re.IGNORECASE)
_WEIGHED = re.compile(rf"\b(?:{_CONTRASTS})\b", re.IGNORECASE)
_HEDGED = re.compile(r"\b(?:might|may|could|possibly|perhaps|such as|for example|e\.g|include[sd]?)\b", re.IGNORECASE)
_OPENING = re.compile(r"\W*(?:however|but|instead|rather)\b,?", re.IGNORECASE)
_EXCEPTION = re.compile(r"\b(?:except|not|least|cannot|false|incorrect|untrue|wrong)\b|n[’']t\b", re.IGNORECASE)
_SUBORDINATE = re.compile(r"\b(?:who|whose|because|if|when|after|despite|although|since)\b", re.IGNORECASE)
_RANGE_BEFORE = re.compile(r"\d\s*(?:to|-|–|—)\s*$")
_RANGE_AFTER = re.compile(r"\s*(?:to|-|–|—)\s*\d")
_LEAST = re.compile(r"\bleast\b", re.IGNORECASE)
_STATES = re.compile(
    r"\b(?:is|are|was|were|be|been|being|called|termed|due to|caused by|consistent with|associated with|diagnosis of"
    r"|(?:suggest|indicat)(?:s|es?|ing|ive of)?|points? (?:to|towards?))"
    r"(?:\s+(?!(?:and|or|not|no)\b)[\w’'-]+){0,4}[\s\"“”‘'(*_]*$",
    re.IGNORECASE,
)
_IS_AFTER = re.compile(r"[\s\"”’')*_]*(?:is|are|was|were|would|should)\b", re.IGNORECASE)
_DENIED_AFTER = re.compile(
    r"[\s\"”’')*_]*(?:is|are|was|were|does|do|did|would|should|will|can)(?:\s+not|n[’']t)\b", re.IGNORECASE
)
_IS_BEFORE = re.compile(
    r"\b(?:is|are|was|were|be)\b(?:\s+(?!(?:and|or|is|are|was|were|be)\b)[\w’'-]+){0,5}[\s\"“”‘'(*_]*$", re.IGNORECASE
)


class Verdict(StrEnum):
    """Whether an answer agrees with the target."""

    AGREES = "agrees"
    CONTRADICTS = "contradicts"
    """It names another option, or other ones."""
    UNSTATED = "unstated"
    """It names no option, or several."""
    UNCHECKABLE = "uncheckable"
    """There is no target, or there are no options."""


def verify(answer: str, options: Mapping[str, str], target: str | None, question: str = "") -> Verdict:
    """Return the verdict on a final response, without its thinking.

    Args:
        answer: the response.
        options: letter to text.
        target: letter of the right option, or of all right ones; None if unknown.
        question: the stem; says whether the exception is asked for. Empty if unknown: then it is not.
    """
    if not options or target is None:
        return Verdict.UNCHECKABLE
    letter = score(answer, options, target).letter
    if letter is not None:
        return Verdict.AGREES if letter == target else Verdict.CONTRADICTS
    if has_several(target):
        return Verdict.UNSTATED
    return _verdict_in_words(_sentences(answer, options), target, is_exception=asks_for_exception(question))


def asks_for_exception(question: str) -> bool:
    """Whether a question's last sentence asks for what does not fit: "all of these except", "which is not"."""
    found = sentences(question)
    asked = question[slice(*found[-1])] if found else ""
    match = _EXCEPTION.search(asked)
    return match is not None and not _SUBORDINATE.search(asked, 0, match.start())


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence of an answer, and the options that it names."""

    text: str
    named: tuple[NamedOption, ...]
    is_first: bool

    @property
    def letters(self) -> frozenset[str]:
        return frozenset(each.letter for each in self.named)

    @property
    def only(self) -> NamedOption | None:
        """The option, if it names one alone."""
        return self.named[0] if len(self.letters) == 1 else None

    def plainly_named(self) -> str | None:
        """The only option named, unless the sentence negates or weighs options."""
        is_undecided = _NEGATED.search(self.text) or _WEIGHED.search(self.text)
        return self.only.letter if self.only and not is_undecided else None

    def stated(self) -> str | None:
        """The only option named, if the sentence states it as what is the case."""
        letter = self.plainly_named()
        if letter is None or self.only is None or _HEDGED.search(self.text):
            return None
        before = self.text[: self.only.start]
        is_subject = self.is_first and not words_of(before) and _IS_AFTER.match(self.text, self.only.end)
        return letter if is_subject or _STATES.search(before) else None

    def denied(self) -> str | None:
        """The only option named, if the sentence says that it is what does not fit."""
        opening = _OPENING.match(self.text)
        text = self.text[opening.end() :] if opening else self.text
        if self.only is None or _WEIGHED.search(text):
            return None
        if _LEAST.search(text) or _DENIED_AFTER.match(self.text, self.only.end):
            return self.only.letter
        is_before = _IS_BEFORE.search(self.text, 0, self.only.start)
        return self.only.letter if is_before and _NEGATED.search(self.text, 0, is_before.start()) else None


def _verdict_in_words(said: Sequence[_Sentence], target: str, *, is_exception: bool) -> Verdict:
    chosen = [each.denied() if is_exception else each.plainly_named() for each in said]
    stated = {letter for each in said if (letter := each.denied() if is_exception else each.stated())}
    if stated == {target}:
        return Verdict.AGREES
    concluded = chosen[-1] if chosen else None
    is_alone = frozenset[str]().union(*(each.letters for each in said)) == {target} and target in chosen
    if stated <= {target} and (concluded == target or is_alone):
        return Verdict.AGREES
    # A target that only the last sentence names, against what the others state, is neither.
    return Verdict.UNSTATED if concluded in (None, target) else Verdict.CONTRADICTS


def _sentences(answer: str, options: Mapping[str, str]) -> list[_Sentence]:
    """The sentences of an answer in order; none of one that names no option."""
    in_words, written, words = OptionWords(options), list(_as_written(answer, options)), words_of(answer)
    if not written and not in_words.may_be_among(words):
        return []
    starts = [word.start for word in words]
    found = []
    for number, (start, end) in enumerate(sentences(answer)):
        text, first = answer[start:end], bisect_left(starts, start)
        inside = [word.moved(-start) for word in words[first : bisect_left(starts, end)]]
        quoted = [_quoted(each, start, inside) for each in written if start <= each.start and each.end <= end]
        every = [each for each in (*in_words.named(text, inside), *quoted) if not _is_end_of_range(text, each)]
        longest = [each for each in every if not any(each.places < other.places for other in every)]
        found.append(_Sentence(text, tuple(dict.fromkeys(longest)), is_first=not number))
    return found


def _quoted(named: NamedOption, start: int, words: Sequence[Word]) -> NamedOption:
    """An option of the answer as one of the sentence that starts there."""
    first, end = named.start - start, named.end - start
    places = frozenset(place for place, word in enumerate(words) if first <= word.start < end)
    return NamedOption(named.letter, first, end, places)


def _as_written(answer: str, options: Mapping[str, str]) -> Iterator[NamedOption]:
    """The options whose texts occur, except short ones ("be", "12"), which any text may contain."""
    folded = narrow(answer)
    texts = OptionTexts(folded, options)
    end = 0
    for start in _WORD_START.finditer(folded):
        reference = texts.at(start.start()) if start.start() >= end else None
        if reference and reference.end - reference.start >= _TELLING_CHARACTERS:
            end = reference.end
            yield from (NamedOption(letter, reference.start, end, frozenset()) for letter in reference.letters)


def _is_end_of_range(text: str, named: NamedOption) -> bool:
    """Whether an option that is a number is only one end of what is said: "20 to 40 minutes"."""
    is_number = text[named.start].isdigit()
    return is_number and bool(_RANGE_BEFORE.search(text[: named.start]) or _RANGE_AFTER.match(text, named.end))
