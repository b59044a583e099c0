"""Splits a set in two: one half to learn from, one to measure with.

Which half a question is in follows from its content, so that the same question is in the same half wherever it is.
"""

from collections.abc import Sequence

from m1app.question_sets.errors import QuestionSetError
from storage.database import Session
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import Question

LEARN, MEASURE = ", to learn from", ", to measure with"
"""What is appended to the name of the set."""
_LEAST = 2


def halves_of(questions: Sequence[Question]) -> tuple[list[str], list[str]]:
    """Ids of the questions to learn from, and of those to measure with; of nearly equal number."""
    by_content = sorted(questions, key=lambda each: each.content_hash)
    half = {each.id for each in by_content[: len(by_content) // 2]}
    return [each.id for each in questions if each.id in half], [each.id for each in questions if each.id not in half]


def split_set(session: Session, set_id: str) -> tuple[QuestionSet, QuestionSet]:
    """Store both halves of a set as sets of their own; the set itself stays.

    Raises:
        QuestionSetError: it has fewer than two questions.
        InvalidRecord: a set with the name of a half exists.
        RecordNotFound: no such set.
    """
    sets = QuestionSetRepository(session)
    whole = sets.by_id(set_id)
    if whole.question_count < _LEAST:
        raise QuestionSetError(f"{whole.name} has {whole.question_count} questions, too few to split.")
    learn, measure = halves_of(sets.questions(set_id))
    return (
        sets.add_kept(whole.name + LEARN, whole.source, whole.layout, "", learn),
        sets.add_kept(whole.name + MEASURE, whole.source, whole.layout, "", measure),
    )
