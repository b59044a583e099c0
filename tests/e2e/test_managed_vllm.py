"""vLLM started from the models tab, beside the embedded engine, with a program that stands in for it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from tests.e2e.browser_watch import Watch
from tests.e2e.running_app import RunningApp, make_home, running, wait_until
from tests.models.servers.server_cases import is_running
from tests.models.servers.vllm_stand_in import write_folder, write_python


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A line for each start of the stand-in."""
    return tmp_path_factory.mktemp("starts") / "starts"


@pytest.fixture(scope="module")
def own_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory, starts: Path) -> Iterator[RunningApp]:
    home = make_home(tmp_path_factory.mktemp("home"), smollm2_path)
    write_folder(home / "tiny")
    python = write_python(tmp_path_factory.mktemp("venv"), seconds=1, starts=starts)
    with running(RunningApp(home, M1_VLLM_PYTHON=str(python))) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


def _open(page: Page, app: RunningApp) -> Locator:
    page.goto(f"{app.url}/admin/?tab=models")
    section = page.locator("#admin-vllm")
    expect(section.locator('[data-part="state"]')).not_to_be_empty()
    return section


def _fill(section: Locator, label: str, text: str) -> None:
    box = section.get_by_label(label)
    box.fill(text)
    box.press("Tab")


def test_vllm_is_chosen_started_kept_over_a_kill_and_stopped(
    new_context: Callable[..., BrowserContext], own_app: RunningApp, starts: Path, watch: Watch
) -> None:
    own_app.wait_for_engine()
    section = _open(new_context().new_page(), own_app)
    state, command = section.locator('[data-part="state"]'), section.locator('[data-part="command"]')
    expect(state).to_have_text("not running")
    expect(section.locator('[data-part="which"]')).to_have_text("Choose a model to see the command.")
    _fill(section, "Model", str(own_app.home / "tiny"))
    expect(command).to_contain_text(f"--model {own_app.home / 'tiny'} --served-model-name tiny")
    expect(command).to_contain_text("VLLM_API_KEY=***")

    _fill(section, "Context, tokens", "4,096")
    expect(section.locator('[data-part="notes"]')).to_contain_text("more than the model's own 2,048")
    expect(section.get_by_role("button", name="Start vLLM")).to_be_disabled()
    _fill(section, "Context, tokens", "1024")
    expect(command).to_contain_text("--max-model-len 1024")
    _fill(section, "Further arguments", "--trust-remote-code")
    expect(section.locator('[data-part="notice"]')).to_contain_text("--trust-remote-code cannot be set here")
    expect(section.get_by_label("Further arguments")).to_have_value("--trust-remote-code")
    _fill(section, "Further arguments", "--max-num-seqs 8")
    expect(command).to_contain_text("--max-num-seqs 8")
    section.get_by_text("Keep running").click()

    section.get_by_role("button", name="Start vLLM").click()
    expect(state).to_have_text("ready")
    expect(section.locator('[data-part="facts"]')).to_contain_text("tiny @ vllm")
    expect(section.locator('[data-part="which"]')).to_contain_text("This runs.")
    (first,) = (json.loads(line) for line in starts.read_text(encoding="utf-8").splitlines())
    assert first[first.index("--max-model-len") + 1] == "1024"
    assert first[first.index("--max-num-seqs") + 1] == "8"

    watch.expect("net::ERR_")
    own_app.kill()
    assert is_running(first[0])
    own_app.start()
    section = _open(new_context().new_page(), own_app)
    expect(section.locator('[data-part="facts"]')).to_contain_text(f"process {first[0]}, taken over from an earlier start")
    expect(section.get_by_label("Context, tokens")).to_have_value("1024")
    expect(section.locator('[data-part="which"]')).to_have_text("This runs.")
    servers = section.page.locator("#admin-servers")
    expect(servers.locator('[data-server="vllm"]')).to_contain_text("tiny")

    _fill(section, "Context, tokens", "512")
    expect(section.locator('[data-part="which"]')).to_contain_text("Restart applies them")
    section.get_by_role("button", name="Restart vLLM").click()
    wait_until(lambda: len(starts.read_text(encoding="utf-8").splitlines()) == 2, "the new command is started")
    assert not is_running(first[0])
    expect(section.locator('[data-part="state"]')).to_have_text("ready")
    second = json.loads(starts.read_text(encoding="utf-8").splitlines()[1])
    stop = section.locator('[data-part="stop"]')
    stop.click()
    stop.click()
    expect(section.locator('[data-part="state"]')).to_have_text("not running")
    wait_until(lambda: not is_running(second[0]), "the server has ended")


def test_a_model_that_is_none_is_refused_where_it_is_typed(
    new_context: Callable[..., BrowserContext], own_app: RunningApp
) -> None:
    section = _open(new_context().new_page(), own_app)
    _fill(section, "Model", "no/such-model")
    expect(section.locator('[data-part="message"]')).to_contain_text("no model of the catalog, and no folder")
    _fill(section, "Model", "/etc")
    expect(section.locator('[data-part="message"]')).to_contain_text("no config.json with .safetensors files")
    _fill(section, "Model", "smollm2-135m")
    expect(section.locator('[data-part="message"]')).to_contain_text("Press Use in its row")
