"""Several questions of one paste as a set: what is offered, what was chosen, and what came of it.

Shown by `set_panel.js`, below the question.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from m1app.access.errors import AccessRefused
from m1app.access.person import Permission, require
from m1app.question.errors import InvalidQuestion
from m1app.question.pastes.pasted_question import Paste
from m1app.question.pastes.summary import first_words, options_summary
from m1app.question_sets.service import ImportReport
from m1app.question_sets.typed_sets import proposed_name, stored_text, why_not_a_set
from m1app.runs.probe_batches import MAX_QUESTIONS
from m1app.targets import is_target
from storage.questions.records import NewQuestion

_MOST_CHARACTERS = 2_000_000


class ChosenSet(BaseModel):
    """What a person chose to do with the questions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    how: Literal["ask", "store", "both"]
    name: str = Field(max_length=_MOST_CHARACTERS)
    questions: tuple[tuple[str, str, str], ...] = Field(min_length=1, max_length=1000)
    """Question, options and target of each, as the boxes would hold them."""
    is_anyway: bool = False
    """Whether what may identify a person was seen, and they are asked anyway."""


def read_chosen(given: Mapping[str, Any]) -> ChosenSet:
    """What the page sent; raises InvalidQuestion if it is something else."""
    try:
        return ChosenSet.model_validate(dict(given))
    except ValidationError as exc:
        raise InvalidQuestion("The questions could not be read. Reload the page and paste them again.") from exc


def set_offer(questions: Sequence[Paste]) -> dict[str, Any]:
    """What the panel shows before anything is done.

    Returns:
        `name`, the proposed one; `rows`, a line for each question; `problem`, why they cannot be stored as a set, empty
        if they can; and `most`, how many can be asked at once.
    """
    return {
        "name": proposed_name(first_words(questions[0].stem), datetime.now().astimezone().date()),
        "rows": [_row(each) for each in questions],
        "problem": _why_not_stored(questions),
        "most": MAX_QUESTIONS,
    }


def _row(question: Paste) -> str:
    known = question.target if is_target(question.target, question.options) else None
    what = options_summary(len(question.options), known or "") if question.options else "open question"
    return f"{first_words(question.stem)} ({what})"


def _why_not_stored(questions: Sequence[Paste]) -> str:
    try:
        require(Permission.MANAGE)
    except AccessRefused as exc:
        return f"They cannot be stored as a question set. {exc}"
    return why_not_a_set([NewQuestion(stem=each.stem, options=each.options, target=each.target) for each in questions])


def stored_note(report: ImportReport) -> str:
    """What the panel says once the set is stored."""
    (kept,) = report.sets
    return " ".join([stored_text(kept.name, kept.question_count), *report.notes])
