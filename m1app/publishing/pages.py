"""The pages of a site: HTML around data that the page code loads. Everything is escaped."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from m1app import __version__, wording
from m1app.benchmark import report
from m1app.benchmark.descriptions import run_name
from m1app.benchmark.intervals import FEW_QUESTIONS
from m1app.benchmark.paper_figures import MAXIMUM_NOTE, SOURCE
from m1app.benchmark.report import ReportContent, accuracy_charts, report_parts
from m1app.benchmark.tables import BEST_NOTE, accuracy_table
from m1app.publishing.licences import SetTerms
from m1app.publishing.question_files import QuestionFiles
from m1app.publishing.scripts import as_json, page_script
from m1app.publishing.site_plan import SitePlan

SITE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data: blob:; base-uri 'none'; "
    "form-action 'none'"
)
"""Plotly writes style rules of its own; scripts come from the site's files alone."""
_LEFT_OUT = "left out: see the front page"

_TEMPLATES = Environment(
    loader=FileSystemLoader([Path(__file__).parent, Path(report.__file__).parent]),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True, slots=True)
class ExtraPage:
    """A page that somebody adds to a site."""

    name: str
    """Of its file, without ".html": lower-case letters, digits and hyphens."""
    title: str
    body: Markup
    """HTML without scripts, in which everything that is not markup is escaped."""
    warning: str = ""
    """What whoever opens the site has to know first; the overview shows it, with a link to this page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What all pages of a site share."""

    title: str
    runs: Sequence[str]
    """Names, in order; each has a page."""
    extra_pages: Sequence[ExtraPage]
    made_at: datetime

    def render(self, template: str, kind: str, here: str, **values: Any) -> str:
        """Render a page.

        Args:
            template: name of its template.
            kind: tells the page code what to do.
            here: name of its file.
            values: of the template.
        """
        pages = [("index.html", "Overview"), ("questions.html", "Questions")]
        named = len(self.runs) > 1
        pages += [(run_page(n), f"Report: {name}" if named else "Report") for n, name in enumerate(self.runs)]
        pages += [(f"{each.name}.html", each.title) for each in self.extra_pages]
        return _TEMPLATES.get_template(template).render(
            site_title=self.title,
            policy=SITE_POLICY,
            pages=pages,
            here=here,
            kind=kind,
            made=f"m1app {__version__} on {self.made_at.astimezone(UTC):%Y-%m-%d}",
            **values,
        )


def run_page(number: int) -> str:
    """The file of a run's report."""
    return f"report-{number + 1}.html"


def overview_page(
    frame: Frame,
    plan: SitePlan,
    contents: Sequence[ReportContent],
    files: QuestionFiles,
    letters: Sequence[str],
) -> str:
    """The front page: what there is, curves, both readings, flips."""
    names = {run.id: run_name(run) for run in plan.runs}
    strict = [cell for each in contents for cell in each.strict]
    budget = max(run.budgets[-1] for run in plan.runs)
    return frame.render(
        "overview.html",
        "overview",
        "index.html",
        warnings=[(each.warning, f"{each.name}.html", each.title) for each in frame.extra_pages if each.warning],
        counts=[
            ("Questions", f"{len(plan.entries):,}"),
            ("Runs", ", ".join(names.values())),
            ("Models", ", ".join(dict.fromkeys(each.model for each in plan.sources))),
            ("Thinking budgets", ", ".join(f"{each:,}" for each in _budgets(plan)) + " tokens"),
            ("Annotators", ", ".join(letters) or "no annotations are shown"),
        ],
        sets=[_set_row(each) for each in plan.sets],
        changes=_changes(plan, files),
        charts=accuracy_charts(strict, [each.name for each in plan.sets], names),
        table_content=accuracy_table(strict, budget, names, with_paper=False),
        best_note=BEST_NOTE,
        paper_note=f"{SOURCE}. {MAXIMUM_NOTE}",
        few=FEW_QUESTIONS,
    )


def questions_page(frame: Frame) -> str:
    """The list of questions, and each of them."""
    return frame.render("questions.html", "questions", "questions.html")


def report_page(frame: Frame, number: int, content: ReportContent, plan: SitePlan) -> str:
    """The report of one run, without texts of sets whose texts are left out."""
    parts = report_parts(_without_texts(content, plan.sets))
    return frame.render("run.html", "report", run_page(number), **parts)


def extra_page(frame: Frame, page: ExtraPage) -> str:
    """A page of somebody else."""
    return frame.render("extra.html", "extra", f"{page.name}.html", title=page.title, body=page.body)


def single_page(title: str, data: Mapping[str, Any]) -> str:
    """A whole page in one file, whose policy names its style and its script by their hashes."""
    style, script = site_style(), page_script()
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; "
        "form-action 'none'"
    )
    return _TEMPLATES.get_template("single.html").render(
        title=title,
        policy=policy,
        style=Markup(style),
        script=Markup(script),
        data=Markup(as_json(data)),
        made=f"m1app {__version__} on {datetime.now(UTC):%Y-%m-%d}",
    )


@cache
def site_style() -> str:
    """The style sheet."""
    return (Path(__file__).parent / "page" / "site.css").read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _budgets(plan: SitePlan) -> list[int]:
    return sorted({budget for run in plan.runs for budget in run.budgets})


def _set_row(terms: SetTerms) -> tuple[str, str, str]:
    shown = "shown" if terms.has_texts else "left out"
    return terms.name, terms.licence or "unknown", f"{shown}: {terms.reason}"


def _changes(plan: SitePlan, files: QuestionFiles) -> list[dict[str, Any]]:
    """For each source, how verdicts changed from its lowest to its highest budget, with addresses of the questions."""
    rows = []
    for number, source in enumerate(plan.sources):
        rounds = source.run.force_rounds[0]
        before, after = (source.run.budgets[0], rounds), (source.run.budgets[-1], rounds)
        if before == after:
            continue
        found = files.changes(number, before, after)
        address = f"questions.html#source={number}&before={before[0]}-{rounds}&after={after[0]}-{rounds}&verdict="
        counts = [
            ("right-wrong", found.right_wrong),
            ("wrong-right", found.wrong_right),
            ("right-right", found.right_right),
            ("wrong-wrong", found.wrong_wrong),
        ]
        rows.append(
            {
                "name": source.name,
                "from": wording.cell(*before),
                "to": wording.cell(*after),
                "counts": [(f"{count:,}", address + verdict) for verdict, count in counts],
            }
        )
    return rows


def _without_texts(content: ReportContent, sets: Sequence[SetTerms]) -> ReportContent:
    """The content without what must not be published: texts, tags and keys of such sets, and words of errors."""
    hidden = {each.name for each in sets if not each.has_texts}
    run = replace(content.run, error="")
    changes = tuple(
        replace(
            change,
            lost=tuple(
                replace(each, stem=_LEFT_OUT, target=None, letter="–", before_letter="–")
                if each.question_set in hidden
                else each
                for each in change.lost
            ),
        )
        for change in content.changes
    )
    by_tags = () if hidden & set(run.question_sets) else content.by_tags
    return replace(content, run=run, changes=changes, by_tags=by_tags)
