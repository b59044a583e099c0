"""Asks a server for the embeddings of texts: `/v1/embeddings` in OpenAI's form, as vLLM and llama.cpp serve it.

The server is any at an address that somebody entered: what it sends is bounded and checked, as in `client`. A text that
is too long for the model is shortened from its end until it fits.
"""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import numpy
from aiohttp import ClientResponse
from numpy.typing import NDArray

from models.engine.connections import EngineConnections
from models.engine.endpoint import Endpoint
from models.engine.incoming import mapped_errors, read_beginning, read_reply
from models.engine.json_text import json_object, shown
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

Vectors = NDArray[numpy.float32]
"""One row for each text, of length 1."""
MAX_DIMENSIONS = 8192
MAX_TEXTS = 64
"""Of one request."""
_BYTES_PER_NUMBER = 32
_SPARE_BYTES = 64 << 10
_ERROR_BYTES = 64 << 10
_LEAST_CHARACTERS = 100
"""A text that does not fit even when it is as short as this is an error."""
_TOO_LONG = ("too large to process", "context length", "context size", "maximum model length", "input is too long")
"""In the messages of llama.cpp (with status 500), vLLM and SGLang."""


class EmbeddingServer:
    """A server of one embedding model.

    Args:
        endpoint: its address and key.
        model: the name under which it serves the model.
    """

    def __init__(self, endpoint: Endpoint, model: str) -> None:
        self._endpoint = endpoint
        self._model = model
        self._connections = EngineConnections()

    async def embed(self, texts: Sequence[str], *, seconds: float) -> Vectors:
        """Return the embeddings of texts, each of length 1.

        Args:
            texts: at most MAX_TEXTS; those that are too long for the model count with their beginning.
            seconds: how long each request may take.

        Raises:
            EngineError: the server does not answer, or with something else.
        """
        try:
            return await self._ask(texts, seconds)
        except ContextOverflow:
            if len(texts) == 1:
                return await self._shortened(texts[0], seconds)
        rows = [await self.embed([each], seconds=seconds) for each in texts]
        if len({row.shape[1] for row in rows}) != 1:
            raise BadEngineResponse("The embedding server sent vectors of different lengths for one model.")
        return numpy.concatenate(rows)

    async def aclose(self) -> None:
        """Close every connection; a later request opens a new one."""
        await self._connections.aclose()

    async def _shortened(self, text: str, seconds: float) -> Vectors:
        while True:
            text = text[: len(text) * 2 // 3]
            try:
                return await self._ask([text], seconds)
            except ContextOverflow:
                if len(text) <= _LEAST_CHARACTERS:
                    raise

    async def _ask(self, texts: Sequence[str], seconds: float) -> Vectors:
        body = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        allowed = _SPARE_BYTES + len(texts) * MAX_DIMENSIONS * _BYTES_PER_NUMBER
        try:
            with mapped_errors():
                async with asyncio.timeout(seconds):
                    raw = await self._post(body, allowed, seconds)
        except EngineUnreachable as exc:
            raise EngineUnreachable(
                "No embedding server is responding. Check that it is running and that M1_EMBEDDING_URL is its address."
            ) from exc
        except EngineDropped as exc:
            raise EngineDropped("The embedding server did not answer in time, or closed the connection.") from exc
        return await asyncio.to_thread(_vectors, raw, len(texts))

    async def _post(self, body: dict[str, Any], allowed_bytes: int, seconds: float) -> bytes:
        key = self._endpoint.api_key
        sent = await self._connections.send(
            "POST",
            f"{self._endpoint.base_url}/v1/embeddings",
            body,
            {"Authorization": f"Bearer {key}"} if key else {},
            silence_seconds=seconds,
            is_kept=False,
        )
        with closing(sent.response) as response:
            if response.status != 200:
                raise await self._refusal(response)
            return await read_reply(response, allowed_bytes)

    async def _refusal(self, response: ClientResponse) -> EngineError:
        text = await read_beginning(response, _ERROR_BYTES)
        try:
            content = json_object(text.encode())
        except BadEngineResponse:
            content = {}
        error = content.get("error", content)
        said = error.get("message") if isinstance(error, dict) else error
        message = shown(said if isinstance(said, str) and said else text, 200) or "no message"
        if response.status in (401, 403):
            return EngineRejectedKey(
                f"The embedding server refused the key (HTTP {response.status}). Put it before the host in "
                "M1_EMBEDDING_URL: http://:KEY@host:port."
            )
        if response.status in (400, 413, 422, 500) and any(each in message.lower() for each in _TOO_LONG):
            return ContextOverflow(f"A text is too long for the embedding model: {message}")
        if response.status == 404:
            return ModelNotServed(
                f"The embedding server does not serve the model {self._model!r}, or no embeddings: {message}"
            )
        return EngineFailed(f"The embedding server failed (HTTP {response.status}): {message}")


def _vectors(raw: bytes, count: int) -> Vectors:
    """Read a response; raises BadEngineResponse unless it has a vector of one length for each of `count` texts."""
    data = json_object(raw).get("data")
    if not isinstance(data, list) or len(data) != count:
        found = f"{len(data)} embeddings" if isinstance(data, list) else type(data).__name__
        raise BadEngineResponse(f"The embedding server sent {found} for {count} texts. Does it serve embeddings?")
    rows: list[Any] = [None] * count
    for each in data:
        index = each.get("index") if isinstance(each, dict) else None
        if type(index) is not int or not 0 <= index < count or rows[index] is not None:
            raise BadEngineResponse("The embedding server sent embeddings that do not say which text they belong to.")
        rows[index] = each.get("embedding")
    return _normal(_matrix(rows))


def _matrix(rows: list[Any]) -> NDArray[numpy.float64]:
    if not all(isinstance(row, list) and row and len(row) == len(rows[0]) <= MAX_DIMENSIONS for row in rows):
        raise BadEngineResponse(
            f"The embedding server sent something other than vectors of one length from 1 to {MAX_DIMENSIONS:,}."
        )
    if not all(type(value) in (int, float) for row in rows for value in row):
        raise BadEngineResponse("The embedding server sent vectors with something other than numbers.")
    try:
        return numpy.array(rows, dtype=numpy.float64)
    except OverflowError as exc:
        raise BadEngineResponse("The embedding server sent numbers that are too large.") from exc


def _normal(vectors: NDArray[numpy.float64]) -> Vectors:
    with numpy.errstate(over="ignore"):
        lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    if not numpy.isfinite(lengths).all() or (lengths == 0).any():
        raise BadEngineResponse("The embedding server sent a vector of zeros, or numbers that are too large.")
    normal: Vectors = (vectors / lengths).astype(numpy.float32)
    return normal
