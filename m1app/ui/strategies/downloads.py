"""Downloads of runs of strategies, the text of one request, and the pages that describe the strategies."""

import asyncio
import json

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from m1app.bootstrap import Services
from m1app.fact_tests.errors import FactTestRefused
from m1app.file_names import download_name, slug
from m1app.runs.strategy_export import strategy_run_csv, strategy_run_json
from m1app.runs.strategy_markdown import strategy_markdown
from m1app.runs.strategy_snapshots import StrategyRunSnapshot
from m1app.ui.shell.downloads import attachment, found
from m1app.ui.strategies.choice_view import docs_of
from m1app.ui.strategies.run_view import request_value
from m1app.wording import counted


def add_strategy_downloads(app: FastAPI, services: Services) -> None:
    """`/strategy-runs/ID.json`, `.csv` and `.md`, `/strategy-runs/ID/PLACE/POSITION`, and `/strategy-docs/NAME`."""

    async def read(run_id: str) -> StrategyRunSnapshot:
        try:
            await services.fact_tests.require_readable(run_id)
        except FactTestRefused as exc:
            raise HTTPException(403, str(exc)) from exc
        return await found(lambda: services.strategies.get(run_id))

    @app.get("/strategy-runs/{run_id}.json")
    async def download_json(run_id: str) -> Response:
        run = await read(run_id)
        services.access.audit.note_soon("strategies.download", run_id, format="json")
        return attachment(await asyncio.to_thread(_json, run), "application/json", _name(run, "json"))

    @app.get("/strategy-runs/{run_id}.csv")
    async def download_csv(run_id: str) -> Response:
        run = await read(run_id)
        services.access.audit.note_soon("strategies.download", run_id, format="csv")
        text = await asyncio.to_thread(strategy_run_csv, run)
        return attachment(text, "text/csv; charset=utf-8", _name(run, "csv"))

    @app.get("/strategy-runs/{run_id}.md")
    async def download_markdown(run_id: str) -> Response:
        run = await read(run_id)
        services.access.audit.note_soon("strategies.download", run_id, format="md")
        text = await asyncio.to_thread(strategy_markdown, run)
        return attachment(text, "text/markdown; charset=utf-8", _name(run, "md"))

    @app.get("/strategy-runs/{run_id}/{place}/{position}")
    async def read_request(run_id: str, place: int, position: int) -> Response:
        run = await read(run_id)
        value = request_value(run, place, position)
        if value is None:
            raise HTTPException(404, "This run does not have that request. Reload the page.")
        return JSONResponse(value)

    @app.get("/strategy-docs/{name}")
    async def describe(name: str) -> Response:
        page = docs_of(name)
        if page is None:
            raise HTTPException(404, "There is no page about this strategy.")
        return PlainTextResponse(await asyncio.to_thread(page.read_text, encoding="utf-8"))


def _name(snapshot: StrategyRunSnapshot, ending: str) -> str:
    """As "2026-11-30 3 strategies m1-7B 2048 tokens wrist-drop 3f9a2c71.csv"."""
    run = snapshot.run
    several = counted(len(run.choices), "strategy", "strategies")
    parts = (several, run.model, f"{run.budget_tokens} tokens", slug(run.question.stem))
    return download_name(ending, run.created_at, *parts, of=run.id)


def _json(run: StrategyRunSnapshot) -> str:
    return json.dumps(strategy_run_json(run), ensure_ascii=False, indent=2)
