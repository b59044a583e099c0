"""Downloads of traces."""

import asyncio
import json

from fastapi import FastAPI, Response

from m1app.bootstrap import Services
from m1app.runs.trace_export import trace_json, trace_markdown
from m1app.ui.shell.downloads import attachment, found
from storage.traces.records import Trace


def add_trace_downloads(app: FastAPI, services: Services) -> None:
    """`/traces/ID.json` and `/traces/ID.md`."""

    @app.get("/traces/{trace_id}.json")
    async def download_json(trace_id: str) -> Response:
        trace = await found(lambda: services.probe.get(trace_id))
        services.access.audit.note_soon("trace.download", trace_id, format="json")
        return attachment(await asyncio.to_thread(_json, trace), "application/json", f"m1-trace-{trace_id}.json")

    @app.get("/traces/{trace_id}.md")
    async def download_markdown(trace_id: str) -> Response:
        trace = await found(lambda: services.probe.get(trace_id))
        services.access.audit.note_soon("trace.download", trace_id, format="md")
        text = await asyncio.to_thread(trace_markdown, trace)
        return attachment(text, "text/markdown; charset=utf-8", f"m1-trace-{trace_id}.md")


def _json(trace: Trace) -> str:
    return json.dumps(trace_json(trace), ensure_ascii=False, indent=2)
