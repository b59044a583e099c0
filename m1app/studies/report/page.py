"""The report of a study as one HTML page, with everything in it: charts, the chart library, tables, words.

The template, `report.html`, escapes everything, since names and questions may contain anything. It is printed on A4 or
letter paper as it is: charts are then pictures, drawn once by the page itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from m1app import wording
from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.descriptions import account_words
from m1app.benchmark.paper_figures import MAXIMUM_NOTE, SOURCE
from m1app.benchmark.report import TEMPLATES, plotly_program, script_json
from m1app.benchmark.tables import Table, TableCell, TableRow
from m1app.studies.records import StudyOutcome, Verdict
from m1app.studies.report.accuracies import TitledTable, set_name
from m1app.studies.report.claims import NOTHING, claim_texts
from m1app.studies.report.figures import DrawnFigure
from m1app.studies.report.manifest import Manifest, SetPart
from m1app.studies.report.prose import level_words, limitations, methods, rule_words
from m1app.studies.words import DEMO, OWN_FACTS, fact_words, learned_words, right_words

_TEMPLATES = Environment(
    loader=FileSystemLoader([Path(__file__).parent, TEMPLATES]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_MOST_ROWS = 3_000
"""Cells that the page itself has; cells.csv has all."""
_LEGEND = {"orientation": "h", "y": -0.2, "yanchor": "top", "font": {"size": 11}}


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyContent:
    """Content of a report."""

    outcome: StudyOutcome
    manifest: Manifest
    figures: tuple[DrawnFigure, ...]
    accuracies: tuple[TitledTable, ...]
    """The two readings."""


def report_html(content: StudyContent) -> str:
    """Render the report."""
    outcome, manifest = content.outcome, content.manifest
    return _TEMPLATES.get_template("report.html").render(
        title=outcome.study.title,
        subtitle=_subtitle(manifest),
        about=[" ".join(each.split()) for each in outcome.study.about.split("\n\n")],
        is_demo=outcome.is_demo,
        demo_note=DEMO,
        facts=_facts(outcome),
        verdicts=_verdict_counts(manifest),
        level=level_words(manifest.study.level),
        alpha=f"{(1 - manifest.study.level) / 2:.2%}",
        claims=[claim_texts(each) for each in manifest.claims],
        figures=[_figure(each) for each in content.figures],
        accuracies=content.accuracies,
        paper_note=f"{SOURCE}. {MAXIMUM_NOTE}",
        rule=rule_words(manifest),
        differences=_differences(manifest),
        protocol=outcome.study.protocol,
        sets=_sets_table(manifest),
        set_notes=_set_notes(manifest),
        own_facts=_own_facts_table(outcome),
        own_facts_note=OWN_FACTS,
        training=_training_table(outcome),
        methods=methods(manifest),
        limitations=limitations(manifest),
        commands=[(each.title or each.id, each.command) for each in manifest.runs if each.command],
        software=_software(manifest),
        cells=_cells_table(outcome),
        plotly_program=Markup(plotly_program().read_text(encoding="utf-8")),
    )


def _subtitle(manifest: Manifest) -> str:
    study = manifest.study
    made = f"{manifest.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return f"Study {study.name}, {study.state}. Report of {made} by m1app {manifest.software.m1app}."


def _facts(outcome: StudyOutcome) -> Mapping[str, str]:
    parts = [each for each in outcome.parts if each.benchmark]
    runs = [f"{each.title or each.run_id}: {account_words(each.benchmark)}" for each in parts if each.benchmark]
    left_out = [f"{each.title or each.run_id}: {each.note}" for each in outcome.parts if not each.benchmark]
    grids = [each.benchmark for each in parts if each.benchmark]
    budgets = sorted({budget for each in grids for budget in each.budgets})
    rounds = sorted({number for each in grids for number in each.force_rounds})
    facts = {
        "Tests the claims of": outcome.study.source,
        "Models": "\n".join(f"{role}: {served}" for role, served in outcome.models.items()),
        "Question sets": "\n".join(
            f"{each.name}: {wording.counted(each.questions, 'question')}" for each in outcome.set_checks
        ),
        "Thinking budgets": ", ".join(f"{each:,}" for each in budgets) + " tokens" if budgets else "",
        "Forced rounds": ", ".join(map(str, rounds)),
        "Scoring rule": outcome.study.rule,
        "Protocol": outcome.study.protocol,
        "Runs": "\n".join(runs),
        "Left out": "\n".join(left_out),
    }
    return {name: text for name, text in facts.items() if text}


def _verdict_counts(manifest: Manifest) -> str:
    counts = {each: sum(claim.verdict is each for claim in manifest.claims) for each in Verdict}
    return ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items() if count)


def _figure(drawn: DrawnFigure) -> Mapping[str, Any]:
    return {
        "title": drawn.title,
        "note": drawn.note,
        "table": drawn.table,
        "panels": [
            {"title": panel.title, "json": script_json({"data": panel.figure["data"], "layout": _layout(panel.figure)})}
            for panel in drawn.panels
        ],
    }


def _layout(figure: Mapping[str, Any]) -> dict[str, Any]:
    return {**figure["layout"], "legend": _LEGEND}


def _sets_table(manifest: Manifest) -> Table:
    heads = ("Set", "Here", "Source", "Published file", "Questions", "Official size")
    rows = []
    for each in manifest.question_sets:
        size = f"{each.official_size:,}" if each.official_size is not None else NOTHING
        cells = (
            each.name,
            each.question_set or "not here",
            each.source or NOTHING,
            _published(each),
            f"{each.questions:,}",
            size,
        )
        rows.append(TableRow(tuple(map(TableCell, cells))))
    return Table(heads, 4, tuple(rows))


def _own_facts_table(outcome: StudyOutcome) -> Table:
    heads = ("Fact", "Role", "Verdict", "Right with nothing, the fact, an unrelated fact")
    rows = [(each.fact, each.role, fact_words(each), right_words(each) or NOTHING) for each in outcome.facts]
    return Table(heads, 4, tuple(TableRow(tuple(map(TableCell, row))) for row in rows))


def _training_table(outcome: StudyOutcome) -> Table:
    rows = [
        (each.data or "not known", f"{each.role}: {each.model}" if each.role else NOTHING, learned_words(each))
        for each in outcome.training
    ]
    return Table(("Data", "Learned by", "Shared"), 3, tuple(TableRow(tuple(map(TableCell, row))) for row in rows))


def _published(each: SetPart) -> str:
    """Whether the set's file is the published one, by whichever hash is known of both."""
    pairs = ((each.published_sha256, each.file_sha256), (each.published_md5, each.file_md5))
    known = [published == own for published, own in pairs if published and own]
    return ("the same" if all(known) else "another") if known else NOTHING


def _set_notes(manifest: Manifest) -> Sequence[str]:
    """What differs and what overlaps, once for all sets of which the same is said."""
    named: dict[str, list[str]] = {}
    for each in manifest.question_sets:
        for note in (*each.problems, *each.overlaps):
            named.setdefault(note, []).append(each.name)
    notes = [f"{', '.join(names)}: {note}." for note, names in named.items()]
    return [*notes, *dict.fromkeys(each.overlap_note for each in manifest.question_sets if each.overlap_note)]


def _differences(manifest: Manifest) -> Sequence[str]:
    """Differences of the protocol without those of sets, which stand beside the sets."""
    of_sets = {
        f"{name}: {problem}."
        for e in manifest.question_sets
        for problem in e.problems
        for name in (e.name, e.question_set)
    }
    return [each for each in manifest.study.protocol_differences if each not in of_sets]


def _cells_table(outcome: StudyOutcome) -> Table:
    """Every cell; none where they are so many that only cells.csv has them."""
    if sum(map(len, outcome.cells.values())) > _MOST_ROWS:
        return Table((), 0, ())
    heads = ("Run", "Model", "Set", "Budget", "Rounds", "n", "Accuracy (95% interval)", "Answered", "Thinking tokens")
    rows = [_cell_row(outcome, run, each) for run, cells in outcome.cells.items() for each in cells]
    return Table(heads, 3, tuple(rows))


def _cell_row(outcome: StudyOutcome, run: str, each: CellSummary) -> TableRow:
    found = each.accuracy
    texts = (
        *(run, each.model, set_name(outcome, each.question_set), f"{each.budget_tokens:,}", str(each.force_rounds)),
        *(f"{each.n:,}", wording.percent_with_interval(found.value, found.low, found.high)),
        *(wording.percent(each.answered_share), f"{each.mean_thinking_tokens:,.0f}"),
    )
    return TableRow(tuple(map(TableCell, texts)))


def _software(manifest: Manifest) -> str:
    found = manifest.software
    packages = ", ".join(f"{name} {number}" for name, number in found.packages.items())
    commit = f" (commit {found.commit})" if found.commit else ""
    return f"m1app {found.m1app}{commit}, Python {found.python}, {found.system}; {packages}."
