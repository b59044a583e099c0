"""Downloads of all annotations."""

from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import FastAPI, Response

from m1app.annotation.exchange import ExportFormat
from m1app.bootstrap import Services
from m1app.file_names import download_name
from m1app.ui.shell.downloads import streamed

_TYPES = {
    ExportFormat.JSONL: ("annotations.jsonl", "application/jsonl"),
    ExportFormat.CSV: ("annotations.csv", "text/csv"),
    ExportFormat.CORRECTED: ("annotations-corrected.jsonl", "application/jsonl"),
}


def add_annotation_downloads(app: FastAPI, services: Services) -> None:
    """`/annotations.jsonl`, `/annotations.csv` and `/annotations-corrected.jsonl`."""
    for wanted, (name, media_type) in _TYPES.items():
        app.get(f"/{name}")(_download(services, wanted, name, f"{media_type}; charset=utf-8"))


def _download(
    services: Services, wanted: ExportFormat, name: str, media_type: str
) -> Callable[[], Awaitable[Response]]:
    async def download() -> Response:
        what, _, ending = name.partition(".")
        return await streamed(_parts(services, wanted), media_type, download_name(ending, None, what))

    return download


async def _parts(services: Services, wanted: ExportFormat) -> AsyncIterator[bytes]:
    # Without this mark, spreadsheets assume the local 8-bit encoding.
    mark = "\ufeff" if wanted is ExportFormat.CSV else ""
    async for part in services.exchange.export(wanted):
        yield (mark + part).encode()
        mark = ""
