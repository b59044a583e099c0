"""A run of strategies as Markdown, for reading: what each came to, how, and every text that it asked for.

As in `trace_markdown`, no text acts as Markdown.
"""

from collections.abc import Iterator

from m1app import __version__
from m1app.runs.markdown_text import escaped, fenced, settings_table, table
from m1app.runs.strategy_export import strategy_title, text_of
from m1app.runs.strategy_snapshots import StrategyRunSnapshot, StrategySnapshot
from m1app.runs.trace_markdown import DISCLAIMER, probability_rows, question_lines
from m1app.wording import duration, state_label, verdict_of, verdict_with_letter
from storage.strategies.records import StrategyRequest, StrategyResult

_COSTS = ("generated", "injected", "prompt_new", "prompt_cached", "wasted")
_COST_NAMES = ("Generated", "Injected", "Prompt, new", "Prompt, cached", "Wasted")


def strategy_markdown(snapshot: StrategyRunSnapshot) -> str:
    """The run as Markdown."""
    run = snapshot.run
    parts = [
        f"# Strategies, run {run.id}",
        DISCLAIMER,
        *question_lines(run.question),
        "## Results",
        table(
            ["Strategy", "Answer", "Generated", "Computed", "Wasted", "Seconds"],
            (_result_row(snapshot, each.result) for each in snapshot.strategies),
        ),
        "Computed: generated tokens, and those of prompts that the engine did not have in its cache.",
        *(line for each in snapshot.strategies for line in _strategy_lines(snapshot, each)),
        "## Settings",
        settings_table(_settings(snapshot)),
    ]
    return "\n\n".join(parts) + "\n"


def _result_row(snapshot: StrategyRunSnapshot, result: StrategyResult) -> list[str]:
    return [
        strategy_title(result.choice),
        _verdict(snapshot, result),
        f"{result.generated:,}",
        f"{result.generated + result.prompt_new:,}",
        f"{result.wasted:,}",
        f"{result.seconds:,.1f}",
    ]


def _verdict(snapshot: StrategyRunSnapshot, result: StrategyResult) -> str:
    if result.state.value != "completed":
        return state_label(result.state)
    asked = snapshot.run.question
    verdict = verdict_of(result.letter, result.is_correct, bool(asked.options))
    return verdict_with_letter(result.letter, verdict, asked.target)


def _strategy_lines(snapshot: StrategyRunSnapshot, strategy: StrategySnapshot) -> Iterator[str]:
    result = strategy.result
    yield f"## {escaped(strategy_title(result.choice))}"
    if result.error:
        yield f"Error: {escaped(result.error)}"
    yield f"{escaped(_verdict(snapshot, result))}. {escaped(result.why)}".strip()
    if result.answer:
        yield fenced(result.answer)
    head = ["Request", "Purpose", "Model", *_COST_NAMES, "Seconds", "State"]
    yield table(head, (_ledger_row(each) for each in strategy.requests))
    for each in strategy.requests:
        yield from _text_lines(snapshot, each)


def _ledger_row(request: StrategyRequest) -> list[str]:
    again = f" (attempt {request.attempt + 1})" if request.attempt else ""
    costs = [f"{getattr(request, name):,}" for name in _COSTS]
    return [request.key + again, request.purpose, request.model, *costs, f"{request.seconds:,.1f}", request.state]


def _text_lines(snapshot: StrategyRunSnapshot, request: StrategyRequest) -> Iterator[str]:
    text = "" if request.purpose == "probe" else text_of(request, snapshot.traces)
    if not (text or request.prompt or request.probabilities or request.error):
        return
    yield f"### {escaped(request.key)} ({escaped(request.purpose)}, {escaped(request.state)})"
    if request.prompt:
        yield "Prompt of the strategy:"
        yield fenced(request.prompt)
    if text:
        yield f"The model ({request.tokens:,} tokens):"
        yield fenced(text)
    if request.probabilities:
        rows = probability_rows(list(request.probabilities), dict(request.probabilities))
        yield table(["Choice", "Probability"], rows)
    if request.error:
        yield f"Error: {escaped(request.error)}"


def _settings(snapshot: StrategyRunSnapshot) -> dict[str, object]:
    run = snapshot.run
    shared = "shared among a strategy's passes"
    return {
        "strategies": ", ".join(run.choices),
        "model": run.model,
        "engine": f"{run.engine_name} ({run.engine_kind} {run.engine_version})".replace(" )", ")"),
        "profile": run.profile or "the model's own",
        "token budget of each": f"{run.budget_tokens:,} tokens",
        "thinking budget of each pass": shared if run.thinking_tokens is None else f"{run.thinking_tokens:,} tokens",
        "force rounds": run.force_rounds,
        "answer cap": f"{run.answer_cap_tokens:,} tokens",
        "temperature": run.temperature,
        "top-p": run.top_p,
        "seed": run.seed,
        "state": state_label(run.state),
        "error": run.error or None,
        "time": duration(run.seconds),
        "started": run.created_at.isoformat(timespec="seconds"),
        "run": run.id,
        "exported by": f"m1app {__version__}",
    }
