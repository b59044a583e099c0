"""Log lines: which request and which run they belong to, and how they are written.

A task inherits the context that it was created in, and some outlive their request, such as a page's event queue. A
request's id is therefore only written while the request is being answered.
"""

import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@dataclass(slots=True)
class _Request:
    id: str
    is_over: bool = False


_request: ContextVar[_Request | None] = ContextVar("m1_request", default=None)
_run_id: ContextVar[str] = ContextVar("m1_run_id", default="")


@contextmanager
def in_request(request_id: str) -> Iterator[None]:
    """Lines logged in the block belong to this request."""
    request = _Request(request_id)
    token = _request.set(request)
    try:
        yield
    finally:
        request.is_over = True
        _request.reset(token)


@contextmanager
def about_run(run_id: str) -> Iterator[None]:
    """Lines logged in the block, and in tasks created there, belong to this run."""
    token = _run_id.set(run_id)
    try:
        yield
    finally:
        _run_id.reset(token)


class TextLines(logging.Formatter):
    """Lines of text. Tracebacks have no messages of exceptions, which may quote what a person typed."""

    def __init__(self) -> None:
        super().__init__(_TEXT)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line and the traceback, if there is one."""
        record.exc_text = None  # A handler before this one may have left its own.
        text = super().format(record)
        record.exc_text = None
        return text

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the library's name
        """Return the traceback: places in the code and types of exceptions."""
        _, error, _ = ei
        return "" if error is None else places_of(error)


def places_of(error: BaseException) -> str:
    """An exception and those that led to it: their types, and where in the code they arose."""
    lines: list[str] = []
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        frames = "".join(traceback.format_list(traceback.extract_tb(following.__traceback__)))
        lines.insert(0, f"Traceback (most recent call last):\n{frames}{type(following).__name__}")
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    return "\n\n".join(lines)


class JsonLines(TextLines):
    """One JSON object a line: time (UTC), level, logger, message, request_id, run_id, and error with a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, in ASCII, so that no text can break it."""
        request = _request.get()
        content = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": request.id if request and not request.is_over else None,
            "run_id": _run_id.get() or None,
        }
        if record.exc_info:
            content["error"] = self.formatException(record.exc_info)
        return json.dumps(content)


def start_logging(level: str, *, is_json: bool, handler: logging.Handler | None = None) -> None:
    """Write the process's log.

    Args:
        level: the lowest level that is written.
        is_json: whether to write JSON lines instead of text.
        handler: where to; None is standard error.
    """
    handler = handler or logging.StreamHandler()
    handler.setFormatter(JsonLines() if is_json else TextLines())
    logging.basicConfig(handlers=[handler], level=level)
    logging.captureWarnings(is_json)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
