"""The Admin page's files over HTTP: uploads of question sets and training data, downloads of artifacts and logs, and of
the audit log.

Uploads go to a temporary folder in the app's home, which is always removed. Gradio's own upload is disabled: Gradio
would serve accepted files on every page.
"""

import asyncio
import json
import re
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
from m1app.scratch_folder import UPLOAD, scratch_folder
from m1app.ui.admin.question_sets_view import file_options, overlaps_value, report_value, sample_value
from m1app.ui.admin.training_data_tab import carried_out
from m1app.ui.login.gate import ADMIN
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.downloads import attachment, found, streamed
from storage.people.records import AuditEntry

MAX_UPLOAD_BYTES = 512 * 1024 * 1024
UPLOADS = {
    f"{ADMIN}/{name}": MAX_UPLOAD_BYTES for name in ("question-sets", "question-columns", "overlaps", "training-data")
}
"""Largest body by path."""
_LOG_LINES = 100_000
_Text = Annotated[str, Query(max_length=200)]
_Columns = Annotated[str, Query(max_length=20_000)]
_Form = Annotated[str, Query(max_length=2000)]


def add_admin_files(app: FastAPI, services: Services) -> None:
    """`POST /admin/question-sets`, `/question-columns`, `/overlaps`, `/training-data`; `/admin/jobs/ID/artifacts/NAME`,
    `.../log.txt`; `/admin/audit.jsonl`."""

    router = APIRouter(prefix=ADMIN, dependencies=[Depends(_admit)])
    _add_uploads(router, services)
    _add_downloads(router, services)
    _add_audit(router, services.access.audit)
    app.include_router(router)


def _admit() -> None:
    require(Permission.MANAGE)


def _add_uploads(router: APIRouter, services: Services) -> None:
    sets = services.question_sets

    @router.post("/question-sets")
    async def import_set(
        request: Request, file: _Text = "", name: _Text = "", layout: _Text = "", options: _Columns = ""
    ) -> Response:
        async def use(path: Path) -> Any:
            given = file_options(options)
            return report_value(await sets.import_file(path, name=name.strip(), layout=layout, options=given))

        return await _with_upload(request, services.settings.home, file, use)

    @router.post("/question-columns")
    async def sample_set(request: Request, file: _Text = "", layout: _Text = "", options: _Columns = "") -> Response:
        async def use(path: Path) -> Any:
            return sample_value(await sets.sample_file(path, layout=layout, options=file_options(options)))

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
        raise HTTPException(422, "The file is empty.")


def _file_name(given: str) -> str:
    """The original file name, without path components: sets are named after it."""
    name = re.sub(r"[^\w.() -]", "_", given.replace("\\", "/").rpartition("/")[2])[-120:]
    # A name may have 255 bytes, those of the folder's own prefix included.
    name = name.encode()[-120:].decode(errors="ignore").strip(". ")
    return name or "questions"
