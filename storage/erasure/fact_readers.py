"""Finds strategy runs that have read corrected facts of annotations that are about to be erased.

A strategy that searches the corpus of corrected facts stores what it has found with its run: in the search, in prompts,
tokens and pictures, and perhaps in what the model thought of it. So such a run goes as a whole.
"""

import json
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from storage.annotations.tables import AnnotationRevisionRow, AnnotationRow
from storage.corpora.records import passage_id
from storage.corpora.repository import FACTS
from storage.corpora.tables import FactPassageRow, PassageRow
from storage.strategies.tables import StrategyRequestRow
from storage.trash.tables import WITH_TRASH

_BATCH = 50
_FOUND = "found"
_OPTIONS = {WITH_TRASH: True}


def runs_that_read(session: Session, annotation_ids: Sequence[str]) -> list[str]:
    """Ids of runs that have read a fact of one of these annotations, in any of its revisions.

    A fact that another annotation has too, word for word, stays known, and so do the runs that have read it.
    """
    facts = {passage_id("", text) for text in _texts(session, annotation_ids) if text}
    own = facts - _of_others(session, annotation_ids, facts)
    return sorted({run_id for some in _batched(sorted(own)) for run_id in _readers(session, frozenset(some))})


def _texts(session: Session, annotation_ids: Sequence[str]) -> Iterator[str]:
    for some in _batched(annotation_ids):
        now = select(AnnotationRow.corrected_fact).where(AnnotationRow.id.in_(some))
        yield from session.scalars(now, execution_options=_OPTIONS)
        earlier = select(AnnotationRevisionRow.document).where(AnnotationRevisionRow.annotation_id.in_(some))
        yield from (str(each.get("corrected_fact") or "") for each in session.scalars(earlier))


def _of_others(session: Session, annotation_ids: Iterable[str], facts: Iterable[str]) -> set[str]:
    others = (
        select(PassageRow.id, FactPassageRow.annotation_id)
        .join(FactPassageRow, FactPassageRow.passage_number == PassageRow.number)
        .where(PassageRow.id.in_(list(facts)))
    )
    known = set(annotation_ids)
    return {row.id for row in session.execute(others) if row.annotation_id not in known}


def _readers(session: Session, facts: frozenset[str]) -> Iterator[str]:
    row = StrategyRequestRow
    has_one = or_(*(row.text.contains(f'"{each}"') for each in facts))
    for request in session.execute(select(row.run_id, row.text).where(row.finish == _FOUND, has_one)):
        passages = json.loads(request.text).get("passages", ())
        if any(each.get("id") in facts and each.get("corpus") == FACTS for each in passages):
            yield request.run_id


def _batched(values: Sequence[str]) -> Iterator[Sequence[str]]:
    return (values[at : at + _BATCH] for at in range(0, len(values), _BATCH))
