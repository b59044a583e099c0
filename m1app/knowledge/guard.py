"""Which corrected facts are kept from whom, and from which question.

Annotators are double blind: they do not read each other's facts. And which questions are the one that is being asked
is decided here, so that nothing that somebody wrote about its answer is found.

A corrected fact often names what the answer turns on. Facts are therefore left out if they were written on the same
question, on the same stem with other options, or on one that is nearly the same (`likeness.py`). No phrase is too
common to count here: leaving out one fact too many costs little.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from m1app.access.person import Permission, Person, current_person
from m1app.knowledge.likeness import is_same_question


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """The question on whose behalf somebody searches."""

    stem: str
    id: str = ""
    """Empty if it is not stored."""


def same_questions(asked: AskedQuestion, stems: Mapping[str, str]) -> tuple[str, ...]:
    """Ids of those questions that are the asked one, or nearly.

    Args:
        asked: the question.
        stems: of other questions, by id.
    """
    same = {question_id for question_id, stem in stems.items() if is_same_question(asked.stem, stem)}
    return tuple(sorted(same | ({asked.id} if asked.id else set())))


def may_read_facts(person: Person | None = None) -> bool:
    """Whether somebody may read corrected facts of others: reviewers, commands, and all where there are no accounts.

    Args:
        person: None for the current one.
    """
    reader = person or current_person()
    return not reader.name or reader.may(Permission.REVIEW)
