"""The Admin page's files over HTTP: uploads of question sets and training data, downloads of artifacts and logs.

An uploaded file is kept in a temporary folder in the app's home, which is always removed. Gradio's own upload stays
closed: whatever it accepts, Gradio would serve again on every page.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from starlette.requests import ClientDisconnect

from m1app.access.service import AdminAccess
from m1app.bootstrap import Services
from m1app.errors import AppError
from m1app.scratch_folder import scratch_folder
from m1app.ui.admin.login import ADMIN, is_admitted
from m1app.ui.admin.question_sets_view import overlaps_value, report_value
from m1app.ui.admin.training_data_tab import carried_out
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.downloads import attachment, found

MAX_UPLOAD_BYTES = 512 * 1024 * 1024
_LOG_LINES = 100_000
_Text = Annotated[str, Query(max_length=200)]
_Form = Annotated[str, Query(max_length=2000)]


def add_admin_files(app: FastAPI, services: Services, access: AdminAccess) -> None:
    """`POST /admin/question-sets`, `/overlaps`, `/training-data`; `/admin/jobs/ID/artifacts/NAME`, `.../log.txt`."""

    def admitted(request: Request) -> None:
        if not is_admitted(access, request):
            raise HTTPException(401, "Log in at /admin/login first.")

    router = APIRouter(prefix=ADMIN, dependencies=[Depends(admitted)])
    _add_uploads(router, services)
    _add_downloads(router, services)
    app.include_router(router)


def _add_uploads(router: APIRouter, services: Services) -> None:
    sets = services.question_sets

    @router.post("/question-sets")
    async def import_set(request: Request, file: _Text = "", name: _Text = "", layout: _Text = "") -> Response:
        async def use(path: Path) -> Any:
            return report_value(await sets.import_file(path, name=name.strip(), layout=layout))

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
    """What `use` makes of the file in the request, as JSON; the file is gone afterwards."""
    try:
        async with scratch_folder("upload-", home) as folder:
            path = folder / _file_name(name)
            await _receive(request, path)
            return JSONResponse(await use(path))
    except ClientDisconnect:
        return Response(status_code=400)
    except HTTPException as exc:
        return JSONResponse({"error": exc.detail}, status_code=exc.status_code)
    except Exception as exc:  # noqa: BLE001 - the UI boundary
        return JSONResponse({"error": message_of(exc)}, status_code=422)


def _add_downloads(router: APIRouter, services: Services) -> None:
    @router.get("/jobs/{job_id}/artifacts/{name:path}")
    async def artifact(job_id: str, name: str) -> Response:
        try:
            path = await asyncio.to_thread(services.jobs.artifact, job_id, name)
        except AppError as exc:
            raise HTTPException(404, str(exc)) from exc
        return FileResponse(path, filename=path.name, media_type="application/octet-stream")

    @router.get("/jobs/{job_id}/log.txt")
    async def log(job_id: str) -> Response:
        text = await found(lambda: services.jobs.log_tail(job_id, lines=_LOG_LINES))
        return attachment(text, "text/plain; charset=utf-8", f"m1-job-{job_id}.log")


async def _receive(request: Request, path: Path) -> None:
    """Write the request's body to `path`; raises HTTPException for one that is too large, or empty."""
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
    """The name that the file had, without what would lead out of a folder: sets are named after it."""
    name = re.sub(r"[^\w.() -]", "_", given.replace("\\", "/").rpartition("/")[2])[-120:].strip(". ")
    return name or "questions"
