"""A static report of a benchmark run: one HTML file that opens offline, with its charts' program inside.

It says what was asked (recipe and the equal command), of which engine and model, when and by which versions, and what
came of it by both scoring rules. Names and questions are escaped: they may hold anything.
"""

import asyncio
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from string import Template
from typing import Any

from m1app import __version__, wording
from m1app.benchmark.charts import Panel, panels
from m1app.benchmark.flow import flow_figure, flows
from m1app.benchmark.paper_figures import MAXIMUM_NOTE, SOURCE
from m1app.benchmark.queries import (
    MACRO,
    BenchmarkReading,
    CellPair,
    CellSummary,
    QuestionFilter,
    Transitions,
)
from m1app.benchmark.recipe import recipe_of
from m1app.benchmark.report_html import facts_list, figure_html, heading, paragraph, table_html
from m1app.benchmark.series import Chart, ChartChoice
from m1app.benchmark.tables import (
    BEST_NOTE,
    CurvePoint,
    Table,
    TableCell,
    TableRow,
    accuracy_table,
    curve_table,
    points_table,
)
from m1app.benchmark.words import account_words, comparison_words, run_name
from m1app.errors import AppError
from m1app.runs.errors import SweepNotFound
from m1app.runs.sweeps import SweepService
from storage.benchmarks.records import BenchmarkRun, QuestionVerdict

_TEMPLATE = Path(__file__).with_suffix(".html")
_QUESTIONS_SHOWN = 25
_CHARTS = {
    Chart.ROUNDS: "Accuracy against force rounds",
    Chart.COST: "Accuracy against cost",
    Chart.THINKING: "Thinking tokens used against the budget",
    Chart.ANSWERED: "Share of questions answered",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """What more thinking did to one model's answers: from the lowest budget to the highest."""

    pair: CellPair
    transitions: Transitions
    curve: tuple[CurvePoint, ...]
    lost: tuple[QuestionVerdict, ...]
    """The first questions that were right and became wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Everything that a report says."""

    run: BenchmarkRun
    engines: tuple[str, ...]
    """Engine and model as the traces name them."""
    strict: tuple[CellSummary, ...]
    m1: tuple[CellSummary, ...]
    """The same cells by the published scorer."""
    changes: tuple[ModelChange, ...]
    made_at: datetime
    """Aware."""


async def report_of(run_id: str, reading: BenchmarkReading, sweeps: SweepService) -> str:
    """The report of a run as it stands.

    Raises:
        RunNotFound: there is no such run.
        StorageError: the database cannot be read.
    """
    run = await reading.get(run_id)
    content = ReportContent(
        run=run,
        engines=tuple(dict.fromkeys([await _engine(run, model, reading, sweeps) for model in run.models])),
        strict=await reading.cells([run_id], "strict"),
        m1=await reading.cells([run_id], "m1"),
        changes=tuple([each for model in run.models for each in await _changes(run, model, reading)]),
        made_at=datetime.now(UTC),
    )
    return await asyncio.to_thread(report_html, content)


def report_html(content: ReportContent) -> str:
    """The report as one HTML file."""
    run = content.run
    parts = [
        heading(run_name(run), 1),
        paragraph(f"Benchmark run of m1app. {_state(run)}", "quiet"),
        heading("What was asked"),
        facts_list(_facts(content)),
        paragraph("The same from the command line:"),
        f"<pre>{_escaped_command(run)}</pre>",
        *_curves(content),
        *_tables(content),
        *(part for change in content.changes for part in _change_parts(run, change)),
        heading("How to read this"),
        paragraph(
            "Intervals are 95%: Wilson's for a single pass, bootstrap for averages over sets and for several passes. "
            "Unanswered and failed questions count as wrong. The rule strict counts an answer only where it names an "
            "option; the rule m1 gives the verdicts of the published scorer, which also guesses."
        ),
        paragraph("For research, not medical advice.", "quiet"),
    ]
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    title = heading(run_name(run), 1).removeprefix("<h1>").removesuffix("</h1>")
    return template.substitute(title=title, body="\n".join(parts), plotly=plotly_program().read_text(encoding="utf-8"))


def plotly_program() -> Path:
    """The charts' program as the package plotly ships it; the package itself is not imported.

    Raises:
        AppError: plotly is not installed.
    """
    found = find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        raise AppError("The package plotly is missing: install the app's dependencies again.")
    return Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


async def _engine(run: BenchmarkRun, model: str, reading: BenchmarkReading, sweeps: SweepService) -> str:
    """Engine and model as the trace of one of the first questions names them."""
    page = await reading.questions(run.id, QuestionFilter(model=model), limit=_QUESTIONS_SHOWN)
    answered = [each for each in page.questions if each.checkpoint_id]
    try:
        passes = (await sweeps.get(answered[0].item_id)).passes if answered else ()
    except SweepNotFound:
        passes = ()
    if not passes:
        return f"{model}: no trace of its first questions"
    trace = passes[0].trace
    guess = ", a guess" if trace.profile_is_guess else ""
    server = f"{trace.engine_kind} {trace.engine_version}".strip()
    return f"{trace.model} on {server} ({trace.engine_name} engine), profile {trace.profile}{guess}"


async def _changes(run: BenchmarkRun, model: str, reading: BenchmarkReading) -> list[ModelChange]:
    """Nothing while no question was answered at both ends, or where there is one budget only."""
    before, after = (run.budgets[0], run.force_rounds[0]), (run.budgets[-1], run.force_rounds[0])
    if before == after:
        return []
    pair = CellPair(model, MACRO, before, after)
    try:
        transitions = await reading.transitions(run.id, pair)
    except AppError:
        return []
    wanted = QuestionFilter(model=model, cell=after, before=before, verdict="right-wrong")
    lost = await reading.questions(run.id, wanted, limit=_QUESTIONS_SHOWN)
    curve = await reading.compare_curve(run.id, model, MACRO, after[1])
    return [ModelChange(pair=pair, transitions=transitions, curve=curve, lost=lost.questions)]


def _state(run: BenchmarkRun) -> str:
    failed = f", {run.items_failed:,} failed" if run.items_failed else ""
    error = f" {run.error}" if run.error else ""
    return f"{run.state.value.capitalize()}: {run.items_done:,} of {run.items:,} questions done{failed}.{error}"


def _facts(content: ReportContent) -> dict[str, str]:
    run = content.run
    sampling = "greedy" if run.temperature == 0 else f"temperature {run.temperature:g}, top-p {run.top_p:g}"
    facts = {
        "Question sets": ", ".join(run.question_sets) + (f" (at most {run.limit:,} of each)" if run.limit else ""),
        "Models": ", ".join(run.models),
        "Engine": "\n".join(content.engines),
        "Thinking budgets": ", ".join(f"{budget:,}" for budget in run.budgets) + " tokens",
        "Force rounds": ", ".join(str(rounds) for rounds in run.force_rounds),
        "Sampling": sampling + ("" if run.seed is None else f", seed {run.seed}"),
        "Passes": str(run.passes),
        "Answer": f"at most {run.answer_cap_tokens:,} tokens",
        "System prompt": "the profile's own" if run.system_prompt is None else run.system_prompt or "none",
        "Tags": ", ".join(run.tags),
        "Tokens": account_words(run),
        "Planned": f"{run.created_at:%Y-%m-%d %H:%M} UTC",
        "Report": f"{content.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "Versions": f"m1app {__version__}, Python {platform.python_version()}, Gradio {version('gradio')}, "
        f"plotly {version('plotly')}, {platform.system()} {platform.machine()}",
        "Run": run.id,
    }
    return {name: text for name, text in facts.items() if text}


def _escaped_command(run: BenchmarkRun) -> str:
    return paragraph(recipe_of(run).command_line()).removeprefix("<p>").removesuffix("</p>")


def _curves(content: ReportContent) -> list[str]:
    run = content.run
    every = (MACRO, *run.question_sets)
    whole = (MACRO,) if len(run.question_sets) > 1 else every
    parts = [heading("Accuracy against thinking budget")]
    for title, cells in (("By the rule strict", content.strict), ("By the rule m1", content.m1)):
        choice = ChartChoice(question_sets=every, with_paper=True)
        parts += [heading(title, 3), _charts([_paper_hidden(each) for each in _panels(run, cells, choice)])]
    parts.append(paragraph(f"Click on a line of the paper in a legend to see it. {SOURCE}. {MAXIMUM_NOTE}", "quiet"))
    for chart, title in _CHARTS.items():
        if chart is Chart.ROUNDS and len(run.force_rounds) == 1:
            continue
        drawn = _panels(run, content.strict, ChartChoice(chart=chart, question_sets=whole))
        parts += [heading(title), _charts(drawn)]
    return parts


def _panels(run: BenchmarkRun, cells: Sequence[CellSummary], choice: ChartChoice) -> tuple[Panel, ...]:
    return panels(cells, choice, {run.id: run_name(run)})


def _paper_hidden(panel: Panel) -> Panel:
    for trace in panel.figure["data"]:
        if (trace.get("name") or "").endswith("(paper)"):
            trace["visible"] = "legendonly"
    return panel


def _charts(drawn: Sequence[Panel]) -> str:
    if not drawn:
        return paragraph("There is no answer yet.", "quiet")
    figures = "".join(figure_html(panel.title, _with_legend(panel.figure)) for panel in drawn)
    return f"<div class='charts{' one' if len(drawn) == 1 else ''}'>{figures}</div>"


def _with_legend(figure: dict[str, Any]) -> dict[str, Any]:
    legend = {"orientation": "h", "y": -0.22, "font": {"size": 11}}
    return {"data": figure["data"], "layout": {**figure["layout"], "legend": legend}}


def _tables(content: ReportContent) -> list[str]:
    run = content.run
    names = {run.id: run_name(run)}
    parts = [heading("Accuracy in both readings"), paragraph(BEST_NOTE)]
    for title, cells in (("By the rule strict", content.strict), ("By the rule m1", content.m1)):
        own = accuracy_table(cells, run.budgets[-1], names, with_paper=title.endswith("m1"))
        parts += [heading(title, 3), table_html(own)]
    parts += [paragraph(f"{SOURCE}. {MAXIMUM_NOTE}", "quiet"), heading("All numbers")]
    return [*parts, table_html(points_table(content.strict, content.m1, names))]


def _change_parts(run: BenchmarkRun, change: ModelChange) -> list[str]:
    before, after = change.pair.before, change.pair.after
    counts = ", ".join(f"{way.count:,} {way.words}" for way in flows(change.transitions))
    parts = [
        heading(f"What more thinking changed: {change.pair.model}"),
        paragraph(
            f"From {wording.cell(*before)} to {wording.cell(*after)}, by the rule strict: {counts}. "
            f"{comparison_words(change.transitions.comparison)}"
        ),
        f"<div class='flow'>{figure_html('', flow_figure(change.transitions))}</div>",
        heading("Each budget against the one before", 3),
        table_html(curve_table(change.curve, run.budgets[0])),
    ]
    if change.lost:
        title = f"Right at {before[0]:,} tokens and wrong at {after[0]:,}: the first {len(change.lost)}"
        parts += [heading(title, 3), table_html(_lost_table(change.lost))]
    return parts


def _lost_table(lost: Sequence[QuestionVerdict]) -> Table:
    rows = (
        (each.stem, each.question_set, each.target or "–", each.before_letter or "none", each.letter or "none")
        for each in lost
    )
    heads = ("Question", "Set", "Target", "Before", "After")
    return Table(heads, len(heads), tuple(TableRow(tuple(TableCell(text) for text in row)) for row in rows))
