"""Benchmark runs with made-up verdicts, stored the way the runner does."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from storage.benchmarks.records import (
    BenchmarkItem,
    BenchmarkResult,
    BenchmarkRun,
    ItemState,
    NewBenchmarkRun,
    RunState,
)
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.database import Database, Session
from storage.questions.records import NewQuestion, Question
from storage.questions.repository import QuestionRepository
from storage.sweeps.records import SweepOutcome
from storage.sweeps.repository import SweepRepository
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from tests.storage.samples import a_checkpoint, a_sweep, a_trace

OWNER = "host:1"
OPTIONS = {"A": "Adrenal gland", "B": "Thyroid gland", "C": "Pancreas", "D": "Spleen"}


def a_run(**changes: Any) -> NewBenchmarkRun:
    """A small plan."""
    run = NewBenchmarkRun(
        name="Base",
        question_sets=("MedQA", "NEJM"),
        models=("m1-7b",),
        budgets=(128, 512, 2048),
        force_rounds=(0, 1),
        passes=1,
        temperature=0.0,
        top_p=1.0,
        seed=None,
        answer_cap_tokens=256,
        system_prompt=None,
        profile="",
        limit=None,
        in_flight=0,
    )
    return replace(run, **changes)


def store_run(
    database: Database,
    run: NewBenchmarkRun,
    questions: Mapping[str, Sequence[NewQuestion]],
    *,
    done: int | None = None,
    failed: int = 0,
    state: RunState = RunState.COMPLETED,
    tags: Sequence[str] = (),
    with_sweeps: int = 0,
) -> BenchmarkRun:
    """Plan a run and finish its items with deterministic verdicts that improve with the budget.

    Args:
        database: migrated.
        run: the run.
        questions: number of questions per set.
        done: number of finished items; None means all.
        failed: number of these that failed.
        state: final state of the run.
        tags: tags of the run.
        with_sweeps: number of items whose sweep, thinking and answers are stored too.
    """
    with database.session() as session:
        kept = [[QuestionRepository(session).upsert(each) for each in questions[name]] for name in run.question_sets]
        plan = [
            PlannedItem(set_number, model_number, question.id)
            for model_number in range(len(run.models))
            for set_number, of_set in enumerate(kept)
            for question in of_set
        ]
        runs = BenchmarkRepository(session)
        planned = runs.add(run, plan)
        runs.describe(planned.id, tags=tags)
    by_id = {question.id: question for of_set in kept for question in of_set}
    finish_items(database, planned, by_id, done=done, failed=failed, with_sweeps=with_sweeps)
    if state is not RunState.WAITING:
        end_run(database, planned.id, state)
    with database.session(is_read_only=True) as session:
        return BenchmarkRepository(session).get(planned.id)


def finish_items(
    database: Database,
    run: BenchmarkRun,
    questions: Mapping[str, Question],
    *,
    done: int | None = None,
    failed: int = 0,
    with_sweeps: int = 0,
) -> None:
    """Finish the next `done` waiting items, the first `failed` of them without an answer."""
    with database.session() as session:
        runs = BenchmarkRepository(session)
        waiting = runs.waiting(run.id, limit=100_000)[:done]
        for number, item in enumerate(waiting):
            is_failed = number < failed
            cases = _store_sweep(session, run, item, questions) if number - failed in range(with_sweeps) else {}
            results = [
                _result(run, item, questions[item.question_id], cell, cases.get(cell), is_failed=is_failed)
                for cell in ((budget, rounds) for rounds in run.force_rounds for budget in run.budgets)
            ]
            runs.finish(
                item.id,
                ItemState.FAILED if is_failed else ItemState.DONE,
                results,
                tokens_generated=max(result.tokens_if_separate for result in results),
                tokens_if_separate=sum(result.tokens_if_separate for result in results),
                attempts=3 if is_failed else 1,
                error="The engine kept failing." if is_failed else "",
            )


def end_run(database: Database, run_id: str, state: RunState) -> None:
    """End the run like the runner after 75 seconds."""
    with database.session() as session:
        runs = BenchmarkRepository(session)
        assert runs.claim(run_id, OWNER, lambda owner, seen_at: False)
        if state is RunState.RUNNING:
            runs.heartbeat(run_id, OWNER, 75.0)
        else:
            runs.end(run_id, OWNER, state, "The engine went away." if state is RunState.FAILED else "", 75.0)


def questions_of(name: str, count: int, *extra: str) -> list[NewQuestion]:
    """Questions of a set, `extra` stems first."""
    stems = [*extra, *(f"{name} case {number}: which gland makes the hormone?" for number in range(count - len(extra)))]
    return [NewQuestion(stem=stem, options=OPTIONS, target="A", source=name) for stem in stems]


def _result(
    run: BenchmarkRun,
    item: BenchmarkItem,
    question: Question,
    cell: tuple[int, int],
    case: str | None,
    *,
    is_failed: bool,
) -> BenchmarkResult:
    budget, rounds = cell
    chance = random.Random(f"{question.stem} {item.model}")
    hardness, flips = chance.random(), random.Random(f"{question.stem} {item.model} {cell}")
    ability = 0.32 + 0.05 * run.budgets.index(budget) + 0.03 * rounds + 0.12 * run.models.index(item.model)
    is_correct = not is_failed and hardness + flips.uniform(-0.3, 0.3) < ability
    is_answered = is_correct or (not is_failed and flips.random() < 0.85)
    letter = "A" if is_correct else "B" if is_answered else None
    thinking = 0 if is_failed else min(budget, 90 + int(1400 * hardness) + 120 * rounds)
    result = BenchmarkResult(
        item_id=item.id,
        pass_number=0,
        budget_tokens=budget,
        force_rounds=rounds,
        letter=letter,
        is_correct=is_correct,
        # The published scorer guesses if nothing was chosen.
        m1_letter=letter or (None if is_failed else "A"),
        m1_is_correct=is_correct or (letter is None and not is_failed),
        thinking_tokens=thinking,
        tokens_if_separate=thinking + (0 if is_failed else 24),
        checkpoint_id=case,
    )
    if question.options:
        return result
    # No rule scores an answer to an open question.
    return replace(result, letter=None, is_correct=None, m1_letter=None, m1_is_correct=None)


def _store_sweep(
    session: Session, run: BenchmarkRun, item: BenchmarkItem, questions: Mapping[str, Question]
) -> dict[tuple[int, int], str]:
    """Store an item's sweep with an answer at each budget; return the case of each cell."""
    sweeps, traces = SweepRepository(session), TraceRepository(session)
    question = questions[item.question_id]
    new = a_sweep(question.id, budgets=run.budgets, force_rounds=run.force_rounds, models=(item.model,))
    sweep = sweeps.add(new, item.id)
    trace = traces.add(
        a_trace(question.id, sweep_id=sweep.id, model=item.model, thinking_budget_tokens=run.budgets[-1])
    )
    cells = [(budget, rounds) for rounds in run.force_rounds for budget in run.budgets]
    text = "The adrenal gland makes it. " * 4
    kept = traces.add_checkpoint(
        a_checkpoint(trace.id, cells=tuple(cells), cut_tokens=20, cut_characters=len(text), text="The answer is A.")
    )
    segment = Segment(kind=SegmentKind.THINK, text=text, token_ids=tuple(range(20)), token_count=20)
    outcome = TraceOutcome(state=TraceState.COMPLETED, thinking_finish_reason=ThinkingFinishReason.NATURAL)
    traces.close(trace.id, outcome, [segment])
    sweeps.save(sweep.id, SweepOutcome(state=TraceState.COMPLETED, tokens_generated=30), sweep.owner)
    return dict.fromkeys(cells, kept.id)
