"""Downloads of fact tests, and what their arms wrote with one seed."""

import asyncio
import json

from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import JSONResponse

from m1app.bootstrap import Services
from m1app.fact_tests.errors import FactTestRefused
from m1app.fact_tests.export import fact_test_csv, fact_test_json
from m1app.fact_tests.service import FactTestSnapshot
from m1app.file_names import download_name, slug
from m1app.ui.facts.fact_view import texts_value
from m1app.ui.shell.downloads import attachment, found


def add_fact_downloads(app: FastAPI, services: Services) -> None:
    """`/fact-tests/ID.json`, `/fact-tests/ID.csv` and `/fact-tests/ID/NUMBER`."""

    async def read(run_id: str) -> FactTestSnapshot:
        try:
            return await found(lambda: services.fact_tests.get(run_id))
        except FactTestRefused as exc:
            raise HTTPException(403, str(exc)) from exc

    @app.get("/fact-tests/{run_id}.json")
    async def download_json(run_id: str) -> Response:
        test = await read(run_id)
        services.access.audit.note_soon("fact_test.download", run_id, format="json")
        text = await asyncio.to_thread(lambda: json.dumps(fact_test_json(test), ensure_ascii=False, indent=2))
        return attachment(text, "application/json", _name(test, "json"))

    @app.get("/fact-tests/{run_id}.csv")
    async def download_csv(run_id: str) -> Response:
        test = await read(run_id)
        services.access.audit.note_soon("fact_test.download", run_id, format="csv")
        return attachment(await asyncio.to_thread(fact_test_csv, test), "text/csv; charset=utf-8", _name(test, "csv"))

    @app.get("/fact-tests/{run_id}/{number}")
    async def read_texts(run_id: str, number: int) -> Response:
        value = texts_value(await read(run_id), number)
        if value is None:
            raise HTTPException(404, "This test does not have that seed. Open the test to see its seeds.")
        return JSONResponse(value)


def _name(test: FactTestSnapshot, ending: str) -> str:
    """As "2026-11-30 fact test m1-7B wrist-drop 3f9a2c71.csv"."""
    run = test.run.run
    return download_name(ending, run.created_at, "fact test", run.model, slug(run.question.stem), of=run.id)
