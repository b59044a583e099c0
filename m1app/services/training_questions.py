"""Questions of the database that curation needs: those that are evaluated on, and those a model answers already."""

from collections.abc import Mapping, Sequence

from m1app.services.errors import RunNotFound
from m1app.training.curation_steps import comparable_text
from m1app.training.samples import question_hash
from storage.benchmark_results import BenchmarkResultRepository, VerdictFilter
from storage.benchmarks import BenchmarkRepository
from storage.database import Session
from storage.errors import RecordNotFound
from storage.question_sets import QuestionSetRepository
from storage.questions import QuestionRepository

_PAGE_SIZE = 1000


def evaluation_questions(session: Session) -> Mapping[str, Sequence[str]]:
    """Every question set's name to its questions, as `comparable_text` gives each."""
    sets = QuestionSetRepository(session)
    return {
        each.name: [comparable_text(question.stem, question.options) for question in sets.questions(each.id)]
        for each in sets.all()
    }


def answered_questions(session: Session, run_id: str) -> tuple[frozenset[str], frozenset[str]]:
    """`question_hash` of the questions that any model of a run answers right, and the names of the run's sets.

    Right is the first pass at the largest budget with the most force rounds, by the rule strict. An empty id gives two
    empty sets.

    Raises:
        RunNotFound: there is no such run.
    """
    if not run_id:
        return frozenset(), frozenset()
    try:
        run = BenchmarkRepository(session).get(run_id)
    except RecordNotFound as exc:
        raise RunNotFound(str(exc)) from exc
    wanted = VerdictFilter(cell=(max(run.budgets), max(run.force_rounds)), verdict="right")
    results, questions = BenchmarkResultRepository(session), QuestionRepository(session)
    ids: set[str] = set()
    offset, total = 0, 1
    while offset < total:
        page, total = results.verdicts(run.id, wanted, _PAGE_SIZE, offset)
        ids.update(verdict.question_id for verdict in page)
        offset += _PAGE_SIZE
    found = map(questions.get, ids)
    return frozenset(question_hash(each.stem, each.options) for each in found), frozenset(run.question_sets)
