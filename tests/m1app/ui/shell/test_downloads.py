"""Downloads that are sent in parts: an error shows, at the start as a status and later as a connection that breaks."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from fastapi import FastAPI, Response

from m1app.ui.shell.downloads import streamed
from m1app.ui.shell.security import Secured
from storage.errors import RecordNotFound, StorageError
from tests.m1app.ui.serving import serving

is_reading = threading.Event()


async def parts(what: str) -> AsyncIterator[bytes]:
    if what == "missing":
        raise RecordNotFound("There is no such run.")
    if what == "locked":
        raise StorageError("The database is locked.")
    yield b"first\n"
    if what == "breaks":
        raise StorageError("The database went away.")
    if what == "fails":
        raise ValueError("a bug")
    if what == "waits":
        is_reading.set()
        await asyncio.sleep(60)
    yield b"last\n"


@pytest.fixture
def url() -> Iterator[str]:
    app = FastAPI()

    @app.get("/{what}")
    async def download(what: str) -> Response:
        return await streamed(parts(what), "text/plain", "lines.txt")

    with serving(Secured(app)) as url:
        yield url


def test_a_whole_file_arrives_in_parts(url: str) -> None:
    answer = httpx2.get(f"{url}/whole")
    assert (answer.status_code, answer.text) == (200, "first\nlast\n")
    assert answer.headers["content-disposition"] == 'attachment; filename="lines.txt"'
    assert answer.headers["transfer-encoding"] == "chunked"


@pytest.mark.parametrize(("what", "status", "detail"), [
    ("missing", 404, "There is no such run."),
    ("locked", 503, "The database is locked."),
])  # fmt: skip
def test_an_error_before_the_first_part_is_a_status(url: str, what: str, status: int, detail: str) -> None:
    answer = httpx2.get(f"{url}/{what}")
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})


@pytest.mark.parametrize("what", ["breaks", "fails"])
def test_an_error_later_on_breaks_the_connection(url: str, what: str) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        httpx2.get(f"{url}/{what}")


def test_half_a_file_does_not_end_like_a_whole_one_when_the_app_stops() -> None:
    app = FastAPI()

    @app.get("/")
    async def download() -> Response:
        return await streamed(parts("waits"), "text/plain", "lines.txt")

    ends: list[BaseException | None] = []

    def load(url: str) -> None:
        try:
            httpx2.get(url, timeout=60)
            ends.append(None)
        except httpx2.HTTPError as exc:
            ends.append(exc)

    with serving(Secured(app)) as url:
        loader = threading.Thread(target=load, args=[url])
        loader.start()
        assert is_reading.wait(60)
    loader.join(60)
    assert [type(each) for each in ends] == [httpx2.RemoteProtocolError]
