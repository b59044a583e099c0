"""A disk that fills in the middle of a fetch from the hub, and has room again later."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser_watch import Watch
from tests.e2e.running_app import RunningApp, make_home, running, wait_until
from tests.models.weights.hub_stand_in import Hub, serving_hub

REPO = "Qwen/Qwen3-0.6B-GGUF"
MODEL = "qwen3-0.6b-q8_0"


@pytest.fixture(scope="module")
def hub(smollm2_path: Path) -> Iterator[Hub]:
    files = {"Qwen3-0.6B-Q8_0.gguf": smollm2_path.read_bytes()}
    with serving_hub(Hub({REPO: files}, seconds_per_block=0.03)) as served:
        yield served


@pytest.fixture(scope="module")
def own_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[RunningApp]:
    home = make_home(tmp_path_factory.mktemp("home"), smollm2_path)
    with running(RunningApp(home, M1_HUB_URL=hub.url, M1_CONTEXT_LENGTH="1024")) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


@pytest.fixture
def small_disk(own_app: RunningApp, hub: Hub) -> Iterator[Path]:
    """A disk for the model's folder, with room for the file and the reserve, and hardly more."""
    folder = own_app.home / "models" / MODEL
    folder.mkdir(parents=True)
    size = len(hub.repositories[REPO]["Qwen3-0.6B-Q8_0.gguf"]) + (18 << 20)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("this account may not mount a disk of its own")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(disk: Path) -> Path:
    """Take what is left of a disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            return filler
    raise AssertionError("the disk is never full")


def test_a_disk_that_fills_in_the_middle_is_said_and_the_fetch_is_resumed(
    new_tab: Callable[..., Page], own_app: RunningApp, hub: Hub, small_disk: Path, watch: Watch
) -> None:
    own_app.wait_for_engine()
    page = new_tab()
    page.goto(f"{own_app.url}/admin/?tab=models")
    models = page.locator("#admin-library")
    models.locator(f'tr[data-repo="{REPO}"]').get_by_role("button", name="Fetch and use").click()
    part = small_disk / "Qwen3-0.6B-Q8_0.gguf.part"
    wait_until(lambda: part.exists() and part.stat().st_size > 20 << 20, "some of the file has arrived")
    filler = _fill(small_disk)
    row = models.locator(f'tr[data-model="{MODEL}"]')
    expect(row.locator(".m1-notice")).to_contain_text("The disk is full at")
    expect(row.locator(".m1-badge").first).to_have_text("partly here")
    expect(row.get_by_role("button", name="Use", exact=True)).to_have_count(0)
    assert not list(small_disk.glob("*.gguf"))
    kept = part.stat().st_size
    assert kept > 20 << 20
    # The app goes on with what it has.
    expect(page.locator("#header")).to_contain_text("smollm2-135m")

    filler.unlink()
    asked = len(hub.seen)
    row.get_by_role("button", name="Resume").click()
    expect(row.locator(".m1-badge").first).to_have_text("here")
    ranges = [headers.get("range") for method, path, headers in hub.seen[asked:] if "/resolve/" in path]
    assert f"bytes={kept}-" in ranges
    row.get_by_role("button", name="Use").click()
    expect(row.locator(".m1-badge").first).to_have_text("default")
