"""The figures of a study as Plotly figures: its curves with the paper's, forced rounds, and answers that flip.

`m1app.benchmark.charts` draws the lines. Sets have the study's names here. Plotly is not imported.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from m1app.benchmark.cell_summaries import MACRO, CellSummary
from m1app.benchmark.charts.axes import plain_layout
from m1app.benchmark.charts.kinds import Chart
from m1app.benchmark.charts.lines import ChartChoice
from m1app.benchmark.charts.panels import COLOURS, Panel, escaped_for_plotly, panels
from m1app.benchmark.paper_figures import SOURCE, paper_set
from m1app.benchmark.tables import Table
from m1app.studies.records import StudyOutcome
from m1app.studies.report.accuracies import sets_table
from m1app.studies.study_file import Figure, Study, StudyRun
from m1app.wording import cell as cell_words
from m1app.wording import counted

_PAPER_DASHES = ("dash", "longdash", "dashdot")
_GAINED, _LOST = COLOURS[0], COLOURS[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Answers that change from one cell of a run to another, on the same questions, by the study's rule."""

    figure: str
    """Id of the figure."""
    run_id: str
    """Of the study's file."""
    model: str
    before: tuple[int, int]
    """(budget, rounds)."""
    after: tuple[int, int]
    gained: int
    lost: int
    n: int


@dataclass(frozen=True, slots=True)
class DrawnPanel:
    """One chart."""

    title: str
    figure: Mapping[str, Any]
    """`data` and `layout`, as Plotly takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnFigure:
    """A figure of the study: charts, or a table."""

    id: str
    """Of the figure."""
    title: str
    panels: tuple[DrawnPanel, ...] = ()
    table: Table | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class FlipPairs:
    """The pairs of cells that a figure of flips compares."""

    figure: str
    run_id: str
    """Of the study's file."""
    question_sets: tuple[str, ...]
    """The study's names; empty for all of the run."""
    before: tuple[int, int]
    after: tuple[tuple[int, int], ...]


def figures_of(study: Study) -> tuple[Figure, ...]:
    """The study's figures; those that its runs suggest if it names none."""
    if study.figures:
        return study.figures
    curves = [each.id for each in study.runs if len(each.budgets) > 1]
    rounds = [each.id for each in study.runs if len(each.force_rounds) > 1]
    suggested = []
    if curves:
        suggested.append(Figure(id="curves", title="Accuracy by thinking budget", kind="curves", runs=tuple(curves)))
    if rounds:
        suggested.append(Figure(id="rounds", title="Accuracy by forced rounds", kind="rounds", runs=tuple(rounds)))
    return tuple(suggested)


def flip_pairs(study: Study) -> Iterator[FlipPairs]:
    """What has to be counted for the figures of flips.

    Of a run with several forced rounds, each number of rounds is compared with the least at one budget: the figure's,
    or the largest. Of others, each budget with the least.
    """
    for figure in figures_of(study):
        for run in (study.run(each) for each in figure.runs if figure.kind == "flips"):
            cells = _compared_cells(run, figure.budget)
            if len(cells) > 1:
                yield FlipPairs(figure.id, run.id, figure.question_sets, cells[0], tuple(cells[1:]))


def drawn_figures(outcome: StudyOutcome, flips: Sequence[Flips]) -> tuple[DrawnFigure, ...]:
    """Draw all figures of a study; those without a result have neither panel nor table.

    Args:
        outcome: the study.
        flips: the counts of its `flip_pairs`, as far as there are results.
    """
    return tuple(_drawn(figure, outcome, flips) for figure in figures_of(outcome.study))


def _drawn(figure: Figure, outcome: StudyOutcome, flips: Sequence[Flips]) -> DrawnFigure:
    if figure.kind == "flips":
        own = [each for each in flips if each.figure == figure.id]
        return DrawnFigure(id=figure.id, title=figure.title, panels=_flip_panels(own, outcome), note=_flip_note(own))
    if figure.kind == "accuracies":
        sets = _sets(figure, outcome.study)
        shown = [*([MACRO] if len(sets) > 1 and not figure.question_sets else []), *sets]
        table = sets_table(outcome, figure.runs, shown, figure.budget, has_paper=figure.has_paper)
        return DrawnFigure(id=figure.id, title=figure.title, table=table if table.rows else None)
    drawn = tuple(_line_panels(figure, outcome))
    has_paper = any(_is_paper(trace) for each in drawn for trace in each.figure["data"])
    note = f"Dashed: {SOURCE}. Bands and bars are 95% intervals." if has_paper else "Bands and bars are 95% intervals."
    return DrawnFigure(id=figure.id, title=figure.title, panels=drawn, note=note if drawn else "")


def _line_panels(figure: Figure, outcome: StudyOutcome) -> Iterator[DrawnPanel]:
    study = outcome.study
    names = _shown_names(study)
    here = {question_set: names[name] for name, question_set in outcome.sets.items() if name in names}
    cells = [_renamed(each, here) for run in figure.runs for each in outcome.cells.get(run, ())]
    if not cells:
        return
    choice = _choice(figure, cells)
    titles = {part.benchmark.id: part.title or part.run_id for part in outcome.parts if part.benchmark}
    sets = [names[each] for each in _sets(figure, study)]
    run_names = {each.run_id: titles.get(each.run_id, each.run_id) for each in cells}
    for name in [*([MACRO] if len(sets) > 1 else []), *sets]:
        has_paper = figure.has_paper and figure.kind == "curves" and _is_published(name, study, names)
        for panel in panels(cells, replace(choice, question_sets=(name,), with_paper=has_paper), run_names):
            yield DrawnPanel(panel.title, _restyled(panel, outcome))


def _choice(figure: Figure, cells: Sequence[CellSummary]) -> ChartChoice:
    if figure.kind == "rounds":
        return ChartChoice(chart=Chart.ROUNDS, budget_tokens=figure.budget or max(each.budget_tokens for each in cells))
    return ChartChoice(force_rounds=min(each.force_rounds for each in cells))


def _sets(figure: Figure, study: Study) -> tuple[str, ...]:
    """The study's names of the sets of a figure."""
    of_runs = dict.fromkeys(name for run in figure.runs for name in study.run(run).question_sets)
    return figure.question_sets or tuple(of_runs)


def _shown_names(study: Study) -> dict[str, str]:
    """The study's name of each set, or the paper's where only that finds the paper's curves."""
    taken = {each.name for each in study.question_sets}
    return {
        each.name: each.paper
        if each.paper and paper_set(each.name) != paper_set(each.paper) and each.paper not in taken
        else each.name
        for each in study.question_sets
    }


def _is_published(name: str, study: Study, names: Mapping[str, str]) -> bool:
    return not name or any(each.paper and names[each.name] == name for each in study.question_sets)


def _renamed(cell: CellSummary, names: Mapping[str, str]) -> CellSummary:
    return replace(cell, question_set=names.get(cell.question_set, cell.question_set))


def _restyled(panel: Panel, outcome: StudyOutcome) -> Mapping[str, Any]:
    """The panel with all of the paper's curves dashed, in the colour of the model that plays that role."""
    papers = {each.paper: outcome.models.get(each.role, "") for each in outcome.study.models if each.paper}
    data, number = [], 0
    for trace in panel.figure["data"]:
        if _is_paper(trace):
            model = papers.get(trace["name"].removesuffix(" (paper)"), "")
            colour = _colour_of(model, panel.figure["data"]) or trace["line"]["color"]
            line = {"color": colour, "width": 1.5, "dash": _PAPER_DASHES[number % len(_PAPER_DASHES)]}
            data.append({**trace, "line": line})
            number += 1
        else:
            data.append(trace)
    return {"data": data, "layout": panel.figure["layout"]}


def _colour_of(model: str, data: Sequence[Mapping[str, Any]]) -> str:
    """The colour of a model's line; empty without one."""
    name = escaped_for_plotly(model)
    lines = [each for each in data if "markers" in each.get("mode", "") and model]
    found = (each["line"]["color"] for each in lines if each["name"] == name or each["name"].endswith(f" · {name}"))
    return next(found, "")


def _is_paper(trace: Mapping[str, Any]) -> bool:
    return trace.get("mode") == "lines" and str(trace.get("name", "")).endswith(" (paper)")


def _compared_cells(run: StudyRun, budget: int | None) -> list[tuple[int, int]]:
    rounds = sorted(set(run.force_rounds))
    if len(rounds) > 1:
        return [(budget or max(run.budgets), each) for each in rounds]
    return [(each, rounds[0]) for each in sorted(set(run.budgets))]


def _flip_panels(flips: Sequence[Flips], outcome: StudyOutcome) -> tuple[DrawnPanel, ...]:
    titles = {part.run_id: part.title or part.run_id for part in outcome.parts}
    owners = dict.fromkeys((each.run_id, each.model) for each in flips)
    return tuple(
        DrawnPanel(
            f"{titles.get(run, run)}: {model}", _flip_figure([e for e in flips if (e.run_id, e.model) == (run, model)])
        )
        for run, model in owners
    )


def _flip_figure(flips: Sequence[Flips]) -> Mapping[str, Any]:
    has_rounds = len({each.after[0] for each in flips}) == 1 and flips[0].before[0] == flips[0].after[0]
    places = [counted(each.after[1], "round") if has_rounds else f"{each.after[0]:,} tokens" for each in flips]
    layout = plain_layout("flips")
    layout |= {"barmode": "relative", "bargap": max(0.4, 1 - 0.12 * len(flips))}
    layout["xaxis"] = {**layout["xaxis"], "type": "category"}
    layout["yaxis"] = {**layout["yaxis"], "title": {"text": "questions", "font": {"size": 12}}, "zeroline": True}
    gained, lost = [each.gained for each in flips], [-each.lost for each in flips]
    bars = [_bars("wrong became right", places, gained, _GAINED), _bars("right became wrong", places, lost, _LOST)]
    return {"data": bars, "layout": layout}


def _bars(name: str, places: Sequence[str], counts: Sequence[int], colour: str) -> dict[str, Any]:
    texts = [f"{abs(each):,}" for each in counts]
    return {
        "type": "bar",
        "name": name,
        "x": list(places),
        "y": list(counts),
        "text": texts,
        "textposition": "outside",
        "cliponaxis": False,
        "hovertemplate": f"%{{x}}: %{{text}} {name}<extra></extra>",
        "marker": {"color": colour},
    }


def _flip_note(flips: Sequence[Flips]) -> str:
    """What is compared; empty without any."""
    if not flips:
        return ""
    befores = ", ".join(dict.fromkeys(cell_words(*each.before) for each in flips))
    return (
        f"Compared with {befores}, on the same questions, first passes. Bars below zero are answers that were broken."
    )
