"""The client of an embedding server: what it sends, what it makes of the vectors, and what it refuses."""

import json
import threading
from collections.abc import Sequence
from typing import Any

import numpy
import pytest

from models.engine.embedding import MAX_DIMENSIONS, EmbeddingServer
from models.engine.endpoint import Endpoint
from models.errors import (
    BadEngineResponse,
    ContextOverflow,
    EngineDropped,
    EngineError,
    EngineFailed,
    EngineRejectedKey,
    EngineUnreachable,
    ModelNotServed,
)
from tests.models.engine.scripted_server import Respond, Script, embedding_of, fail, reply_json, serving

LONG = "The digitalis glycosides " * 40
LLAMA_TOO_LONG = {
    "error": {"code": 500, "message": "input (601 tokens) is too large to process. increase the physical"}
}
VLLM_TOO_LONG = {"error": {"message": "This model's maximum context length is 512 tokens. However, you requested 601."}}


async def embed(respond: Respond, texts: Sequence[str], key: str = "", seconds: float = 10) -> tuple[Any, Script]:
    with serving(Script(fail(404, {}), embeddings=respond)) as script:
        server = EmbeddingServer(Endpoint(script.url, key), "bge")
        try:
            return await server.embed(texts, seconds=seconds), script
        finally:
            await server.aclose()


def data_of(*vectors: Any) -> dict[str, Any]:
    return {"data": [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]}


async def test_each_text_gets_its_own_vector_of_length_one_whatever_the_order() -> None:
    made, script = await embed(embedding_of(lambda text: (len(text), 0, 4)), ["abc", "é" * 8], key="sesame")
    assert made.dtype == numpy.float32
    assert made.tolist() == [pytest.approx([0.6, 0, 0.8]), pytest.approx([8 / 80**0.5, 0, 4 / 80**0.5])]
    ((path, body),) = script.requests
    assert (path, body["_authorization"]) == ("/v1/embeddings", "Bearer sesame")
    assert (body["model"], body["input"], body["encoding_format"]) == ("bge", ["abc", "é" * 8], "float")


@pytest.mark.parametrize(("status", "said"), [(500, LLAMA_TOO_LONG), (400, VLLM_TOO_LONG)])
async def test_a_text_that_is_too_long_counts_with_its_beginning_and_the_others_whole(
    status: int, said: dict[str, Any]
) -> None:
    whole = embedding_of(lambda text: (len(text), 1))

    def respond(handler: Any, body: dict[str, Any]) -> None:
        is_too_long = any(len(text) > 500 for text in body["input"])
        reply_json(handler, status, said) if is_too_long else whole(handler, body)

    made, script = await embed(respond, ["short", LONG])
    assert made[0].tolist() == pytest.approx([5 / 26**0.5, 1 / 26**0.5])
    cut = script.requests[-1][1]["input"]
    assert len(cut) == 1
    assert LONG.startswith(cut[0])
    assert 300 < len(cut[0]) <= 500


async def test_a_text_that_never_fits_is_an_error() -> None:
    with pytest.raises(ContextOverflow, match="too long for the embedding model"):
        await embed(fail(500, LLAMA_TOO_LONG), [LONG])


@pytest.mark.parametrize(
    ("respond", "error", "said"),
    [
        (fail(401, {}), EngineRejectedKey, "M1_EMBEDDING_URL"),
        (fail(404, {"error": {"message": "no such model"}}), ModelNotServed, "'bge'.*no such model"),
        (fail(501, {"error": {"message": "not supported"}}), EngineFailed, "HTTP 501.*not supported"),
        (fail(302, {}, {"location": "http://elsewhere"}), EngineFailed, "HTTP 302"),
    ],
)
async def test_a_refusal_says_what_to_do(respond: Respond, error: type[EngineError], said: str) -> None:
    with pytest.raises(error, match=said):
        await embed(respond, ["a"])


async def test_a_server_that_is_not_there_or_is_silent_is_named_by_its_setting() -> None:
    with pytest.raises(EngineUnreachable, match="M1_EMBEDDING_URL is its address"):
        await EmbeddingServer(Endpoint("http://127.0.0.1:9"), "bge").embed(["a"], seconds=5)
    release = threading.Event()
    with pytest.raises(EngineDropped, match="embedding server did not answer in time"):
        try:
            await embed(lambda *_: release.wait(5), ["a"], seconds=0.1)  # type: ignore[arg-type, return-value]
        finally:
            release.set()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"data": []}, "0 embeddings for 2 texts"),
        ({"data": "x"}, "str for 2 texts"),
        ({"data": [{"index": 0, "embedding": [1]}] * 2}, "which text they belong to"),
        ({"data": [{"index": True, "embedding": [1]}, {"index": 0, "embedding": [1]}]}, "which text they belong to"),
        ({"data": [{"index": -1, "embedding": [1]}, {"index": 0, "embedding": [1]}]}, "which text they belong to"),
        (data_of([1, 2], [1]), "vectors of one length"),
        (data_of([], []), "vectors of one length"),
        (data_of([1] * (MAX_DIMENSIONS + 1), [1] * (MAX_DIMENSIONS + 1)), "vectors of one length"),
        (data_of("AACAPw==", "AACAPw=="), "vectors of one length"),
        (data_of([1, "2"], [1, 2]), "something other than numbers"),
        (data_of([1, None], [1, 2]), "something other than numbers"),
        (data_of([0, 0], [1, 2]), "a vector of zeros"),
        (data_of([1e300, 1], [1, 2]), "too large"),
        (data_of([10**400, 1], [1, 2]), "too large"),
        (b'{"data": [{"index": 0, "embedding": [NaN]}]}', "not finite"),
        (b"<html>", "not JSON"),
    ],
)
async def test_what_is_no_vector_is_refused(content: Any, said: str) -> None:
    with pytest.raises(BadEngineResponse, match=said):
        await embed(fail(200, content), ["a", "b"])


async def test_more_than_is_allowed_is_not_read() -> None:
    flood = json.dumps(data_of([1.5] * 3_000_000)).encode()
    with pytest.raises(BadEngineResponse, match="which is the limit"):
        await embed(fail(200, flood), ["a"])


async def test_vectors_of_different_lengths_are_refused_also_when_each_comes_alone() -> None:
    def respond(handler: Any, body: dict[str, Any]) -> None:
        if len(body["input"]) > 1:
            reply_json(handler, 500, LLAMA_TOO_LONG)
        else:
            embedding_of(lambda text: [1.0] * len(text))(handler, body)

    with pytest.raises(BadEngineResponse, match="different lengths"):
        await embed(respond, ["a", "bc"])
