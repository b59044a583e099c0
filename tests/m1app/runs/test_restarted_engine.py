"""A server that is restarted with another model during a run: what that model says is stored nowhere."""

from contextlib import aclosing
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from m1app.bootstrap import build_services
from m1app.runs.probe_request import ProbeRequest
from m1app.settings import Settings
from models.engine import client as client_module
from storage.traces.records import Trace, TraceState
from storage.traces.repository import TraceRepository
from tests.models.engine.scripted_server import Respond, Script, chunk, serving, stream

pytestmark = pytest.mark.usefixtures("no_settings")


def entry(name: str, owner: str) -> dict[str, Any]:
    return {"id": name, "owned_by": owner, "max_model_len": 4096, "root": f"org/{name}", "meta": {"n_ctx": 4096}}


async def probed(home: Path, script: Script, completion: Respond) -> Trace:
    script.completion = completion
    with serving(script):
        services = build_services(Settings(home=home, engine_url=script.url))
        try:
            request = ProbeRequest(
                stem="Which vitamin?", thinking_budget_tokens=40, answer_cap_tokens=8, profile="plain-chatml"
            )
            started = await services.probe.start(request)
            async with aclosing(services.probe.follow(started.id)) as snapshots:
                async for _ in snapshots:
                    pass
            return await services.database.read(lambda s: TraceRepository(s).get(started.id))
        finally:
            await services.aclose()


async def test_a_run_ends_when_the_server_has_another_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "_INFO_SECONDS", -1.0)
    script = Script(stream(), models=[entry("m1", "vllm")])

    def restart_while_thinking(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        script.models = [entry("other", "vllm")]  # Before its last word: the app may ask again as soon as it has that.
        stream(chunk("thought", [7], "stop"))(handler, body)

    trace = await probed(tmp_path, script, restart_while_thinking)
    assert (trace.state, trace.model) == (TraceState.FAILED, "m1")
    assert "restarted with another model" in trace.error
    assert "org/other" in trace.error
    assert trace.answer_text == ""
    assert len(script.completions) == 1


async def test_what_llama_cpp_says_as_another_model_is_not_kept(tmp_path: Path) -> None:
    script = Script(stream(), owned_by="llamacpp", models=[entry("m1", "llamacpp")])
    calls = []

    def answer(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
        calls.append(body)
        name = "m1" if len(calls) == 1 else "other"
        stream({**chunk("thought", [7], "stop"), "model": name})(handler, body)

    trace = await probed(tmp_path, script, answer)
    assert (trace.state, trace.model) == (TraceState.FAILED, "m1")
    assert "answers as 'other', not as 'm1'" in trace.error
    assert trace.answer_text == ""
