"""Runs to publish: passes that change their answer, strategies, marks, and texts that would act if they could."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage.annotations.assessments import AssessmentRepository
from storage.annotations.cases import CaseRepository
from storage.annotations.records import AnnotationContent, Origin, Part, TextSelector
from storage.annotations.repository import AnnotationRepository
from storage.benchmarks.records import BenchmarkItem, BenchmarkResult, BenchmarkStrategyResult, ItemState, RunState
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.database import Database, Session
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.sweeps.records import SweepOutcome
from storage.sweeps.repository import SweepRepository
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from tests.m1app.benchmark.benchmark_samples import a_run, end_run
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, think

HOSTILE = "<img src=x onerror=window.__hit=1></script><script>window.__hit=2</script> \u2028 {{7*7}} ${window.__hit=3}"
FREE = "hub:openlifescienceai/medmcqa validation"
"""Source of a set whose licence allows its texts."""
FREE_SET, SECRET_SET = "MedMCQA", "Ward round"
SECRET = "Mr Quarterstaff of ward 7 coughs"
OPTIONS = {"A": "Adrenal gland", "B": "Thyroid gland", "C": "Pancreas"}
BEFORE = "Iodine 🫀 points to the thyroid. So the answer is B. "
AFTER = " no: cortisol comes from the adrenal cortex. So the answer is A."
BUDGETS = (128, 512)
ANNOTATORS = ("Ada Lovelace", "Eve Moneypenny")


@dataclass(frozen=True, slots=True)
class Stored:
    """What was stored."""

    run_id: str
    item_ids: Sequence[str]
    """Of the first model, in order."""


def free_questions(count: int) -> list[NewQuestion]:
    """Questions of the set that may be shown; the first is hostile."""
    stems = [HOSTILE, *(f"Case {number}: which naïve gland makes cortisol?" for number in range(1, count))]
    return [
        NewQuestion(
            stem=stem, options=OPTIONS | ({"C": HOSTILE} if stem == HOSTILE else {}), target="A", tags=("Glands",)
        )
        for stem in stems
    ]


def secret_questions(count: int) -> list[NewQuestion]:
    """Questions that somebody here wrote."""
    return [
        NewQuestion(stem=f"{SECRET}, day {number}?", options=OPTIONS, target="A", tags=("Ward 7",))
        for number in range(count)
    ]


def store_site_run(
    database: Database,
    *,
    name: str = "Base",
    free: int = 3,
    secret: int = 2,
    models: Sequence[str] = ("m1-7b",),
    failed: int = 0,
    others: Sequence[NewQuestion] = (),
) -> Stored:
    """A finished run over both sets, in which each pass is wrong at 128 tokens and right at 512.

    Args:
        database: migrated.
        name: of the run.
        free: questions of the set that may be shown.
        secret: questions of the other set.
        models: each asks every question.
        failed: number of the first items that have failed.
        others: further questions of the other set.
    """
    asked = {FREE_SET: free_questions(free), SECRET_SET: [*secret_questions(secret), *others]}
    with database.session() as session:
        kept = [(_ids(session, set_name, each)) for set_name, each in asked.items()]
        plan = [
            PlannedItem(set_number, model_number, question_id)
            for set_number, ids in enumerate(kept)
            for question_id in ids
            for model_number in range(len(models))
        ]
        new = a_run(
            name=name,
            question_sets=tuple(asked),
            models=tuple(models),
            budgets=BUDGETS,
            force_rounds=(0,),
            strategies=("vote:k=8",),
            strategy_budget_tokens=2048,
        )
        run = BenchmarkRepository(session).add(new, plan)
        items = BenchmarkRepository(session).waiting(run.id, limit=100_000)
        for number, item in enumerate(items):
            _finish(session, item, is_failed=number < failed)
    end_run(database, run.id, RunState.COMPLETED)
    return Stored(run.id, [item.id for item in items if item.model == models[0]])


def annotate(database: Database, item_id: str, annotators: Sequence[str] = ANNOTATORS) -> None:
    """Each annotator submits a mark on the word "thyroid" in the first pass's thinking, with a comment."""
    with database.session() as session:
        case_id = SweepRepository(session).get(item_id).passes[0].checkpoints[-1].id
        for name in annotators:
            case = CaseRepository(session).get(case_id)
            start = case.thinking_text.index("thyroid")
            selector = TextSelector(start, start + 7, "thyroid", "the ", ".", "0" * 64)
            content = AnnotationContent(
                part=Part.THINKING,
                selector=selector,
                labels=("incorrect_fact",),
                severity="mild",
                comment=f"Said by {HOSTILE}",
            )
            AnnotationRepository(session).add(case, name, content, Origin.PERSON, 1)
            AnnotationRepository(session).submit_drafts(case_id, name)
            AssessmentRepository(session).save(case, name, is_submitted=True, draft={})


def _ids(session: Session, name: str, questions: Sequence[NewQuestion]) -> Sequence[str]:
    sets = QuestionSetRepository(session)
    if sets.find(name) is None:
        source = FREE if name == FREE_SET else "ward.json"
        sets.add(name, source, "m1", "", questions)
    return QuestionRepository(session).upsert_all(questions)


def _finish(session: Session, item: BenchmarkItem, *, is_failed: bool) -> None:
    cases = {} if is_failed else _store_sweep(session, item)
    results = [_result(item.id, budget, cases.get(budget)) for budget in BUDGETS]
    strategy = BenchmarkStrategyResult(
        item_id=item.id, choice="vote:k=8", letter="A", is_correct=True, generated=900, injected=0, prompt_new=0,
        prompt_cached=0, wasted=0, shared=100, seconds=1.0, is_from_pool=False,
    )  # fmt: skip
    BenchmarkRepository(session).finish(
        item.id,
        ItemState.FAILED if is_failed else ItemState.DONE,
        results,
        [] if is_failed else [strategy],
        tokens_generated=100,
        tokens_if_separate=200,
        attempts=1,
        error="http://engine.internal:8000 went away" if is_failed else "",
    )


def _result(item_id: str, budget: int, case: str | None) -> BenchmarkResult:
    letter = None if case is None else "A" if budget == BUDGETS[-1] else "B"
    return BenchmarkResult(
        item_id=item_id, pass_number=0, budget_tokens=budget, force_rounds=0, letter=letter, is_correct=letter == "A",
        m1_letter=letter or "A", m1_is_correct=letter != "B", thinking_tokens=budget if case else 0,
        tokens_if_separate=budget, checkpoint_id=case,
    )  # fmt: skip


def _store_sweep(session: Session, item: BenchmarkItem) -> Mapping[int, str]:
    """The item's pass with both answers; the ids of these by budget."""
    sweeps, traces = SweepRepository(session), TraceRepository(session)
    sweep = sweeps.add(a_sweep(item.question_id, budgets=BUDGETS, force_rounds=(0,), models=(item.model,)), item.id)
    trace = traces.add(
        a_trace(item.question_id, sweep_id=sweep.id, model=item.model, thinking_budget_tokens=512, seed=None)
    )
    wait = Segment(kind=SegmentKind.WAIT, text="Wait", token_ids=(5,), token_count=1)
    ended = TraceOutcome(state=TraceState.COMPLETED, thinking_finish_reason=ThinkingFinishReason.NATURAL)
    traces.close(trace.id, ended, [think(BEFORE), wait, think(AFTER)])
    wrong = a_checkpoint(
        trace.id, cells=((128, 0),), cut_tokens=11, cut_characters=len(BEFORE), text=f"The answer is B. {HOSTILE}",
        letter="B", is_correct=False, thinking_finish_reason=ThinkingFinishReason.BUDGET,
    )  # fmt: skip
    right = a_checkpoint(
        trace.id, cells=((512, 0),), cut_tokens=23, cut_characters=len(BEFORE + "Wait" + AFTER),
        text="The answer is A.", letter="A", is_correct=True,
    )  # fmt: skip
    made = {128: traces.add_checkpoint(wrong).id, 512: traces.add_checkpoint(right).id}
    sweeps.save(sweep.id, SweepOutcome(state=TraceState.COMPLETED, tokens_generated=40), sweep.owner)
    return made
