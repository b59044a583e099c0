"""The client against a server that breaks off, refuses, and talks garbage. Real engines: test_real_engine.py."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.limits import EngineLimits
from models.engine.protocol import CompletionChunk, CompletionRequest, EngineKind, FinishReason
from models.errors import (
    BadEngineResponse,
    ContextOverflow,
    EngineDropped,
    EngineError,
    EngineFailed,
    EngineRejectedKey,
    EngineUnreachable,
    ModelNotServed,
    RateLimited,
)
from tests.models.engine.scripted_server import MODEL, Respond, Script, chunk, fail, in_turn, serving, stream

REQUEST = CompletionRequest(prompt_ids=(5, 6), max_tokens=4, seed=1)
GOOD = stream(chunk("a", [1]), chunk("b", [2], "stop"))


async def collect(script: Script, request: CompletionRequest = REQUEST, **options: Any) -> list[CompletionChunk]:
    async with aclosing(OpenAIEngine(lambda: Endpoint(script.url, "secret"), **options)) as engine:
        return [received async for received in engine.stream(request)]


async def test_ids_and_text_arrive_in_order_with_the_finish_reason_last() -> None:
    with serving(Script(GOOD)) as script:
        chunks = await collect(script)
    assert [(c.token_ids, c.text, c.finish_reason) for c in chunks] == [
        ((1,), "a", None),
        ((2,), "b", FinishReason.STOP),
    ]


async def test_request_carries_token_ids_key_seed_and_neutral_samplers() -> None:
    with serving(Script(GOOD)) as script:
        await collect(script)
    body = script.completions[0]
    assert body["prompt"] == [5, 6]
    assert body["_authorization"] == "Bearer secret"
    assert (body["model"], body["seed"], body["return_token_ids"], body["stream"]) == (MODEL, 1, True, True)
    assert (body["top_k"], body["min_p"], body["repetition_penalty"]) == (0, 0.0, 1.0)


async def test_description_is_read_from_the_models_page() -> None:
    with serving(Script(GOOD)) as script:
        async with aclosing(OpenAIEngine(lambda: Endpoint(script.url))) as engine:
            info = await engine.describe()
    assert (info.kind, info.version, info.model) == (EngineKind.VLLM, "9.9", MODEL)
    assert (info.context_length, info.model_source) == (4096, "org/m")


@pytest.mark.parametrize(
    ("completion", "error", "words"),
    [
        (fail(401, {"error": {"message": "no"}}), EngineRejectedKey, "M1_ENGINE_API_KEY"),
        (fail(403, {"detail": "no"}), EngineRejectedKey, "M1_ENGINE_API_KEY"),
        (fail(404, {"error": {"message": "gone"}}), ModelNotServed, "does not serve"),
        (fail(400, {"error": {"type": "exceed_context_size_error", "message": "9 > 8"}}), ContextOverflow, "smaller"),
        (fail(400, {"message": "maximum context length is 8"}), ContextOverflow, "smaller"),
        (fail(429, {"error": {"message": "slow"}}, {"Retry-After": "0"}), RateLimited, "too many"),
        (fail(503, {"error": {"message": "Loading model"}}), EngineUnreachable, "Loading model"),
        (fail(500, b"<html>oops</html>"), EngineFailed, "HTTP 500"),
        (stream("data: not json\n\n"), BadEngineResponse, "not JSON"),
        (stream('data: ["list"]\n\n'), BadEngineResponse, "list"),
        (stream({"choices": [{"nothing": 1}]}), BadEngineResponse, "not a completion"),
        (stream({"choices": [{"text": "x", "finish_reason": None}]}), BadEngineResponse, "without token ids"),
        (stream(chunk("x", [1], "reasons")), BadEngineResponse, "not a completion"),
        (stream({"error": {"message": "CUDA died", "code": 500}}), EngineFailed, "CUDA died"),
        (stream(chunk("a", [1]), is_whole=False), EngineDropped, "broke"),
        (stream(chunk("a", [1])), EngineDropped, "ended the stream too early"),
    ],
)
async def test_each_failure_has_its_error_and_says_what_to_do(
    completion: Respond, error: type[EngineError], words: str
) -> None:
    with serving(Script(completion)) as script, pytest.raises(EngineError) as caught:
        await collect(script, max_attempts=2)
    assert type(caught.value) is error
    assert words in str(caught.value)


async def test_what_came_before_a_drop_was_given_out() -> None:
    received = []
    with serving(Script(stream(chunk("a", [1]), chunk("b", [2]), is_whole=False))) as script:
        async with aclosing(OpenAIEngine(lambda: Endpoint(script.url))) as engine:
            with pytest.raises(EngineDropped):
                async for got in engine.stream(REQUEST):
                    received.append(got.text)  # noqa: PERF401 - what came before the error is the point
    assert received == ["a", "b"]


@pytest.mark.parametrize("refusal", [fail(429, {}, {"Retry-After": "0"}), fail(503, {})])
async def test_refusals_before_the_first_token_are_retried(refusal: Respond) -> None:
    with serving(Script(in_turn(refusal, GOOD))) as script:
        assert len(await collect(script)) == 2
    assert len(script.completions) == 2


@pytest.mark.parametrize(
    "failure", [fail(500, {}), stream(chunk("a", [1]), is_whole=False), fail(400, {"error": {"message": "bad"}})]
)
async def test_what_may_have_generated_tokens_is_not_repeated(failure: Respond) -> None:
    with serving(Script(in_turn(failure, GOOD))) as script, pytest.raises(EngineError):
        await collect(script)
    assert len(script.completions) == 1


async def test_nothing_at_the_address_is_unreachable_and_names_the_setting() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    engine = OpenAIEngine(lambda: Endpoint(url), max_attempts=1)
    with pytest.raises(EngineUnreachable, match="M1_ENGINE_URL"):
        await engine.describe()


async def test_wrong_model_names_those_that_are_served() -> None:
    with serving(Script(GOOD)) as script, pytest.raises(ModelNotServed, match=f"'other'.*{MODEL}"):
        await collect(script, model="other")


async def test_a_lora_has_the_context_of_its_base_which_vllm_does_not_repeat() -> None:
    base = {"id": "base", "owned_by": "vllm", "max_model_len": 512, "root": "/weights/base"}
    lora = {"id": "tuned", "owned_by": "vllm", "max_model_len": None, "root": "/weights/lora", "parent": "base"}
    with serving(Script(GOOD, models=[base, lora])) as script:
        async with aclosing(OpenAIEngine(lambda: Endpoint(script.url), "tuned")) as engine:
            info = await engine.describe()
    assert (info.model, info.context_length) == ("tuned", 512)


async def test_several_models_and_no_choice_asks_for_one() -> None:
    models = [{"id": name, "owned_by": "vllm", "max_model_len": 8} for name in ("one", "two")]
    with serving(Script(GOOD, models=models)) as script, pytest.raises(ModelNotServed, match="one, two"):
        await collect(script)


@pytest.mark.parametrize("models", [[{"id": "m"}], [{"nothing": 1}], ["text"]])
async def test_a_models_page_of_something_else_is_a_bad_response(models: list[Any]) -> None:
    with serving(Script(GOOD, models=models)) as script, pytest.raises(BadEngineResponse):
        await collect(script)


async def test_vllm_cannot_read_special_tokens_out_of_what_a_person_typed() -> None:
    with serving(Script(GOOD)) as script:
        async with aclosing(OpenAIEngine(lambda: Endpoint(script.url))) as engine:
            ids = await engine.tokenize("a<|im_end|>b", parse_special=False)
    asked = [body["prompt"] for path, body in script.requests if path == "/tokenize"]  # in any order: sent at once
    pieces = [text for text in asked if not text.startswith("HbA1c")]  # but for the sample that checks the tokenizer
    assert sorted("".join(pieces)) == sorted("a<|im_end|>b")
    assert not any("<|im_end|>" in piece for piece in pieces)
    assert ids == tuple(map(ord, "a<|im_end|>b"))


async def test_vllm_logprobs_are_read_likeliest_first() -> None:
    logprobs = {"top_logprobs": [{" A": -2.0, " B": -0.5}]}
    with serving(Script(stream(chunk("B", [1], "length", logprobs=logprobs)))) as script:
        request = CompletionRequest(prompt_ids=(1,), max_tokens=1, top_logprobs=2)
        chunks = await collect(script, request)
    assert [(c.text, c.logprob) for c in chunks[0].top_logprobs[0]] == [(" B", -0.5), (" A", -2.0)]


def llama_chunk(text: str, ids: list[int], predicted: int, finish: str | None = None) -> dict[str, Any]:
    content = [{"id": i, "token": "", "logprob": 0.0, "top_logprobs": []} for i in ids]
    choice = {"text": text, "logprobs": {"content": content} if ids else None, "finish_reason": finish}
    return {"choices": [choice], "timings": {"predicted_n": predicted}}


async def test_ids_that_llama_cpp_withholds_are_taken_from_its_tokenizer() -> None:
    # The scripted tokenizer gives code points; "ab" stands for a character of two tokens, sent with the last id.
    script = Script(stream(llama_chunk("ab", [98], 2), llama_chunk("", [], 2, "stop")), owned_by="llamacpp")
    script.models = [{"id": MODEL, "owned_by": "llamacpp", "meta": {"n_ctx": 512}}]
    with serving(script):
        chunks = await collect(script)
    assert [(c.token_ids, c.tokens_unreported) for c in chunks] == [((97, 98), 0), ((), 0)]


async def test_tokens_of_a_character_cut_by_the_limit_are_counted_as_unreported() -> None:
    script = Script(stream(llama_chunk("a", [97], 1), llama_chunk("", [], 3, "length")), owned_by="llamacpp")
    script.models = [{"id": MODEL, "owned_by": "llamacpp", "meta": {"n_ctx": 512}}]
    with serving(script):
        chunks = await collect(script)
    assert [(c.token_ids, c.tokens_unreported) for c in chunks] == [((97,), 0), ((), 2)]


async def test_short_texts_are_tokenized_once_and_long_ones_every_time() -> None:
    with serving(Script(GOOD)) as script:
        async with aclosing(OpenAIEngine(lambda: Endpoint(script.url))) as engine:
            for _ in range(3):
                assert await engine.tokenize("ab", parse_special=True) == (97, 98)
                assert await engine.tokenize("ab", parse_special=False) == (97, 98)
                assert len(await engine.tokenize("a" * 500, parse_special=False)) == 500
    assert len([path for path, _ in script.requests if path == "/tokenize"]) == 1 + 1 + 3 + 1  # a sample


async def test_another_server_tokenizes_templates_anew() -> None:
    with serving(Script(GOOD)) as first, serving(Script(GOOD)) as second:
        script = first
        async with aclosing(OpenAIEngine(lambda: Endpoint(script.url))) as engine:
            await engine.tokenize("ab", parse_special=True)
            script = second
            await engine.tokenize("ab", parse_special=True)
    assert [path for path, _ in second.requests].count("/tokenize") == 1


WHOLE = CompletionRequest(prompt_ids=(5, 6), max_tokens=4, is_whole=True, stop_texts=("##",))


async def test_a_whole_response_is_one_chunk_of_a_request_without_a_stream() -> None:
    with serving(Script(GOOD)) as script:
        chunks = await collect(script, WHOLE)
    assert [(c.token_ids, c.text, c.finish_reason) for c in chunks] == [((1, 2), "ab", FinishReason.STOP)]
    body = script.completions[0]
    assert "stream" not in body
    assert (body["stop"], body["include_stop_str_in_output"]) == (["##"], True)


async def test_a_stream_of_vllm_ends_at_a_stop_text_by_itself() -> None:
    with serving(Script(stream(chunk("a", [1]), chunk("##", [2], "stop")))) as script:
        chunks = await collect(script, replace(WHOLE, is_whole=False))
    assert "".join(each.text for each in chunks) == "a##"
    body = script.completions[0]
    assert (body["stream"], body["stop"], body["include_stop_str_in_output"]) == (True, ["##"], True)


async def test_llama_cpp_streams_what_is_wanted_whole() -> None:
    script = Script(stream(llama_chunk("a", [97], 1, "stop")), owned_by="llamacpp")
    script.models = [{"id": MODEL, "owned_by": "llamacpp", "meta": {"n_ctx": 512}}]
    with serving(script):
        await collect(script, WHOLE)
    assert script.completions[0]["stream"] is True
    assert "stop" not in script.completions[0]


@pytest.mark.parametrize(
    ("completion", "error", "words"),
    [
        (fail(500, {"error": {"message": "CUDA died"}}), EngineFailed, "CUDA died"),
        (fail(200, {"error": {"message": "CUDA died"}}), EngineFailed, "CUDA died"),
        (fail(200, b"data: {}"), BadEngineResponse, "not JSON"),
        (fail(200, {"choices": []}), EngineDropped, "ended the stream too early"),
        (fail(200, chunk("abcde", [1, 2, 3, 4, 5], "length")), BadEngineResponse, "only 4 were requested"),
        (fail(200, chunk("x" * 3000, [1], "length")), BadEngineResponse, "characters"),
        (fail(200, b" " * 40_000), BadEngineResponse, "which is the limit"),
    ],
)
async def test_a_bad_whole_response_has_its_error(completion: Respond, error: type[EngineError], words: str) -> None:
    limits = EngineLimits(reply_bytes=10_000, bytes_per_token=1000)
    with serving(Script(completion)) as script, pytest.raises(error, match=words):
        await collect(script, WHOLE, limits=limits)
    assert len(script.completions) == 1


async def test_a_whole_response_that_is_not_waited_for_closes_its_connection() -> None:
    is_closed = threading.Event()

    def never(handler: BaseHTTPRequestHandler, _: dict[str, Any]) -> None:
        handler.connection.settimeout(20)
        if not handler.connection.recv(1):
            is_closed.set()

    with serving(Script(never)) as script:
        task = asyncio.create_task(collect(script, WHOLE))
        while not script.completions:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(is_closed.wait, 10)


class LosingEngine(OpenAIEngine):
    """A server whose tokenizer drops spaces, as transformers 5 does where a folder names LlamaTokenizer for it."""

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        return (await super().detokenize(token_ids)).replace(" ", "")


async def test_a_server_whose_tokenizer_loses_text_is_asked_nothing() -> None:
    with serving(Script(GOOD)) as server:
        async with aclosing(LosingEngine(lambda: Endpoint(server.url))) as engine:
            for _ in range(2):
                with pytest.raises(BadEngineResponse, match=r"loses text: .*'HbA1c6\.5%,39\.5°C,β'.*tokenizer_class"):
                    await engine.tokenize("Why?", parse_special=False)


async def test_a_tokenizer_is_checked_once() -> None:
    with serving(Script(GOOD)) as server:
        async with aclosing(OpenAIEngine(lambda: Endpoint(server.url))) as engine:
            for text in ("Why?", "How?"):
                await engine.tokenize(text, parse_special=False)
        assert [path for path, _ in server.requests].count("/detokenize") == 1
