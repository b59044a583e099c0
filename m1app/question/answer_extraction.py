"""Which option an answer commits to: the scoring rule `strict`.

An answer commits with a box, with a statement ("the answer is C"), or by naming the option alone: in bold, or as its
first or last line. A mere mention does not count, and nothing is guessed: m1's published scorer, from which this
deviates on purpose, falls back to any capital letter and to the most similar option. English phrases only; letters and
punctuation may be full-width. The thinking must be cut off before.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from m1app.question.prompt_text import OptionReference, match_option_text, narrow


class How(StrEnum):
    """The basis of an extracted letter, or of its absence."""

    BOXED = "boxed"
    STATED = "stated"
    """Stated in a sentence or label: "the answer is C", "Answer: C", "option C is correct"."""
    MARKED = "marked"
    """In bold, by itself."""
    LINE = "line"
    """The entire first or last line."""
    AMBIGUOUS = "ambiguous"
    """Several options, none of which corrects the others."""
    NOT_AN_OPTION = "not_an_option"
    """A letter or a box that is not one of the options."""
    NO_ANSWER = "no_answer"
    OPEN_QUESTION = "open_question"
    """The question has no options."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """The option an answer commits to, and where."""

    letter: str | None
    """A key of the options; None if the answer does not commit to exactly one."""
    how: How
    span: tuple[int, int] | None
    """Start and end of `answer_text` in the answer, in code points; None if nothing was found."""
    answer_text: str
    """The text that commits; empty if nothing was found."""


@dataclass(frozen=True, slots=True)
class _Commitment:
    reference: OptionReference
    how: How
    is_final: bool = False


_VERDICTS = ("yes", "no", "maybe")
_FLAT = r"[^{}]{0,2000}+"
_NESTED = rf"{_FLAT}(?:\{{{_FLAT}\}}{_FLAT}){{0,20}}+"
_BOX = re.compile(rf"\\f?box(?:ed)?\s*\{{(?P<content>{_FLAT}(?:\{{{_NESTED}\}}{_FLAT}){{0,20}}+)\}}")
_BOLD = re.compile(r"(?<!\*)\*\*(?P<content>[^*\n]{1,500})\*\*(?!\*)")

# How options are named.
_MARKS = r"""[\s*_#"'“”‘’`$(\[{]|\\text(?:bf|rm|it)?\{|\\math(?:bf|rm)\{|\\[(\s]"""
_OPENING = re.compile(rf"(?:{_MARKS}){{0,16}}")
_WORDY_OPENING = re.compile(
    rf"(?i)(?:{_MARKS}|\b(?:either|both|likely|probably|clearly|definitely|certainly|most|almost|thus|indeed|options?|choice"
    r"|letter|answer|therefore)\b:?){0,16}"
)
_ARTICLE = re.compile(r"(?:(?:to|an?|the)\s+)?", re.IGNORECASE)
_LETTER = re.compile(r"[A-Za-z](?![\w+]|['’-]\w)")
_CLOSING = r"(?:[)\]}\"'“”’*_`$]|\\\))*"
_WHY = r"(?:because|since|as|which|given|due|based|but|not|rather)\b"
_LETTER_END = re.compile(
    rf"{_CLOSING}(?:[,;:!/&]|\.(?!\w|\s+[a-z])|\s*$|\s*\n|\s+[-–—(\[\\]|[–—]|\.?\s+{_WHY}|\.\s+(?:this|it|the)\b"
    r"|\s+(?:and|or|is|are|for|here|from|in|with|fits|seems|would|appears|remains|must|best)\b)"
)
_SMALL_LETTER_END = re.compile(
    rf"{_CLOSING}(?:[,;:!]|\.?\s*$|\.\s|\s*\n(?!\s*[a-z])|\s+{_WHY}|\s+(?:and|or)\s+\(?[a-z]\b)"
)
_TEXT_END = re.compile(rf"{_CLOSING}(?:[.;:!](?!\w)|\s*$|\s*\n|\s+[-–—(]|[–—]|,?\s+{_WHY})")
_LETTER_TO_TEXT = re.compile(rf"{_CLOSING}[.):,]?{_CLOSING}\s*(?:[-–—=]\s+)?(?:{_MARKS}){{0,4}}")
_JOIN = re.compile(rf"{_CLOSING}(?:\s*,?\s*(?:\\text\{{\s*)?(?:and/or|and|or)[\s}}]+|\s*[/&,]\s*)", re.IGNORECASE)
_VERB = re.compile(rf"{_CLOSING}\s+(?:is|was|are|were|does|do|can|would|has|have)\b")
_SENTENCE_END = re.compile(rf"{_CLOSING}(?:[.;!](?=\s|$)|\s*$|\s*\n)")
_NOTHING_MORE = re.compile(rf"(?:[\s.,;:!]|{_CLOSING[:-1]})*")

# How an answer states its choice.
_IS = r"[\s*_]*(?:\b(?:is|are|was|remains|(?:would|should|must|will)\s+be)\b|:|=|→|⇒|\s->|\s[-–—]\s)[\s*_:]*"
_SAYS = re.compile(rf"""(?imx)
    \b(?:final\s+)?answers?(?:\s+(?:choice|option|letter))?(?:\s+(?:to|for)\s[^.:;\n]{{1,60}}?)?{_IS}
    |\b(?:best|correct|right|final|my|most\s+\w+)\s+(?:answer|choice|option|selection|response|pick)s?{_IS}
    |\b(?:I|we)(?:['’](?:d|ll)|\s+(?:would|will|must|should))?\s+(?:(?:therefore|thus)\s+)?
      (?:choose|chose|select|pick|answer|opt\s+for|go\s+with)\s+
    |^[ \t\#*_]*(?:the\s+|final\s+|correct\s+)*answer[\s*_:]*\n
    |\bfinal\s+answer\s+(?=\W?[a-z]\b)""")
_LIKELY = r"(?:best|correct|right|first-line|most\s+(?:likely|appropriate|probable|suitable|accurate|consistent))"
_SAYS_TEXT = re.compile(rf"(?i)\b{_LIKELY}(?:\s+[\w'’-]+){{0,8}}?{_IS}")
_IT_IS = r"[,:]?\s+(?:it(?:['’]s|\s+is|\s+must\s+be)\s+)?"
_CONCLUDES = re.compile(rf"(?i)\b(?:therefore|thus|hence|so|conclusion)\b{_IT_IS}")
_RETHINKS = re.compile(rf"(?i)\b(?:wait|actually|no(?=,))\b{_IT_IS}")
_CLAUSE = re.compile(
    r"(?im)(?:^|[.;:!?,])[\s*_#>]*|\b(?:so|therefore|thus|hence|that|think|believe|but|options?|choice|answer)\b,?\s+"
)
_IS_RIGHT = re.compile(rf"""(?x){_CLOSING}[.):]?{_CLOSING}\s+(?:
      (?:is|was|seems|remains|appears\s+to\s+be|(?:would|must)\s+be)\s+
      (?:(?:clearly|therefore|thus|indeed|also|definitely|the|single|only)\s+)*
      (?:correct|right(?![-\s]sided)|best(?!\s+(?:avoided|left))|answer|most\s+(?:appropriate|likely|accurate))\b
      |(?:fits|matches|answers)\s+(?:the\s+\w+\s+)?best\b|best\s+fits\b)(?!\s+to\b|\s*\?)""")
_SEVERAL_STAND = re.compile(
    rf"{_CLOSING}(?:[.!]?\s*$|[.!]?\s*\n|[.!]\s|\s+(?:is|are|could|would|both|seem|fit)\b"
    r"(?!\s+(?:both\s+)?(?:not|wrong|incorrect|less|un|excluded|ruled)))"
)
_DISOWNED = re.compile(r"""(?ix)(?:\b(?:wrong|incorrect|another|other|alternative|possible|plausible|tempting
      |second|popular|common|initial|first|previous|earlier|original|worst)\s+
    |(?:\b(?:if|whether|unless|doubt|suppose|assum\w+|thought|guessed|unlikely|false)
      |(?:\bnot|n['’]t)\s+(?:think|believe|say|sure|mean|true|agree|claim)
      |\b(?:some|others|many|people|someone)\s+(?:(?:would|might|may|could)\s+)?(?:say|argue|think|claim))\s+
      (?:that\s+)?(?:the\s+|my\s+)?(?:\w+\s+)?)[\W_]*$""")
_WRONG = r"(?:wrong|incorrect|excluded|ruled\s+out|unlikely|less\s+likely|tempting|false|eliminated)\b"
_REJECTED = re.compile(rf"""(?ix){_CLOSING}(?:\s*[-–—:(]\s*{_WRONG}
    |\s+(?:is|are|was|seems|looks|(?:would|can|could)\s+be)\s+(?:(?:also|therefore|both|clearly)\s+)*(?:not\b|{_WRONG})
    |\s+(?:is|does|do|was|are|ca|would)n['’]t\b|\s+(?:does|do|can)\s*not\b)""")
_CORRECTS = re.compile(
    r"(?i)\b(?:wait|actually|but|however|instead|correction|rather|hmm|sorry|mistake\w*|wrong|incorrect|reconsider\w*|oops"
    r"|second thought|reflection|therefore|thus|hence|so|overall|conclusion|final(?:ly)?|ultimately|chang\w+|no(?=,))\b"
)
_STATEMENTS: tuple[tuple[re.Pattern[str], Callable[[str, OptionReference], object]], ...] = (
    (_SAYS, lambda text, named: True),
    (_SAYS_TEXT, lambda text, named: named.is_text),
    (_CONCLUDES, lambda text, named: _SENTENCE_END.match(text, named.end)),
    (_RETHINKS, lambda text, named: not named.is_text and _SENTENCE_END.match(text, named.end)),
)


class _Reader:
    """Reads which options an answer names at a given position."""

    def __init__(self, text: str, options: Mapping[str, str]) -> None:
        self.text = text
        self.options = options
        self.letters = {letter.upper(): letter for letter in options}

    def read_letter(self, start: int) -> OptionReference | None:
        """A letter that is not a word or the start of one; two letters if the text after it is another option's."""
        found = _LETTER.match(self.text, start)
        if not found:
            return None
        letter = self.letters.get(found[0].upper(), found[0].upper())
        text = match_option_text(self.text, _skip(_LETTER_TO_TEXT, self.text, found.end()), self.options)
        if text and letter in text.letters:
            return OptionReference(frozenset({letter}), start, text.end)
        if not (_LETTER_END if found[0].isupper() else _SMALL_LETTER_END).match(self.text, found.end()):
            return None
        if text and _TEXT_END.match(self.text, text.end):
            return OptionReference(text.letters | {letter}, start, text.end)
        return OptionReference(frozenset({letter}), start, found.end())

    def read_one(self, start: int) -> OptionReference | None:
        """One option, after brackets, quotes and words like "option"."""
        wordy = _skip(_WORDY_OPENING, self.text, start)
        for place in (_skip(_OPENING, self.text, start), wordy, _skip(_ARTICLE, self.text, wordy)):
            if found := match_option_text(self.text, place, self.options):
                return found
        return self.read_letter(wordy)

    def read_list(self, start: int) -> tuple[OptionReference, OptionReference] | None:
        """The first option named, and all of "A, B or C" as one; the same if there is only one."""
        first = every = self.read_one(start)
        if first is None or every is None:
            return None
        for _ in self.letters:
            join = _JOIN.match(self.text, every.end)
            more = self.read_one(join.end()) if join else None
            if more is None:
                break
            every = replace(more, letters=every.letters | more.letters, start=first.start)
        return first, every

    def read(self, start: int) -> OptionReference | None:
        """The options named at `start`, if a clause could end after them."""
        found = self.read_list(start)
        if found is None:
            return None
        first, every = found
        named = first if _VERB.match(self.text, every.end) else every
        is_verdict = self.text[named.start : named.end].lower() in _VERDICTS and self.text.startswith(",", named.end)
        return named if is_verdict or not named.is_text or _TEXT_END.match(self.text, named.end) else None

    def read_whole(self, start: int, end: int) -> OptionReference | None:
        """The options named between `start` and `end`, if there is nothing else."""
        inner = _Reader(self.text[start:end], self.options)
        found = inner.read(0)
        if found is None or not _NOTHING_MORE.fullmatch(inner.text, found.end):
            return None
        return replace(found, start=start + found.start, end=start + found.end)

    def is_small_letter(self, reference: OptionReference) -> bool:
        """True for a single lower-case letter, which may be a word."""
        return reference.end - reference.start == 1 and self.text[reference.start].islower()


def _skip(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


def extract_answer(text: str, options: Mapping[str, str]) -> Extraction:
    """Return the option that an answer commits to.

    The last of several commitments counts if it is a box or a "final answer", or if words between it and the one
    before show a correction ("wait", "but", "therefore"); otherwise they are ambiguous.

    Args:
        text: the answer, without the thinking.
        options: letter -> text; empty for an open question, which has no letter to extract.
    """
    if not options:
        return Extraction(None, How.OPEN_QUESTION, None, "")
    reader = _Reader(narrow(text), options)
    boxes = list(_find_boxes(reader))
    said = [box for box in boxes if box.reference.letters] + list(_find_statements(reader))
    if said:
        return _conclude(text, options, _settle(reader.text, said))
    if alone := list(_find_alone(reader)):
        letters = frozenset[str]().union(*(found.reference.letters for found in alone))
        return _conclude(text, options, replace(alone[-1], reference=replace(alone[-1].reference, letters=letters)))
    return _conclude(text, options, boxes[-1]) if boxes else Extraction(None, How.NO_ANSWER, None, "")


def _conclude(text: str, options: Mapping[str, str], commitment: _Commitment) -> Extraction:
    reference, how = commitment.reference, commitment.how
    span = (reference.start, reference.end)
    letter, *others = sorted(reference.letters) or [""]
    if others or letter not in options:
        how = How.AMBIGUOUS if others else How.NOT_AN_OPTION
    return Extraction(letter if how is commitment.how else None, how, span, text[slice(*span)])


def _settle(text: str, commitments: list[_Commitment]) -> _Commitment:
    """The final commitment after corrections; with all letters if none corrects another."""
    current, *later = sorted(commitments, key=lambda commitment: commitment.reference.start)
    for new in later:
        old_letters, between = current.reference.letters, (current.reference.end, new.reference.start)
        is_settled = new.reference.letters == old_letters or new.is_final or _CORRECTS.search(text, *between)
        letters = new.reference.letters if is_settled else old_letters | new.reference.letters
        current = replace(new, reference=replace(new.reference, letters=letters))
    return current


def _find_boxes(reader: _Reader) -> Iterator[_Commitment]:
    """Closed, non-empty boxes; without letters if the content is not an option."""
    for box in _BOX.finditer(reader.text):
        start, end = box.span("content")
        if box["content"].strip() and not _REJECTED.match(reader.text, box.end()):
            inside = reader.read_whole(start, end) or OptionReference(frozenset(), start, end)
            yield _Commitment(inside, How.BOXED, is_final=True)


def _find_statements(reader: _Reader) -> Iterator[_Commitment]:
    text = reader.text
    for pattern, is_statement in _STATEMENTS:
        for found in pattern.finditer(text):
            named = reader.read(found.end())
            is_firm = named and (pattern is _SAYS or not reader.is_small_letter(named))
            if named and is_firm and is_statement(text, named) and not _is_taken_back(text, found.start(), named):
                yield _Commitment(named, How.STATED, is_final="final" in found[0].lower())
    for clause in _CLAUSE.finditer(text):
        named = reader.read_one(clause.end())
        is_right = named and _IS_RIGHT.match(text, named.end) and not reader.is_small_letter(named)
        if named and is_right and not _is_taken_back(text, named.start, named):
            yield _Commitment(named, How.STATED)


def _is_taken_back(text: str, start: int, named: OptionReference) -> bool:
    """True for "the wrong answer is C", "if the answer is C", "Answer: C is wrong"."""
    return bool(_DISOWNED.search(text, max(0, start - 60), start) or _REJECTED.match(text, named.end))


def _find_alone(reader: _Reader) -> Iterator[_Commitment]:
    """Options in bold, or on the first or last line; several if none of them is ruled out."""
    for bold in _BOLD.finditer(reader.text):
        named = reader.read_whole(*bold.span("content"))
        if named and not _REJECTED.match(reader.text, bold.end()) and not reader.is_small_letter(named):
            yield _Commitment(named, How.MARKED)
    lines = list(re.finditer(r"\S[^\n]*", reader.text))
    for line in lines[:: max(1, len(lines) - 1)]:
        named = reader.read_whole(*line.span()) or (_read_verdict(reader, line.start()) if line is lines[0] else None)
        if named and not reader.is_small_letter(named):
            yield _Commitment(named, How.LINE)
    for clause in _CLAUSE.finditer(reader.text):
        several = reader.read_list(clause.end())
        if several and len(several[1].letters) > 1 and _SEVERAL_STAND.match(reader.text, several[1].end):
            yield _Commitment(several[1], How.LINE)


def _read_verdict(reader: _Reader, start: int) -> OptionReference | None:
    """ "Yes" or "No" as the first word of a sentence about the question."""
    named = reader.read(start)
    return named if named and reader.text[start : named.end].lower() in _VERDICTS else None
