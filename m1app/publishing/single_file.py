"""One trace or one sweep as a single HTML file, which shows itself as a question of a site does. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from m1app.annotation.labels import Taxonomy
from m1app.publishing.pages import single_page
from m1app.publishing.question_document import Document, Marks, question_texts, segments_of, written
from m1app.publishing.verdicts import ABSENT, FAILED, RIGHT, UNANSWERED, UNSCORED, WRONG
from m1app.runs.sweep_markdown import sweep_settings
from m1app.runs.sweep_reading import CellReading, PassSnapshot, SweepSnapshot, cell_readings
from m1app.runs.trace_markdown import FINISH_WORDS, trace_settings
from storage.traces.records import Checkpoint, Trace

_NO_MARKS = Marks(Taxonomy(0, (), ()), {})
_ONLY = "answer"
"""Stands for the id of the one answer of a trace."""


def trace_html(trace: Trace) -> str:
    """A trace as one HTML file."""
    ended = trace.thinking_finish_reason
    answer: Document = {
        "tokens": trace.thinking_tokens,
        "ended": FINISH_WORDS[ended] if ended else "it has not ended",
        "is_failed": False,
        "cut": len(trace.thinking_text),
        "text": trace.answer_text,
        "shares": [[letter, round(share, 4)] for letter, share in (trace.option_probabilities or {}).items()],
    }
    cell: Document = {
        "budget": trace.thinking_budget_tokens,
        "rounds": trace.force_rounds,
        "verdict": _verdict(trace.answer_letter, trace.is_correct),
        "letter": trace.answer_letter,
        "tokens": trace.thinking_tokens,
        "answer": _ONLY,
    }
    found: Document = {
        "source": 0,
        "pass": trace.pass_number,
        "state": trace.state.value,
        "seed": trace.seed,
        "thinking_tokens": trace.thinking_tokens,
        "cells": [cell],
        "answers": {_ONLY: answer},
        "flips": [],
        "marks": [],
        "segments": segments_of(trace.segments),
    }
    document = question_texts(trace.question, has_texts=True) | {"passes": [found], "strategies": []}
    return _page(
        trace.name or "A trace", [trace.model], document, trace_settings(trace), [(trace.model, trace.prompt_text)]
    )


def sweep_html(snapshot: SweepSnapshot) -> str:
    """A sweep as one HTML file."""
    sweep = snapshot.sweep
    models = list(dict.fromkeys(run.trace.model for run in snapshot.passes))
    passes = [_pass(snapshot, run, models.index(run.trace.model)) for run in snapshot.passes]
    document = question_texts(sweep.question, has_texts=True) | {"passes": passes, "strategies": []}
    prompts = dict.fromkeys((run.trace.model, run.trace.prompt_text) for run in snapshot.passes)
    return _page(sweep.name or "A sweep", models, document, sweep_settings(snapshot), list(prompts))


def _pass(snapshot: SweepSnapshot, run: PassSnapshot, source: int) -> Document:
    known: Document = {
        "source": source,
        "pass": run.trace.pass_number,
        "state": run.trace.state.value,
        "cells": [_cell(each) for each in cell_readings(snapshot, run)],
    }
    return known | written(run, _NO_MARKS, has_texts=True)


def _cell(reading: CellReading) -> Document:
    kept = reading.checkpoint
    return {
        "budget": reading.cell.budget_tokens,
        "rounds": reading.cell.force_rounds,
        "verdict": _verdict_of(kept),
        "letter": kept.letter if kept else None,
        "tokens": reading.cut_tokens or 0,
        "answer": kept.id if kept else None,
    }


def _verdict_of(kept: Checkpoint | None) -> str:
    if kept is None:
        return ABSENT
    return FAILED if kept.error else _verdict(kept.letter, kept.is_correct)


def _verdict(letter: str | None, is_correct: bool | None) -> str:
    if is_correct is None:
        return UNSCORED
    if is_correct:
        return RIGHT
    return WRONG if letter else UNANSWERED


def _page(
    title: str,
    models: Sequence[str],
    document: Document,
    settings: Mapping[str, object],
    prompts: Sequence[tuple[str, str]],
) -> str:
    facts: list[list[Any]] = [[name, str(value)] for name, value in settings.items() if value is not None]
    sources = [{"name": model} for model in models]
    return single_page(title, {"sources": sources, "question": document, "facts": facts, "prompts": prompts})
