"""A sweep as Markdown, for reading: the grid, each pass's thinking, its answers and flips, the settings.

As in `trace_markdown`, no text acts as Markdown.
"""

from collections.abc import Iterator, Sequence

from m1app import __version__
from m1app.runs.flips import flips
from m1app.runs.markdown_text import escaped, fenced, settings_table, table
from m1app.runs.sweep_export import cell_mark
from m1app.runs.sweep_reading import PassSnapshot, SweepSnapshot, cell_readings
from m1app.runs.trace_markdown import (
    DISCLAIMER,
    FINISH_WORDS,
    probability_rows,
    question_lines,
    tags_lines,
    thinking_lines,
)
from m1app.wording import counted, state_label, tokens_account, verdict_of, verdict_with_letter
from models.thinking.sweep import Cell
from storage.traces.records import Checkpoint


def sweep_markdown(snapshot: SweepSnapshot) -> str:
    """The sweep as Markdown."""
    sweep = snapshot.sweep
    parts = [
        f"# {escaped(sweep.name) or f'Sweep {sweep.id}'}",
        *tags_lines(sweep.tags),
        DISCLAIMER,
        *question_lines(sweep.question),
        *(line for run in snapshot.passes for line in _pass_lines(snapshot, run)),
        "## Settings",
        settings_table(sweep_settings(snapshot)),
        *_prompt_lines(snapshot.passes),
    ]
    return "\n\n".join(parts) + "\n"


def _pass_lines(snapshot: SweepSnapshot, run: PassSnapshot) -> Iterator[str]:
    trace = run.trace
    seed = "" if trace.seed is None else f", seed {trace.seed}"
    yield f"## {escaped(trace.model)}, pass {trace.pass_number + 1}{seed}"
    yield "Answers by thinking budget and force rounds (+ right, - wrong):"
    yield _grid(snapshot, run)
    found = flips(run)
    for flip in found:
        change = f"{flip.before.letter or 'none'} to {flip.after.letter or 'none'}"
        yield f"Flip: {flip.kind.value}, {escaped(change)}, between {flip.before.cut_tokens:,} and " + (
            f"{flip.after.cut_tokens:,} tokens. {flip.why} The thinking there:"
        )
        yield fenced(flip.sentence)
    yield from thinking_lines(trace.segments)
    if trace.error:
        yield f"Error: {escaped(trace.error)}"
    for kept in run.checkpoints:
        yield from _answer_lines(snapshot, kept)


def _grid(snapshot: SweepSnapshot, run: PassSnapshot) -> str:
    sweep = snapshot.sweep
    marks = {reading.cell: cell_mark(reading) for reading in cell_readings(snapshot, run)}
    rows = ([rounds, *(marks[Cell(budget, rounds)] for budget in sweep.budgets)] for rounds in sweep.force_rounds)
    return table(["Rounds", *(f"{budget:,} tokens" for budget in sweep.budgets)], rows)


def _answer_lines(snapshot: SweepSnapshot, kept: Checkpoint) -> Iterator[str]:
    question = snapshot.sweep.question
    cells = "; with ".join(f"{budget:,} tokens and {counted(rounds, 'round')}" for budget, rounds in kept.cells)
    yield f"### Answer after {kept.cut_tokens:,} thinking tokens ({FINISH_WORDS[kept.thinking_finish_reason]})"
    yield f"This is the answer with {cells}."
    if kept.error:
        yield f"Error: {escaped(kept.error)}"
    yield fenced(kept.text)
    verdict = verdict_of(kept.letter, kept.is_correct, bool(question.options))
    yield f"Verdict: {escaped(verdict_with_letter(kept.letter, verdict, question.target))}"
    if kept.option_probabilities:
        rows = probability_rows(list(question.options), dict(kept.option_probabilities))
        yield table(["Option", "Probability"], rows)


def _prompt_lines(passes: Sequence[PassSnapshot]) -> Iterator[str]:
    prompts = dict.fromkeys((run.trace.model, run.trace.prompt_text) for run in passes)
    for model, prompt in prompts:
        yield f"## Prompt for {escaped(model)} (from the app, not the model)"
        yield fenced(prompt)


def sweep_settings(snapshot: SweepSnapshot) -> dict[str, object]:
    """What it was asked with and what it cost, by name; None for what there is not."""
    sweep = snapshot.sweep
    return {
        "models": ", ".join(sweep.models),
        "profile": sweep.profile or "each model's own",
        "thinking budgets": ", ".join(f"{budget:,}" for budget in sweep.budgets) + " tokens",
        "force rounds": ", ".join(map(str, sweep.force_rounds)),
        "passes per model": sweep.passes,
        "answer cap": f"{sweep.answer_cap_tokens:,} tokens",
        "temperature": sweep.temperature,
        "top-p": sweep.top_p,
        "seed": "none (greedy)" if sweep.seed is None else sweep.seed,
        "state": state_label(sweep.state),
        "error": sweep.error or None,
        "cost": tokens_account(sweep.tokens_generated, sweep.seconds, sweep.tokens_if_separate),
        "started": sweep.created_at.isoformat(timespec="seconds"),
        "sweep": sweep.id,
        "exported by": f"m1app {__version__}",
    }
