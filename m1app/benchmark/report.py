"""A static report of a benchmark run: one self-contained HTML file, including the chart library.

It shows the recipe and equivalent command, engine and model, date and versions, and the results by both scoring rules.
The templates, `report.html` with `report_body.html`, escape everything, since names and questions may contain anything.
"""

import asyncio
import json
import platform
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from m1app import __version__, wording
from m1app.benchmark.cell_summaries import MACRO, CellSummary
from m1app.benchmark.charts.equal_cost import equal_cost_figure
from m1app.benchmark.charts.flow import flow_figure, flows
from m1app.benchmark.charts.kinds import WORDS, Chart
from m1app.benchmark.charts.lines import ChartChoice
from m1app.benchmark.charts.panels import Panel, panels
from m1app.benchmark.descriptions import (
    account_words,
    comparison_words,
    imported_words,
    is_imported,
    own_verdict_words,
    run_name,
    unscored_note,
)
from m1app.benchmark.errors import NoStrategies
from m1app.benchmark.first_traces import first_trace, prompts_of
from m1app.benchmark.intervals import FEW_QUESTIONS
from m1app.benchmark.judged_table import judged_notes, judged_table
from m1app.benchmark.paper_figures import MAXIMUM_NOTE, SOURCE
from m1app.benchmark.queries import BenchmarkReading, CellPair, ImportedFacts, QuestionFilter, Transitions
from m1app.benchmark.recipe import recipe_of
from m1app.benchmark.strategy_comparison import PassSelection, StrategyComparison, StrategyReading
from m1app.benchmark.strategy_table import measured_notes, measured_table, strategy_notes, strategy_table
from m1app.benchmark.tables import (
    BEST_NOTE,
    TAGS_NOTE,
    CurvePoint,
    Table,
    TableCell,
    TableRow,
    accuracy_table,
    curve_table,
    points_table,
    tags_table,
)
from m1app.benchmark.tag_summaries import TagFilter, TagPage
from m1app.errors import AppError
from m1app.runs.asked_prompts import difference_words
from m1app.runs.sweeps import SweepService
from storage.benchmarks.judged import JudgedAnswers
from storage.benchmarks.records import BenchmarkRun, QuestionVerdict

TEMPLATES = Path(__file__).parent
"""Folder of the reports' templates."""
_TEMPLATES = Environment(
    loader=FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_QUESTIONS_SHOWN = 25
_TAGS_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChange:
    """Effect of more thinking on one model's answers, from the lowest budget to the highest."""

    pair: CellPair
    transitions: Transitions
    curve: tuple[CurvePoint, ...]
    lost: tuple[QuestionVerdict, ...]
    """The first questions that turned from right to wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportContent:
    """Content of a report."""

    run: BenchmarkRun
    engines: tuple[str, ...]
    """Engine and model as named in the traces."""
    strict: tuple[CellSummary, ...]
    m1: tuple[CellSummary, ...]
    """The same cells by the published scorer, without those where it scores nothing."""
    unscored: int = 0
    """Questions that it does not score, counted for each model."""
    prompts: str = ""
    """Where its models were not asked alike."""
    changes: tuple[ModelChange, ...]
    by_tags: tuple[TagPage, ...]
    """For each model, its first tags, by the strict rule at the least force rounds."""
    strategies: tuple[tuple[str, StrategyComparison], ...] = ()
    """By model, of a run with strategies, without forced rounds."""
    judged: JudgedAnswers
    """Of open questions."""
    imported: ImportedFacts | None = None
    """Of an imported run; its engines and recipe are not known."""
    made_at: datetime
    """Aware."""


async def report_of(
    run_id: str, reading: BenchmarkReading, sweeps: SweepService, strategies: StrategyReading | None = None
) -> str:
    """Return the report of a run in its current state.

    Args:
        run_id: the run.
        reading: reads its results.
        sweeps: reads its passes.
        strategies: evaluates its strategies; None leaves them out.

    Raises:
        RecordNotFound: no such run.
        StorageError: the database cannot be read.
    """
    content = await report_content(run_id, reading, sweeps, strategies)
    return await asyncio.to_thread(report_html, content)


async def report_content(
    run_id: str, reading: BenchmarkReading, sweeps: SweepService, strategies: StrategyReading | None = None
) -> ReportContent:
    """Read what a report shows; arguments and errors as in `report_of`."""
    run = await reading.get(run_id)
    asked = () if is_imported(run) else run.models
    return ReportContent(
        run=run,
        engines=tuple(dict.fromkeys([await _engine(run, model, reading, sweeps) for model in asked])),
        strict=await reading.cells([run_id], "strict"),
        m1=await reading.cells([run_id], "m1"),
        unscored=await reading.count_unscored([run_id], "m1"),
        prompts=difference_words(await prompts_of([run], reading, sweeps, {})),
        changes=tuple([each for model in run.models for each in await _changes(run, model, reading)]),
        by_tags=tuple([await reading.tags(run_id, TagFilter(model=model), limit=_TAGS_SHOWN) for model in run.models]),
        strategies=tuple([each async for each in _strategies(run, strategies)]),
        judged=await reading.judged(run_id),
        imported=await reading.imported(run_id) if is_imported(run) else None,
        made_at=datetime.now(UTC),
    )


async def _strategies(
    run: BenchmarkRun, reading: StrategyReading | None
) -> AsyncIterator[tuple[str, StrategyComparison]]:
    for model in run.models if reading and run.strategies else ():
        assert reading is not None
        choice = PassSelection(
            run_id=run.id, model=model, question_set="", force_rounds=0, budget_tokens=max(run.budgets)
        )
        with suppress(NoStrategies):
            yield model, await reading.compare(choice)


def report_html(content: ReportContent) -> str:
    """Render the report as one HTML file."""
    program = Markup(plotly_program().read_text(encoding="utf-8"))
    return _TEMPLATES.get_template("report.html").render(**report_parts(content), plotly_program=program)


def report_parts(content: ReportContent) -> dict[str, Any]:
    """What `report_body.html` shows: texts, tables, and figures as JSON that is safe inside a script element."""
    run = content.run
    names = {run.id: run_name(run)}
    return {
        "title": run_name(run),
        "state": _state(run),
        "facts": _facts(content),
        "command": "" if content.imported else recipe_of(run).command_line(),
        "accuracy_charts": {
            "By the strict rule": accuracy_charts(content.strict, run.question_sets, names),
            "By the m1 rule": accuracy_charts(content.m1, run.question_sets, names),
        },
        "other_charts": _other_charts(content),
        "paper_note": f"{SOURCE}. {MAXIMUM_NOTE}",
        "best_note": BEST_NOTE,
        "accuracy_tables": {
            "By the strict rule": accuracy_table(content.strict, run.budgets[-1], names, with_paper=False),
            "By the m1 rule": accuracy_table(content.m1, run.budgets[-1], names, with_paper=True),
        },
        "all_numbers": points_table(content.strict, content.m1, names),
        "by_tags": [_by_tag(page) for page in content.by_tags if any(each.tag for each in page.tags)],
        "strategies": [_strategies_of(model, each) for model, each in content.strategies],
        "judged": judged_table(content.judged) if content.judged.counts else None,
        "judged_note": " ".join(judged_notes(content.judged)),
        "few": FEW_QUESTIONS,
        "changes": [_change(run, change) for change in content.changes],
    }


def plotly_program() -> Path:
    """Return plotly.js as shipped in the plotly package, without importing the package.

    Raises:
        AppError: plotly is not installed.
    """
    found = find_spec("plotly")
    if found is None or not found.submodule_search_locations:
        raise AppError("The package plotly is missing: install the app's dependencies again.")
    return Path(found.submodule_search_locations[0]) / "package_data" / "plotly.min.js"


async def _engine(run: BenchmarkRun, model: str, reading: BenchmarkReading, sweeps: SweepService) -> str:
    """Engine and model as named in the trace of one of the first questions."""
    trace = await first_trace(run, model, reading, sweeps)
    if trace is None:
        return f"{model}: no trace for its first questions"
    guess = ", a guess" if trace.profile_is_guess else ""
    server = f"{trace.engine_kind} {trace.engine_version}".strip()
    return f"{trace.model} on {server} ({trace.engine_name} engine), profile {trace.profile}{guess}"


async def _changes(run: BenchmarkRun, model: str, reading: BenchmarkReading) -> list[ModelChange]:
    """Empty until a question was answered at both ends, or if there is only one budget."""
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
    return f"{wording.state_label(run.state)}: {run.items_done:,} of {run.items:,} questions{failed}.{error}"


def _imported_facts(content: ReportContent, imported: ImportedFacts) -> dict[str, str]:
    """What is known of an imported run: what its files say, and nothing else."""
    run = content.run
    stated = [
        f"{file.file_name}: {', '.join(f'{name} {value}' for name, value in file.stated.items())}"
        for file in imported.files
        if file.stated
    ]
    facts = {
        "Imported": "This app did not ask these questions, so engine, seed, prompt and time are not known.",
        "Question sets": ", ".join(run.question_sets),
        "Models": ", ".join(run.models),
        "Thinking budgets": ", ".join(wording.budget(each) for each in run.budgets),
        "Force rounds": ", ".join(str(rounds) for rounds in run.force_rounds),
        "Passes": str(run.passes) if run.passes > 1 else "",
        "Files": "\n".join(f"{imported_words(file)}; SHA-256 {file.sha256}" for file in imported.files),
        "As the files state": "\n".join(stated),
        "The files' own verdicts": own_verdict_words(imported.own),
        "Not scored": unscored_note(content.unscored),
        "Tags": ", ".join(run.tags),
        "Imported at": f"{run.created_at:%Y-%m-%d %H:%M} UTC",
    }
    return {name: text for name, text in (facts | _made(content)).items() if text}


def _made(content: ReportContent) -> dict[str, str]:
    return {
        "Report": f"{content.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        "Versions": f"m1app {__version__}, Python {platform.python_version()}, Gradio {version('gradio')}, "
        f"plotly {version('plotly')}, {platform.system()} {platform.machine()}",
        "Run": content.run.id,
    }


def _facts(content: ReportContent) -> dict[str, str]:
    run = content.run
    if content.imported:
        return _imported_facts(content, content.imported)
    sampling = "greedy" if run.temperature == 0 else f"temperature {run.temperature:g}, top-p {run.top_p:g}"
    facts = {
        "Question sets": ", ".join(run.question_sets) + (f" (at most {run.limit:,} each)" if run.limit else ""),
        "Models": ", ".join(run.models),
        "Engine": "\n".join(content.engines),
        "Thinking budgets": ", ".join(f"{budget:,}" for budget in run.budgets) + " tokens",
        "Force rounds": ", ".join(str(rounds) for rounds in run.force_rounds),
        "Sampling": sampling + ("" if run.seed is None else f", seed {run.seed}"),
        "Passes": str(run.passes),
        "Answer": f"at most {run.answer_cap_tokens:,} tokens",
        "System prompt": "the profile's own" if run.system_prompt is None else run.system_prompt or "none",
        "Prompts": content.prompts,
        "Not scored": unscored_note(content.unscored),
        "Tags": ", ".join(run.tags),
        "Strategies": ", ".join(run.strategies),
        "Strategy budget": f"{run.strategy_budget_tokens:,} tokens per question" if run.strategy_budget_tokens else "",
        "Tokens": account_words(run),
        "Planned": f"{run.created_at:%Y-%m-%d %H:%M} UTC",
    }
    return {name: text for name, text in (facts | _made(content)).items() if text}


def accuracy_charts(
    cells: Sequence[CellSummary], question_sets: Sequence[str], names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """A chart for each set, with the paper's curves hidden until the reader switches them on.

    Args:
        cells: of one or several runs.
        question_sets: the runs' sets, in order.
        names: id to name of the runs.
    """
    drawn = panels(cells, ChartChoice(question_sets=(MACRO, *question_sets), with_paper=True), names)
    for panel in drawn:
        for trace in panel.figure["data"]:
            if (trace.get("name") or "").endswith("(paper)"):
                trace["visible"] = "legendonly"
    return [_chart(panel) for panel in drawn]


def _other_charts(content: ReportContent) -> dict[str, list[dict[str, Any]]]:
    run = content.run
    sets = (MACRO,) if len(run.question_sets) > 1 else (MACRO, *run.question_sets)
    return {
        WORDS[chart].title: [
            _chart(each) for each in _panels(run, content.strict, ChartChoice(chart=chart, question_sets=sets))
        ]
        for chart in Chart
        # The first panels are the curves by budget, one per question set.
        if chart is not Chart.BUDGET and (chart is not Chart.ROUNDS or len(run.force_rounds) > 1)
    }


def _panels(run: BenchmarkRun, cells: Sequence[CellSummary], choice: ChartChoice) -> tuple[Panel, ...]:
    return panels(cells, choice, {run.id: run_name(run)})


def _chart(panel: Panel) -> dict[str, Any]:
    legend = {"orientation": "h", "y": -0.22, "font": {"size": 11}}
    figure = {"data": panel.figure["data"], "layout": {**panel.figure["layout"], "legend": legend}}
    return {"title": panel.title, "figure": script_json(figure)}


def script_json(figure: dict[str, Any]) -> Markup:
    """A figure as JSON that is safe inside a script element, where HTML escapes are not decoded."""
    content = json.dumps(figure, ensure_ascii=True, allow_nan=False).replace("<", "\\u003c")
    return Markup(content)


def _change(run: BenchmarkRun, change: ModelChange) -> dict[str, Any]:
    before, after = change.pair.before, change.pair.after
    counts = ", ".join(f"{way.count:,} {way.words}" for way in flows(change.transitions))
    return {
        "model": change.pair.model,
        "summary": (
            f"From {wording.cell(*before)} to {wording.cell(*after)}, by the strict rule: {counts}. "
            f"{comparison_words(change.transitions.comparison)}"
        ),
        "figure": script_json(flow_figure(change.transitions)),
        "curve": curve_table(change.curve, run.budgets[0]),
        "lost_title": f"Right at {wording.budget(before[0])} and wrong at {after[0]:,}: the first {len(change.lost)}",
        "lost": _lost_table(change.lost) if change.lost else None,
    }


def _by_tag(page: TagPage) -> dict[str, Any]:
    shown = f" The {len(page.tags):,} most frequent of {page.total:,} tags." if page.total > len(page.tags) else ""
    rounds = wording.counted(page.force_rounds, "round")
    return {"title": f"{page.label}, {rounds}, strict", "note": TAGS_NOTE + shown, "table": tags_table(page)}


def _strategies_of(model: str, comparison: StrategyComparison) -> dict[str, Any]:
    legend = {"orientation": "h", "y": -0.22, "font": {"size": 11}}
    figure, _ = equal_cost_figure(comparison)
    return {
        "model": model,
        "figure": script_json({"data": figure["data"], "layout": {**figure["layout"], "legend": legend}}),
        "measured": measured_table(comparison) if comparison.measured or comparison.guessing else None,
        "measured_note": " ".join(measured_notes(comparison)),
        "table": strategy_table(comparison),
        "note": " ".join(strategy_notes(comparison)),
    }


def _lost_table(lost: Sequence[QuestionVerdict]) -> Table:
    rows = (
        (each.stem, each.question_set, each.target or "–", each.before_letter or "none", each.letter or "none")
        for each in lost
    )
    heads = ("Question", "Set", "Target", "Before", "After")
    return Table(heads, len(heads), tuple(TableRow(tuple(TableCell(text) for text in row)) for row in rows))
