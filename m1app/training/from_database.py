"""Training data from the app's database: right answers as samples, and questions to leave out.

Left out are questions that a question set evaluates here, or that a model already answers right.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from m1app.errors import AppError
from m1app.training.curation_steps import comparable_text
from m1app.training.samples import TrainingSample, question_hash
from storage.annotations.cases import CaseRepository
from storage.annotations.queue import QueueRepository
from storage.annotations.records import CaseFilter, CaseSummary
from storage.benchmarks.records import BenchmarkRun
from storage.benchmarks.repository import BenchmarkRepository
from storage.benchmarks.results import BenchmarkResultRepository, VerdictFilter
from storage.database import Session
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.repository import QuestionRepository
from storage.traces.records import SegmentKind, ThinkingFinishReason, TraceState
from storage.traces.repository import TraceRepository

_CASES_PAGE_SIZE = 500
_CAPPED = "budget"


def read_own_traces(session: Session, source: str) -> tuple[TrainingSample, ...]:
    """Return right answers of probes and sweeps, those of the newest sweep or question first.

    Thinking cut by a budget and answers cut by their cap end in mid-sentence and would teach that, so only naturally
    ended ones are used.

    Args:
        session: a database session.
        source: the samples' `source`.
    """
    cases, found = CaseRepository(session), []
    for summary in _right_answers(session):
        if not _ended_by_itself(session, summary):
            continue
        case = cases.get(summary.id)
        tags = case.question.tags
        found.append(
            TrainingSample(
                question=case.question.stem,
                options=dict(case.question.options),
                target=case.question.target,
                reasoning=case.thinking_text,
                answer=case.answer_text,
                domain=tags[0] if tags else "",
                source=source,
            )
        )
    return tuple(found)


def _right_answers(session: Session) -> Iterator[CaseSummary]:
    queue = QueueRepository(session, CaseFilter(is_correct=True))
    cursor: str | None = None
    while True:
        page = queue.page("", _CASES_PAGE_SIZE, cursor)
        for group in page.groups:
            yield from [group.only] if group.only else queue.cases(group.key, "")
        if page.next_cursor is None:
            return
        cursor = page.next_cursor


def _ended_by_itself(session: Session, case: CaseSummary) -> bool:
    traces = TraceRepository(session)
    if case.checkpoint_id is not None:
        checkpoint = next(each for each in traces.list_checkpoints(case.trace_id) if each.id == case.checkpoint_id)
        is_natural = checkpoint.thinking_finish_reason is ThinkingFinishReason.NATURAL
        return is_natural and checkpoint.finish_reason != _CAPPED
    trace = traces.get(case.trace_id)
    answers = [segment for segment in trace.segments if segment.kind is SegmentKind.ANSWER]
    return (
        trace.state is TraceState.COMPLETED
        and trace.thinking_finish_reason is ThinkingFinishReason.NATURAL
        and all(segment.finish_reason != _CAPPED for segment in answers)
    )


_PAGE_SIZE = 1000
_OWN_SHARE = 0.9
"""Share of the samples above which a set counts as their own: an import may leave some questions out."""


@dataclass(frozen=True, slots=True)
class RunQuestions:
    """The questions of a benchmark run that curation needs, by `question_hash`."""

    answered: frozenset[str] = frozenset()
    """Questions that the chosen model answers right."""
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The run's question sets that still exist: name to all its questions."""

    def own_sets(self, samples: Sequence[TrainingSample]) -> tuple[str, ...]:
        """Names of the samples' own sets, those that contain the questions of nearly all samples.

        A set with only some questions among the samples is not their own: that is a leak.
        """
        hashes = [question_hash(each.question, each.options) for each in samples]
        least = _OWN_SHARE * len(hashes)
        return tuple(name for name, asked in self.sets.items() if 0 < least <= sum(each in asked for each in hashes))


def evaluation_questions(session: Session) -> Mapping[str, Sequence[str]]:
    """Map each question set's name to its questions, each from `comparable_text`."""
    sets = QuestionSetRepository(session)
    return {
        each.name: [comparable_text(question.stem, question.options) for question in sets.questions(each.id)]
        for each in sets.all()
    }


def run_questions(session: Session, reference: str) -> RunQuestions:
    """Return the questions of a benchmark run, and those that a model answers right.

    Right means the first pass, at the largest budget with the most force rounds, by the strict rule.

    Args:
        session: a database session.
        reference: "RUN", or "RUN:MODEL" for a run of several models; empty gives no questions.

    Raises:
        RecordNotFound: no such run.
        AppError: the run has several models and none is chosen, or does not have the chosen one.
    """
    if not reference:
        return RunQuestions()
    run_id, _, named = reference.partition(":")
    run = BenchmarkRepository(session).get(run_id)
    sets = QuestionSetRepository(session)
    asked = {
        each.name: frozenset(question_hash(question.stem, question.options) for question in sets.questions(each.id))
        for each in sets.all()
        if each.name in run.question_sets
    }
    return RunQuestions(_answered(session, run, _model_of(run, named)), asked)


def _model_of(run: BenchmarkRun, named: str) -> str:
    if named in run.models:
        return named
    if not named and len(run.models) == 1:
        return run.models[0]
    found = f"no model {named!r}" if named else f"{len(run.models)} models"
    raise AppError(
        f"Benchmark run {run.id} has {found}. Name the model whose right answers to leave out: "
        f"{' or '.join(f'{run.id}:{model}' for model in run.models)}."
    )


def _answered(session: Session, run: BenchmarkRun, model: str) -> frozenset[str]:
    wanted = VerdictFilter(model=model, cell=(max(run.budgets), max(run.force_rounds)), verdict="right")
    results, questions = BenchmarkResultRepository(session), QuestionRepository(session)
    ids: set[str] = set()
    offset, total = 0, 1
    while offset < total:
        page, total = results.verdicts(run.id, wanted, _PAGE_SIZE, offset)
        ids.update(verdict.question_id for verdict in page)
        offset += _PAGE_SIZE
    return frozenset(question_hash(each.stem, each.options) for each in map(questions.get, ids))
