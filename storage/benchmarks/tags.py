"""Right answers of a run counted by the tags of its questions.

Tags are a list in each question's row. Two reads do: the tags of all questions, and the questions that were answered
right at each budget, which are a part of the index of curves. So a run of a million results takes half a second.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, cast, or_, select
from sqlalchemy.orm import Session

from storage.benchmarks.records import BenchmarkRun, ItemState, TagCount
from storage.benchmarks.tables import BenchmarkItemRow, BenchmarkResultRow
from storage.questions.tables import QuestionRow

MOST_TAGS = 5000
"""Tags counted at once, those of the most questions first; a search finds the others."""
UNTAGGED = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagChoice:
    """Which results to count by tag."""

    model: str
    question_set: str = ""
    """Empty takes all sets."""
    force_rounds: int
    text: str = ""
    """Part of a tag, ignoring case; empty takes all tags."""
    is_m1: bool = False
    """Score by the published scorer instead of the strict rule."""


def tag_counts(session: Session, run: BenchmarkRun, chosen: TagChoice) -> tuple[tuple[TagCount, ...], int]:
    """Counts by tag, those of the most questions first, up to `MOST_TAGS`; and the number of matching tags.

    A question with several tags counts for each. An unknown model or set has no tags.
    """
    tags_of = _tags_of(session, run, chosen)
    asked = Counter(tag for tags in tags_of.values() for tag in tags)
    wanted = chosen.text.strip().casefold()
    found = [tag for tag in asked if wanted in tag.casefold()] if wanted else list(asked)
    shown = sorted(found, key=lambda tag: (-asked[tag], tag))[:MOST_TAGS]
    right = {tag: [[0] * (run.passes + 1) for _ in run.budgets] for tag in shown}
    for place, budget in enumerate(run.budgets):
        of_budget = {tag: counts[place] for tag, counts in right.items()}
        _count(_right_items(session, run, chosen, budget), tags_of, of_budget)
    return tuple(_as_count(tag, asked[tag], right[tag]) for tag in shown), len(found)


def _count(right: Iterable[str], tags_of: Mapping[str, Sequence[str]], counts: Mapping[str, list[int]]) -> None:
    """Count each question under its tags, by the number of its right passes."""
    for item_id, passes in Counter(right).items():
        for tag in tags_of.get(item_id, ()):
            if (of_tag := counts.get(tag)) is not None:
                of_tag[passes] += 1


def _as_count(tag: str, questions: int, right: Sequence[list[int]]) -> TagCount:
    never = [[questions - sum(of_budget[1:]), *of_budget[1:]] for of_budget in right]
    return TagCount(tag=tag, questions=questions, right=tuple(tuple(each) for each in never))


def _tags_of(session: Session, run: BenchmarkRun, chosen: TagChoice) -> dict[str, tuple[str, ...]]:
    """The items that are over and scored by the rule, with the tags of their questions."""
    item = BenchmarkItemRow
    query = (
        # As text: most questions share their tags with others, which are then parsed once.
        select(item.id, cast(QuestionRow.tags, Text))
        .join(QuestionRow, QuestionRow.id == item.question_id)
        .where(item.run_id == run.id, *_chosen(item, run, chosen), item.state != ItemState.WAITING)
    )
    if chosen.is_m1:
        # The published scorer does not score questions with several right options.
        query = query.where(or_(QuestionRow.target.is_(None), QuestionRow.target.not_like("%, %")))
    parsed: dict[str, tuple[str, ...]] = {}
    found = {}
    for item_id, tags in session.execute(query):
        if tags not in parsed:
            parsed[tags] = tuple(dict.fromkeys(json.loads(tags))) or (UNTAGGED,)
        found[item_id] = parsed[tags]
    return found


def _right_items(session: Session, run: BenchmarkRun, chosen: TagChoice, budget: int) -> Iterable[str]:
    """The ids of items, once for each pass that is right at a budget."""
    row = BenchmarkResultRow
    is_correct = row.m1_is_correct if chosen.is_m1 else row.is_correct
    query = select(row.item_id).where(
        row.run_id == run.id,
        *_chosen(row, run, chosen),
        row.force_rounds == chosen.force_rounds,
        row.budget_tokens == budget,
        is_correct.is_(True),
    )
    return session.scalars(query)


def _chosen(
    row: type[BenchmarkItemRow] | type[BenchmarkResultRow], run: BenchmarkRun, chosen: TagChoice
) -> tuple[ColumnElement[bool], ...]:
    models = [place for place, name in enumerate(run.models) if name == chosen.model]
    sets = [place for place, name in enumerate(run.question_sets) if chosen.question_set in ("", name)]
    return row.model_number.in_(models), row.set_number.in_(sets)
