import collections
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import DownloadError, HashMismatch, NoDiskSpace, SourceRefused, SourceUnreachable
from models.weights.download import download, local_path
from models.weights.download_progress import DownloadProgress, DownloadStage
from models.weights.hub_download import HubFile, size_of
from tests.models.weights.weights_cases import (
    CONTENT,
    PATIENCE_SECONDS,
    ROOT,
    TOKEN,
    files_in,
    get,
    leave_part,
    model,
    part_of,
)
from tests.models.weights.weights_server import Behaviour, WeightsServer, serving


@pytest.fixture
def server() -> Iterator[WeightsServer]:
    with serving(Behaviour(CONTENT)) as running:
        yield running


CHUNK = 65_536
"""What arrives whole is kept."""


def test_dropped_connection_is_resumed_where_it_broke(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.drops = [2 * CHUNK, 3 * CHUNK]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["", f"bytes={2 * CHUNK}-", f"bytes={5 * CHUNK}-"]


def test_connection_that_drops_again_and_again_is_resumed_while_it_brings_something(
    server: WeightsServer, tmp_path: Path
) -> None:
    server.behaviour.drops = [CHUNK] * 7
    assert get(server, tmp_path, patience_seconds=PATIENCE_SECONDS).read_bytes() == CONTENT
    assert len(server.downloads) == 8


def test_server_that_ignores_ranges_restarts_cleanly(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.has_ranges = False
    server.behaviour.drops = [100_000]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.downloads) == 2


def test_drops_without_progress_are_bounded_and_keep_the_part(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.has_ranges = False
    server.behaviour.drops = [100_000] * 50
    with pytest.raises(SourceUnreachable, match=r"no new data for 4 seconds.*65,536 bytes were kept"):
        get(server, tmp_path, patience_seconds=PATIENCE_SECONDS)
    assert 2 <= len(server.downloads) <= 6
    assert size_of(part_of(tmp_path)) == CHUNK
    assert not local_path(model(), tmp_path).exists()


def test_part_of_a_killed_process_is_continued(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.seconds_per_block = 0.1
    script = (
        "import sys; from pathlib import Path; from tests.models.weights.weights_cases import download, model; "
        "download(model(), Path(sys.argv[1]), hub_url=sys.argv[2])"
    )
    killed = subprocess.Popen([sys.executable, "-c", script, str(tmp_path), server.url], cwd=ROOT)
    deadline = time.monotonic() + 60
    while not size_of(part_of(tmp_path)):
        assert time.monotonic() < deadline and killed.poll() is None
        time.sleep(0.01)
    killed.kill()
    killed.wait()
    time.sleep(0.5)  # The process that downloads notices and ends as well.
    kept = part_of(tmp_path).stat().st_size
    assert kept < len(CONTENT)
    assert not local_path(model(), tmp_path).exists()
    server.behaviour.seconds_per_block = 0.0
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["", f"bytes={kept}-"]


@pytest.mark.parametrize("etag", ['"v1"', 'W/"v1"'], ids=["strong", "weak"])
def test_changed_etag_restarts_from_zero(server: WeightsServer, tmp_path: Path, etag: str) -> None:
    server.behaviour.etag = etag
    leave_part(tmp_path, b"x" * 1000, etag="v0")
    stages: list[DownloadStage] = []
    path = get(server, tmp_path, on_progress=lambda progress: stages.append(progress.stage))
    assert path.read_bytes() == CONTENT
    assert stages == sorted(stages), "the other file's bytes were downloaded and hashed before the restart"
    assert server.ranges == [""]


def test_same_etag_resumes(server: WeightsServer, tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT[:1000], etag="v1")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


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
    assert download(model(), tmp_path, hub_url="http://127.0.0.1:9").read_bytes() == CONTENT


def test_part_longer_than_the_file_is_dropped(server: WeightsServer, tmp_path: Path) -> None:
    leave_part(tmp_path, CONTENT + b"more")
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("extra", [b"", b"more"], ids=["complete", "too long"])
def test_range_past_the_end_is_understood_without_a_known_size(
    server: WeightsServer, tmp_path: Path, extra: bytes
) -> None:
    leave_part(tmp_path, CONTENT + extra)
    assert get(server, tmp_path, model(size_bytes=None)).read_bytes() == CONTENT
    assert len(server.downloads) == bool(extra)


def test_partial_answer_of_another_range_is_never_taken_for_the_file(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.sends_other_range = True
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
    server.behaviour.statuses = [status, 0, status]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.downloads) == 2


def test_transient_answers_are_bounded(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.statuses = [500] * 50
    with pytest.raises(SourceUnreachable, match=r"127.0.0.1 answered 500\. Check the network"):
        get(server, tmp_path, patience_seconds=PATIENCE_SECONDS)
    assert 1 <= len(server.seen) <= 5


def test_retry_after_is_honoured(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.statuses = [429]
    server.behaviour.headers = {"Retry-After": "1"}
    started = time.monotonic()
    get(server, tmp_path)
    assert time.monotonic() - started >= 1.0


@pytest.mark.process
@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_no_connection_is_unreachable(tmp_path: Path, address: str) -> None:
    with pytest.raises(SourceUnreachable, match="Check the network"):
        download(model(), tmp_path, hub_url=address, patience_seconds=PATIENCE_SECONDS)


@pytest.mark.process
def test_address_without_a_scheme_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceRefused, match="Check the hub's address"):
        download(model(), tmp_path, hub_url="huggingface.co")


def test_token_goes_to_the_hub_and_not_to_where_it_redirects(server: WeightsServer, tmp_path: Path) -> None:
    with serving(Behaviour(b"", redirect_to=server.url)) as hub:
        server.behaviour.drops = [2 * CHUNK]
        assert get(hub, tmp_path, hub_token=TOKEN).read_bytes() == CONTENT
    assert [seen.headers.get("authorization") for seen in hub.seen] == [f"Bearer {TOKEN}"] * 3
    assert [seen.method for seen in hub.seen] == ["HEAD", "GET", "GET"]
    assert len(server.seen) == 2
    assert all(TOKEN not in str(seen) for seen in server.seen)
    assert server.ranges == ["", f"bytes={2 * CHUNK}-"]


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
    assert len(hub.downloads) == 2


def test_redirect_loop_ends(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.redirect_to = server.url
    with pytest.raises(SourceRefused, match=r"Exceeded .* redirects"):
        get(server, tmp_path)


def test_token_is_in_no_error_and_no_record(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.statuses = [403]
    with pytest.raises(SourceRefused) as caught:
        get(server, tmp_path, hub_token=TOKEN)
    assert TOKEN not in str(caught.value)
    assert TOKEN not in repr(HubFile("u", "o/r", "f", "main", TOKEN))


def test_disk_that_fills_up_during_a_download_is_named(server: WeightsServer, tmp_path: Path) -> None:
    part_of(tmp_path).parent.mkdir(parents=True)
    part_of(tmp_path).symlink_to("/dev/full")
    with pytest.raises(NoDiskSpace, match=r"The disk is full at .*tiny\.gguf\.part"):
        get(server, tmp_path)
    assert len(server.downloads) == 1


def test_body_without_an_end_is_ended_at_the_size_that_is_known(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.is_endless = True
    server.behaviour.seconds_per_block = 0.005
    with pytest.raises(HashMismatch, match=f"more than its {len(CONTENT):,} bytes arrived"):
        get(server, tmp_path)
    assert files_in(tmp_path) == {"tiny.gguf.lock"}


def test_body_without_an_end_or_a_known_size_leaves_room_on_the_disk(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = collections.namedtuple("usage", "total used free")
    server.behaviour.is_endless, server.behaviour.content = True, b""
    server.behaviour.seconds_per_block = 0.005
    part = part_of(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 0, 10**9 if size_of(part) < 10**6 else 10**6))
    with pytest.raises(NoDiskSpace, match=r"1 MB free, but 17 MB are needed"):
        get(server, tmp_path, model(size_bytes=None))


@pytest.mark.parametrize("wait", ["\u00b2", "nan", "-1"])
def test_a_time_to_wait_that_is_none_is_not_waited_for(server: WeightsServer, tmp_path: Path, wait: str) -> None:
    server.behaviour.statuses = [429]
    server.behaviour.headers = {"Retry-After": wait}
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_reply_that_does_not_fit_into_memory_is_refused() -> None:
    # Replies are read by the library; 4 GiB of zeros stand for a compressed one.
    script = (
        "import sys, models.weights.hub_download as h; h._download = lambda *_: bytearray(4 << 30); sys.exit(h.main())"
    )
    request = json.dumps({"hub_url": "u", "repo": "o/r", "file": "f", "revision": "main", "part": "p"})
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin and process.stdout
    process.stdin.write(request + "\n")
    process.stdin.flush()
    assert json.loads(process.stdout.read())["error"] == "SourceRefused"
    assert process.wait() == 1
    process.stdin.close()


def test_directory_without_permission_is_named(server: WeightsServer, tmp_path: Path) -> None:
    leave_part(tmp_path, b"").with_name("tiny.gguf.part.etag").mkdir()
    with pytest.raises(DownloadError, match=r"Cannot use .*tiny\.gguf\.part.*Check the path and its permissions"):
        get(server, tmp_path)


def test_total_is_the_hubs_where_the_catalog_says_none(server: WeightsServer, tmp_path: Path) -> None:
    server.behaviour.seconds_per_block = 0.05
    reports: list[DownloadProgress] = []
    get(server, tmp_path, model(size_bytes=None), on_progress=reports.append)
    downloads = [report for report in reports if report.stage is DownloadStage.DOWNLOADING]
    assert (downloads[0].bytes_total, downloads[-1].bytes_total) == (None, len(CONTENT))


def test_an_app_that_is_offline_to_the_hub_downloads_what_is_asked_for_and_sends_no_telemetry(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HF_HUB_OFFLINE": "1", "HF_TOKEN": TOKEN, "HF_ENDPOINT": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert {seen.method for seen in server.seen} == {"HEAD", "GET"}
    assert all("authorization" not in seen.headers for seen in server.seen)
    assert all("torch" not in str(seen) and "agent/" not in str(seen) for seen in server.seen)


def test_process_that_crashes_is_told_with_its_last_line(
    server: WeightsServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: no such luck' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(broken))
    with pytest.raises(SourceUnreachable, match="ImportError: no such luck"):
        get(server, tmp_path)
