"""A report as files of one folder or archive: page, tables for papers and programs, figures, manifest."""

import csv
import io
import json
import math
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from m1app.spreadsheet import harmless
from m1app.studies.report.accuracies import CELL_HEADS, READING_HEADS, cell_values, reading_values
from m1app.studies.report.claims import CSV_HEADS, claim_values, claims_table
from m1app.studies.report.errors import ReportRefused
from m1app.studies.report.figures import DrawnFigure
from m1app.studies.report.latex import latex_table
from m1app.studies.report.manifest_file import FILE_NAME
from m1app.studies.report.page import StudyContent, report_html
from m1app.studies.report.prose import level_words

PAGE, PRINTED, STUDY = "report.html", "report.pdf", "study.toml"
ARCHIVE_ENDING = ".zip"
_DEMO = " A demonstration: the verdicts mean nothing."

Files = Mapping[str, bytes]
"""Name to content; a name may be in a folder, as "tables/claims.tex". The manifest is the last one."""


def report_files(content: StudyContent) -> Files:
    """Return all files but the PDF."""
    return {
        PAGE: report_html(content).encode(),
        **({STUDY: content.outcome.text.encode()} if content.outcome.text else {}),
        "claims.csv": _csv(CSV_HEADS, map(claim_values, content.manifest.claims)),
        "accuracies.csv": _csv(READING_HEADS, reading_values(content.outcome)),
        "cells.csv": _csv(CELL_HEADS, cell_values(content.outcome)),
        **{f"tables/{name}.tex": text.encode() for name, text in _latex(content)},
        **{f"figures/{name}.json": text.encode() for figure in content.figures for name, text in _plotly(figure)},
        FILE_NAME: content.manifest.to_json().encode(),
    }


def check_target(target: Path) -> None:
    """Raise ReportRefused if writing to `target` would mix with or replace what is there; blocks."""
    is_archive = target.suffix.lower() == ARCHIVE_ENDING
    if is_archive and target.exists():
        raise ReportRefused(f"{target} already exists. Choose another file name, or remove it.")
    if target.exists() and not target.is_dir():
        raise ReportRefused(f"{target} is a file. Choose a folder, or a file name that ends with {ARCHIVE_ENDING}.")
    if target.is_dir() and any(target.iterdir()):
        raise ReportRefused(f"{target} is not empty. Choose a new folder for the report.")


def write_files(files: Files, target: Path) -> None:
    """Write a report into a folder, or into one archive if the name ends with ".zip"; blocks.

    Raises:
        ReportRefused: it cannot be written; no part of an archive is left then.
    """
    try:
        _write(files, target)
    except OSError as exc:
        raise ReportRefused(
            f"{exc.filename or target}: {exc.strerror or exc}. Free some space, or name another place."
        ) from exc


def _write(files: Files, target: Path) -> None:
    if target.suffix.lower() == ARCHIVE_ENDING:
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_whole(target, archive(files))
        return
    for name, content in files.items():
        file = target / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _write_whole(target: Path, content: bytes) -> None:
    """Write a new file, or leave nothing, as where the disk is full."""
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def archive(files: Files) -> bytes:
    """The files as a zip archive; the same files are the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _csv(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    # With a byte order mark, without which spreadsheets assume the local 8-bit encoding.
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(heads)
    writer.writerows([_csv_value(each) for each in row] for row in rows)
    return "\ufeff".encode() + out.getvalue().encode()


def _csv_value(value: object) -> object:
    is_nothing = value is None or (isinstance(value, float) and math.isnan(value))
    return "" if is_nothing else harmless(value)


def _latex(content: StudyContent) -> Iterable[tuple[str, str]]:
    title = content.outcome.study.title
    demo = _DEMO if content.outcome.is_demo else ""
    if content.manifest.claims:
        level = level_words(content.manifest.study.level)
        caption = f"{title}: claims with {level} intervals and one-sided p-values, adjusted after Holm.{demo}"
        yield (
            "claims",
            latex_table(
                claims_table(content.manifest.claims, level),
                caption=caption,
                label="tab:claims",
                text_widths={0: "5.2cm"},
            ),
        )
    rule = f"Scored by the rule {content.manifest.study.rule}.{demo}"
    for each in content.accuracies:
        yield each.id, latex_table(each.table, caption=f"{each.title}. {rule}", label=f"tab:{each.id}")
    for figure in content.figures:
        if figure.table:
            name = f"figure-{figure.id}"
            yield name, latex_table(figure.table, caption=f"{figure.title}. {rule}", label=f"tab:{name}")


def _plotly(figure: DrawnFigure) -> Iterable[tuple[str, str]]:
    for number, panel in enumerate(figure.panels, start=1):
        document = {"title": f"{figure.title}: {panel.title}".removesuffix(": "), **panel.figure}
        # No id has a dot: figure-1-1 may be another figure.
        name = figure.id if len(figure.panels) == 1 else f"{figure.id}.{number}"
        yield name, json.dumps(document, ensure_ascii=False, allow_nan=False, indent=1)
