"""The real vLLM, kept over a kill of the app."""

import json
from pathlib import Path

import pytest

from models.servers.kept_record import KeptServers, ask
from models.servers.kept_server import end_kept_server
from tests.conftest import VLLM_PYTHON
from tests.e2e.running_app import RunningApp
from tests.models.servers.server_cases import is_running


@pytest.mark.vllm
@pytest.mark.timeout(900)
def test_a_killed_app_finds_its_vllm_again(safetensors_path: Path, tmp_path: Path) -> None:
    options = {"context_tokens": 512, "has_speculation": True, "has_lora": True, "more": "--max-num-seqs 4"}
    (tmp_path / "vllm-options.json").write_text(json.dumps(options), encoding="utf-8")
    kept = KeptServers(tmp_path / "run", "vllm")
    model = str(safetensors_path)
    settings = {"M1_ENGINE": "vllm", "M1_MODEL": model, "M1_VLLM_KEEP": "true", "M1_VLLM_PYTHON": str(VLLM_PYTHON)}
    app = RunningApp(tmp_path, **settings)
    try:
        app.start()
        app.wait_for_engine()
        first = kept.read()
        assert first is not None
        command = Path(f"/proc/{first.pid}/cmdline").read_bytes().split(b"\0")
        assert command[command.index(b"--max-model-len") + 1] == b"512"
        assert b"--enable-lora" in command
        app.kill()
        assert is_running(first.pid)
        app.start()
        app.wait_for_engine()
        second = kept.read()
        assert second is not None
        assert (second.pid, second.base_url) == (first.pid, first.base_url)
        assert second.owner_pid != first.owner_pid
        app.stop()
        assert is_running(first.pid)
        assert ask(second) == "good"
    finally:
        app.kill()
        end_kept_server(kept)
    assert not is_running(first.pid)
