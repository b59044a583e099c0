"""Traces that are not kept: they are in the memory of this process only, and gone some minutes after their end."""

import hashlib
from dataclasses import fields
from datetime import UTC, datetime
from uuid import uuid4

from storage.questions.records import NewQuestion, Question, content_hash
from storage.traces.records import NewTrace, Trace, TraceState

REMEMBERED_SECONDS = 900.0
"""How long such a trace can be read and downloaded after its end."""


def unkept_question(asked: NewQuestion) -> Question:
    """The question with an id that is stored nowhere."""
    values = {each.name: getattr(asked, each.name) for each in fields(NewQuestion)}
    hashed = content_hash(asked.stem, asked.options, asked.target)
    return Question(**values, id=uuid4().hex, content_hash=hashed, created_at=datetime.now(UTC))


def unkept_trace(begun: NewTrace, question: Question, trace_id: str = "") -> Trace:
    """A trace without tokens yet, with an id that is stored nowhere so far; an empty one generates it."""
    now = datetime.now(UTC)
    return Trace(
        **{each.name: getattr(begun, each.name) for each in fields(NewTrace)},
        id=trace_id or uuid4().hex,
        question=question,
        created_at=now,
        updated_at=now,
        prompt_sha256=hashlib.sha256(begun.prompt_text.encode()).hexdigest(),
        segments=(),
        state=TraceState.RUNNING,
        thinking_finish_reason=None,
        error="",
        note="",
        answer_letter=None,
        is_correct=None,
        option_probabilities=None,
        time_to_first_token_seconds=None,
        seconds=None,
        tokens_generated=0,
        tokens_per_second=None,
    )
