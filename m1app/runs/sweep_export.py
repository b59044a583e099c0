"""Export a sweep: JSON and text as printed by the command line, CSV with one row per cell."""

import csv
import io
from typing import Any

from m1app import __version__
from m1app.runs.flips import flips
from m1app.runs.sweep_reading import CellReading, PassSnapshot, SweepSnapshot, cell_readings
from m1app.spreadsheet import harmless
from m1app.wording import tokens_account
from models.thinking.sweep import Cell

_CSV_FIELDS = (
    "sweep_id",
    "model",
    "pass",
    "seed",
    "budget",
    "rounds",
    "state",
    "thinking_tokens",
    "finish_reason",
    "letter",
    "correct",
    "letter_rule",
    "letter_words",
    "strict_version",
    "target",
    "answer",
)


def sweep_json(snapshot: SweepSnapshot) -> dict[str, Any]:
    """One JSON object: the grid's cells, every pass's thinking and flips, the accounting."""
    sweep = snapshot.sweep
    return {
        "sweep_id": sweep.id,
        "created_at": sweep.created_at.isoformat(),
        "state": sweep.state.value,
        "error": sweep.error or None,
        "name": sweep.name or None,
        "tags": list(sweep.tags),
        "question": sweep.question.stem,
        "options": dict(sweep.question.options),
        "target": sweep.question.target,
        "cells": [_cell(run, reading) for run in snapshot.passes for reading in cell_readings(snapshot, run)],
        "passes": [_pass(run) for run in snapshot.passes],
        "tokens_generated": sweep.tokens_generated,
        "tokens_if_separate": sweep.tokens_if_separate,
        "seconds": sweep.seconds,
        "settings": {
            "models": list(sweep.models),
            "profile": sweep.profile or None,
            "budgets": list(sweep.budgets),
            "force_rounds": list(sweep.force_rounds),
            "passes": sweep.passes,
            "temperature": sweep.temperature,
            "top_p": sweep.top_p,
            "seed": sweep.seed,
            "answer_cap_tokens": sweep.answer_cap_tokens,
            "system_prompt": sweep.system_prompt,
        },
        "app_version": __version__,
    }


def sweep_csv(snapshot: SweepSnapshot) -> str:
    """A header and one row per cell and pass (RFC 4180); text that looks like a formula is prefixed with a quote."""
    made = io.StringIO()
    writer = csv.DictWriter(made, _CSV_FIELDS, extrasaction="ignore")
    writer.writeheader()
    sweep = snapshot.sweep
    for run in snapshot.passes:
        for reading in cell_readings(snapshot, run):
            row = _cell(run, reading) | {"sweep_id": sweep.id, "target": sweep.question.target}
            writer.writerow({name: harmless(value) for name, value in row.items()})
    return made.getvalue()


def sweep_text(snapshot: SweepSnapshot) -> str:
    """The grid of each pass as a table for a terminal: the letter of each cell, and whether it is right."""
    sweep = snapshot.sweep
    lines = []
    for run in snapshot.passes:
        of_cell = {reading.cell: reading for reading in cell_readings(snapshot, run)}
        seed = "" if run.trace.seed is None else f", seed {run.trace.seed}"
        title = f"{run.trace.model}, pass {run.trace.pass_number + 1}{seed}"
        lines += ["", f"{title}: {run.trace.thinking_tokens:,} thinking tokens"]
        lines.append("rounds | budget " + " ".join(f"{budget:>8,}" for budget in sweep.budgets))
        for rounds in sweep.force_rounds:
            marks = (cell_mark(of_cell[Cell(budget, rounds)]) for budget in sweep.budgets)
            lines.append(f"{rounds:>6} |        " + " ".join(f"{mark:>8}" for mark in marks))
        lines += [
            f"{flip.kind.value} ({flip.before.letter or 'none'} to {flip.after.letter or 'none'}): {flip.sentence} "
            f"[{flip.basis.value}]"
            for flip in flips(run)
        ]
    lines.append(
        f"\n{tokens_account(sweep.tokens_generated, sweep.seconds, sweep.tokens_if_separate)}\nsweep: {sweep.id}\n"
    )
    return "\n".join(lines)


def cell_mark(reading: CellReading) -> str:
    """A cell in a table: its letter with + if that is right and - if it is wrong, or its state."""
    kept = reading.checkpoint
    if kept is None or kept.error:
        return reading.state.value
    verdict = {True: "+", False: "-", None: ""}[kept.is_correct]
    return f"{kept.letter or 'none'}{verdict}"


def _cell(run: PassSnapshot, reading: CellReading) -> dict[str, Any]:
    kept = reading.checkpoint
    return {
        "model": run.trace.model,
        "pass": run.trace.pass_number,
        "seed": run.trace.seed,
        "budget": reading.cell.budget_tokens,
        "rounds": reading.cell.force_rounds,
        "state": reading.state.value,
        "thinking_tokens": reading.cut_tokens,
        "finish_reason": reading.finish.value if reading.finish else None,
        "letter": kept.letter if kept else None,
        "correct": kept.is_correct if kept else None,
        "letter_rule": kept.letter_rule if kept else None,
        "letter_words": (kept.letter_words or None) if kept else None,
        "strict_version": kept.strict_version if kept else None,
        "answer": kept.text if kept else None,
        "answer_tokens": kept.token_count if kept else None,
        "option_probabilities": dict(kept.option_probabilities) if kept and kept.option_probabilities else None,
        "error": kept.error or None if kept else None,
    }


def _pass(run: PassSnapshot) -> dict[str, Any]:
    trace = run.trace
    return {
        "trace_id": trace.id,
        "model": trace.model,
        "pass": trace.pass_number,
        "seed": trace.seed,
        "state": trace.state.value,
        "error": trace.error or None,
        "engine": {"name": trace.engine_name, "kind": trace.engine_kind, "version": trace.engine_version},
        "profile": trace.profile,
        "prompt_text": trace.prompt_text,
        "segments": [
            {
                "kind": segment.kind.value,
                "text": segment.text,
                "token_count": segment.token_count,
                "token_ids": list(segment.token_ids),
                "finish_reason": segment.finish_reason,
            }
            for segment in trace.segments
        ],
        "flips": [
            {
                "from": flip.before.letter,
                "to": flip.after.letter,
                "kind": flip.kind.value,
                "after_thinking_tokens": [flip.before.cut_tokens, flip.after.cut_tokens],
                "sentence": flip.sentence,
                "sentence_basis": flip.basis.value,
            }
            for flip in flips(run)
        ],
    }
