"""Downloads of a study: its report as a page, as PDF, as all files in one archive, and its manifest."""

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, HTTPException, Response

from m1app.bootstrap import Services
from m1app.file_names import download_name
from m1app.studies.records import StudyOutcome
from m1app.studies.report.errors import PrintingFailed
from m1app.studies.report.files import PAGE, PRINTED, Files, archive
from m1app.studies.report.printing import PAPERS
from m1app.ui.shell.downloads import attachment, found


def add_study_downloads(app: FastAPI, services: Services) -> None:
    """`/study-reports/ID.html`, `.pdf` (`?paper=letter`), `.zip` and `.json`, the manifest."""
    reports, audit = services.study_reports, services.access.audit

    async def outcome_of(study_id: str, kind: str) -> StudyOutcome:
        outcome = await found(lambda: services.study_reading.outcome(study_id))
        audit.note_soon("study.download", study_id, format=kind)
        return outcome

    @app.get("/study-reports/{study_id}.html")
    async def download_page(study_id: str) -> Response:
        outcome = await outcome_of(study_id, "html")
        files = await found(lambda: reports.files(outcome))
        return attachment(files[PAGE], "text/html; charset=utf-8", _name(outcome, "html"))

    @app.get("/study-reports/{study_id}.pdf")
    async def download_pdf(study_id: str, paper: str = "a4") -> Response:
        if paper not in PAPERS:
            raise HTTPException(404, f"There is no paper {paper[:20]!r}; choose one of: {', '.join(PAPERS)}.")
        outcome = await outcome_of(study_id, "pdf")
        files = await _printed(lambda: reports.files(outcome, paper=paper))
        return attachment(files[PRINTED], "application/pdf", _name(outcome, "pdf"))

    @app.get("/study-reports/{study_id}.zip")
    async def download_all(study_id: str) -> Response:
        outcome = await outcome_of(study_id, "zip")
        files = await found(lambda: reports.files(outcome))
        return attachment(await asyncio.to_thread(archive, files), "application/zip", _name(outcome, "zip"))

    @app.get("/study-reports/{study_id}.json")
    async def download_manifest(study_id: str) -> Response:
        outcome = await outcome_of(study_id, "json")
        manifest = await found(lambda: reports.manifest(outcome))
        return attachment(manifest.to_json(), "application/json", _name(outcome, "json", "manifest"))


async def _printed(make: Callable[[], Awaitable[Files]]) -> Files:
    """Files with a PDF; 501 where no browser of this machine prints it."""
    try:
        return await found(make)
    except PrintingFailed as exc:
        raise HTTPException(501, str(exc)) from exc


def _name(outcome: StudyOutcome, ending: str, what: str = "report") -> str:
    return download_name(ending, None, "study", what, outcome.name, of=outcome.id)
