"""A server that is restarted with another model at the same address: what it then generates goes nowhere."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from models.engine import client as client_module
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.pinned import PinnedEngine
from models.engine.protocol import CompletionRequest
from models.errors import ModelNotServed
from tests.models.engine.scripted_server import Script, chunk, serving, stream

REQUEST = CompletionRequest((65, 66), 8)


def entry(name: str, owner: str = "vllm", **more: Any) -> dict[str, Any]:
    return {"id": name, "owned_by": owner, "max_model_len": 4096, "root": f"org/{name}"} | more


async def run(engine: Any) -> list[int]:
    async with aclosing(engine.stream(REQUEST)) as chunks:
        return [token async for each in chunks for token in each.token_ids]


@pytest.fixture
async def script(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Script]:
    monkeypatch.setattr(client_module, "_INFO_SECONDS", -1.0)
    with serving(Script(stream(chunk("a", [97], "stop")), models=[entry("m1")])) as served:
        yield served


@pytest.mark.parametrize("name", ["m1", None])
@pytest.mark.parametrize("later", [entry("other"), entry("m1", root="org/other"), entry("m1", max_model_len=512)])
async def test_a_run_does_not_go_on_with_another_model(script: Script, name: str | None, later: dict[str, Any]) -> None:
    engine = OpenAIEngine(lambda: Endpoint(script.url, ""), name)
    pinned = PinnedEngine(engine, await engine.describe())
    assert await run(pinned) == [97]
    script.models = [later]
    asked = len(script.completions)
    with pytest.raises(ModelNotServed, match=r"restarted with another model|does not serve 'm1'"):
        await run(pinned)
    assert len(script.completions) == asked
    await engine.aclose()


async def test_the_same_model_again_is_the_same_run(script: Script) -> None:
    engine = OpenAIEngine(lambda: Endpoint(script.url, ""), "m1")
    pinned = PinnedEngine(engine, await engine.describe())
    script.models = [entry("m1")]
    assert await run(pinned) == [97]
    await engine.aclose()


async def test_texts_are_tokenized_again_for_the_model_that_is_there_now(script: Script) -> None:
    engine = OpenAIEngine(lambda: Endpoint(script.url, ""))
    for model in ("m1", "other"):
        script.models = [entry(model)]
        await engine.tokenize("ab", parse_special=False)
    assert [body["model"] for path, body in script.requests if body.get("prompt") == "ab"] == ["m1", "other"]
    await engine.aclose()


async def test_llama_cpp_that_answers_as_another_model_is_refused() -> None:
    event = {**chunk("a", [97], "stop"), "model": "other"}
    with serving(Script(stream(event), owned_by="llamacpp", models=[entry("m1", "llamacpp")])) as served:
        engine = OpenAIEngine(lambda: Endpoint(served.url, ""), "m1")
        with pytest.raises(ModelNotServed, match=r"answers as 'other', not as 'm1'. Nothing was kept"):
            await run(engine)
        await engine.aclose()


async def test_texts_of_single_tokens_are_remembered_while_the_model_is_the_same(script: Script) -> None:
    engine = OpenAIEngine(lambda: Endpoint(script.url, ""))
    for model in ("m1", "m1", "other"):
        script.models = [entry(model)]
        assert await engine.detokenize([97]) == "a"
    assert await engine.detokenize([97, 98]) == "ab"
    asked = [(body["model"], body["tokens"]) for path, body in script.requests if path == "/detokenize"]
    assert asked == [("m1", [97]), ("other", [97]), ("other", [97, 98])]
    await engine.aclose()
