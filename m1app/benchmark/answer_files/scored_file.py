"""Writes scored answers to a file, which keeps what it had until all are written."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Any

from m1app.benchmark.answer_files.scoring import COLUMNS, ScoredAnswer
from m1app.benchmark.results_export import Rows, csv_parts, parquet_parts
from m1app.question.errors import InvalidAnswers

_PAGE = 1000


async def _json_lines(pages: AsyncIterator[Rows]) -> AsyncIterator[bytes]:
    async for rows in pages:
        yield "".join(json.dumps(_unpacked(dict(row)), ensure_ascii=False) + "\n" for row in rows).encode()


def _unpacked(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: json.loads(row[name]) for name in ("options", "tags")}


_Encoder = Callable[[AsyncIterator[Rows]], AsyncIterator[bytes]]
_ENCODERS: dict[str, _Encoder] = {
    ".csv": lambda pages: csv_parts(pages, COLUMNS),
    ".parquet": lambda pages: parquet_parts(pages, COLUMNS),
    ".jsonl": _json_lines,
}
OUTPUT_ENDINGS = tuple(_ENCODERS)


async def write_scored(path: Path, answers: AsyncIterator[ScoredAnswer], rule: str) -> None:
    """Write scored answers, in order; the ending of the name decides the format.

    Raises:
        InvalidAnswers: another ending, or what the answers raise.
        OSError: the file cannot be written.
    """
    encode = _ENCODERS.get(path.suffix.lower())
    if encode is None:
        found = path.suffix or "nothing"
        raise InvalidAnswers(f"--output ends with {found}, expected one of {', '.join(OUTPUT_ENDINGS)}.")
    file = await asyncio.to_thread(_opened_beside, path)
    part = Path(file.name)
    try:
        async for content in encode(_pages(answers, rule)):
            await asyncio.to_thread(file.write, content)
        await asyncio.to_thread(file.close)
        await asyncio.to_thread(part.replace, path)
    finally:
        await asyncio.to_thread(file.close)
        await asyncio.to_thread(part.unlink, missing_ok=True)


def _opened_beside(path: Path) -> IO[bytes]:
    return NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False)


async def _pages(answers: AsyncIterator[ScoredAnswer], rule: str) -> AsyncIterator[Rows]:
    page: list[dict[str, Any]] = []
    async for each in answers:
        page.append(each.row(rule))
        if len(page) == _PAGE:
            yield page
            page = []
    yield page
