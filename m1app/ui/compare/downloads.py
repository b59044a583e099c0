"""Downloads of sweeps."""

import asyncio
import json

from fastapi import FastAPI, Response

from m1app.bootstrap import Services
from m1app.file_names import download_name, slug
from m1app.publishing.single_file import sweep_html
from m1app.runs.sweep_export import sweep_csv, sweep_json
from m1app.runs.sweep_markdown import sweep_markdown
from m1app.runs.sweep_reading import SweepSnapshot
from m1app.ui.shell.downloads import attachment, found


def add_sweep_downloads(app: FastAPI, services: Services) -> None:
    """`/sweeps/ID.json`, `/sweeps/ID.csv`, `/sweeps/ID.md` and `/sweeps/ID.html`."""

    @app.get("/sweeps/{sweep_id}.json")
    async def download_json(sweep_id: str) -> Response:
        sweep = await found(lambda: services.sweeps.get(sweep_id))
        services.access.audit.note_soon("sweep.download", sweep_id, format="json")
        return attachment(await asyncio.to_thread(_json, sweep), "application/json", _name(sweep, "json"))

    @app.get("/sweeps/{sweep_id}.csv")
    async def download_csv(sweep_id: str) -> Response:
        sweep = await found(lambda: services.sweeps.get(sweep_id))
        services.access.audit.note_soon("sweep.download", sweep_id, format="csv")
        text = await asyncio.to_thread(sweep_csv, sweep)
        return attachment(text, "text/csv; charset=utf-8", _name(sweep, "csv"))

    @app.get("/sweeps/{sweep_id}.md")
    async def download_markdown(sweep_id: str) -> Response:
        sweep = await found(lambda: services.sweeps.get(sweep_id))
        services.access.audit.note_soon("sweep.download", sweep_id, format="md")
        text = await asyncio.to_thread(sweep_markdown, sweep)
        return attachment(text, "text/markdown; charset=utf-8", _name(sweep, "md"))

    @app.get("/sweeps/{sweep_id}.html")
    async def download_html(sweep_id: str) -> Response:
        sweep = await found(lambda: services.sweeps.get(sweep_id))
        services.access.audit.note_soon("sweep.download", sweep_id, format="html")
        text = await asyncio.to_thread(sweep_html, sweep)
        return attachment(text, "text/html; charset=utf-8", _name(sweep, "html"))


def _name(snapshot: SweepSnapshot, ending: str) -> str:
    """As "2026-11-30 sweep m1-7B wrist-drop 3f9a2c71.csv"."""
    sweep = snapshot.sweep
    models = sweep.models[0] if len(sweep.models) == 1 else f"{len(sweep.models)} models"
    return download_name(
        ending, sweep.created_at, "sweep", models, slug(sweep.name or sweep.question.stem), of=sweep.id
    )


def _json(sweep: SweepSnapshot) -> str:
    return json.dumps(sweep_json(sweep), ensure_ascii=False, indent=2)
