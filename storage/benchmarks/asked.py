"""What a run asked, by content: its questions' hashes, which are equal wherever the same questions are asked."""

from collections.abc import Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.tables import BenchmarkItemRow
from storage.questions.tables import QuestionRow


def asked_hashes(session: Session, run_id: str) -> Mapping[str, tuple[str, ...]]:
    """Content hashes of the questions of each set of a run, sorted; raises RecordNotFound.

    Each question once, however many models and passes it was asked of.
    """
    run = BenchmarkRepository(session).get(run_id)
    item = BenchmarkItemRow
    query = (
        select(item.set_number, QuestionRow.content_hash)
        .join(QuestionRow, QuestionRow.id == item.question_id)
        .where(item.run_id == run_id, item.model_number == 0)
        .distinct()
        .order_by(item.set_number, QuestionRow.content_hash)
    )
    found: dict[str, list[str]] = {}
    for set_number, content_hash in session.execute(query):
        found.setdefault(run.question_sets[set_number], []).append(content_hash)
    return {name: tuple(hashes) for name, hashes in found.items()}
