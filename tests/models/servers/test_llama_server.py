"""The embedded engine as the app runs it: the real llama.cpp server over the default model."""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models.engine.endpoint import Endpoint
from models.errors import ServerGone, ServerStartFailed
from models.servers.llama_server import llama_server
from models.servers.llama_worker import REFUSED, BadConfiguration, LlamaConfig, check
from models.servers.managed_server import ManagedServer, ServerState
from models.servers.restarts import RestartPolicy
from models.weights.gguf_check import BadModelFile, check_model_file
from tests.models.servers.server_cases import QUICK, command_lines, is_running, pids_with_environment, wait_until

ROOT = Path(__file__).resolve().parents[3]
pytestmark = pytest.mark.engine


def embedded(model_path: Path, log_path: Path, policy: RestartPolicy = QUICK) -> ManagedServer:
    return llama_server(model_path, "smollm2-135m", 1024, 2, 2, log_path, policy)


@pytest.fixture
def engine(smollm2_path: Path, tmp_path: Path):
    server = embedded(smollm2_path, tmp_path / "llama.log")
    server.start()
    server.wait_ready(60)
    yield server
    server.stop()


def complete(endpoint: Endpoint, **body: object) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    request = {"model": "smollm2-135m", "prompt": [1, 4093, 198, 26843], "max_tokens": 4, "temperature": 0, **body}
    return httpx2.post(f"{endpoint.base_url}/v1/completions", headers=headers, json=request, timeout=60)


def get(endpoint: Endpoint, path: str) -> httpx2.Response:
    return httpx2.get(endpoint.base_url + path, headers={"Authorization": f"Bearer {endpoint.api_key}"}, timeout=10)


def write_gguf(path: Path, *, version: int = 3, pairs: int = 0, body: bytes = b"") -> Path:
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", version, 0, pairs) + body)
    return path


def test_engine_serves_its_model_under_the_given_name(engine: ManagedServer):
    endpoint = engine.endpoint()
    models = get(endpoint, "/v1/models").json()["data"]
    assert [m["id"] for m in models] == ["smollm2-135m"]
    answer = complete(endpoint).json()
    assert answer["usage"]["prompt_tokens"] == 4
    assert answer["usage"]["completion_tokens"] == 4


def test_engine_says_where_it_runs(engine: ManagedServer):
    assert engine.status().hardware == "CPU, 2 threads"


def test_context_length_holds_for_each_slot(engine: ManagedServer):
    endpoint = engine.endpoint()
    assert [slot["n_ctx"] for slot in get(endpoint, "/slots").json()] == [1024, 1024]
    refused = complete(endpoint, prompt=[26843] * 1100)
    assert refused.status_code == 400
    assert refused.json()["error"]["n_ctx"] == 1024


def test_longer_context_than_trained_is_cut_to_the_trained_one(smollm2_path: Path, tmp_path: Path):
    server = llama_server(smollm2_path, "smollm2-135m", 50_000, 1, 2, tmp_path / "llama.log")
    server.start()
    endpoint = server.wait_ready(60)
    assert [slot["n_ctx"] for slot in get(endpoint, "/slots").json()] == [8192]
    server.stop()


@pytest.mark.parametrize(
    "tuning",
    [{"speculation": "ngram"}, {"flash_attention": "on"}, {"gpu_layers": 0}, {"cache_type": "q8_0"}],
    ids=["speculation", "attention", "layers", "cache"],
)
def test_tuned_engines_serve_and_speculation_changes_no_token(
    engine: ManagedServer, smollm2_path: Path, tmp_path: Path, tuning: dict[str, Any]
):
    tuned = llama_server(smollm2_path, "smollm2-135m", 1024, 2, 2, tmp_path / "llama.log", **tuning)
    tuned.start()
    try:
        given = [
            complete(each, max_tokens=48).json()["choices"][0]["text"]
            for each in (tuned.wait_ready(60), engine.endpoint())
        ]
    finally:
        tuned.stop()
    assert given[0]
    if "cache_type" not in tuning and "flash_attention" not in tuning:
        assert given[0] == given[1]


def test_metrics_are_served(engine: ManagedServer):
    assert "llamacpp:prompt_tokens_total" in get(engine.endpoint(), "/metrics").text


def test_requests_without_the_key_are_refused(engine: ManagedServer):
    endpoint = engine.endpoint()
    assert complete(Endpoint(endpoint.base_url, "guess")).status_code == 401


def test_key_is_neither_logged_nor_on_a_command_line(engine: ManagedServer):
    endpoint = engine.endpoint()
    complete(endpoint)
    assert endpoint.api_key not in engine.log.path.read_text(encoding="utf-8")
    assert "llama_worker" in command_lines()
    assert endpoint.api_key not in command_lines()


def test_killed_engine_comes_back_at_another_address(engine: ManagedServer):
    before, pid = engine.endpoint(), engine.status().pid
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: engine.status().restarts == 1)
    after = engine.wait_ready(60)
    assert (after.base_url, after.api_key) != (before.base_url, before.api_key)
    assert engine.status().pid != pid
    assert complete(after).status_code == 200


def test_engine_killed_again_and_again_is_given_up(smollm2_path: Path, tmp_path: Path):
    policy = RestartPolicy(max_restarts=1, first_delay_seconds=0.05)
    server = embedded(smollm2_path, tmp_path / "llama.log", policy)
    server.start()
    for _ in range(2):
        server.wait_ready(60)
        os.kill(server.status().pid, signal.SIGKILL)
        assert wait_until(lambda: server.status().state is not ServerState.READY)
    assert wait_until(lambda: server.status().state is ServerState.FAILED)
    with pytest.raises(ServerGone, match=r"killed by signal 9 \(out of memory\?\)\. It crashed 2 times"):
        server.endpoint()


def test_stop_ends_the_process_even_while_it_generates(engine: ManagedServer):
    pid, endpoint = engine.status().pid, engine.endpoint()
    body = {"model": "smollm2-135m", "prompt": [1, 4093], "max_tokens": 1000, "stream": True, "ignore_eos": True}
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    with httpx2.stream("POST", f"{endpoint.base_url}/v1/completions", headers=headers, json=body) as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data:")
        engine.stop()
        # It did not wait for the thousand tokens.
        more = 0
        with suppress(httpx2.HTTPError):
            for line in lines:
                more += line.startswith("data:")
    assert more < 900
    assert not is_running(pid)


def test_engine_dies_with_an_owner_that_was_killed(smollm2_path: Path, tmp_path: Path):
    script = f"""
import sys, time
from pathlib import Path
from typing import Any
from models.servers.llama_server import llama_server
server = llama_server(Path({str(smollm2_path)!r}), "smollm2-135m", 512, 1, 1, Path({str(tmp_path / "l.log")!r}))
server.start()
server.wait_ready(60)
print(server.status().pid, flush=True)
time.sleep(120)
"""
    mark = f"OWNED_BY={tmp_path}"
    owner = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OWNED_BY": str(tmp_path)},
    )
    engine_pid = int(owner.stdout.readline())
    assert is_running(engine_pid)
    assert len(pids_with_environment(mark)) == 3  # The owner, the guard, the engine.
    owner.kill()
    owner.wait()
    assert wait_until(lambda: not is_running(engine_pid))
    assert wait_until(lambda: not pids_with_environment(mark))


def test_missing_model_is_named(tmp_path: Path):
    server = embedded(tmp_path / "absent.gguf", tmp_path / "llama.log")
    server.start()
    with pytest.raises(ServerStartFailed, match=r"^Model file .*absent\.gguf not found\. Download the model"):
        server.wait_ready(60)
    assert server.status().state is ServerState.FAILED
    assert server.status().restarts == 0


def test_truncated_model_is_named(smollm2_path: Path, tmp_path: Path):
    short = tmp_path / "short.gguf"
    with smollm2_path.open("rb") as whole:
        short.write_bytes(whole.read(50_000_000))
    server = embedded(short, tmp_path / "llama.log")
    server.start()
    with pytest.raises(ServerStartFailed, match=r"short\.gguf is truncated: it has 50,000,000 bytes.* 98,362,432"):
        server.wait_ready(60)


def test_model_in_another_format_is_named(tmp_path: Path):
    (tmp_path / "model.gguf").write_bytes(b"PK\x03\x04 not a model")
    server = embedded(tmp_path / "model.gguf", tmp_path / "llama.log")
    server.start()
    with pytest.raises(ServerStartFailed, match="is not a GGUF model file"):
        server.wait_ready(60)


def test_well_formed_gguf_that_llama_cannot_load_is_reported(tmp_path: Path):
    server = embedded(write_gguf(tmp_path / "empty.gguf"), tmp_path / "llama.log")
    server.start()
    with pytest.raises(ServerStartFailed, match=r"llama\.cpp could not load .*empty\.gguf"):
        server.wait_ready(60)


def test_architecture_that_llama_cpp_does_not_know_is_named(tmp_path: Path):
    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    path = tmp_path / "new.gguf"
    pair = text("general.architecture") + struct.pack("<I", 8) + text("mednet9")
    tensor = text("token_embd.weight") + struct.pack("<IQIQ", 1, 32, 0, 0)
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + pair + tensor
    path.write_bytes(head + bytes(-len(head) % 32) + bytes(128))
    server = embedded(path, tmp_path / "llama.log")
    server.start()
    expected = r"new\.gguf has the architecture 'mednet9', which this llama\.cpp \(xllamacpp .*\) cannot load"
    with pytest.raises(ServerStartFailed, match=expected):
        server.wait_ready(60)


@pytest.mark.parametrize(
    ("pairs", "body", "message"),
    [
        (1, b"", "truncated: it has 24 bytes and ends inside its header"),
        (1, struct.pack("<Q", 1) + b"k" + struct.pack("<I", 99), "damaged GGUF header"),
        (1, struct.pack("<Q", 1 << 62), "truncated|damaged"),
    ],
)
def test_damaged_header_is_reported(tmp_path: Path, pairs: int, body: bytes, message: str):
    with pytest.raises(BadModelFile, match=message):
        check_model_file(write_gguf(tmp_path / "m.gguf", pairs=pairs, body=body))


@pytest.mark.parametrize(
    ("tensors", "pairs", "body"),
    [(0, 1 << 40, b""), (0, 1, struct.pack("<QIQ", 0, 8, 200 << 20)), (1 << 40, 0, b"")],
    ids=["pairs", "text", "tensors"],
)
def test_a_file_with_holes_is_refused_by_the_length_of_its_header(
    tmp_path: Path, tensors: int, pairs: int, body: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("models.weights.gguf_check._MOST_HEADER_BYTES", 1 << 20)
    path = tmp_path / "holes.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, tensors, pairs) + body)
    os.truncate(path, 300 << 20)
    with pytest.raises(BadModelFile, match=r"damaged GGUF header .*it is larger than 1 MB"):
        check_model_file(path)


def test_a_tensor_of_many_dimensions_is_refused(tmp_path: Path):
    path = tmp_path / "many.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<QI", 0, 9) + bytes(1000))
    with pytest.raises(BadModelFile, match="a tensor has 9 dimensions"):
        check_model_file(path)


def test_unknown_gguf_version_is_reported(tmp_path: Path):
    with pytest.raises(BadModelFile, match="version 9 is not one of 2 and 3"):
        check_model_file(write_gguf(tmp_path / "m.gguf", version=9))


def test_directory_is_not_a_model_file(tmp_path: Path):
    with pytest.raises(BadModelFile, match="cannot be read: Is a directory"):
        check_model_file(tmp_path)


def test_header_tells_size_and_dimensions(smollm2_path: Path):
    header = check_model_file(smollm2_path)
    assert header.size_bytes == smollm2_path.stat().st_size
    assert header.number("context_length") == 8192
    assert header.cache_bytes_per_token() == 30 * 3 * (64 + 64) * 2


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"context_length": 0}, "context_length is 0; set it to 1 or more"),
        ({"parallel": 0}, "parallel is 0; set it to 1 or more"),
        ({"threads": 0}, "threads is 0; set it to 1 or more"),
        ({"port": 70_000}, "Port 70000 on 127.0.0.1 cannot be used"),
        ({"parallel": 1_000_000}, "of memory are free. Lower the context length"),
        ({"flash_attention": "maybe"}, "flash_attention is 'maybe'; choose one of: 'auto', 'off', 'on'"),
        ({"cache_type": "q3"}, "cache_type is 'q3'; choose one of: 'f16', 'q8_0', 'q4_0'"),
        ({"speculation": "draft"}, "speculation is 'draft'; choose one of: '', 'ngram'"),
        ({"cache_type": "q8_0", "flash_attention": "off"}, "needs flash attention"),
    ],
)
def test_numbers_that_llama_would_die_of_are_refused(smollm2_path: Path, numbers: dict[str, Any], message: str):
    values = {"context_length": 1024, "parallel": 2, **numbers}
    with pytest.raises(BadConfiguration, match=message):
        check(LlamaConfig(str(smollm2_path), "smollm2-135m", **values))


def test_taken_port_is_refused(smollm2_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(BadConfiguration, match=f"Port {port} .* cannot be used .*in use"):
            check(LlamaConfig(str(smollm2_path), "smollm2-135m", 1024, 1, port=port))


@pytest.mark.parametrize("arguments", [[], ["{"], ['{"model": "x"}'], ["[]"]])
def test_worker_refuses_what_is_not_its_configuration(arguments: list[str]):
    done = subprocess.run(
        [sys.executable, "-m", "models.servers.llama_worker", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == REFUSED
    assert json.loads(done.stdout)["error"]


async def test_managed_engine_works_behind_the_openai_client(engine: ManagedServer):
    from models.engine.client import OpenAIEngine
    from models.engine.protocol import CompletionRequest

    client = OpenAIEngine(engine.endpoint)
    before = await client.describe()
    await asyncio.to_thread(engine.restart)
    await asyncio.to_thread(engine.wait_ready, 60)
    chunks = [chunk async for chunk in client.stream(CompletionRequest((1, 4093, 198, 26843), 4))]
    assert sum(len(chunk.token_ids) for chunk in chunks) == 4
    assert before.context_length == 1024
    await client.aclose()
