"""`m1app publish`: benchmark runs as a static site, or one trace or sweep as a single HTML file."""

import argparse
import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.stopping import set_by_signals
from m1app.cli.terminal import add_json, given, say, write, write_json
from m1app.errors import AppError
from m1app.privacy.words import NOT_EVERYTHING, findings_text, kinds_text
from m1app.publishing.errors import PublishStopped
from m1app.publishing.licences import SetTerms
from m1app.publishing.pages import ExtraPage
from m1app.publishing.single_file import sweep_html, trace_html
from m1app.publishing.site import PublishedSite, SiteReport
from m1app.publishing.site_folder import write_one_file
from m1app.studies.errors import StudyRefused
from m1app.studies.records import StudyOutcome
from m1app.studies.report.claims_page import claims_html
from m1app.studies.words import DEMO
from m1app.wording import counted, size
from storage.questions.records import Question

_INTERRUPTED = 130


def add_command(commands: Any) -> None:
    """Add `publish` to the commands of `m1app.cli.main`."""
    publish = commands.add_parser(
        "publish", help="publish benchmark runs as a site that needs no server, or one trace or sweep as an HTML file"
    )
    publish.add_argument(
        "runs",
        nargs="*",
        metavar="RUN|STUDY",
        help="id of a benchmark run, or name of a study for its runs and claims; several are shown side by side",
    )
    publish.add_argument("--trace", type=given, metavar="ID", help="one trace instead of runs, as a single file")
    publish.add_argument("--sweep", type=given, metavar="ID", help="one sweep instead of runs, as a single file")
    publish.add_argument("--output", type=given, required=True, metavar="PATH", help="folder of the site, or the file")
    publish.add_argument(
        "--title", type=given, metavar="TEXT", help="title of the site (default: the first run's name)"
    )
    publish.add_argument(
        "--include-texts",
        action="append",
        default=[],
        metavar="SET",
        help="show the texts of a set of unknown licence; you state that they may be shown; repeatable",
    )
    publish.add_argument(
        "--annotator",
        dest="annotators",
        action="append",
        default=[],
        metavar="NAME",
        help="show the annotations of someone who agreed to it, as A, B, ...; repeatable (default: none)",
    )
    add_json(publish, "print what was published as one JSON object")
    publish.set_defaults(command=_publish)


async def _publish(services: Services, options: argparse.Namespace) -> int:
    chosen = [bool(options.runs), options.trace is not None, options.sweep is not None]
    if sum(chosen) != 1:
        raise AppError("Name benchmark runs, or --trace ID, or --sweep ID: one of the three.")
    if not options.runs and (options.include_texts or options.annotators or options.title):
        raise AppError("--title, --include-texts and --annotator are for sites. Leave them out for a single file.")
    if options.runs:
        return await _publish_site(services, options)
    return await _publish_file(services, options)


async def _publish_site(services: Services, options: argparse.Namespace) -> int:
    runs: list[str] = []
    pages: list[ExtraPage] = []
    titles: list[str] = []
    for name in options.runs:
        if outcome := await _study(services, name):
            runs += [each.benchmark.id for each in outcome.parts if each.benchmark]
            claims = ExtraPage(
                f"claims-{len(pages) + 1}",
                f"Claims of {outcome.name}",
                claims_html(outcome),
                warning=DEMO if outcome.is_demo else "",
            )
            pages.append(claims)
            titles.append(outcome.study.title)
        else:
            runs.append(name)
            titles.append((await services.benchmark_reading.get(name)).name)
    if not runs:
        raise AppError("None of these studies has any benchmark runs left, so there is nothing to publish.")
    site = PublishedSite(
        options.title or titles[0] or "Benchmark runs",
        tuple(dict.fromkeys(runs)),
        tuple(pages),
        include_texts=options.include_texts,
        annotators=options.annotators,
    )
    with set_by_signals() as stopping:
        try:
            report = await services.sites.publish(
                site, Path(options.output), on_progress=_progress(), is_stopping=stopping
            )
        except PublishStopped as exc:
            say(str(exc))
            return _INTERRUPTED
    if options.json:
        write_json(_json(report))
    else:
        write(_text(report))
    _warn(report)
    return 0


async def _study(services: Services, name: str) -> StudyOutcome | None:
    """The study of that name or id; None if it is the id of a benchmark run, or of nothing."""
    try:
        found = await services.studies.find(name)
    except StudyRefused as exc:
        if re.fullmatch("[0-9a-f]{32}", name):
            return None
        raise StudyRefused(
            exc.field, f"{exc} Or name a benchmark run by its id, as in the address of its page."
        ) from exc
    return await services.study_reading.outcome(found.stored.id)


def _progress() -> Callable[[int, int], None]:
    """Says each tenth of the way on standard error."""
    said = -1

    def show(done: int, total: int) -> None:
        nonlocal said
        tenth = done * 10 // total if total else 10
        if tenth > said:
            said = tenth
            say(f"questions: {done:,} of {total:,}")

    return show


def _text(report: SiteReport) -> str:
    lines = [
        f"{report.folder}: {counted(report.questions, 'question')}, {counted(report.files, 'file')}, "
        f"{size(report.bytes)}",
        *(f"texts of {each.name} {_shown(each)}: {each.reason}" for each in report.sets),
        f"annotations: {report.marks:,}",
        f"Open {report.folder / 'index.html'} in a browser, or put the folder on any web server.",
    ]
    return "".join(f"{line}\n" for line in lines)


def _shown(terms: SetTerms) -> str:
    return "shown" if terms.has_texts else "left out"


def _warn(report: SiteReport) -> None:
    for each in report.sets:
        if each.is_own and each.has_texts:
            say(f"{each.name} comes from people here, and its questions may describe patients. Read them first.")
    for name, counts in report.findings.items():
        say(f"The texts of {name} may identify people: {kinds_text(counts)}. {NOT_EVERYTHING}")


def _json(report: SiteReport) -> dict[str, Any]:
    return {
        "folder": str(report.folder),
        "files": report.files,
        "bytes": report.bytes,
        "questions": report.questions,
        "sets": [
            {"name": each.name, "licence": each.licence or None, "has_texts": each.has_texts, "reason": each.reason}
            for each in report.sets
        ],
        "annotations": report.marks,
        "identifiers": {
            name: {kind.value: count for kind, count in counts.items()} for name, counts in report.findings.items()
        },
    }


async def _publish_file(services: Services, options: argparse.Namespace) -> int:
    if options.trace is not None:
        trace = await services.probe.get(options.trace)
        question, content = trace.question, await asyncio.to_thread(trace_html, trace)
        services.access.audit.note_soon("trace.download", trace.id, format="html")
    else:
        snapshot = await services.sweeps.get(options.sweep)
        question, content = snapshot.sweep.question, await asyncio.to_thread(sweep_html, snapshot)
        services.access.audit.note_soon("sweep.download", snapshot.sweep.id, format="html")
    path = Path(options.output)
    await asyncio.to_thread(write_one_file, path, content)
    if options.json:
        write_json({"file": str(path), "bytes": len(content.encode())})
    else:
        write(f"{path}: {size(len(content.encode()))}\n")
    await _warn_of_question(services, question)
    return 0


async def _warn_of_question(services: Services, question: Question) -> None:
    """What to think of before the file is passed on: it has all of the question."""
    terms = await services.sites.terms_of_question(question)
    if terms is not None and not terms.has_texts:
        say(f"The question is one of {terms.name}: {terms.reason}. May you pass it on?")
    texts = (question.stem, *question.options.values())
    if found := await asyncio.to_thread(services.identifiers.findings, texts):
        say(findings_text(found))
