"""The Admin page's files over HTTP: uploads of question sets, training data and corpora, downloads of artifacts and
logs, and of the audit log.

Uploads go to a temporary folder in the app's home, which is always removed. Gradio's own upload is disabled: Gradio
would serve accepted files on every page.
"""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.requests import ClientDisconnect

from m1app.access.audit import AuditService
from m1app.access.person import Permission, require
from m1app.bootstrap import Services
from m1app.errors import AppError
from m1app.file_names import download_name
from m1app.question_sets.errors import no_room
from m1app.question_sets.row_choice import MAX_ID_FILE_BYTES
from m1app.scratch_folder import UPLOAD, scratch_folder
from m1app.training.comparison import comparison_csv, read_runs
from m1app.ui.admin.cases_view import CasesForm, cases_preview_value, cases_report_value
from m1app.ui.admin.corpus_view import add_value
from m1app.ui.admin.jobs_tab import run_ids
from m1app.ui.admin.question_sets_view import import_options, overlaps_value, report_value, sample_value, write_ids
from m1app.ui.admin.training_data_tab import carried_out
from m1app.ui.login.gate import ADMIN
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.downloads import attachment, found, streamed
from storage.people.records import AuditEntry

MAX_UPLOAD_BYTES = 512 * 1024 * 1024
UPLOADS = {
    f"{ADMIN}/{name}": MAX_UPLOAD_BYTES
    for name in ("question-sets", "question-columns", "overlaps", "training-data", "corpus", "cases", "cases-preview")
}
"""Largest body by path."""
_LOG_LINES = 100_000
_Text = Annotated[str, Query(max_length=200)]
_Columns = Annotated[str, Query(max_length=20_000)]
_Form = Annotated[str, Query(max_length=2000)]
_Ids = Annotated[int, Query(ge=0, le=MAX_ID_FILE_BYTES)]


def add_admin_files(app: FastAPI, services: Services) -> None:
    """`POST /admin/question-sets`, `/question-columns`, `/overlaps`, `/training-data`, `/corpus`, `/cases`,
    `/cases-preview`; `/admin/jobs/ID/artifacts/NAME`, `.../log.txt`; `/admin/training-runs.csv`,
    `/admin/audit.jsonl`."""

    router = APIRouter(prefix=ADMIN, dependencies=[Depends(_admit)])
    _add_uploads(router, services)
    _add_corpus(router, services)
    _add_cases(router, services)
    _add_downloads(router, services)
    _add_audit(router, services.access.audit)
    app.include_router(router)


def _admit() -> None:
    require(Permission.MANAGE)


def _add_uploads(router: APIRouter, services: Services) -> None:
    sets = services.question_sets

    @router.post("/question-sets")
    async def import_set(
        request: Request,
        file: _Text = "",
        name: _Text = "",
        layout: _Text = "",
        options: _Columns = "",
        ids_bytes: _Ids = 0,
    ) -> Response:
        """The body is a list of ids of `ids_bytes`, if any, and then the file."""

        async def use(path: Path) -> Any:
            given = import_options(options)
            ids = await asyncio.to_thread(_take_ids, path, ids_bytes) if ids_bytes else None
            report = await sets.import_file(path, name=name.strip(), layout=layout, options=given, ids=ids)
            return report_value(report)

        return await _with_upload(request, services.settings.home, file, use)

    @router.post("/question-columns")
    async def sample_set(request: Request, file: _Text = "", layout: _Text = "", options: _Columns = "") -> Response:
        async def use(path: Path) -> Any:
            return sample_value(await sets.sample_file(path, layout=layout, options=import_options(options)))

        return await _with_upload(request, services.settings.home, file, use)

    @router.post("/overlaps")
    async def compare(request: Request, file: _Text = "") -> Response:
        async def use(path: Path) -> Any:
            set_ids = [each.id for each in await sets.all()]
            return {"overlaps": overlaps_value(await sets.overlaps(set_ids, training_file=path))}

        return await _with_upload(request, services.settings.home, file, use)

    @router.post("/training-data")
    async def curate(request: Request, file: _Text = "", form: _Form = "") -> Response:
        async def use(path: Path) -> Any:
            return await carried_out(services, form, [path])

        return await _with_upload(request, services.settings.home, file, use)


def _add_corpus(router: APIRouter, services: Services) -> None:
    @router.post("/corpus")
    async def add_corpus(
        request: Request, file: _Text = "", name: _Text = "", licence: Annotated[str, Query(max_length=1000)] = ""
    ) -> Response:
        async def use(path: Path) -> Any:
            report = await services.corpora.add(path, licence=licence, name=name)
            if report.is_new and services.corpus_vectors.model:
                services.corpus_vectors.start(report.corpus)
            return add_value(report)

        return await _with_upload(request, services.settings.home, file, use)


def _add_cases(router: APIRouter, services: Services) -> None:
    exchange = services.exchange

    @router.post("/cases")
    async def import_cases(request: Request, form: Annotated[CasesForm, Query()]) -> Response:
        async def use(path: Path) -> Any:
            with await asyncio.to_thread(path.open, "rb") as file:
                return cases_report_value(await exchange.import_cases(file, form.format, form.names))

        return await _with_upload(request, services.settings.home, form.file, use)

    @router.post("/cases-preview")
    async def preview_cases(request: Request, form: Annotated[CasesForm, Query()]) -> Response:
        async def use(path: Path) -> Any:
            with await asyncio.to_thread(path.open, "rb") as file:
                return cases_preview_value(await exchange.preview_cases(file, form.format, form.names))

        return await _with_upload(request, services.settings.home, form.file, use)


async def _with_upload(request: Request, home: Path, name: str, use: Callable[[Path], Awaitable[Any]]) -> Response:
    """Respond with the JSON result of `use` on the uploaded file; the file is removed afterwards."""
    try:
        async with scratch_folder(UPLOAD, home) as folder:
            path = folder / _file_name(name)
            await _receive(request, path)
            return JSONResponse(await use(path))
    except ClientDisconnect:
        return Response(status_code=400)
    except OSError as exc:
        # The folder or the file in it; what is done with the file has errors of its own.
        return JSONResponse({"error": str(no_room(exc, home))}, status_code=507)
    except HTTPException as exc:
        return JSONResponse({"error": exc.detail}, status_code=exc.status_code)
    except Exception as exc:  # noqa: BLE001 - the UI boundary
        return JSONResponse({"error": message_of(exc)}, status_code=422)


_BYTES = "application/octet-stream"
_READ_BY_PEOPLE = frozenset({".jsonl", ".csv", ".parquet", ".md", ".html", ".log"})


def _add_downloads(router: APIRouter, services: Services) -> None:
    @router.get("/jobs/{job_id}/artifacts/{name:path}")
    async def artifact(job_id: str, name: str) -> Response:
        try:
            path = await asyncio.to_thread(services.jobs.artifact, job_id, name)
        except AppError as exc:
            raise HTTPException(404, str(exc)) from exc
        services.access.audit.note_soon("job.download_artifact", job_id)
        return FileResponse(path, filename=await _name_of_file(services, job_id, path), media_type=_BYTES)

    @router.get("/jobs/{job_id}/log.txt")
    async def log(job_id: str) -> Response:
        text = await found(lambda: services.jobs.log_tail(job_id, lines=_LOG_LINES))
        services.access.audit.note_soon("job.download_log", job_id)
        return attachment(text, "text/plain; charset=utf-8", await _name_of_log(services, job_id))

    @router.get("/training-runs.csv")
    async def compared(runs: Annotated[str, Query(max_length=1000)] = "") -> Response:
        try:
            chosen = await found(lambda: read_runs(services.jobs, services.fine_tuning, run_ids(runs)))
        except AppError as exc:
            raise HTTPException(404, str(exc)) from exc
        for run in chosen:
            services.access.audit.note_soon("job.download_curves", run.job.id)
        text = await asyncio.to_thread(comparison_csv, chosen)
        return attachment(text, "text/csv; charset=utf-8", "m1app-training-runs.csv")


async def _name_of_file(services: Services, job_id: str, path: Path) -> str:
    """The file's own name, except of a table or text: programs find a model's files by their names."""
    if path.suffix not in _READ_BY_PEOPLE:
        return path.name
    job = await found(lambda: services.jobs.get(job_id))
    return download_name(path.suffix[1:], job.created_at, job.name, path.stem, of=job.id)


async def _name_of_log(services: Services, job_id: str) -> str:
    job = await found(lambda: services.jobs.get(job_id))
    return download_name("log", job.created_at, "job", job.name, of=job.id)


def _add_audit(router: APIRouter, audit: AuditService) -> None:
    @router.get("/audit.jsonl")
    async def export() -> Response:
        answer = await streamed(
            _lines(audit), "application/jsonl; charset=utf-8", download_name("jsonl", None, "audit log")
        )
        audit.note_soon("audit.export")
        return answer


async def _lines(audit: AuditService) -> AsyncIterator[bytes]:
    """All entries as JSON Lines, a batch at a time."""
    number = 0
    while entries := await audit.after(number):
        yield "".join(f"{json.dumps(_document(entry), ensure_ascii=False)}\n" for entry in entries).encode()
        number = entries[-1].number


def _document(entry: AuditEntry) -> dict[str, Any]:
    return asdict(entry) | {"made_at": entry.made_at.isoformat()}


def _take_ids(path: Path, size: int) -> Path:
    """Move the first bytes of a file to one of their own; return its path."""
    with path.open("rb") as both, path.with_name(".rest").open("wb") as rest:
        ids = write_ids(path.parent, both.read(size))
        shutil.copyfileobj(both, rest, 2**20)
    path.with_name(".rest").replace(path)
    return ids


async def _receive(request: Request, path: Path) -> None:
    """Write the request's body to `path`; raises HTTPException if it is too large or empty."""
    too_large = HTTPException(
        413, f"The file is larger than {MAX_UPLOAD_BYTES // 2**20} MB. Split it into smaller files."
    )
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_UPLOAD_BYTES:
        raise too_large
    size = 0
    file = await asyncio.to_thread(path.open, "wb")
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_UPLOAD_BYTES:
                raise too_large
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)
    if not size:
        raise HTTPException(422, "The file is empty. Choose another one.")


def _file_name(given: str) -> str:
    """The original file name, without path components: sets are named after it."""
    name = re.sub(r"[^\w.() -]", "_", given.replace("\\", "/").rpartition("/")[2])[-120:]
    # A name may have 255 bytes, those of the folder's own prefix included.
    name = name.encode()[-120:].decode(errors="ignore").strip(". ")
    return name or "questions"
