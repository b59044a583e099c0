"""Downloads of sweeps."""

import asyncio
import json

from fastapi import FastAPI, Response

from m1app.bootstrap import Services
from m1app.runs.sweep_export import sweep_csv, sweep_json
from m1app.runs.sweep_reading import SweepSnapshot
from m1app.ui.shell.downloads import attachment, found


def add_sweep_downloads(app: FastAPI, services: Services) -> None:
    """`/sweeps/ID.json` and `/sweeps/ID.csv`."""

    @app.get("/sweeps/{sweep_id}.json")
    async def download_json(sweep_id: str) -> Response:
        sweep = await found(lambda: services.sweeps.get(sweep_id))
        services.access.audit.note_soon("sweep.download", sweep_id, format="json")
        return attachment(await asyncio.to_thread(_json, sweep), "application/json", f"m1-sweep-{sweep_id}.json")

    @app.get("/sweeps/{sweep_id}.csv")
    async def download_csv(sweep_id: str) -> Response:
        sweep = await found(lambda: services.sweeps.get(sweep_id))
        services.access.audit.note_soon("sweep.download", sweep_id, format="csv")
        text = await asyncio.to_thread(sweep_csv, sweep)
        return attachment(text, "text/csv; charset=utf-8", f"m1-sweep-{sweep_id}.csv")


def _json(sweep: SweepSnapshot) -> str:
    return json.dumps(sweep_json(sweep), ensure_ascii=False, indent=2)
