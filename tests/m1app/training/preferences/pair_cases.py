"""Self-written preference pairs for tests."""

from dataclasses import replace
from typing import Any

from m1app.training.preferences.pairs import PairSource, PreferencePair, Response
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.traces.records import Segment, SegmentKind
from tests.m1app.training.training_cases import GLANDS, OPTIONS
from tests.storage.samples import COMPLETED, begin, finish, think

PAIR = PreferencePair(
    question="Which gland makes cortisol in answer to ACTH from the pituitary?",
    options=OPTIONS,
    target="A",
    chosen=Response("Cortisol is a steroid of the adrenal cortex.", "The answer is A. Adrenal gland."),
    rejected=Response("Cortisol is made in the thyroid.", "The answer is B. Thyroid gland."),
    question_id="q" * 32,
    source=PairSource.PASSES,
    domain="Endocrinology",
)


def a_pair(**changes: Any) -> PreferencePair:
    return replace(PAIR, **changes)


def some_pairs(count: int, **changes: Any) -> list[PreferencePair]:
    """Pairs whose questions share no n-grams."""
    return [a_pair(question=stem_of(number), **changes) for number in range(count)]


def stored(database: Database, stem: str, letter: str = "A", thought: str = "", **changes: Any) -> str:
    """A probe of a question whose target is A, by the model of `changes`; returns the trace's id."""
    model, cap = changes.pop("model", "m1-7b"), changes.pop("finish_reason", "natural")
    question = NewQuestion(stem=stem, options=OPTIONS, target="A", tags=("Endocrine",))
    text = f"The answer is {letter}."
    said = Segment(kind=SegmentKind.ANSWER, text=text, token_ids=(9,), token_count=1, finish_reason=cap)
    more = changes.pop("more", ())
    trace = begin(database, question, model=model)
    outcome = replace(COMPLETED, answer_letter=letter, is_correct=letter == "A", **changes)
    finish(database, trace, think(thought or f"About {stem} as {letter}"), *more, said, outcome=outcome)
    return trace.id


def stem_of(number: int) -> str:
    """A question that shares no n-gram with the others."""
    return " ".join(f"{gland}{number}" for gland in GLANDS) + "?"


def stored_contrasts(database: Database, count: int) -> None:
    """A right and a wrong probe of each of so many questions."""
    for number in range(count):
        for letter in "AB":
            stored(database, stem_of(number), letter)
