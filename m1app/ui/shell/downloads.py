"""What the pages' downloads share: a missing record is a 404, and a response is saved as a file."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from fastapi import HTTPException, Response

from m1app.errors import AppError
from storage.errors import StorageError

_T = TypeVar("_T")


async def found(read: Callable[[], Awaitable[_T]], missing: type[AppError]) -> _T:
    """What `read` finds.

    Args:
        read: looks it up.
        missing: what it raises when there is no such record.

    Raises:
        HTTPException: 404 where it is missing, 503 while the database cannot be read.
    """
    try:
        return await read()
    except missing as exc:
        raise HTTPException(404, str(exc)) from exc
    except StorageError as exc:
        raise HTTPException(503, str(exc)) from exc


def attachment(content: str | bytes, media_type: str, name: str) -> Response:
    """A response that the browser saves as `name`."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
