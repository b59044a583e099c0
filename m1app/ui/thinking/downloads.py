"""Downloads of resamplings."""

import asyncio
import json

from fastapi import FastAPI, Response

from m1app.bootstrap import Services
from m1app.file_names import download_name, slug
from m1app.resampling.export import resampling_csv, resampling_json
from m1app.resampling.service import ResamplingSnapshot
from m1app.ui.shell.downloads import attachment, found


def add_resampling_downloads(app: FastAPI, services: Services) -> None:
    """`/resamplings/ID.json` and `/resamplings/ID.csv`."""

    @app.get("/resamplings/{run_id}.json")
    async def download_json(run_id: str) -> Response:
        read = await found(lambda: services.resampling.get(run_id))
        services.access.audit.note_soon("resampling.download", run_id, format="json")
        text = await asyncio.to_thread(lambda: json.dumps(resampling_json(read), ensure_ascii=False, indent=2))
        return attachment(text, "application/json", _name(read, "json"))

    @app.get("/resamplings/{run_id}.csv")
    async def download_csv(run_id: str) -> Response:
        read = await found(lambda: services.resampling.get(run_id))
        services.access.audit.note_soon("resampling.download", run_id, format="csv")
        return attachment(await asyncio.to_thread(resampling_csv, read), "text/csv; charset=utf-8", _name(read, "csv"))


def _name(resampled: ResamplingSnapshot, ending: str) -> str:
    """As "2026-11-30 resampling m1-7B wrist-drop 3f9a2c71.csv"."""
    run = resampled.run.run
    return download_name(ending, run.created_at, "resampling", run.model, slug(run.question.stem), of=run.id)
