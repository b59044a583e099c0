"""Runs and questions on the Benchmarks page. Pure: records in, dictionaries for the page code out."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from m1app.benchmark.descriptions import imported_words, own_verdict_words, run_facts, run_name
from m1app.benchmark.queries import ImportedFacts, QuestionPage
from m1app.wording import Verdict, basis_label, cell, state_label, verdict_of, verdict_with_letter
from storage.benchmarks.records import BenchmarkRun, ImportedAnswer, ItemState, QuestionVerdict, RunState


def run_value(run: BenchmarkRun, facts: str = "") -> dict[str, Any]:
    """A run in the table and in the list of chosen runs; `facts` replaces what it cost."""
    over = run.items_done + run.items_failed
    return {
        "id": run.id,
        "name": run_name(run),
        "own_name": run.name,
        "state": run.state.value,
        "state_label": state_label(run.state),
        "is_live": run.state in (RunState.WAITING, RunState.RUNNING),
        "share": over / run.items if run.items else 0,
        "progress": f"{over:,} of {run.items:,}",
        "failed": run.items_failed,
        "error": run.error,
        "created": run.created_at.isoformat(),
        "tags": list(run.tags),
        "is_archived": run.is_archived,
        "sets": list(run.question_sets),
        "models": list(run.models),
        "budgets": list(run.budgets),
        "rounds": list(run.force_rounds),
        "facts": facts or run_facts(run),
    }


def stamp_of(rows: Sequence[dict[str, Any]]) -> str:
    """A stamp that changes when anything shown about these runs changes."""
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()[:16]


def questions_value(page: QuestionPage, offset: int) -> dict[str, Any]:
    """One page of questions."""
    return {"rows": [_question(each) for each in page.questions], "total": page.total, "offset": offset}


def _question(each: QuestionVerdict) -> dict[str, Any]:
    state = each.item_state
    verdict, label = _judged(each.letter, each.is_correct, state, each.target)
    if not each.is_scored and state is ItemState.DONE:
        verdict, label = Verdict.UNSCORED.value, "not scored by this rule: several are right"
    before, before_label = (
        ("", "")
        if each.before_is_correct is None
        else _judged(each.before_letter, each.before_is_correct, state, each.target)
    )
    return {
        "item": each.item_id,
        "stem": each.stem,
        "set": each.question_set,
        "model": each.model,
        "target": each.target or "–",
        "verdict": verdict,
        "verdict_label": label,
        "basis": basis_label(each.letter_rule, each.letter_words),
        "before": before,
        "before_label": before_label,
        "error": each.error,
        "tokens": _tokens(each),
        "case": each.checkpoint_id or "",
        # An item that has not started, or failed before starting, has no sweep to open; one that failed later may have
        # one.
        "has_sweep": not each.is_imported and (state is ItemState.DONE or each.checkpoint_id is not None),
        "is_imported": each.is_imported,
    }


def _tokens(each: QuestionVerdict) -> str:
    """Thinking tokens; a dash for a question without an answer, and where a file does not say them."""
    is_known = each.thinking_tokens is not None and (each.thinking_tokens or not each.is_imported)
    return f"{each.thinking_tokens:,}" if is_known else "–"


def imported_facts(run: BenchmarkRun, found: ImportedFacts) -> str:
    """What is known of an imported run, in one line."""
    return " · ".join(filter(None, (run_facts(run), *map(imported_words, found.files), own_verdict_words(found.own))))


def outputs_value(answers: Sequence[ImportedAnswer]) -> dict[str, Any]:
    """The outputs to a question of an imported run, as their files have them."""
    return {"outputs": [_output(each, len({one.pass_number for one in answers}) > 1) for each in answers]}


def _output(each: ImportedAnswer, has_passes: bool) -> dict[str, Any]:
    where = cell(each.budget_tokens, each.force_rounds)
    given = {True: "right", False: "wrong", None: "no verdict"}[each.own_is_correct]
    by = f" by {each.own_rule}" if each.own_rule else ""
    read = f", read as {each.own_letter}" if each.own_letter else ""
    words = each.answer[each.letter_start or 0 : each.letter_end or 0]
    return {
        "title": f"Pass {each.pass_number + 1}, {where}" if has_passes else where,
        "said": " ".join(filter(None, (f"In the file: {given}{by}{read}.", basis_label(each.letter_rule, words)))),
        "thinking": each.thinking or "",
        "answer": each.answer,
    }


def _judged(letter: str | None, is_correct: bool | None, state: ItemState, target: str | None) -> tuple[str, str]:
    """The verdict, which determines the colour, and its text; the verdict is empty while the item waits."""
    if state is ItemState.FAILED:
        return "failed", "failed"
    if is_correct is None:
        return "", "waiting"
    verdict = verdict_of(letter, is_correct)
    return verdict.value, verdict_with_letter(letter, verdict, target)
