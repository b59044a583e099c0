"""Records with harmless values, for tests that care about one field."""

from dataclasses import replace
from typing import Any

from storage.database import Database
from storage.questions.records import NewQuestion, Question
from storage.questions.repository import QuestionRepository
from storage.strategies.records import NewStrategyRun
from storage.studies.records import NewStudy
from storage.sweeps.records import NewSweep
from storage.traces.records import (
    NewCheckpoint,
    NewTrace,
    Progress,
    Segment,
    SegmentKind,
    ThinkingFinishReason,
    Trace,
    TraceOutcome,
    TraceState,
)
from storage.traces.repository import TraceRepository
from storage.trash.records import Deletion, TrashKind
from storage.trash.repository import TrashRepository

QUESTION = NewQuestion(
    stem="A 54-year-old man has crushing chest pain. Which test comes first?",
    options={"B": "Electrocardiogram", "A": "Chest radiograph", "C": "D-dimer"},
    target="B",
    source="typed",
)


def a_trace(question_id: str, **changes: Any) -> NewTrace:
    trace = NewTrace(
        question_id=question_id,
        thinking_budget_tokens=1024,
        force_rounds=1,
        temperature=0.0,
        top_p=1.0,
        seed=7,
        answer_cap_tokens=256,
        system_prompt="Be careful.",
        model="smollm2-135m",
        profile="m1",
        profile_is_guess=False,
        engine_kind="llama.cpp",
        engine_version="b11549",
        engine_name="embedded",
        prompt_text="<|im_start|>think\n",
        prompt_token_ids=(1, 2, 4_294_967_295),
        owner="host:1",
    )
    return replace(trace, **changes)


def a_sweep(question_id: str, **changes: Any) -> NewSweep:
    sweep = NewSweep(
        question_id=question_id,
        budgets=(64, 128),
        force_rounds=(0, 2),
        models=("m1-7b", "smollm2-135m"),
        passes=1,
        temperature=0.0,
        top_p=1.0,
        seed=None,
        answer_cap_tokens=64,
        system_prompt=None,
        profile="",
        owner="host:1",
    )
    return replace(sweep, **changes)


def a_strategy_run(question_id: str, **changes: Any) -> NewStrategyRun:
    run = NewStrategyRun(
        question_id=question_id,
        choices=("vote:k=4", "budget-forcing"),
        model="m1-7b",
        profile="",
        system_prompt=None,
        budget_tokens=2_048,
        thinking_tokens=None,
        force_rounds=0,
        temperature=0.6,
        top_p=1.0,
        seed=0,
        answer_cap_tokens=64,
        engine_kind="vllm",
        engine_version="1",
        engine_name="remote",
        prompt_sha256="0" * 64,
        owner="host:1",
    )
    return replace(run, **changes)


def a_study(**changes: Any) -> NewStudy:
    study = NewStudy(
        name="m1-smoke",
        text='name = "m1-smoke"',
        models={"small": "m1-7b"},
        sets={"library": "library"},
        runs={"main": "a" * 32},
        facts={"is_demo": True},
        started_by="command line",
    )
    return replace(study, **changes)


def a_checkpoint(trace_id: str, **changes: Any) -> NewCheckpoint:
    checkpoint = NewCheckpoint(
        trace_id=trace_id,
        cells=((128, 0), (512, 0)),
        cut_tokens=100,
        cut_characters=431,
        thinking_finish_reason=ThinkingFinishReason.NATURAL,
        forced_rounds=0,
        text="The answer is B.",
        letter="B",
        option_probabilities={"B": 0.75, "A": 0.25},
        is_correct=True,
        finish_reason="natural",
        token_count=6,
        tokens_generated=8,
        tokens_if_separate=109,
    )
    return replace(checkpoint, **changes)


def think(text: str, **changes: Any) -> Segment:
    count = changes.pop("token_count", len(text.split()))
    return Segment(kind=SegmentKind.THINK, text=text, token_ids=tuple(range(count)), token_count=count, **changes)


def answer(text: str) -> Segment:
    return Segment(kind=SegmentKind.ANSWER, text=text, token_ids=(9,), token_count=1, seconds=0.5, finish_reason="stop")


COMPLETED = TraceOutcome(
    state=TraceState.COMPLETED,
    thinking_finish_reason=ThinkingFinishReason.NATURAL,
    answer_letter="B",
    is_correct=True,
    option_probabilities={"B": 0.9, "A": 0.1},
    time_to_first_token_seconds=0.25,
    seconds=12.5,
    tokens_generated=400,
    tokens_per_second=32.0,
)


def save_question(database: Database, question: NewQuestion = QUESTION, **changes: Any) -> Question:
    with database.session() as session:
        return QuestionRepository(session).upsert(replace(question, **changes))


def begin(database: Database, question: NewQuestion = QUESTION, **changes: Any) -> Trace:
    kept = save_question(database, question)
    with database.session() as session:
        return TraceRepository(session).add(a_trace(kept.id, **changes))


def progress(trace_id: str, *segments: Segment, tokens: int, first_token: float | None = None) -> list[Progress]:
    return [Progress(trace_id, segments, tokens, first_token)]


def finish(database: Database, trace: Trace, *segments: Segment, outcome: TraceOutcome = COMPLETED) -> None:
    with database.session() as session:
        TraceRepository(session).close(trace.id, outcome, segments)


def discard(database: Database, kind: TrashKind, subject_id: str) -> Deletion:
    with database.session() as session:
        return TrashRepository(session).discard(kind, subject_id, "ada")


def purge(database: Database, deletion: Deletion, most_rows: int = 100) -> int:
    """Remove a deletion for good, each step in a transaction of its own; return the number of steps."""
    for steps in range(1, 100_000):
        with database.session() as session:
            if TrashRepository(session).purge(deletion.id, most_rows):
                return steps
    raise AssertionError("it never ended")


def delete_for_good(database: Database, kind: TrashKind, subject_id: str) -> None:
    purge(database, discard(database, kind, subject_id))


def read(database: Database, trace_id: str) -> Trace:
    with database.session(is_read_only=True) as session:
        return TraceRepository(session).get(trace_id)
