"""Downloads of benchmark runs, and the chart library."""

import asyncio
import io
from typing import TYPE_CHECKING

from fastapi import FastAPI, Response
from fastapi.responses import FileResponse

from m1app.benchmark.report import plotly_program, report_of
from m1app.bootstrap import Services
from m1app.spreadsheet import harmless
from m1app.ui.shell.downloads import attachment, found

if TYPE_CHECKING:
    import pandas as pd

_HOUR_SECONDS = 3600


def add_benchmark_downloads(app: FastAPI, services: Services) -> None:
    """`/benchmark-runs/ID.csv`, `.parquet` and `.html`, and `/plotly.min.js`."""
    reading = services.benchmark_reading

    @app.get("/benchmark-runs/{run_id}.csv")
    async def download_csv(run_id: str) -> Response:
        table = await found(lambda: reading.table(run_id))
        # Without this mark, spreadsheets assume the local 8-bit encoding.
        content = "\ufeff" + await asyncio.to_thread(_csv, table)
        return attachment(content.encode(), "text/csv; charset=utf-8", f"m1-benchmark-{run_id}.csv")

    @app.get("/benchmark-runs/{run_id}.parquet")
    async def download_parquet(run_id: str) -> Response:
        table = await found(lambda: reading.table(run_id))
        content = await asyncio.to_thread(_parquet, table)
        return attachment(content, "application/vnd.apache.parquet", f"m1-benchmark-{run_id}.parquet")

    @app.get("/benchmark-runs/{run_id}.html")
    async def download_report(run_id: str) -> Response:
        report = await found(lambda: report_of(run_id, reading, services.sweeps))
        return attachment(report.encode(), "text/html; charset=utf-8", f"m1-benchmark-{run_id}.html")

    @app.get("/plotly.min.js")
    async def charts_program() -> Response:
        headers = {"Cache-Control": f"max-age={_HOUR_SECONDS}"}
        return FileResponse(plotly_program(), media_type="text/javascript", headers=headers)


def _csv(table: "pd.DataFrame") -> str:
    texts = table.select_dtypes(include=["object", "str"]).columns
    quoted = table.assign(**{name: table[name].map(harmless) for name in texts})
    return str(quoted.to_csv(index=False, lineterminator="\r\n"))


def _parquet(table: "pd.DataFrame") -> bytes:
    made = io.BytesIO()
    table.to_parquet(made, index=False)
    return made.getvalue()
