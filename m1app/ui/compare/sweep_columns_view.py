"""Columns of the Compare page: each pass's text, and where each cell cuts it."""

from collections.abc import Mapping, Sequence
from typing import Any

from m1app.runs.sweep_reading import CellReading, CellState, PassSnapshot, SweepSnapshot, cell_readings
from m1app.ui.compare.sweep_view import (
    band_title,
    cell_key,
    cell_status,
    cell_title,
    column_order,
    cut_name,
    shown_first,
    state_words,
)
from m1app.ui.compare.text_offsets import Utf16Offsets
from m1app.wording import basis_label, verdict_label
from storage.traces.records import SegmentKind, ThinkingFinishReason, TraceState

MAX_COLUMNS_AT_FIRST = 8


def columns_value(snapshot: SweepSnapshot) -> dict[str, Any]:
    """One band per pass. The text is sent once and grows by appending; columns are offsets into it."""
    return {"id": snapshot.sweep.id, "bands": [_band(snapshot, run) for run in snapshot.passes]}


def _band(snapshot: SweepSnapshot, run: PassSnapshot) -> dict[str, Any]:
    readings = cell_readings(snapshot, run)
    text = run.trace.thinking_text
    offsets = Utf16Offsets(text)
    first, alike = shown_first(readings), _by_cut(readings)
    return {
        "id": run.trace.id,
        "title": band_title(snapshot.sweep, run),
        "status": _status(snapshot, run),
        "text": text,
        "waits": _waits(run, offsets),
        "cells": [_cell(snapshot, reading, alike, offsets) for reading in sorted(readings, key=column_order)],
        "shown": [cell_key(reading.cell) for reading in first[:MAX_COLUMNS_AT_FIRST]],
        "distinct": len(first),
    }


def _status(snapshot: SweepSnapshot, run: PassSnapshot) -> str:
    tokens = f"{run.trace.thinking_tokens:,} thinking tokens"
    if snapshot.is_over or run.trace.state is not TraceState.RUNNING:
        return tokens
    return f"{tokens} so far" if run.trace.thinking_tokens else "waiting for the engine"


def _waits(run: PassSnapshot, offsets: Utf16Offsets) -> list[list[int]]:
    """Start and end of each "Wait" in the text."""
    waits, at = [], 0
    for segment in run.trace.segments:
        if segment.kind in (SegmentKind.THINK, SegmentKind.WAIT):
            end = at + len(segment.text)
            if segment.kind is SegmentKind.WAIT:
                waits.append([offsets.at(at), offsets.at(end)])
            at = end
    return waits


def _cell(
    snapshot: SweepSnapshot, reading: CellReading, alike: Mapping[str, Sequence[CellReading]], offsets: Utf16Offsets
) -> dict[str, Any]:
    question = snapshot.sweep.question
    kept = reading.checkpoint
    others = [cell_title(each.cell) for each in alike.get(cut_name(reading), ()) if each.cell != reading.cell]
    return {
        "key": cell_key(reading.cell),
        "budget": reading.cell.budget_tokens,
        "rounds": reading.cell.force_rounds,
        "title": cell_title(reading.cell),
        "cut": cut_name(reading),
        "at": None if reading.cut_characters is None else offsets.at(reading.cut_characters),
        "ended": _ended(reading) + (f", {len(others) + 1} cells" if others else ""),
        "also": "Also the answer for: " + "; ".join(others) if others else "",
        "verdict": cell_status(reading, bool(question.options)),
        "verdict_label": _verdict_label(reading, question.target, bool(question.options)),
        "basis": basis_label(kept.letter_rule, kept.letter_words) if kept else "",
        "answer": (kept.error or kept.text.strip()) if kept else "",
        "case": kept.id if kept and not kept.error else "",
    }


def _ended(reading: CellReading) -> str:
    if reading.cut_tokens is None:
        return "not reached" if reading.state is CellState.MISSING else "not reached yet"
    if reading.finish is ThinkingFinishReason.NATURAL:
        return f"stopped naturally at {reading.cut_tokens:,} tokens"
    if reading.finish is ThinkingFinishReason.EARLY_EXIT:
        return f"closed by a person at {reading.cut_tokens:,} tokens"
    return f"cut at {reading.cut_tokens:,} tokens"


def _by_cut(readings: Sequence[CellReading]) -> dict[str, list[CellReading]]:
    """The cells of each known cut, which share its answer."""
    alike: dict[str, list[CellReading]] = {}
    for reading in readings:
        if name := cut_name(reading):
            alike.setdefault(name, []).append(reading)
    return alike


def _verdict_label(reading: CellReading, target: str | None, has_options: bool) -> str:
    kept = reading.checkpoint
    if reading.state is not CellState.ANSWERED or kept is None:
        return state_words(reading.state).capitalize()
    return verdict_label(kept.letter, kept.is_correct, target, has_options)
