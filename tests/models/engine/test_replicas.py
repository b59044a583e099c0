"""Several servers of one model: questions are spread, stay where they are, and move when a server is gone."""

import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest

from models.engine import replicas as replicas_module
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.protocol import CompletionRequest
from models.engine.replicas import Replicas
from models.errors import BadEngineResponse, EngineUnreachable
from tests.models.engine.scripted_server import MODEL, Script, chunk, serving, stream

GOOD = stream(chunk("a", [1]), chunk("b", [2], "stop"))


def nowhere() -> str:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{taken.getsockname()[1]}"


@asynccontextmanager
async def replicas_of(*urls: str) -> AsyncIterator[Replicas]:
    def client(url: str) -> OpenAIEngine:
        return OpenAIEngine(lambda: Endpoint(url), max_attempts=1)

    made = Replicas({url: client(url) for url in urls})
    try:
        yield made
    finally:
        await made.aclose()


async def generated(engine: Any) -> str:
    return "".join([each.text async for each in engine.stream(CompletionRequest((5,), 4))])


async def test_questions_are_spread_and_each_keeps_its_server() -> None:
    with serving(Script(GOOD)) as first, serving(Script(GOOD)) as second:
        async with replicas_of(first.url, second.url) as replicas:
            assert replicas.count == 2
            engines = [await replicas.for_question() for _ in range(6)]
            for engine in engines:
                assert await generated(engine) == "ab"
                assert await generated(engine) == "ab"
    assert (len(first.completions), len(second.completions)) == (6, 6)


async def test_a_server_that_is_gone_gets_no_question_until_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicas_module, "_CHECKED_SECONDS", 0.0)
    with serving(Script(GOOD)) as first, ExitStack() as second_runs:
        second = second_runs.enter_context(serving(Script(GOOD)))
        async with replicas_of(first.url, second.url) as replicas:
            assert await replicas.describe() == await replicas.describe()
            second_runs.close()
            assert len({id(await replicas.for_question()) for _ in range(4)}) == 1
            assert await replicas.served_models() == (MODEL,)
            assert await replicas.tokenize("ab", parse_special=True) == (97, 98)
            assert await generated(replicas) == "ab"


async def test_if_none_answers_all_are_named() -> None:
    one, two = nowhere(), nowhere()
    async with replicas_of(one, two) as replicas:
        with pytest.raises(EngineUnreachable, match=f"None of the 2 servers is responding \\({one}, {two}\\)"):
            await replicas.for_question()
        with pytest.raises(EngineUnreachable):
            await replicas.describe()


@pytest.mark.parametrize("other", [{"root": "org/other"}, {"max_model_len": 8}, {"owned_by": "sglang"}])
async def test_servers_that_are_not_alike_are_refused(other: dict[str, Any]) -> None:
    own = {"id": MODEL, "owned_by": "vllm", "max_model_len": 4096, "root": "org/m"}
    with serving(Script(GOOD)) as first, serving(Script(GOOD, models=[own | other])) as second:
        async with replicas_of(first.url, second.url) as replicas:
            with pytest.raises(BadEngineResponse, match=r"do not match.*M1_MORE_ENGINE_URLS"):
                await replicas.for_question()
            with pytest.raises(BadEngineResponse):
                await replicas.describe()
