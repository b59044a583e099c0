"""Downloads of all annotations."""

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse

from m1app.annotation.exchange import ExportFormat
from m1app.bootstrap import Services
from storage.errors import StorageError

_TYPES = {
    ExportFormat.JSONL: ("annotations.jsonl", "application/jsonl"),
    ExportFormat.CSV: ("annotations.csv", "text/csv"),
    ExportFormat.CORRECTED: ("annotations-corrected.jsonl", "application/jsonl"),
}


def add_annotation_downloads(app: FastAPI, services: Services) -> None:
    """`/annotations.jsonl`, `/annotations.csv` and `/annotations-corrected.jsonl`."""
    for wanted, (name, media_type) in _TYPES.items():
        app.get(f"/{name}")(_download(services, wanted, name, media_type))


def _download(services: Services, wanted: ExportFormat, name: str, media_type: str):  # type: ignore[no-untyped-def]
    async def download() -> Response:
        try:
            text = await services.exchange.export(wanted)
        except StorageError as exc:
            return JSONResponse({"error": str(exc)}, status_code=503)
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        # Without this mark, spreadsheets assume the local 8-bit encoding.
        content = ("\ufeff" if wanted is ExportFormat.CSV else "") + text
        return Response(content, media_type=f"{media_type}; charset=utf-8", headers=headers)

    return download
