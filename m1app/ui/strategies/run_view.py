"""A run of strategies as `run_view.js` shows it: state, table, a card for each with its picture and its ledger.

Pure: snapshot in, dictionary out.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from m1app.question.pastes.summary import first_words
from m1app.runs.strategy_export import strategy_title, text_of
from m1app.runs.strategy_snapshots import StrategyRunSnapshot, StrategySnapshot
from m1app.strategies.kinds import KINDS
from m1app.strategies.protocol import Purpose
from m1app.targets import letters_of
from m1app.wording import (
    counted,
    duration,
    interrupted_strategies_note,
    shown_answer,
    state_label,
    verdict_label,
    verdict_of,
)
from storage.questions.records import Question
from storage.strategies.records import StrategyRequest, StrategyResult
from storage.traces.records import COUNTED_AS_THINKING, SegmentKind, Trace, TraceState

RESUMABLE = (TraceState.STOPPED, TraceState.FAILED, TraceState.INTERRUPTED)
_MOST_REQUESTS = 400
"""Of a strategy, in the page; the downloads have all."""
_MOST_CHARACTERS = 4_000
_TAIL_CHARACTERS = 280
_DONE = (TraceState.COMPLETED, TraceState.FAILED)
"""How a strategy has ended for good; one that was cut short can go on."""
_PICTURES = {kind.name: kind.picture for kind in KINDS}


def view_value(snapshot: StrategyRunSnapshot, *, is_own: bool = True) -> dict[str, Any]:
    """Everything that the page shows of a run, to somebody who may resume it or not."""
    run = snapshot.run
    generated = sum(each.result.generated for each in snapshot.strategies)
    return {
        "id": run.id,
        "state": run.state.value,
        "state_label": state_label(run.state),
        "progress": _progress(snapshot),
        "name": first_words(run.question.stem),
        "question": run.question.stem,
        "options": [f"{letter}. {text}" for letter, text in run.question.options.items()],
        "targets": list(letters_of(run.question.target)),
        "notice": _notice(snapshot, is_own=is_own),
        "account": f"{counted(generated, 'token')} generated in {duration(run.seconds)}",
        "settings": _settings(snapshot),
        "budget": run.budget_tokens,
        "strategies": [_strategy(each, snapshot) for each in snapshot.strategies],
    }


def _notice(snapshot: StrategyRunSnapshot, *, is_own: bool) -> str:
    parts = [snapshot.run.error]
    if snapshot.run.state is TraceState.INTERRUPTED:
        parts.append(interrupted_strategies_note(is_own=is_own))
    if snapshot.save_error:
        parts.append(
            f"This run is not saved yet: {snapshot.save_error} The app keeps trying; you can also download it."
        )
    return " ".join(filter(None, parts))


def _progress(snapshot: StrategyRunSnapshot) -> str:
    """How many strategies have ended; of a run that is over, how."""
    results = [each.result for each in snapshot.strategies]
    whole = counted(len(results), "strategy", "strategies")
    if snapshot.run.state is TraceState.RUNNING:
        return f"{sum(each.state in _DONE for each in results)} of {whole} done"
    completed = [each for each in results if each.state is TraceState.COMPLETED]
    answered = sum(bool(each.letter or each.answer) for each in completed)
    failed = sum(each.state is TraceState.FAILED for each in results)
    others = {"ended without an answer": len(completed) - answered, "failed": failed}
    others["not finished"] = len(results) - len(completed) - failed
    return ", ".join([f"{answered} of {whole} answered", *(f"{n} {how}" for how, n in others.items() if n)])


def _settings(snapshot: StrategyRunSnapshot) -> str:
    run = snapshot.run
    passes = "shared among its passes" if run.thinking_tokens is None else f"{run.thinking_tokens:,} for each pass"
    return (
        f"{run.model}; {run.budget_tokens:,} tokens for each strategy, thinking {passes}; temperature "
        f"{run.temperature:g}; seed {run.seed}"
    )


def _strategy(strategy: StrategySnapshot, snapshot: StrategyRunSnapshot) -> dict[str, Any]:
    result, asked = strategy.result, snapshot.run.question
    return {
        "choice": result.choice,
        "title": strategy_title(result.choice),
        "state": result.state.value,
        "state_label": state_label(result.state),
        **_verdict(result, asked),
        "answer": shown_answer(result.answer)[:_MOST_CHARACTERS],
        "why": result.why[:_MOST_CHARACTERS],
        "error": result.error[:_MOST_CHARACTERS],
        "from": _trace_of(strategy, result.of_key, snapshot.traces),
        "generated": result.generated,
        "computed": result.computed,
        "injected": result.injected,
        "wasted": result.wasted,
        "seconds": round(result.seconds, 1),
        "pictures": _pictures(strategy, snapshot.traces),
        "tail": _tail(strategy, snapshot.traces),
        "requests": [_request(each, snapshot.traces) for each in strategy.requests[:_MOST_REQUESTS]],
        "hidden": max(0, len(strategy.requests) - _MOST_REQUESTS),
    }


def _verdict(result: StrategyResult, asked: Question) -> dict[str, Any]:
    """The answer's letter and the verdict on it; empty while there is none."""
    if result.state is not TraceState.COMPLETED:
        return {"letter": result.letter or "", "verdict": "", "verdict_label": ""}
    has_options = bool(asked.options)
    return {
        "letter": result.letter or "",
        "verdict": verdict_of(result.letter, result.is_correct, has_options).value,
        "verdict_label": verdict_label(result.letter, result.is_correct, asked.target, has_options),
    }


def _trace_of(strategy: StrategySnapshot, key: str, traces: Mapping[str, Trace]) -> str:
    """Id of the pass that an answer comes from; empty without one."""
    ids = [each.trace_id for each in strategy.requests if key and each.key == key and each.trace_id in traces]
    return ids[-1] or "" if ids else ""


def _pictures(strategy: StrategySnapshot, traces: Mapping[str, Trace]) -> list[dict[str, Any]]:
    """What the strategy shows; of one chain, which shows nothing by itself, how its pass went."""
    shown = [{"name": name, "value": value} for name, value in strategy.result.picture.items()]
    if _PICTURES.get(strategy.result.choice.partition(":")[0]) == "chain":
        passes = [traces[each.trace_id] for each in strategy.requests if each.trace_id and each.trace_id in traces]
        shown += [{"name": "chain", "value": chain(each)} for each in passes[-1:]]
    return shown


def chain(trace: Trace) -> dict[str, Any]:
    """Picture "chain" of a pass: its thinking tokens of its budget, where a "Wait" was inserted, how it ended.

    {"tokens": 120, "budget": 512, "waits": [60], "answer_tokens": 8, "finish": "natural", "probabilities": {"A": 0.7}}
    """
    thinking = [part for part in trace.segments if part.kind in COUNTED_AS_THINKING]
    ends = itertools.accumulate(part.token_count for part in thinking)
    return {
        "tokens": trace.thinking_tokens,
        "budget": trace.thinking_budget_tokens,
        "waits": [
            end - part.token_count for part, end in zip(thinking, ends, strict=True) if part.kind is SegmentKind.WAIT
        ],
        "answer_tokens": sum(part.token_count for part in trace.segments if part.kind is SegmentKind.ANSWER),
        "finish": trace.thinking_finish_reason.value if trace.thinking_finish_reason else "",
        "probabilities": dict(trace.option_probabilities or {}),
    }


def _tail(strategy: StrategySnapshot, traces: Mapping[str, Trace]) -> str:
    """The end of what is being written now, by the request that began last among those that have written something."""
    for each in reversed(strategy.requests):
        if each.state != "running":
            continue
        trace = traces.get(each.trace_id or "")
        written = trace.segments[-1].text if trace and trace.segments else strategy.texts.get(each.key, "")
        if written:
            return written[-_TAIL_CHARACTERS:]
    return ""


def _request(request: StrategyRequest, traces: Mapping[str, Trace]) -> dict[str, Any]:
    trace = traces.get(request.trace_id or "")
    return {
        "position": request.position,
        "key": request.key,
        "attempt": request.attempt,
        "purpose": request.purpose,
        "model": request.model,
        "state": request.state,
        "generated": request.generated,
        "injected": request.injected,
        "new": request.prompt_new,
        "cached": request.prompt_cached,
        "wasted": request.wasted,
        "seconds": round(request.seconds, 1),
        "said": _said(request),
        "trace": trace.id if trace else "",
        "is_case": trace is not None and trace.state is TraceState.COMPLETED,
        "has_text": trace is None and bool(request.prompt or request.text),
    }


def _said(request: StrategyRequest) -> str:
    """What came of a request, in a few words."""
    if request.error:
        return request.error[:_MOST_CHARACTERS]
    if request.letter:
        return request.letter
    if request.purpose == Purpose.RETRIEVE:
        return f"{request.tokens:,} tokens found" if request.finish else ""
    likely: Sequence[tuple[str, float]] = sorted((request.probabilities or {}).items(), key=lambda each: -each[1])
    return ", ".join(f"{choice[:20]} {share:.0%}" for choice, share in likely[:3])


def request_value(snapshot: StrategyRunSnapshot, place: int, position: int) -> dict[str, str] | None:
    """Prompt and text of one request; None if there is none.

    Args:
        snapshot: the run.
        place: of the strategy, from 0.
        position: of the request, from 0.
    """
    if not (0 <= place < len(snapshot.strategies) and 0 <= position < len(snapshot.strategies[place].requests)):
        return None
    found = snapshot.strategies[place].requests[position]
    return {"key": found.key, "prompt": found.prompt, "text": text_of(found, snapshot.traces)}
