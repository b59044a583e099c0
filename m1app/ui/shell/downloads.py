"""Shared by downloads: missing records become 404s, and responses are saved as files."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import HTTPException, Response

from storage.errors import RecordNotFound, StorageError

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
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
