"""Reads an engine's HTTP responses within `limits`. What they say is read by `json_text`, `wire` and `description`.

Responses are read as they were sent: none is asked for compressed, and a compressed one is refused.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import aiohttp

from models.engine.json_text import json_object, shown
from models.engine.stream_allowance import StreamAllowance
from models.errors import BadEngineResponse, EngineDropped, EngineUnreachable

_PIECES_PER_TURN = 256
"""Pieces that are read at once before other tasks have their turn: buffered ones need no waiting."""


async def read_reply(response: aiohttp.ClientResponse, allowed_bytes: int) -> bytes:
    """The whole body; raises BadEngineResponse if it is compressed or longer than `allowed_bytes`."""
    body = await _read(response, allowed_bytes)
    if len(body) > allowed_bytes:
        raise BadEngineResponse(
            f"The engine sent more than {allowed_bytes:,} bytes in reply to one request, which is the limit. Is this "
            "an OpenAI-compatible server?"
        )
    return body


async def read_beginning(response: aiohttp.ClientResponse, wanted_bytes: int) -> str:
    """The body's first bytes as text; empty if it is compressed."""
    return (
        "" if _encoding(response) else (await _read(response, wanted_bytes))[:wanted_bytes].decode("utf-8", "replace")
    )


async def read_events(
    response: aiohttp.ClientResponse, allowance: StreamAllowance
) -> AsyncGenerator[dict[str, Any], None]:
    """The events of a stream up to `[DONE]`; raises EngineError."""
    _refuse_encoding(response)
    with mapped_errors(is_streaming=True):
        async with aclosing(_events(response, allowance)) as payloads:
            async for payload in payloads:
                if payload == b"[DONE]":
                    return
                yield json_object(payload)


async def _events(response: aiohttp.ClientResponse, allowance: StreamAllowance) -> AsyncGenerator[bytearray, None]:
    """What follows "data:", line by line.

    Lines end with a line feed only: the other separators of `str.splitlines` occur inside JSON texts.
    """
    held, count = bytearray(), 0
    async with aclosing(_pieces(response)) as pieces:
        async for piece in pieces:
            allowance.take_piece(len(piece))
            held += piece
            if b"\n" in piece:
                *lines, held = held.split(b"\n")
                for line in lines:
                    if line.startswith(b"data:"):
                        yield line[5:].strip()
            allowance.check_line(len(held))
            count += 1
            if count % _PIECES_PER_TURN == 0:
                await asyncio.sleep(0)
    if held.startswith(b"data:"):
        yield held[5:].strip()


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """The body, or a bit more than `most_bytes` of it."""
    _refuse_encoding(response)
    body, pieces = bytearray(), 0
    async for piece, _ in response.content.iter_chunks():
        body += piece
        pieces += 1
        if len(body) > most_bytes:
            break
        if pieces % _PIECES_PER_TURN == 0:
            await asyncio.sleep(0)
    return bytes(body)


async def _pieces(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """What arrives, by the server's own chunks, and what had arrived when the connection broke: aiohttp drops that.

    All that is there could be had at once, but then nobody would notice a flood of tiny chunks, which cost the most.
    """
    try:
        async for piece, _ in response.content.iter_chunks():
            yield piece
    except aiohttp.ClientError:
        if rest := response.content._read_nowait(-1):
            yield rest
        raise


def _encoding(response: aiohttp.ClientResponse) -> str:
    encoding = str(response.headers.get("content-encoding", "")).strip().lower()
    return "" if encoding == "identity" else encoding


def _refuse_encoding(response: aiohttp.ClientResponse) -> None:
    if encoding := _encoding(response):
        raise BadEngineResponse(
            f"The engine sent compressed data ({shown(encoding, 40)}), although uncompressed data was asked for. Turn "
            "compression off in the server, or in the proxy in front of it."
        )


class mapped_errors:  # noqa: N801 - used as a context manager
    """Turns the HTTP library's errors and an expired `asyncio.timeout` into this package's."""

    def __init__(self, *, is_streaming: bool = False) -> None:
        self._is_streaming = is_streaming

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, exc: BaseException | None, _traceback: object) -> None:
        cannot_connect = isinstance(
            exc, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL
        )
        if isinstance(exc, TimeoutError) and not cannot_connect:
            raise EngineDropped("The engine sent nothing for too long. Run the question again.") from exc
        if not isinstance(exc, aiohttp.ClientError | OSError):
            return
        if self._is_streaming:
            raise EngineDropped(
                "The connection to the engine broke during generation. What was generated is kept."
            ) from exc
        if cannot_connect:
            raise EngineUnreachable(
                f"No engine is responding ({type(exc).__name__}). Check that it is running and that M1_ENGINE_URL is "
                "its address."
            ) from exc
        if isinstance(exc, aiohttp.ClientResponseError):
            raise EngineDropped(
                f"The engine did not answer in HTTP: {shown(exc.message)} Run the question again."
            ) from exc
        # The request may have reached the engine, so it is not repeated.
        raise EngineDropped(f"The engine did not respond ({type(exc).__name__}). Run the question again.") from exc
