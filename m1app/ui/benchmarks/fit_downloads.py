"""Downloads of what was fitted to a run, and of policies made from it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from fastapi import FastAPI, HTTPException, Request, Response

from m1app.benchmark.fit_table import fits_csv_file, fits_json_file
from m1app.bootstrap import Services
from m1app.errors import AppError
from m1app.file_names import download_name
from m1app.ui.benchmarks.fits_view import gain_of, pass_choice_of
from m1app.ui.benchmarks.policy_view import policy_request_of
from m1app.ui.shell.downloads import attachment, found

_T = TypeVar("_T")


def add_fit_downloads(app: FastAPI, services: Services) -> None:
    """`/benchmark-runs/ID/fits.csv`, `.json`, and `/benchmark-runs/ID/policy.json`."""
    reading, audit = services.benchmark_reading, services.access.audit

    @app.get("/benchmark-runs/{run_id}/fits.{ending}")
    async def download_fits(run_id: str, ending: Literal["csv", "json"], request: Request) -> Response:
        values = request.query_params
        run = await found(lambda: reading.get(run_id))
        fits = await _told(lambda: services.fit_reading.fits(pass_choice_of(run_id, values), gain_of(values)))
        audit.note_soon("benchmark_run.download", run_id, format=f"fits.{ending}")
        is_csv = ending == "csv"
        encode, kind = (fits_csv_file, "text/csv; charset=utf-8") if is_csv else (fits_json_file, "application/json")
        file_name = download_name(ending, run.created_at, "fits", run.name, of=run.id)
        return attachment(await asyncio.to_thread(encode, fits), kind, file_name)

    @app.get("/benchmark-runs/{run_id}/policy.json")
    async def download_policy(run_id: str, request: Request) -> Response:
        values = request.query_params
        run = await found(lambda: reading.get(run_id))
        made = await _told(lambda: services.policy_making.make(policy_request_of(run_id, values)))
        audit.note_soon("benchmark_run.download", run_id, format="policy.json")
        file_name = download_name("json", run.created_at, "policy", run.name, of=run.id)
        return attachment(made.policy.to_json(), "application/json", file_name)


async def _told(read: Callable[[], Awaitable[_T]]) -> _T:
    """As `found`; what the run cannot answer becomes a 400 with its message."""
    try:
        return await found(read)
    except AppError as exc:
        raise HTTPException(400, str(exc)) from exc
