"""Export a run of strategies: JSON with everything, CSV with one row per request of the ledger."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from m1app import __version__
from m1app.runs.strategy_records import passages_in
from m1app.runs.strategy_snapshots import StrategyRunSnapshot, StrategySnapshot
from m1app.spreadsheet import harmless
from m1app.strategies.catalogue import parse
from m1app.strategies.errors import StrategyRefused
from storage.strategies.records import StrategyRequest
from storage.traces.records import Trace

_CSV_FIELDS = (
    "run_id",
    "strategy",
    "position",
    "key",
    "attempt",
    "purpose",
    "model",
    "state",
    "generated",
    "injected",
    "prompt_new",
    "prompt_cached",
    "wasted",
    "seconds",
    "tokens",
    "letter",
    "finish",
    "trace_id",
    "error",
    "text",
)
_ANSWERED = ("whole", "cap")


def strategy_run_json(snapshot: StrategyRunSnapshot) -> dict[str, Any]:
    """One JSON object: what each strategy came to, its picture and its ledger with all texts."""
    run = snapshot.run
    return {
        "run_id": run.id,
        "created_at": run.created_at.isoformat(),
        "state": run.state.value,
        "error": run.error or None,
        "question": run.question.stem,
        "options": dict(run.question.options),
        "target": run.question.target,
        "results": [_result(each, snapshot.traces) for each in snapshot.strategies],
        "seconds": run.seconds,
        "settings": {
            "model": run.model,
            "profile": run.profile or None,
            "budget_tokens": run.budget_tokens,
            "thinking_tokens": run.thinking_tokens,
            "force_rounds": run.force_rounds,
            "temperature": run.temperature,
            "top_p": run.top_p,
            "seed": run.seed,
            "answer_cap_tokens": run.answer_cap_tokens,
            "system_prompt": run.system_prompt,
        },
        "engine": {"name": run.engine_name, "kind": run.engine_kind, "version": run.engine_version},
        "app_version": __version__,
    }


def strategy_run_csv(snapshot: StrategyRunSnapshot) -> str:
    """A header and one row per request (RFC 4180); text that looks like a formula is prefixed with a quote."""
    made = io.StringIO()
    writer = csv.DictWriter(made, _CSV_FIELDS, extrasaction="ignore")
    writer.writeheader()
    for each in snapshot.strategies:
        for request in each.requests:
            row = _request(request, snapshot.traces)
            row |= {"run_id": snapshot.run.id, "strategy": each.result.choice}
            writer.writerow({name: harmless(value) for name, value in row.items()})
    return made.getvalue()


def strategy_title(choice: str) -> str:
    """A stored choice for people: "Vote (passes 8)"; as it is written where this version does not know it."""
    try:
        (found,) = parse(choice)
    except StrategyRefused:
        return choice
    return found.title


def text_of(request: StrategyRequest, traces: Mapping[str, Trace]) -> str:
    """What a request generated, from its trace where it is a part of one; what a search has found; empty for a look at
    choices."""
    if (passages := passages_in(request)) is not None:
        return passages
    trace = traces.get(request.trace_id or "")
    if trace is None:
        return request.text
    return trace.answer_text if request.finish in _ANSWERED or request.purpose == "answer" else trace.thinking_text


def _result(strategy: StrategySnapshot, traces: Mapping[str, Trace]) -> dict[str, Any]:
    result = strategy.result
    return {
        "strategy": result.choice,
        "title": strategy_title(result.choice),
        "state": result.state.value,
        "error": result.error or None,
        "letter": result.letter,
        "correct": result.is_correct,
        "answer": result.answer,
        "why": result.why,
        "from_request": result.of_key or None,
        "generated": result.generated,
        "injected": result.injected,
        "prompt_new": result.prompt_new,
        "prompt_cached": result.prompt_cached,
        "computed": result.computed,
        "wasted": result.wasted,
        "seconds": result.seconds,
        "picture": dict(result.picture),
        "requests": [_request(each, traces) for each in strategy.requests],
    }


def _request(request: StrategyRequest, traces: Mapping[str, Trace]) -> dict[str, Any]:
    return {
        "position": request.position,
        "key": request.key,
        "attempt": request.attempt,
        "purpose": request.purpose,
        "model": request.model,
        "state": request.state,
        "generated": request.generated,
        "injected": request.injected,
        "prompt_new": request.prompt_new,
        "prompt_cached": request.prompt_cached,
        "prompt_reported": request.prompt_reported,
        "cached_reported": request.cached_reported,
        "wasted": request.wasted,
        "seconds": request.seconds,
        "trace_id": request.trace_id,
        "prompt": request.prompt or None,
        "text": text_of(request, traces),
        "tokens": request.tokens,
        "letter": request.letter,
        "finish": request.finish or None,
        "probabilities": None if request.probabilities is None else dict(request.probabilities),
        "error": request.error or None,
    }
