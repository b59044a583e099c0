"""vLLM started from the models tab, beside the embedded engine, with a program that stands in for it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from models.servers.kept_record import KeptServers
from models.servers.kept_server import end_kept_server
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
    end_kept_server(KeptServers(home / "run", "vllm"))


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


def _lines(starts: Path) -> list[list[str]]:
    return [json.loads(line) for line in starts.read_text(encoding="utf-8").splitlines()]


def _choose(section: Locator, app: RunningApp) -> None:
    """Fill the form in; what is wrong is refused, and stays."""
    command = section.locator('[data-part="command"]')
    _fill(section, "Model", str(app.home / "tiny"))
    expect(command).to_contain_text(f"--model {app.home / 'tiny'} --served-model-name tiny")
    expect(command).to_contain_text("VLLM_API_KEY=***")
    _fill(section, "Context, tokens", "4,096")
    expect(section.locator('[data-part="notes"]')).to_contain_text("more than the model's own 2,048")
    expect(section.get_by_role("button", name="Start vLLM")).to_be_disabled()
    _fill(section, "Context, tokens", "1024")
    expect(command).to_contain_text("--max-model-len 1024")
    _fill(section, "More arguments", "--trust-remote-code")
    expect(section.locator('[data-part="notice"]')).to_contain_text("--trust-remote-code cannot be set here")
    expect(section.get_by_label("More arguments")).to_have_value("--trust-remote-code")
    _fill(section, "More arguments", "--max-num-seqs 8")
    expect(command).to_contain_text("--max-num-seqs 8")
    section.get_by_text("Keep running").click()


def test_vllm_is_chosen_started_kept_over_a_kill_and_stopped(
    new_tab: Callable[..., Page], new_context: Callable[..., BrowserContext], own_app: RunningApp, starts: Path
) -> None:
    own_app.wait_for_engine()
    section = _open(new_tab(), own_app)
    expect(section.locator('[data-part="state"]')).to_have_text("not running")
    expect(section.locator('[data-part="which"]')).to_have_text("Choose a model to see the command.")
    _choose(section, own_app)
    section.get_by_role("button", name="Start vLLM").click()
    expect(section.locator('[data-part="state"]')).to_have_text("ready")
    expect(section.locator('[data-part="facts"]')).to_contain_text("tiny @ vllm")
    expect(section.locator('[data-part="which"]')).to_contain_text("This command is running.")
    ((first, *arguments),) = _lines(starts)
    assert arguments[arguments.index("--max-model-len") + 1] == "1024"
    assert arguments[arguments.index("--max-num-seqs") + 1] == "8"

    section.page.close()
    own_app.kill()
    assert is_running(int(first))
    own_app.start()
    section = _open(new_context().new_page(), own_app)
    taken_over = f"process {first}, taken over from an earlier start"
    expect(section.locator('[data-part="facts"]')).to_contain_text(taken_over)
    expect(section.get_by_label("Context, tokens")).to_have_value("1024")
    expect(section.locator('[data-part="which"]')).to_have_text("This command is running.")

    _fill(section, "Context, tokens", "512")
    expect(section.locator('[data-part="which"]')).to_contain_text("choose Restart to apply them")
    section.get_by_role("button", name="Restart vLLM").click()
    wait_until(lambda: len(_lines(starts)) == 2, "the new command is started")
    assert not is_running(int(first))
    expect(section.locator('[data-part="state"]')).to_have_text("ready")
    stop = section.locator('[data-part="stop"]')
    stop.click()
    stop.click()
    expect(section.locator('[data-part="state"]')).to_have_text("not running")
    wait_until(lambda: not is_running(int(_lines(starts)[1][0])), "the server has ended")


def test_every_server_is_shown_with_what_it_can_do(new_tab: Callable[..., Page], own_app: RunningApp) -> None:
    own_app.wait_for_engine()
    section = _open(new_tab(), own_app)
    _fill(section, "Model", str(own_app.home / "tiny"))
    section.get_by_role("button", name="Start vLLM").click()
    expect(section.locator('[data-part="state"]')).to_have_text("ready")
    servers = section.page.locator("#admin-servers")
    servers.scroll_into_view_if_needed()
    embedded, managed = servers.locator('[data-server="own"]'), servers.locator('[data-server="vllm"]')
    expect(embedded).to_contain_text("llama.cpp")
    expect(embedded).to_contain_text("CPU, 1 thread")
    expect(embedded.locator('[data-ability="whole pieces"]')).to_have_text("whole pieces: no")
    expect(embedded).to_contain_text("Benchmarks read it token by token")
    expect(managed).to_contain_text("tiny")
    expect(managed.locator('[data-ability="prefix caching"]')).to_have_text("prefix caching: yes")
    expect(managed.locator('[data-ability="probabilities"]')).to_have_text("probabilities: 20")


def test_a_model_that_is_none_is_refused_where_it_is_typed(new_tab: Callable[..., Page], own_app: RunningApp) -> None:
    section = _open(new_tab(), own_app)
    _fill(section, "Model", "no/such-model")
    expect(section.locator('[data-part="message"]')).to_contain_text("neither a catalog model nor a folder")
    _fill(section, "Model", "/etc")
    expect(section.locator('[data-part="message"]')).to_contain_text("no config.json with .safetensors files")
    _fill(section, "Model", "smollm2-135m")
    expect(section.locator('[data-part="message"]')).to_contain_text("Press Use in its row")
