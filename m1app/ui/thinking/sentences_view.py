"""How much each sentence of a thinking mattered, as the Thinking page shows it. Pure: values in, dictionaries out."""

from collections.abc import Sequence
from typing import Any

from m1app.fact_tests.design import LEAST_SEEDS, MOST_SEEDS
from m1app.resampling.service import ResamplingSnapshot
from m1app.resampling.strategy import most_tokens
from m1app.runs.anchors import SentenceChange, deciding
from m1app.runs.branches import Editable
from m1app.runs.naming import may_change
from m1app.runs.probe import RESUMABLE
from m1app.wording import counted, percent, points, state_label
from storage.traces.records import TraceState

_SHOWN = 240
"""Characters of a sentence in the list."""
_LISTED = 200
_NOT_KNOWN = (
    "How much each sentence changed the probability of the answer is not known here. It is known for the answers of a "
    "sweep, which asks for an answer at every cut: compare budgets of this question, and open a column's thinking from "
    "there."
)


def sentences_value(of: Editable, changes: Sequence[SentenceChange]) -> dict[str, Any]:
    """The sentences, those that moved the answer's letter most first."""
    case, text = of.case, of.case.thinking_text
    decided = deciding(changes)
    is_known = any(each.change is not None for each in changes)
    ranked = sorted(changes, key=lambda each: (each.change is None, -abs(each.change or 0.0), each.start))

    def row(each: SentenceChange) -> dict[str, Any]:
        return {
            "start": each.start,
            "end": each.end,
            "text": _beginning(text[each.start : each.end]),
            "change": each.change,
            "said": "–" if each.change is None else points(each.change),
            "most_tokens": _most_tokens(of, each),
            "where": _where(each),
            "mark": f"/annotate/?case={case.id}&part=thinking&start={each.start}&end={each.end}",
        }

    return {
        "letter": case.letter or "",
        "rows": [row(each) for each in ranked[:_LISTED]],
        "more": max(0, len(ranked) - _LISTED),
        "decided": row(decided) if decided else None,
        "notice": "" if is_known else _NOT_KNOWN,
        "is_known": is_known,
        "case": case.id,
        "can_resample": bool(case.letter and case.question.options and of.trace.prompt_token_ids),
        "seeds": [LEAST_SEEDS, MOST_SEEDS],
        "compare": f"/compare/?trace={case.trace_id}",
        "has_sentences": bool(changes),
    }


def _most_tokens(of: Editable, each: SentenceChange) -> int:
    """The most that one rollout from each side of a sentence generates, about."""
    case = of.case
    return most_tokens(1, case.thinking_budget_tokens, of.tokens_before(each.start), of.trace.answer_cap_tokens)


def _where(each: SentenceChange) -> str:
    before, after = each.before, each.after
    if before is None or after is None:
        return ""
    return (
        f"{percent(before.probability, 0)} at {before.tokens:,} tokens, {percent(after.probability, 0)} at "
        f"{after.tokens:,}"
    )


def resampled_value(found: Sequence[ResamplingSnapshot], problem: str = "") -> dict[str, Any]:
    """Sentences that were resampled, newest first."""
    return {"rows": [_resampled(each) for each in found]} | ({"problem": problem} if problem else {})


def _resampled(found: ResamplingSnapshot) -> dict[str, Any]:
    of, run, compared = found.of, found.run.run, found.compared
    answers = {
        side: [each["letter"] or "–" if each["state"] == "answered" else "" for each in rollouts]
        for side, rollouts in found.rollouts.items()
    }
    errors = [each["error"] for rollouts in found.rollouts.values() for each in rollouts if each["error"]]
    difference = (
        f"{points(compared.difference)} points (95% interval {points(compared.low)} to {points(compared.high)})"
    )
    return {
        "id": of.run_id,
        "text": _beginning(of.sentence),
        "letter": of.letter,
        "state": run.state.value,
        "state_label": state_label(run.state),
        "can_stop": may_change(run.asked_by) and run.state is TraceState.RUNNING,
        "can_resume": may_change(run.asked_by) and (run.state in RESUMABLE or bool(errors)),
        "before": answers["before"],
        "after": answers["after"],
        "said": difference if compared.n else "No pair of rollouts has been answered yet.",
        "account": f"{counted(compared.n, 'pair')}, {counted(found.run.strategies[0].result.generated, 'token')}",
        "error": (run.error or next(iter(errors), ""))[:400],
    }


def _beginning(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN].rstrip()}…"
