"""From the demo model to another one, by clicks, with a stand-in for the model hub."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.browser_watch import Watch
from tests.e2e.probe_page import OPEN_QUESTION, ProbePage
from tests.e2e.running_app import RunningApp, make_home, running
from tests.models.weights.hub_stand_in import Hub, serving_hub

REPO = "Qwen/Qwen3-0.6B-GGUF"


@pytest.fixture(scope="module")
def hub(smollm2_path: Path) -> Iterator[Hub]:
    files = {"Qwen3-0.6B-Q8_0.gguf": smollm2_path.read_bytes(), "README.md": b"#"}
    with serving_hub(Hub({REPO: files, "org/none": {"model.safetensors": b"x"}})) as served:
        yield served


@pytest.fixture(scope="module")
def own_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Iterator[RunningApp]:
    home = make_home(tmp_path_factory.mktemp("home"), smollm2_path)
    with running(RunningApp(home, M1_HUB_URL=hub.url, M1_CONTEXT_LENGTH="1024")) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


def _open_models(page: Page, app: RunningApp) -> Locator:
    page.goto(f"{app.url}/admin/?tab=models")
    models = page.locator("#admin-library")
    models.locator("tr[data-repo]").first.wait_for()
    return models


def test_another_model_is_fetched_used_and_still_used_after_a_restart(
    new_tab: Callable[..., Page],
    new_context: Callable[..., BrowserContext],
    own_app: RunningApp,
    hub: Hub,
    watch: Watch,
) -> None:
    own_app.wait_for_engine()
    page = new_tab()
    probe = ProbePage(page, own_app.url).open()
    better = page.locator('#header [data-part="better"]')
    expect(better).to_contain_text("This machine can run")
    better.click()
    models = page.locator("#admin-library")
    expect(models.locator('[data-part="demo"]')).to_be_visible()
    expect(models.locator('[data-part="demo"]')).to_contain_text("toy")
    models.locator(f'tr[data-repo="{REPO}"]').get_by_role("button", name="Fetch and use").click()
    row = models.locator('tr[data-model="qwen3-0.6b-q8_0"]')
    expect(row.locator(".m1-badge").first).to_have_text("default")
    expect(models.locator('[data-part="demo"]')).to_be_hidden()
    assert [path for _, path, _ in hub.seen if "/resolve/" in path]
    own_app.wait_for_engine()
    probe.open()
    expect(page.locator("#header")).to_contain_text("qwen3-0.6b-q8_0")
    probe.ask(OPEN_QUESTION, budget=16)
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    kept = own_app.trace(trace_id)
    assert (kept["engine"]["model"], kept["profile"]) == ("qwen3-0.6b-q8_0", "think-qwen3")

    watch.expect("net::ERR_|network error|Failed to fetch")  # Its requests break off.
    own_app.kill()
    own_app.start()
    own_app.wait_for_engine()
    models = _open_models(new_context().new_page(), own_app)
    expect(models.locator('tr[data-model="qwen3-0.6b-q8_0"] .m1-badge').first).to_have_text("default")
    models.locator('tr[data-model="smollm2-135m"]').get_by_role("button", name="Try").click()
    expect(models.locator('[data-part="done"]')).to_contain_text("tokens/s, profile plain-chatml. Asked an easy")
    models.locator('tr[data-model="smollm2-135m"]').get_by_role("button", name="Use").click()
    expect(models.locator('tr[data-model="smollm2-135m"] .m1-badge').first).to_have_text("default")
    remove = models.locator('tr[data-model="qwen3-0.6b-q8_0"]').get_by_role("button", name="Remove")
    remove.click()
    remove.click()
    expect(models.locator('tr[data-model="qwen3-0.6b-q8_0"]')).to_have_count(0)
    assert not (own_app.home / "models" / "qwen3-0.6b-q8_0").exists()


def test_a_repository_is_listed_and_its_problems_are_said(
    new_tab: Callable[..., Page], own_app: RunningApp, hub: Hub
) -> None:
    models = _open_models(new_tab(), own_app)
    repo = models.get_by_label("Hub repository")
    repo.fill(f"https://huggingface.co/{REPO}")
    repo.press("Enter")
    row = models.locator('tr[data-file="Qwen3-0.6B-Q8_0.gguf"]')
    expect(row).to_contain_text("Q8_0")
    expect(row).to_contain_text("suits this machine")
    repo.fill("org/none")
    repo.press("Enter")
    expect(models.locator('[data-part="notes"]')).to_contain_text("no GGUF file")
    expect(row).to_have_count(0)
    repo.fill("org/missing")
    repo.press("Enter")
    expect(models.locator('[data-part="notice"]')).to_contain_text("not found")
    expect(repo).to_have_value("org/missing")
    own = models.get_by_label("GGUF file on this machine")
    own.fill("/none.gguf")
    own.press("Enter")
    expect(models.locator('[data-part="notice"]')).to_contain_text("not found")
    expect(own).to_have_value("/none.gguf")
