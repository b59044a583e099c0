"""Runs of strategies as plain values, for presenters and exports: no database."""

from dataclasses import replace
from typing import Any

from m1app.runs.strategy_snapshots import StrategyRunSnapshot, StrategySnapshot
from m1app.strategies.protocol import Passage
from storage.corpora.records import passage_id
from storage.strategies.records import StrategyRequest, StrategyResult, StrategyRun
from storage.traces.records import ThinkingFinishReason, TraceState
from tests.m1app.runs.trace_samples import ANSWERED, BEGUN, HOSTILE, QUESTION, a_trace

_CORTISOL = f"The adrenal cortex makes cortisol. {HOSTILE}"
QUOTED = Passage(
    id=passage_id("Cortisol", _CORTISOL),
    corpus="sheets",
    version=1,
    source="sheets.md",
    page="3",
    heading="Cortisol",
    text=_CORTISOL,
)
"""A passage that a run quotes."""

PICTURES: dict[str, Any] = {
    "votes": {"votes": {"A": 2, "B": 1}, "done": 3, "passes": 4},
    "race": {
        "bars": [
            {"pass": 0, "tokens": 310, "state": "cancelled"},
            {"pass": 1, "tokens": 290, "state": "won"},
            {"pass": 2, "tokens": 512, "state": "budget"},
        ],
        "budget": 512,
    },
    "exit": {
        "trajectory": [
            {"tokens": 64, "probabilities": {"A": 0.5, "B": 0.3, "C": 0.2}},
            {"tokens": 128, "probabilities": {"A": 0.8, "B": 0.15, "C": 0.05}},
            {"tokens": 192, "probabilities": {"A": 0.97, "B": 0.02, "C": 0.01}},
        ],
        "threshold": 0.95,
        "exit": 192,
        "tokens": 210,
    },
    "strip": {
        "segments": [
            {"from": 0, "to": 60, "repeats": None, "diverges": None, "is_kept": True},
            {"from": 60, "to": 140, "repeats": 0.2, "diverges": None, "is_kept": True},
            {"from": 140, "to": 200, "repeats": 0.91, "diverges": 0.1, "is_kept": True},
            {"from": 200, "to": 260, "repeats": None, "diverges": None, "is_kept": False},
        ],
        "closed": 200,
        "reason": "repeated",
        "tokens": 260,
    },
    "heat": {
        "temperatures": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2],
        "answers": ["A", "B"],
        "counts": [[1, 0], [2, 0], [2, 0], [1, 1], [2, 0], [0, 2], [1, 1]],
        "share": 0.8,
        "done": 13,
        "passes": 13,
    },
    "confidence": {
        "window": 128,
        "bar": 9.1,
        "passes": [
            {"pass": 0, "points": [[10, 12.0], [60, 11.0], [120, 9.6]], "lowest": 9.6, "state": "kept", "warmup": True},
            {"pass": 1, "points": [[10, 11.0], [60, 9.4], [90, 8.7]], "lowest": 8.7, "state": "cut", "warmup": False},
        ],
        "votes": {"A": 9.6},
    },
    "matrix": {
        "of": "verifications",
        "judge": "judge-7b",
        "columns": 2,
        "rows": [
            {
                "pass": 0,
                "answer": "A",
                "scores": [0.9, 0.8],
                "states": ["read", "read"],
                "value": 0.85,
                "is_chosen": True,
            },
            {
                "pass": 1,
                "answer": "B",
                "scores": [0.2, None],
                "states": ["read", "waiting"],
                "value": 0.2,
                "is_chosen": False,
            },
        ],
        "answers": {"A": 0.81},
    },
    "plan": {
        "plan_tokens": 80,
        "parts": [
            {
                "text": "Which hormone?",
                "difficulty": 1.0,
                "budget": 120,
                "used": 80,
                "answer": "Cortisol.",
                "state": "done",
            },
            {
                "text": "Which gland makes it?",
                "difficulty": 3.0,
                "budget": 360,
                "used": 40,
                "answer": "",
                "state": "running",
            },
        ],
        "answer_tokens": 0,
    },
    "passages": {
        "steps": [
            {"kind": "think", "title": "Thinking", "text": "I need the gland.", "tokens": 40, "state": "done"},
            {
                "kind": "search",
                "title": "Search",
                "query": "gland that makes cortisol",
                "state": "done",
                "error": "",
                "tokens": 52,
                "passages": [
                    {
                        "id": QUOTED.id,
                        "corpus": "sheets",
                        "version": 1,
                        "place": "Cortisol (sheets.md, page 3)",
                        "text": QUOTED.text,
                        "tokens": 52,
                    }
                ],
            },
            {"kind": "answer", "title": "Answer", "text": "A", "tokens": 2, "state": "done"},
        ]
    },
    "graph": {
        "nodes": [
            {"id": "0/0", "text": "Which hormone?", "depends": [], "state": "known", "answer": "Cortisol."},
            {"id": "0/1", "text": "Which gland?", "depends": ["0/0"], "state": "open", "answer": ""},
            {
                "id": "0/contracted",
                "text": "Which gland makes cortisol?",
                "depends": ["0/0", "0/1"],
                "state": "open",
                "answer": "",
            },
        ],
        "steps": [
            {"name": "direct", "depth": 0, "text": "A", "letter": "A", "tokens": 60, "is_done": True},
            {"name": "contract", "depth": 1, "text": "", "letter": None, "tokens": 12, "is_done": False},
        ],
    },
    "transcript": {
        "turns": [
            {
                "who": "Agent 1",
                "round": 1,
                "text": "The adrenal cortex makes it.",
                "thinking": "",
                "letter": "A",
                "tokens": 140,
                "is_done": True,
                "error": "",
            },
            {
                "who": "Agent 2",
                "round": 2,
                "text": "",
                "thinking": HOSTILE,
                "letter": None,
                "tokens": 33,
                "is_done": False,
                "error": "",
            },
        ]
    },
    "of a later version": {"html": HOSTILE, "numbers": [1, 2, 3]},
}
"""A value for each picture of the Strategies page, by name."""

TRACE = a_trace(segments=ANSWERED, thinking_finish_reason=ThinkingFinishReason.NATURAL)


def a_request(position: int, key: str, **changes: Any) -> StrategyRequest:
    request = StrategyRequest(
        position=position,
        key=key,
        attempt=0,
        purpose="think",
        model="smollm2-135m",
        state="done",
        generated=8,
        injected=1,
        prompt_new=20,
        prompt_cached=4,
        wasted=0,
        seconds=1.25,
    )
    return replace(request, **changes)


REQUESTS = (
    a_request(0, "pass/0", trace_id=TRACE.id, finish="natural", tokens=8),
    a_request(1, "pass/0/answer", purpose="answer", trace_id=TRACE.id, finish="whole", letter="A", tokens=1),
    a_request(2, "pass/0/letters", purpose="probe", generated=1, probabilities={"A": 0.75, "B": 0.25}),
    a_request(3, "verify/0", purpose="verify", prompt="Is it right?", text=HOSTILE, finish="budget", tokens=9),
    a_request(4, "pass/1", state="cancelled", generated=40, wasted=40),
    a_request(5, "pass/2", error="=cmd()", attempt=1, state="failed", generated=2, wasted=2),
)

VOTE = StrategyResult(
    choice="vote:k=3",
    state=TraceState.COMPLETED,
    letter="A",
    answer=" A",
    is_correct=True,
    why="2 of 3 passes gave this answer.",
    of_key="pass/0",
    generated=1_267,
    injected=6,
    prompt_new=120,
    prompt_cached=24,
    wasted=42,
    seconds=12.34,
    picture={"votes": PICTURES["votes"]},
)
CHAIN = StrategyResult(choice="budget-forcing", state=TraceState.FAILED, error="The engine is gone.")

RUN = StrategyRun(
    id="5" * 32,
    question_id=QUESTION.id,
    question=QUESTION,
    created_at=BEGUN,
    updated_at=BEGUN,
    choices=("vote:k=3", "budget-forcing"),
    model="smollm2-135m",
    profile="",
    system_prompt=None,
    budget_tokens=2_048,
    thinking_tokens=None,
    force_rounds=1,
    temperature=0.6,
    top_p=1.0,
    seed=11,
    answer_cap_tokens=64,
    engine_kind="llama.cpp",
    engine_version="b1",
    engine_name="embedded",
    prompt_sha256="0" * 64,
    owner="host:1",
    state=TraceState.COMPLETED,
    error="",
    seconds=13.0,
    results=(VOTE, CHAIN),
)
SNAPSHOT = StrategyRunSnapshot(
    RUN,
    (
        StrategySnapshot(VOTE, REQUESTS, {}),
        StrategySnapshot(CHAIN, (a_request(0, "pass/0", trace_id=TRACE.id, finish="natural"),), {}),
    ),
    {TRACE.id: TRACE},
)
