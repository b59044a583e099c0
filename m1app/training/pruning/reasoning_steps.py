"""The steps of a reasoning, and what each does: go on, check, try something else, or correct.

A paragraph is a step; in a paragraph of more than five sentences, each sentence is one. The labels are those of PIR
(LIMOPro, arXiv 2505.19187): progressive steps lead to the answer; verification, alternatives and corrections are
functional. The paper has a model assign them; here rules do, by the words with which a step begins, which are data in
`step_words.toml`: a rule costs no tokens, treats equal steps alike, and can be read. It misses steps that announce
nothing; those count as progressive and are never pruned.
"""

import re
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from itertools import pairwise

from pydantic import BaseModel, ConfigDict

from m1app.question.sentences import Span, sentences

MAX_SENTENCES_OF_A_STEP = 5
_OPENING_CHARACTERS = 400
"""Where the words are looked for; a first sentence is shorter."""
_PARAGRAPH_END = re.compile(r"\n[^\S\n]*\n\s*")
_MARKS = re.compile(r"[^\w¿]+")
_APOSTROPHES = str.maketrans("’ʼ‘", "'''")


class StepLabel(StrEnum):
    """What a step does."""

    PROGRESSIVE = "progressive"
    """Leads to the answer; never pruned."""
    VERIFICATION = "verification"
    """Looks again at what was said."""
    ALTERNATIVE = "alternative"
    """Tries another way, or another answer."""
    CORRECTION = "correction"
    """Takes back what was said."""


FUNCTIONAL = (StepLabel.VERIFICATION, StepLabel.ALTERNATIVE, StepLabel.CORRECTION)
_ORDER = (StepLabel.CORRECTION, StepLabel.ALTERNATIVE, StepLabel.VERIFICATION)
"""Which label wins if a step has the words of several."""


@dataclass(frozen=True, slots=True)
class ReasoningStep:
    """One step."""

    text: str
    """Without the white space around it."""
    gap: str
    """White space between it and the next step; empty after the last."""
    label: StepLabel

    @property
    def is_functional(self) -> bool:
        """Whether it may be pruned."""
        return self.label is not StepLabel.PROGRESSIVE


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    opens: tuple[str, ...]
    after_doubt: tuple[str, ...]
    says: tuple[str, ...]


class _Language(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    skipped: tuple[str, ...]
    doubts: tuple[str, ...]
    is_unspaced: bool = False
    """Whether words follow each other without spaces."""
    correction: _Words
    alternative: _Words
    verification: _Words

    def words(self, label: StepLabel) -> _Words:
        by_label = {
            StepLabel.CORRECTION: self.correction,
            StepLabel.ALTERNATIVE: self.alternative,
            StepLabel.VERIFICATION: self.verification,
        }
        return by_label[label]


def _load() -> Mapping[str, _Language]:
    text = files("m1app.training.pruning").joinpath("step_words.toml").read_text(encoding="utf-8")
    return {name: _Language.model_validate(words) for name, words in tomllib.loads(text).items()}


_LANGUAGES = _load()


def split_steps(reasoning: str) -> tuple[ReasoningStep, ...]:
    """The steps of a reasoning in order, labelled; the last is always progressive, since it concludes.

    `without_steps(split_steps(text), ())` is the text without white space around it.
    """
    text = reasoning.strip()
    spans = [span for paragraph in _paragraphs(text) for span in _steps_of(text, paragraph)]
    if not spans:
        return ()
    steps = [
        ReasoningStep(text[start:end], text[end:following], label_of(text[start:end]))
        for (start, end), (following, _) in pairwise(spans)
    ]
    return (*steps, ReasoningStep(text[slice(*spans[-1])], "", StepLabel.PROGRESSIVE))


def without_steps(steps: Sequence[ReasoningStep], left_out: Collection[int]) -> str:
    """The text of the steps except those at these places; paragraphs stay apart where one between them is left out."""
    parts: list[str] = []
    gap = ""
    for place, step in enumerate(steps):
        if place in left_out:
            gap = max(gap, step.gap, key=lambda each: (each.count("\n"), len(each)))
            continue
        parts += [gap, step.text] if parts else [step.text]
        gap = step.gap
    return "".join(parts)


def label_of(text: str) -> StepLabel:
    """What a step does, by the words with which it begins."""
    opening = text[:_OPENING_CHARACTERS]
    first = next(iter(sentences(opening)), (0, len(opening)))
    # A sentence such as "Wait." says nothing alone.
    rest = opening[first[0] :].translate(_APOSTROPHES).casefold()
    said = opening[first[0] : first[1]].translate(_APOSTROPHES).casefold()
    found = {_label_in(rest, said, language) for language in _LANGUAGES.values()}
    return next((label for label in _ORDER if label in found), StepLabel.PROGRESSIVE)


def _label_in(rest: str, said: str, language: _Language) -> StepLabel | None:
    """The label by one language's words; None if it has none of them."""
    has_doubt = False
    while True:
        rest = _MARKS.sub("", rest, count=1) if _MARKS.match(rest) else rest
        for label in _ORDER:
            words = language.words(label)
            opens = (*words.opens, *words.after_doubt) if has_doubt else words.opens
            if any(_begins(rest, word, language) for word in opens):
                return label
            if any(_says(said, word, language) for word in words.says):
                return label
        passed = _passed(rest, (*language.doubts, *language.skipped), language)
        if not passed:
            return StepLabel.VERIFICATION if has_doubt else None
        has_doubt |= passed in language.doubts
        rest = rest[len(passed) :]


def _passed(rest: str, words: Sequence[str], language: _Language) -> str:
    """The longest of these words with which the text begins; empty if there is none."""
    return max((word for word in words if _begins(rest, word, language)), key=len, default="")


def _begins(text: str, word: str, language: _Language) -> bool:
    return text.startswith(word) and (language.is_unspaced or not text[len(word) : len(word) + 1].isalnum())


def _says(text: str, phrase: str, language: _Language) -> bool:
    if language.is_unspaced:
        return phrase in text
    return re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text) is not None


def _paragraphs(text: str) -> list[Span]:
    starts, ends = [0], []
    for match in _PARAGRAPH_END.finditer(text):
        ends.append(match.start())
        starts.append(match.end())
    return [(start, end) for start, end in zip(starts, [*ends, len(text)], strict=True) if start < end]


def _steps_of(text: str, paragraph: Span) -> list[Span]:
    start, end = paragraph
    found = [(start + first, start + last) for first, last in sentences(text[start:end])]
    if not found:
        return []
    return found if len(found) > MAX_SENTENCES_OF_A_STEP else [(found[0][0], found[-1][1])]
