"""Shared by downloads: missing records become 404s, and responses are saved as files."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from fastapi import HTTPException, Response
from fastapi.responses import StreamingResponse

from m1app.errors import FOR_PEOPLE
from storage.errors import RecordNotFound, StorageError

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


async def found(read: Callable[[], Awaitable[_T]]) -> _T:
    """Return the result of `read`, which looks up a record.

    Raises:
        HTTPException: 404 if it is missing, 503 if the database cannot be read.
    """
    try:
        return await read()
    except RecordNotFound as exc:
        raise HTTPException(404, str(exc)) from exc
    except StorageError as exc:
        raise HTTPException(503, str(exc)) from exc


def attachment(content: str | bytes, media_type: str, name: str) -> Response:
    """Return a response that the browser saves as `name`."""
    return Response(content, media_type=media_type, headers=_saved_as(name))


async def streamed(parts: AsyncIterator[bytes], media_type: str, name: str) -> Response:
    """Return a response that the browser saves as `name`, sent part by part.

    A later error cannot change the status any more: it breaks the connection off, without the mark that ends a complete
    response, so that browsers and other clients report a failed download.

    Raises:
        HTTPException: as `found`, if the first part cannot be read.
    """
    first = await found(lambda: _first(parts))
    return StreamingResponse(_all(first, parts, name), media_type=media_type, headers=_saved_as(name))


def _saved_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


async def _first(parts: AsyncIterator[bytes]) -> bytes:
    return await anext(parts, b"")


async def _all(first: bytes, parts: AsyncIterator[bytes], name: str) -> AsyncIterator[bytes]:
    yield first
    try:
        async for part in parts:
            yield part
    except FOR_PEOPLE as exc:
        _log.warning("the download of %s was broken off: %s", name, exc)
        # Once a response has begun, this ends the connection: see `security.Secured`.
        raise HTTPException(503, str(exc)) from exc
