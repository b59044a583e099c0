"""Downloads of benchmark runs, and the chart library."""

import asyncio
from typing import Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse

from m1app.benchmark.descriptions import run_name
from m1app.benchmark.report import plotly_program, report_of
from m1app.benchmark.results_export import STRATEGY_COLUMNS, csv_parts, parquet_parts
from m1app.benchmark.tags_export import tags_csv, tags_json
from m1app.bootstrap import Services
from m1app.file_names import download_name
from m1app.ui.benchmarks.query import rule_of, tag_filter_of
from m1app.ui.shell.downloads import attachment, found, streamed

_HOUR_SECONDS = 3600


def add_benchmark_downloads(app: FastAPI, services: Services) -> None:
    """`/benchmark-runs/ID.csv`, `.parquet`, `.html`, `/benchmark-runs/ID/tags.csv`, `.json`,
    `/benchmark-runs/ID/strategies.csv`, and `/plotly.min.js`."""
    reading, audit = services.benchmark_reading, services.access.audit

    async def name(run_id: str, ending: str) -> str:
        run = await found(lambda: reading.get(run_id))
        return download_name(ending, run.created_at, "benchmark", run_name(run), of=run.id)

    @app.get("/benchmark-runs/{run_id}.csv")
    async def download_csv(run_id: str) -> Response:
        parts = csv_parts(reading.rows(run_id))
        answer = await streamed(parts, "text/csv; charset=utf-8", await name(run_id, "csv"))
        audit.note_soon("benchmark_run.download", run_id, format="csv")
        return answer

    @app.get("/benchmark-runs/{run_id}.parquet")
    async def download_parquet(run_id: str) -> Response:
        parts = parquet_parts(reading.rows(run_id))
        answer = await streamed(parts, "application/vnd.apache.parquet", await name(run_id, "parquet"))
        audit.note_soon("benchmark_run.download", run_id, format="parquet")
        return answer

    @app.get("/benchmark-runs/{run_id}.html")
    async def download_report(run_id: str) -> Response:
        report = await found(lambda: report_of(run_id, reading, services.sweeps, services.strategy_reading))
        audit.note_soon("benchmark_run.download", run_id, format="html")
        return attachment(report.encode(), "text/html; charset=utf-8", await name(run_id, "html"))

    @app.get("/benchmark-runs/{run_id}/tags.{ending}")
    async def download_tags(run_id: str, ending: Literal["csv", "json"], request: Request) -> Response:
        values = request.query_params
        rule = rule_of(values)
        page = await found(lambda: reading.tags(run_id, tag_filter_of(values), rule=rule))
        audit.note_soon("benchmark_run.download", run_id, format=f"tags.{ending}")
        encode, kind = (tags_csv, "text/csv; charset=utf-8") if ending == "csv" else (tags_json, "application/json")
        run = await found(lambda: reading.get(run_id))
        file_name = download_name(ending, run.created_at, "benchmark by tag", run_name(run), of=run.id)
        return attachment(await asyncio.to_thread(encode, page, rule), kind, file_name)

    @app.get("/benchmark-runs/{run_id}/strategies.csv")
    async def download_strategies(run_id: str) -> Response:
        run = await found(lambda: reading.get(run_id))
        parts = csv_parts(services.strategy_reading.rows(run_id), STRATEGY_COLUMNS)
        file_name = download_name("csv", run.created_at, "benchmark strategies", run_name(run), of=run.id)
        answer = await streamed(parts, "text/csv; charset=utf-8", file_name)
        audit.note_soon("benchmark_run.download", run_id, format="strategies.csv")
        return answer

    @app.get("/plotly.min.js")
    async def charts_program() -> Response:
        headers = {"Cache-Control": f"max-age={_HOUR_SECONDS}"}
        return FileResponse(plotly_program(), media_type="text/javascript", headers=headers)
