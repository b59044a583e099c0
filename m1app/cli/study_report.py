"""`m1app study report|manifest|verify`: a study's report as files, and somebody's manifest against what is here."""

import argparse
import asyncio
from pathlib import Path
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.terminal import add_json, given, say, write, write_json
from m1app.studies.errors import StudyRefused
from m1app.studies.records import StudyOutcome
from m1app.studies.report.files import check_target, write_files
from m1app.studies.report.manifest import Manifest
from m1app.studies.report.manifest_file import read_manifest
from m1app.studies.report.printing import PAPERS
from m1app.studies.report.verifying import Finding, Grade, Verification, by_topic
from m1app.wording import counted, size

DIFFERS = 3
"""Exit status of `verify` where a study was not repeated with the same outcome."""
_MARKS = {Grade.SAME: "=", Grade.WITHIN: "~", Grade.DIFFERS: "!", Grade.MISSING: "-", Grade.UNKNOWN: "?"}


def add_commands(below: Any) -> None:
    """Add the subcommands to those of `study`."""
    report = below.add_parser("report", help="write a study's report: page, tables, figures, manifest")
    report.add_argument("study", type=given, metavar="NAME", help="name or id of a started study")
    report.add_argument(
        "--output", type=Path, required=True, metavar="FOLDER", help="a new folder, or a new file that ends in .zip"
    )
    report.add_argument("--pdf", action="store_true", help="include a PDF, printed with this machine's Chromium")
    report.add_argument("--paper", choices=list(PAPERS), default="a4", help="paper size of the PDF (default: a4)")
    report.set_defaults(command=_report)
    verify = below.add_parser("verify", help="compare a report's manifest with this installation")
    verify.add_argument("manifest", type=Path, metavar="MANIFEST", help="manifest.json, or the folder that contains it")
    verify.add_argument(
        "--study",
        default="",
        metavar="NAME",
        help="the local study to compare with (default: the one with the same name)",
    )
    verify.add_argument(
        "--strict", action="store_true", help="also fail if software differs or counts are only within intervals"
    )
    add_json(verify)
    verify.set_defaults(command=_verify)


async def _report(services: Services, options: argparse.Namespace) -> int:
    await asyncio.to_thread(check_target, options.output)
    outcome = await _outcome(services, options.study)
    files = await services.study_reports.files(outcome, paper=options.paper if options.pdf else "")
    await asyncio.to_thread(write_files, files, options.output)
    written = size(sum(map(len, files.values())))
    write(f"{options.output}: {counted(len(files), 'file')}, {written}\n")
    if outcome.is_demo:
        say("A demonstration: its verdicts mean nothing, and the report says so.")
    return 0


async def _verify(services: Services, options: argparse.Namespace) -> int:
    there = await asyncio.to_thread(read_manifest, options.manifest)
    outcome = await _same_study(services, there, options.study)
    if outcome is None:
        say(f"{there.study.name} was not started here, so only its sets, models and software can be compared.")
    found = await services.study_reports.verify(there, outcome)
    is_repeated = found.is_repeated(is_strict=options.strict)
    if options.json:
        write_json(_value(there, found, is_repeated=is_repeated))
    else:
        write(_text(there, found))
        write("The study was repeated here.\n" if is_repeated else "This installation differs.\n")
    return 0 if is_repeated else DIFFERS


async def _outcome(services: Services, name: str) -> StudyOutcome:
    return await services.study_reading.outcome((await services.studies.find(name)).stored.id)


async def _same_study(services: Services, there: Manifest, name: str) -> StudyOutcome | None:
    """The study here that was named, or that of the manifest's name; None if there is none of that name."""
    try:
        return await _outcome(services, name or there.study.name)
    except StudyRefused:
        if name:
            raise
        return None


def _text(there: Manifest, found: Verification) -> str:
    made = f"{there.study.name}, {there.made_at:%Y-%m-%d}, m1app {there.software.m1app}"
    lines = [made]
    for topic, findings in by_topic(found).items():
        lines += ["", str(topic).capitalize(), *map(_line, findings)]
    return "\n".join(lines) + "\n\n"


def _line(each: Finding) -> str:
    sides = ""
    if each.grade is not Grade.SAME and (each.there or each.here):
        sides = f" (there: {each.there or 'nothing'}; here: {each.here or 'nothing'})"
    return f"  {_MARKS[each.grade]} {each.what}: {each.grade}{sides}"


def _value(there: Manifest, found: Verification, *, is_repeated: bool) -> dict[str, Any]:
    return {
        "study": there.study.name,
        "is_repeated": is_repeated,
        "findings": [
            {"topic": each.topic, "what": each.what, "grade": each.grade, "there": each.there, "here": each.here}
            for each in found.findings
        ],
    }
