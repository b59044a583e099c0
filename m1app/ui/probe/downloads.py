"""Downloads of traces."""

import asyncio
import json

from fastapi import FastAPI, Response

from m1app.bootstrap import Services
from m1app.file_names import download_name, slug
from m1app.publishing.single_file import trace_html
from m1app.runs.trace_export import trace_json
from m1app.runs.trace_markdown import trace_markdown
from m1app.ui.shell.downloads import attachment, found
from m1app.wording import counted
from storage.branches.records import Branch
from storage.traces.records import Trace


def add_trace_downloads(app: FastAPI, services: Services) -> None:
    """`/traces/ID.json`, `/traces/ID.md` and `/traces/ID.html`."""

    @app.get("/traces/{trace_id}.json")
    async def download_json(trace_id: str) -> Response:
        trace = await found(lambda: services.probe.get(trace_id))
        branch = await services.branches.find(trace_id)
        services.access.audit.note_soon("trace.download", trace_id, format="json")
        return attachment(await asyncio.to_thread(_json, trace, branch), "application/json", _name(trace, "json"))

    @app.get("/traces/{trace_id}.md")
    async def download_markdown(trace_id: str) -> Response:
        trace = await found(lambda: services.probe.get(trace_id))
        services.access.audit.note_soon("trace.download", trace_id, format="md")
        text = await asyncio.to_thread(trace_markdown, trace)
        return attachment(text, "text/markdown; charset=utf-8", _name(trace, "md"))

    @app.get("/traces/{trace_id}.html")
    async def download_html(trace_id: str) -> Response:
        trace = await found(lambda: services.probe.get(trace_id))
        services.access.audit.note_soon("trace.download", trace_id, format="html")
        text = await asyncio.to_thread(trace_html, trace)
        return attachment(text, "text/html; charset=utf-8", _name(trace, "html"))


def _name(trace: Trace, ending: str) -> str:
    """As "2026-11-30 m1-7B 1024 tokens wrist-drop 3f9a2c71.md"."""
    rounds = counted(trace.force_rounds, "round") if trace.force_rounds else ""
    called = slug(trace.name or trace.question.stem)
    parts = (trace.model, f"{trace.thinking_budget_tokens} tokens", rounds, called)
    return download_name(ending, trace.created_at, *parts, of=trace.id)


def _json(trace: Trace, branch: Branch | None) -> str:
    return json.dumps(trace_json(trace, branch), ensure_ascii=False, indent=2)
