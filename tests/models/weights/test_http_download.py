import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import NoDiskSpace, SourceRefused, SourceUnreachable
from models.weights import http_download, weights_file
from models.weights.download import fetch, local_path
from models.weights.download_progress import DownloadStage
from tests.models.weights.weights_cases import CONTENT, QUICK, ROOT, TOKEN, get, leave_part, model, part_of
from tests.models.weights.weights_server import Behaviour, WeightsServer, serving


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serving(Behaviour(CONTENT)) as running:
        yield running


def test_dropped_connection_is_resumed_where_it_broke(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.drops = [100_000, 250_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["", "bytes=100000-", "bytes=350000-"]
    assert server.seen[1].headers["if-range"] == '"v1"'


def test_progress_gives_the_attempts_back(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.drops = [50_000] * 8
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.seen) == 9 > QUICK.attempts


def test_server_that_ignores_ranges_restarts_cleanly(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.has_ranges = False
    server.behaviour.drops = [100_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.seen) == 2


def test_drops_without_progress_are_bounded_and_keep_the_part(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.has_ranges = False
    server.behaviour.drops = [100_000] * 50
    with pytest.raises(SourceUnreachable, match=r"3 attempts in a row.*100,000 bytes are kept"):
        get(server, tmp_path)
    assert len(server.seen) == QUICK.attempts
    assert part_of(tmp_path).stat().st_size == 100_000
    assert not local_path(model(), tmp_path).exists()


def test_part_of_a_killed_process_is_continued(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.seconds_per_block = 0.1
    script = (
        "import sys; from pathlib import Path; from tests.models.weights.weights_cases import fetch, model; "
        "fetch(model(), Path(sys.argv[1]), hub_url=sys.argv[2])"
    )
    killed = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), server.url], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not (part_of(tmp_path).exists() and part_of(tmp_path).stat().st_size > 30_000):
        assert time.monotonic() < deadline and killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    kept = part_of(tmp_path).stat().st_size
    assert kept < len(CONTENT)
    assert not local_path(model(), tmp_path).exists()
    server.behaviour.seconds_per_block = 0.0
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["", f"bytes={kept}-"]


def test_changed_etag_restarts_from_zero(server: WeightsServer, tmp_path: Path) -> None:
    leave_part(tmp_path, b"x" * 1000, etag='"v0"')
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert [seen.headers.get("if-range") for seen in server.seen] == ['"v0"']


def test_changed_weak_etag_restarts_from_zero(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.etag = 'W/"v1"'
    leave_part(tmp_path, b"x" * 1000, etag='W/"v0"')
    stages: list[DownloadStage] = []
    path = get(server, tmp_path, on_progress=lambda progress: stages.append(progress.stage))
    assert path.read_bytes() == CONTENT
    assert stages == sorted(stages), "the other file's bytes were downloaded and hashed before the restart"
    assert server.ranges == ["bytes=1000-", ""]
    assert "if-range" not in server.seen[0].headers


def test_part_without_etag_is_resumed_and_checked_by_its_hash(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.etag = ""
    leave_part(tmp_path, CONTENT[:5000])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=5000-"]


@pytest.mark.parametrize("size", [5000, len(CONTENT)], ids=["unfinished", "complete"])
def test_corrupt_part_is_dropped_after_its_hash_failed(server: WeightsServer, tmp_path: Path, size: int) -> None:
    leave_part(tmp_path, b"x" * size)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges[-1] == ""


def test_complete_part_needs_no_network(tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT)
    assert fetch(model(), tmp_path, hub_url="http://127.0.0.1:9", retry=QUICK).read_bytes() == CONTENT


def test_part_longer_than_the_file_is_dropped(server: WeightsServer, tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT + b"more")
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [b"", b"more"], ids=["complete", "too long"])
def test_range_past_the_end_is_understood_without_a_known_size(
    server: WeightsServer, tmp_path: Path, extra: bytes
) -> None:
    leave_part(tmp_path, CONTENT + extra)
    assert get(server, tmp_path, model(size_bytes=None)).read_bytes() == CONTENT
    assert len(server.seen) == 1 + bool(extra)


def test_partial_answer_that_names_no_range_is_not_appended(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.sends_content_range = False
    leave_part(tmp_path, CONTENT[:5000])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=5000-", ""]


@pytest.mark.parametrize("status", [401, 403])
def test_gated_model_says_to_accept_the_licence(server: WeightsServer, tmp_path: Path, status: int) -> None:
    server.behaviour.statuses = [status]
    with pytest.raises(SourceRefused, match=rf"Accept the licence at {server.url}/org/tiny and set a hub token"):
        get(server, tmp_path, hub_token=TOKEN)
    assert len(server.seen) == 1


def test_missing_file_is_refused_at_once(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.statuses = [404]
    with pytest.raises(SourceRefused, match=r"not found \(404\)\. Check repository, revision and file"):
        get(server, tmp_path)
    assert len(server.seen) == 1


def test_unexpected_answer_is_refused_at_once(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.statuses = [418]
    with pytest.raises(SourceRefused, match="answered 418"):
        get(server, tmp_path)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_transient_answers_are_tried_again(server: WeightsServer, tmp_path: Path, status: int) -> None:
    server.behaviour.statuses = [status, status]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.seen) == 3


def test_transient_answers_are_bounded(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.statuses = [500] * 50
    with pytest.raises(SourceUnreachable, match=r"answered 500 \(3 attempts"):
        get(server, tmp_path)
    assert len(server.seen) == 3


def test_retry_after_is_honoured(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.statuses = [429]
    server.behaviour.headers = {"Retry-After": "1"}
    started = time.monotonic()
    get(server, tmp_path)
    assert time.monotonic() - started >= 1.0


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_no_connection_is_unreachable(tmp_path: Path, address: str) -> None:
    with pytest.raises(SourceUnreachable, match="Check the network"):
        fetch(model(), tmp_path, hub_url=address, retry=QUICK)


def test_address_without_a_scheme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="Check the hub's address"):
        fetch(model(), tmp_path, hub_url="huggingface.co", retry=QUICK)


def test_token_goes_to_the_hub_and_not_to_where_it_redirects(server: WeightsServer, tmp_path: Path) -> None:
    with serving(Behaviour(b"", redirect_to=server.url)) as hub:
        server.behaviour.drops = [100_000]
        assert get(hub, tmp_path, hub_token=TOKEN).read_bytes() == CONTENT
    assert [seen.headers.get("authorization") for seen in hub.seen] == [f"Bearer {TOKEN}"] * 2
    assert len(server.seen) == 2
    assert all(TOKEN not in str(seen) for seen in server.seen)
    assert server.ranges == ["", "bytes=100000-"]


def test_token_stays_home_when_a_redirect_leads_back_through_another_host(tmp_path: Path) -> None:
    with serving(Behaviour(CONTENT)) as last, serving(Behaviour(b"", redirect_to=last.url)) as middle:
        named_otherwise = middle.url.replace("127.0.0.1", "localhost")
        with serving(Behaviour(b"", redirect_to=named_otherwise)) as hub:
            assert get(hub, tmp_path, hub_token=TOKEN).read_bytes() == CONTENT
    assert all("authorization" not in seen.headers for seen in middle.seen + last.seen)


def test_expired_link_of_a_content_host_is_asked_for_again(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.statuses = [403]
    with serving(Behaviour(b"", redirect_to=server.url)) as hub:
        assert get(hub, tmp_path).read_bytes() == CONTENT
    assert len(hub.seen) == 2


def test_redirect_loop_ends(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.redirect_to = server.url
    with pytest.raises(SourceRefused, match="more than 10 redirects"):
        get(server, tmp_path)


def test_token_is_in_no_error_and_no_record(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.statuses = [403]
    with pytest.raises(SourceRefused) as caught:
        get(server, tmp_path, hub_token=TOKEN)
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(http_download.RemoteFile("u", "p", TOKEN))


def test_disk_that_fills_up_during_a_download_is_named(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(handle: io.FileIO, path: Path, block: bytes) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            weights_file.write_block(full, path, block)

    monkeypatch.setattr("models.weights.http_download.write_block", write)
    with pytest.raises(NoDiskSpace, match=r"The disk is full at .*tiny\.gguf\.part"):
        get(server, tmp_path)
    assert len(server.seen) == 1
