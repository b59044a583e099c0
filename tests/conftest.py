"""Shared by tests of several packages: the real engines, started once."""

import gc
import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from m1app.access.person import COMMAND_LINE, run_process_as
from models.engine.endpoint import Endpoint
from tests.light_cryptography import make_light
from tests.migrated_copies import migrated_copies as migrated_copies
from tests.models.engine.dictated import dictate as dictate
from tests.needs import E2E, Guard, is_quick, mark
from tests.shallow_model import write_shallow
from tests.stall_watch import StallWatch

ROOT = Path(__file__).resolve().parents[1]
VLLM_PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
ENGINE_CONTEXT_LENGTH = 2048
_LINES_OF_A_FAILURE = 40
_BROWSER_FILES = "tests/e2e/"
ENGINES = ["embedded", pytest.param("vllm", marks=pytest.mark.vllm)]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="only tests that need nothing but Python (make quick)")


def pytest_configure(config: pytest.Config) -> None:
    run_process_as(COMMAND_LINE)
    make_light()
    config.pluginmanager.register(StallWatch())
    # How long an example takes depends on the machine.
    hypothesis.settings.register_profile("any machine", deadline=None)
    hypothesis.settings.load_profile("any machine")
    if config.option.quick:
        config.pluginmanager.register(Guard())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Twelve thousand tests stay in memory: searching them for garbage took a sixth of collecting them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)  # Before -m chooses by the marks.
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        mark(item)
    if config.option.quick:
        config.hook.pytest_deselected(items=[item for item in items if not is_quick(item)])
        items[:] = [item for item in items if is_quick(item)]
    # The browser's first, which share an app as long as nothing comes between them; quick files last, to fill up with.
    slow_files = {item.path for item in items if not is_quick(item)}
    items.sort(key=lambda item: (not item.path.is_relative_to(E2E), item.path not in slow_files))


class FileByFile(LoadScopeScheduling):
    """Each process takes a file at a time, in the order above: so each has one app and one browser, and no more.

    The first process begins with files without a browser: their engines and servers are waited for while browsers work.
    """

    def _split_scope(self, nodeid: str) -> str:
        return nodeid.partition("::")[0]

    def _assign_work_unit(self, node: Any) -> None:
        if node is self.nodes[0] and len(self.nodes) > 1:
            browsers = [scope for scope in self.workqueue if scope.startswith(_BROWSER_FILES)]
            if len(browsers) < len(self.workqueue):
                for scope in browsers:
                    self.workqueue.move_to_end(scope)
                super()._assign_work_unit(node)
                for scope in reversed(browsers):
                    self.workqueue.move_to_end(scope, last=False)
                return
        super()._assign_work_unit(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> FileByFile:
    config.option.loadscopereorder = False
    return FileByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """What a test has printed and logged travels between processes, which takes no lone surrogates."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Where a test failed that passed at its second try: otherwise nobody learns it."""
    for report in terminalreporter.getreports("rerun"):
        terminalreporter.section(f"first try of {report.nodeid} ({report.when}, {report.duration:.0f} s)", "-")
        terminalreporter.line("\n".join(report.longreprtext.splitlines()[-_LINES_OF_A_FAILURE:]))
        for name, text in report.sections:
            if name == "open page":
                terminalreporter.line(text)


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    """The default model's GGUF file, downloaded once; M1_TEST_HOME says where it is kept."""
    from models.weights.catalog import Catalog
    from models.weights.download import download

    home = Path(os.environ.get("M1_TEST_HOME") or ROOT / "data" / "test-home")
    return download(Catalog.load().get("smollm2-135m"), home / "models")


@pytest.fixture(scope="session")
def safetensors_path(smollm2_path: Path) -> Path:
    """The default model as vLLM loads it; made once next to the GGUF file."""
    if not VLLM_PYTHON.exists():
        pytest.skip("vLLM is not installed; run make vllm")
    directory = smollm2_path.parent / "smollm2-135m-safetensors"
    script = ROOT / "scripts" / "gguf_to_safetensors.py"
    subprocess.run([str(VLLM_PYTHON), str(script), str(smollm2_path), str(directory)], check=True, timeout=300)
    return directory


@pytest.fixture(scope="session")
def embedded_endpoint(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The real embedded engine, for tests that do not stop it, with few of its model's layers."""
    folder = tmp_path_factory.mktemp("llama")
    with _embedded(write_shallow(smollm2_path, folder / smollm2_path.name), folder) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def whole_model_endpoint(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The same with all layers, for tests of what a model finds likely."""
    with _embedded(smollm2_path, tmp_path_factory.mktemp("llama")) as endpoint:
        yield endpoint


@contextmanager
def _embedded(weights: Path, folder: Path) -> Iterator[Endpoint]:
    from models.servers.llama_server import llama_server

    server = llama_server(weights, "smollm2-135m", ENGINE_CONTEXT_LENGTH, 2, 1, folder / "llama.log")
    server.start()
    try:
        yield server.wait_ready(60)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def vllm_endpoint(safetensors_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The real vLLM over the same weights; M1_TEST_VLLM_ARGS adds arguments, such as `--dtype bfloat16`."""
    from models.servers.vllm_server import vllm_server

    log_path = tmp_path_factory.mktemp("vllm") / "vllm.log"
    extra_args = shlex.split(os.environ.get("M1_TEST_VLLM_ARGS", ""))
    server = vllm_server(
        VLLM_PYTHON, str(safetensors_path), "smollm2-135m", log_path, extra_args, context_length=ENGINE_CONTEXT_LENGTH
    )
    server.start()
    try:
        yield server.wait_ready(300)
    finally:
        server.stop()


@pytest.fixture(params=[pytest.param("whole_model", id="embedded"), ENGINES[1]])
def whole_engine_endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Each real engine in turn, with all layers of its model."""
    endpoint: Endpoint = request.getfixturevalue(f"{request.param}_endpoint")
    return endpoint


@pytest.fixture(params=ENGINES)
def engine_endpoint(request: pytest.FixtureRequest) -> Endpoint:
    """Each real engine in turn."""
    endpoint: Endpoint = request.getfixturevalue(f"{request.param}_endpoint")
    return endpoint
