"""Sweeps on the Compare page: state, cost, charts and flips.

Columns: `sweep_columns_view.py`. All are pure: snapshot in, dictionary out, for `sweep_view.js` and `charts.js`.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from m1app import wording
from m1app.question.pastes.summary import first_words
from m1app.runs.asked_prompts import asked_prompts, difference_value
from m1app.runs.flips import FlipKind, flips
from m1app.runs.sweep_reading import (
    CellReading,
    CellState,
    PassSnapshot,
    SweepSnapshot,
    cell_readings,
    trajectory,
)
from m1app.targets import has_several, letters_of
from m1app.ui.compare.text_offsets import Utf16Offsets
from m1app.ui.compare.trajectory import probability_words, trajectory_figure
from m1app.wording import (
    FIRST_NAMED_NOTE,
    Verdict,
    interrupted_note,
    state_label,
    tokens_account,
    verdict_of,
    verdict_with_letter,
)
from models.thinking.sweep import Cell
from storage.questions.records import Question
from storage.sweeps.records import Sweep
from storage.traces.records import Checkpoint, SegmentKind, TraceState

RESUMABLE = (TraceState.STOPPED, TraceState.FAILED, TraceState.INTERRUPTED)

_MARKS = {"unanswered": "–", "unscored": "·", "failed": "!", "answering": "…", "waiting": "", "missing": "×"}
_SIGNS = {"right": " ✓", "wrong": " ✗"}


def view_value(
    snapshot: SweepSnapshot, openings: Mapping[str, str] | None = None, *, is_own: bool = True
) -> dict[str, Any]:
    """State, question, cost, errors, and where its models were not asked alike.

    Args:
        snapshot: the sweep.
        openings: as in `asked_prompts`.
        is_own: whether the reader may resume it.
    """
    sweep = snapshot.sweep
    readings = [reading for run in snapshot.passes for reading in cell_readings(snapshot, run)]
    answered = sum(reading.state is CellState.ANSWERED for reading in readings)
    return {
        "id": sweep.id,
        "state": sweep.state.value,
        "state_label": state_label(sweep.state),
        "answered": answered,
        "cells": len(readings),
        "name": first_words(sweep.question.stem),
        "question": sweep.question.stem,
        "options": [f"{letter}. {text}" for letter, text in sweep.question.options.items()],
        "targets": list(letters_of(sweep.question.target)),
        "notice": _notice(snapshot, is_own=is_own),
        "account": account(sweep),
        "sampling": _sampling(sweep),
        "prompts": difference_value(asked_prompts([run.trace for run in snapshot.passes], openings or {})),
    }


FlipMemory = dict[object, list[dict[str, Any]]]
"""Cached flips by pass and answers: finding them searches a long text, too slow for every frame."""


def charts_value(snapshot: SweepSnapshot, memory: FlipMemory | None = None) -> dict[str, Any]:
    """Heat map, trajectory and flips of each pass; with several passes also the share of right answers.

    Args:
        snapshot: current state of the sweep.
        memory: caches flips between snapshots of a sweep.
    """
    sweep = snapshot.sweep
    known: FlipMemory = {} if memory is None else memory
    return {
        "id": sweep.id,
        "budgets": list(sweep.budgets),
        "rounds": list(sweep.force_rounds),
        "bands": [_band(snapshot, run, known) for run in snapshot.passes],
        "shares": _shares(snapshot),
    }


def band_title(sweep: Sweep, run: PassSnapshot) -> str:
    """The name of one pass: its model, and with several passes its number and seed."""
    if sweep.passes == 1:
        return run.trace.model
    seed = "" if run.trace.seed is None else f" (seed {run.trace.seed})"
    return f"{run.trace.model}, pass {run.trace.pass_number + 1}{seed}"


def cell_key(cell: Cell) -> str:
    """The name of a cell in the page."""
    return f"{cell.budget_tokens}-{cell.force_rounds}"


def cell_title(cell: Cell) -> str:
    """A cell in words."""
    return wording.cell(cell.budget_tokens, cell.force_rounds)


def cell_status(reading: CellReading, has_options: bool) -> str:
    """The verdict on a cell's answer, or its state until there is one; determines the colour."""
    kept = reading.checkpoint
    if reading.state is not CellState.ANSWERED or kept is None:
        return reading.state.value
    return verdict_of(kept.letter, kept.is_correct, has_options).value


def state_words(state: CellState) -> str:
    """The state of a cell without an answer."""
    return "not reached" if state is CellState.MISSING else state.value


def shown_first(readings: Sequence[CellReading]) -> list[CellReading]:
    """One cell for each distinct cut, and for each budget not reached yet; by cut.

    Of the cells at one cut, the one with the most rounds represents all: it is the last that the pass can still extend,
    so columns do not move when their cut is reached.
    """
    chosen: dict[object, CellReading] = {}
    for reading in sorted(readings, key=lambda r: (-r.cell.force_rounds, r.cell.budget_tokens)):
        place = cut_name(reading) or reading.cell.budget_tokens
        chosen.setdefault(place, reading)
    return sorted(chosen.values(), key=column_order)


def column_order(reading: CellReading) -> tuple[float, int, int]:
    """Sort key of columns: by cut; those with an unknown cut come last, by budget."""
    tokens = float("inf") if reading.cut_tokens is None else reading.cut_tokens
    return tokens, reading.cell.budget_tokens, reading.cell.force_rounds


def cut_name(reading: CellReading) -> str:
    """Key of the cut in the page, shared by all cells that end there; empty until it is known."""
    if reading.cut_tokens is None or reading.finish is None:
        return ""
    return f"{reading.cut_tokens}-{reading.finish.value}"


def account(sweep: Sweep) -> str:
    """Tokens generated, compared with separate runs of the answered cells."""
    return tokens_account(sweep.tokens_generated, sweep.seconds, sweep.tokens_if_separate)


def _notice(snapshot: SweepSnapshot, *, is_own: bool) -> str:
    parts = [snapshot.sweep.error]
    if snapshot.sweep.state is TraceState.INTERRUPTED:
        parts.append(interrupted_note(is_own=is_own))
    for run in snapshot.passes:
        parts += [run.trace.error, run.trace.note, *(kept.error for kept in run.checkpoints)]
    if snapshot.save_error:
        parts.append(
            f"This sweep is not saved yet: {snapshot.save_error} The app keeps trying; you can also download it."
        )
    return " ".join(dict.fromkeys(filter(None, parts)))


def _sampling(sweep: Sweep) -> str:
    if sweep.temperature == 0:
        return ""
    return (
        f"Temperature {sweep.temperature:g}: all cells of a pass share its sampled thinking, so they differ in where "
        "it was cut and not by chance. Separate runs would each sample afresh."
    )


def _band(snapshot: SweepSnapshot, run: PassSnapshot, memory: FlipMemory) -> dict[str, Any]:
    readings = cell_readings(snapshot, run)
    points = trajectory(run)
    answers = (run.trace.id, *((kept.id, kept.cells) for kept in run.checkpoints))
    if answers not in memory:
        memory[answers] = _flips(run)
    return {
        "id": run.trace.id,
        "title": band_title(snapshot.sweep, run),
        "cells": [_map_cell(reading, snapshot.sweep.question) for reading in readings],
        "trajectory": _trajectory(snapshot, run, points),
        "flips": memory[answers],
        "no_flips": _why_no_flips(snapshot, points),
    }


def _map_cell(reading: CellReading, question: Question) -> dict[str, Any]:
    status, target = cell_status(reading, bool(question.options)), question.target
    letter = reading.checkpoint.letter if reading.checkpoint else None
    # Several letters without what stands between them: the cells are narrow.
    mark = ("".join(letters_of(letter)) or _MARKS.get(status, "")) + _SIGNS.get(status, "")
    is_answered = reading.state is CellState.ANSWERED
    said = verdict_with_letter(letter, Verdict(status), target) if is_answered else state_words(reading.state)
    return {
        "key": cell_key(reading.cell),
        "budget": reading.cell.budget_tokens,
        "rounds": reading.cell.force_rounds,
        "verdict": status,
        "mark": mark,
        "label": f"{cell_title(reading.cell)}: {said}",
    }


def _trajectory(snapshot: SweepSnapshot, run: PassSnapshot, points: Sequence[Checkpoint]) -> dict[str, Any]:
    sweep, question = snapshot.sweep, snapshot.sweep.question
    known = [kept for kept in points if kept.option_probabilities]
    why_none = _why_no_chart(snapshot, points)
    if why_none or not known:
        return {"no_chart": why_none, "hint": "", "said": [], "figure": None}
    letters = list(question.options)
    return {
        "no_chart": "",
        "hint": f"{_target_hint(question.target)}Hover over the chart to read its values.",
        "said": [probability_words(letters, question.target, kept) for kept in known],
        "figure": trajectory_figure(letters, question.target, sweep.budgets, known, _wait_tokens(run)),
    }


def _target_hint(target: str | None) -> str:
    if has_several(target):
        return f"◎ marks the targets, options {target}. {FIRST_NAMED_NOTE} "
    return f"◎ is the target, option {target}. " if target else ""


def _wait_tokens(run: PassSnapshot) -> list[int]:
    """Thinking tokens before each "Wait"."""
    ends = itertools.accumulate(segment.token_count for segment in run.trace.segments)
    return [
        end - segment.token_count
        for segment, end in zip(run.trace.segments, ends, strict=True)
        if segment.kind is SegmentKind.WAIT
    ]


def _why_no_chart(snapshot: SweepSnapshot, points: Sequence[Checkpoint]) -> str:
    if not snapshot.sweep.question.options:
        return "An open question has no option probabilities to plot."
    if any(kept.option_probabilities for kept in points):
        return ""
    if points:
        return "The engine returned no probabilities for these answers."
    return "No cell has an answer." if snapshot.is_over else "The chart appears with the first answer."


def _flips(run: PassSnapshot) -> list[dict[str, Any]]:
    found = flips(run)
    if not found:
        return []
    offsets = Utf16Offsets(run.trace.thinking_text)
    return [
        {
            "kind": flip.kind.value,
            "verdict": {FlipKind.WRONG_TO_RIGHT: "right", FlipKind.RIGHT_TO_WRONG: "wrong"}.get(flip.kind, ""),
            "change": f"{flip.before.letter or 'none'} → {flip.after.letter or 'none'}",
            "between": f"between {flip.before.cut_tokens:,} and {flip.after.cut_tokens:,} tokens",
            "sentence": flip.sentence,
            "why": flip.why,
            "start": offsets.at(flip.start),
            "end": offsets.at(flip.end),
            "cell": _standing_for(flip.after),
            "case": flip.after.id,
            "code_points": [flip.start, flip.end],
        }
        for flip in found
    ]


def _standing_for(kept: Checkpoint) -> str:
    budget, rounds = min(kept.cells, key=lambda cell: (-cell[1], cell[0]))
    return cell_key(Cell(budget, rounds))


def _why_no_flips(snapshot: SweepSnapshot, points: Sequence[Checkpoint]) -> str:
    if not snapshot.sweep.question.options:
        return "An open question has no option letters that could flip."
    if not snapshot.is_over:
        return "No flips so far."
    return "No flips: the answer was the same at every cut." if len(points) > 1 else "Too few answers to show a flip."


def _shares(snapshot: SweepSnapshot) -> list[dict[str, Any]]:
    if snapshot.sweep.passes == 1 or snapshot.sweep.question.target is None:
        return []
    return [_share(snapshot, model) for model in snapshot.sweep.models]


def _share(snapshot: SweepSnapshot, model: str) -> dict[str, Any]:
    readings = [cell_readings(snapshot, run) for run in snapshot.passes if run.trace.model == model]
    cells = []
    for of_cell in zip(*readings, strict=True):
        scored = [r.checkpoint.is_correct for r in of_cell if r.checkpoint and r.state is CellState.ANSWERED]
        right, cell = sum(map(bool, scored)), of_cell[0].cell
        cells.append(
            {
                "key": cell_key(cell),
                "budget": cell.budget_tokens,
                "rounds": cell.force_rounds,
                "share": right / len(scored) if scored else None,
                "mark": f"{right}/{len(scored)}" if scored else "",
                "label": f"{cell_title(cell)}: {right} of {len(scored)} answered passes right",
            }
        )
    return {"title": f"{model}: passes that are right", "cells": cells}
