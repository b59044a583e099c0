"""Training data from the app's database: right answers as samples, and questions to leave out.

Left out are questions that a question set evaluates here, or that a model already answers right.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from m1app.errors import AppError
from m1app.question.library import load_library
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

LIBRARY = "library"
"""Name of the app's own questions among the evaluation sets."""
_CASES_PAGE_SIZE = 500
_CAPPED = "budget"


def read_own_traces(session: Session, source: str) -> tuple[TrainingSample, ...]:
    """Return right answers of probes and sweeps, those of the newest sweep or question first.

    Thinking cut by a budget and answers cut by their cap end in mid-sentence and would teach that, so only naturally
    ended ones are used. Branches are left out: a person has written a part of their thinking.

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
            yield from [group.only] if group.only else queue.every_case(group.key, "")
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
        and not any(segment.kind is SegmentKind.EDIT for segment in trace.segments)
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
    """Questions that the chosen model, or each of several, answers right."""
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The run's question sets that still exist: name to all its questions."""

    def own_sets(self, samples: Sequence[TrainingSample]) -> tuple[str, ...]:
        """Names of the samples' own sets, those that contain the questions of nearly all samples.

        A set with only some questions among the samples is not their own: that is a leak.
        """
        hashes = [question_hash(each.question, each.options) for each in samples]
        least = _OWN_SHARE * len(hashes)
        return tuple(name for name, asked in self.sets.items() if 0 < least <= sum(each in asked for each in hashes))


def evaluation_questions(session: Session, learn_from: Collection[str] = ()) -> Mapping[str, Sequence[str]]:
    """Map each question set's name to its questions, each from `comparable_text`.

    Args:
        session: a database session.
        learn_from: names of sets that are here to be learned from; their questions are left out, in other sets too.

    Raises:
        AppError: there is no set of such a name.
    """
    sets = QuestionSetRepository(session)
    found = {each.name: sets.questions(each.id) for each in sets.all()}
    if missing := [name for name in learn_from if name not in found]:
        raise AppError(
            f"There is no question set {missing[0]!r} to learn from. Available: {', '.join(found) or 'none yet'}."
        )
    free = {question.id for name in learn_from for question in found[name]}
    return {
        name: [comparable_text(each.stem, each.options) for each in questions if each.id not in free]
        for name, questions in found.items()
        if name not in learn_from
    }


def compared_questions(session: Session, learn_from: Collection[str] = ()) -> Mapping[str, Sequence[str]]:
    """Map the name of each list that is evaluated here to its questions: as `evaluation_questions`, and the library.

    The library loses what is learned from too: a half of it can be imported as a set (`questions split`).
    """
    evaluation = evaluation_questions(session, learn_from)
    sets = QuestionSetRepository(session)
    named = (question for name in learn_from for question in sets.questions(sets.get(name).id))
    learned = {comparable_text(each.stem, each.options) for each in named}
    library = (comparable_text(each.question, each.options) for each in load_library())
    # A set of that name may be the library's questions with options only, or others.
    left = [*(text for text in library if text not in learned), *evaluation.get(LIBRARY, ())]
    return {**evaluation, LIBRARY: list(dict.fromkeys(left))}


def run_references(references: str) -> list[str]:
    """The references of `CurationPlan.exclude_answered_by_run`, each once."""
    return list(dict.fromkeys(filter(None, map(str.strip, references.split(",")))))


def run_questions(session: Session, references: str) -> RunQuestions:
    """Return the questions of benchmark runs, and those that all the named models answer right.

    Right means the first pass, at the largest budget with the most force rounds, by the strict rule.

    Args:
        session: a database session.
        references: "RUN", or "RUN:MODEL" for a run of several models; several with commas between them; empty gives no
            questions.

    Raises:
        RecordNotFound: no such run.
        AppError: a run has several models and none is chosen, or does not have the chosen one.
    """
    answered: frozenset[str] | None = None
    asked: dict[str, frozenset[str]] = {}
    sets = QuestionSetRepository(session)
    for reference in run_references(references):
        run_id, _, named = reference.partition(":")
        run = BenchmarkRepository(session).get(run_id)
        right = _answered(session, run, _model_of(run, named))
        answered = right if answered is None else answered & right
        for each in (each for each in sets.all() if each.name in run.question_sets and each.name not in asked):
            questions = sets.questions(each.id)
            asked[each.name] = frozenset(question_hash(question.stem, question.options) for question in questions)
    return RunQuestions(answered or frozenset(), asked)


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
