"""The managed vLLM beside another engine and as the engine, with a program that stands in for it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from m1app.cli.main import main
from m1app.engines.managed_vllm import ManagedVllm
from m1app.engines.own_engine import EngineState
from m1app.engines.service import EngineService
from m1app.engines.vllm_service import VllmService, VllmView
from m1app.gpus import Gpu
from m1app.settings import EngineChoice, Settings
from models.engine.protocol import EngineKind
from models.errors import ServerError, ServerRefused
from models.profiles import load_profiles
from models.servers.kept_record import process_start
from models.servers.managed_server import ServerState
from models.servers.vllm_options import VllmOptions
from models.weights.catalog import Catalog
from tests.e2e.running_app import closed_port
from tests.models.engine.scripted_server import Script, chunk, serving, stream
from tests.models.servers.server_cases import is_running, wait_until
from tests.models.servers.vllm_stand_in import write_folder, write_python
from tests.models.weights.hub_stand_in import Hub, serving_hub

pytestmark = pytest.mark.usefixtures("no_settings")
Make = Callable[..., tuple[EngineService, VllmService]]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(write_folder(tmp_path / "tiny"))


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Makes the services of one home, over the stand-in; the app's engine is elsewhere, and down."""
    made: list[EngineService] = []
    python = write_python(tmp_path, starts=tmp_path / "starts")

    def services(**settings: Any) -> tuple[EngineService, VllmService]:
        given = {"engine_url": f"http://127.0.0.1:{closed_port()}"} if "engine" not in settings else {}
        built = Settings(home=tmp_path, **{"vllm_python": python, **given, **settings})
        built.logs_directory.mkdir(parents=True, exist_ok=True)
        engines = EngineService(built, Catalog.load(), load_profiles())
        made.append(engines)
        return engines, VllmService(built, engines)

    yield services
    for each in made:
        await each.aclose()
    ManagedVllm(made[0]._settings, made[0]._catalog, made[0]._shared, None).end_kept()


async def ready(vllm: VllmService, earlier: int | None = None) -> VllmView:
    """The view once it is ready, in another process than an earlier one, or has failed."""
    for _ in range(300):
        view = await vllm.view()
        is_new = view.pid is not None and view.pid != earlier
        if view.state is ServerState.FAILED or (view.state is ServerState.READY and is_new):
            return view
        await asyncio.sleep(0.1)
    raise AssertionError("not ready")


async def test_it_runs_beside_another_engine_under_a_name_of_its_own(make: Make, folder: str) -> None:
    engines, vllm = make()
    await vllm.choose({"model": folder, "context_tokens": 1024})
    await vllm.start()
    view = await ready(vllm)
    assert (view.name, view.is_engine, view.is_changed) == ("tiny @ vllm", False, False)
    info = await engines.engine("tiny @ vllm").describe()
    assert (info.kind, info.model, info.context_length) == (EngineKind.VLLM, "tiny", 1024)
    assert engines.choice_of("tiny @ vllm") is EngineChoice.VLLM
    assert engines.name_of("tiny @ vllm", info) == "tiny @ vllm"
    assert engines.choice is EngineChoice.REMOTE
    assert "--max-model-len 1024" in view.command
    assert "VLLM_API_KEY=***" in view.command
    assert str(view.pid) not in view.command
    await vllm.stop()
    with pytest.raises(ServerError, match="is not running"):
        await engines.engine("tiny @ vllm").tokenize("a", parse_special=False)
    assert not is_running(view.pid or 0)


async def test_a_job_of_another_process_finds_it(make: Make, folder: str) -> None:
    engines, vllm = make()
    await vllm.choose({"model": folder})
    await vllm.start()
    await ready(vllm)
    worker = EngineService(engines._settings, Catalog.load(), load_profiles(), is_worker=True)
    assert (await worker.engine("tiny @ vllm").describe()).model == "tiny"
    await worker.aclose()
    assert (await vllm.view()).state is ServerState.READY


async def test_its_model_is_offered_with_those_of_the_engine(make: Make, folder: str) -> None:
    with serving(Script(stream(chunk("a", [97], "stop")))) as script:
        engines, vllm = make(engine_url=script.url)
        assert await engines.models() == ("scripted",)
        await vllm.choose({"model": folder})
        await vllm.start()
        await ready(vllm)
        assert await engines.models() == ("scripted", "tiny @ vllm")


async def test_restart_of_the_engine_uses_the_options_as_they_are(make: Make, folder: str) -> None:
    engines, vllm = make(engine="vllm", model=folder)
    engines.start()
    await asyncio.to_thread(engines.wait_ready, 30)
    first = await ready(vllm)
    await vllm.choose({"context_tokens": 512})
    engines.restart()
    assert "--max-model-len 512" in (await ready(vllm, first.pid)).command
    assert not is_running(first.pid or 0)


async def test_two_starts_in_a_row_leave_one_server(make: Make, folder: str, tmp_path: Path) -> None:
    _, vllm = make()
    await vllm.choose({"model": folder})
    await asyncio.gather(vllm.start(), vllm.start())
    view = await ready(vllm)
    started = [json.loads(line)[0] for line in (tmp_path / "starts").read_text(encoding="utf-8").splitlines()]
    assert [pid for pid in started if is_running(pid)] == [view.pid]


async def test_a_restart_that_is_refused_says_why_in_the_status(make: Make, folder: str) -> None:
    engines, vllm = make(engine="vllm", model=folder)
    engines.start()
    await asyncio.to_thread(engines.wait_ready, 30)
    await vllm.stop()
    await vllm.choose({"context_tokens": 4096})
    engines.restart()
    assert await asyncio.to_thread(wait_until, lambda: engines.status().state is EngineState.FAILED)
    assert "does not fit" in engines.status().message


async def test_options_are_kept_and_a_broken_file_is_the_defaults(make: Make, folder: str, tmp_path: Path) -> None:
    options = await make()[1].choose({"model": folder, "dtype": "float16", "has_lora": True})
    assert (await make()[1].view()).options == options
    (tmp_path / "vllm-options.json").write_text('{"dtype": "int3"}', encoding="utf-8")
    assert (await make()[1].view()).options == VllmOptions()


async def test_a_file_of_brackets_is_the_defaults(make: Make, tmp_path: Path) -> None:
    _, vllm = make()
    (tmp_path / "vllm-options.json").write_text("[" * 100_000, encoding="utf-8")
    assert (await vllm.view()).options == VllmOptions()


@pytest.mark.parametrize("name", ["--help", "..", "/"])
async def test_a_folder_whose_name_would_be_an_option_is_refused(make: Make, tmp_path: Path, name: str) -> None:
    _, vllm = make()
    folder = write_folder(tmp_path / "in" / name) if name == "--help" else tmp_path / "in" / name
    await vllm.choose({"model": str(folder)})
    with pytest.raises(ServerRefused, match="this name cannot be used"):
        await vllm.start()


async def test_the_environment_takes_precedence_and_is_named(make: Make, folder: str) -> None:
    await make()[1].choose({"model": "qwen3-4b", "is_kept": False})
    engines, vllm = make(
        engine="vllm", model=folder, speculation="ngram", vllm_keep=True, vllm_args="--port 1 --seed 2"
    )
    view = await vllm.view()
    assert dict(view.fixed) == {
        "model": "M1_MODEL",
        "has_speculation": "M1_SPECULATION",
        "is_kept": "M1_VLLM_KEEP",
    }
    assert (view.options.model, view.options.has_speculation, view.options.is_kept) == (folder, True, True)
    # It comes last, which is what counts.
    assert view.command.endswith("--port 1 --seed 2")
    chosen = await vllm.choose({"model": "qwen3-4b", "context_tokens": 256, "is_kept": False})
    assert (chosen.model, chosen.context_tokens, chosen.is_kept) == (folder, 256, True)
    assert engines.choice is EngineChoice.VLLM


async def test_secrets_of_the_machine_are_shown_nowhere(make: Make, folder: str) -> None:
    _, vllm = make(vllm_args="--api-key s3cret --hf_token=s3cret --seed 2", hub_token="s3cret")
    await vllm.choose({"model": folder})
    view = await vllm.view()
    assert view.command.endswith("--api-key *** --hf-token=*** --seed 2")
    assert "HF_TOKEN=***" in view.command
    assert view.more_arguments == "--api-key *** --hf-token=*** --seed 2"
    assert "s3cret" not in repr(view)


async def test_several_keys_and_the_password_of_a_mirror_are_shown_nowhere(make: Make, folder: str) -> None:
    _, vllm = make(vllm_args="--api-key s3cret s3cret2 --seed 2", hub_url="https://me:s3cret@mirror.example")
    await vllm.choose({"model": folder})
    view = await vllm.view()
    assert view.more_arguments == "--api-key *** *** --seed 2"
    assert "HF_ENDPOINT=https://***@mirror.example" in view.command
    assert "s3cret" not in view.command


async def test_as_the_engine_it_is_replaced_when_its_options_change(make: Make, folder: str, tmp_path: Path) -> None:
    engines, vllm = make(engine="vllm", model=folder)
    engines.start()
    await asyncio.to_thread(engines.wait_ready, 30)
    first = await ready(vllm)
    assert (first.name, first.is_engine) == (folder, True)
    await vllm.choose({"context_tokens": 512})
    assert (await vllm.view()).is_changed
    await vllm.start()
    second = await ready(vllm)
    assert not is_running(first.pid or 0)
    assert (second.is_changed, engines.status().state) == (False, EngineState.READY)
    assert (await engines.engine().describe()).context_length == 512
    assert len((tmp_path / "starts").read_text(encoding="utf-8").splitlines()) == 2


async def test_a_server_that_was_kept_is_there_after_a_restart(make: Make, folder: str) -> None:
    engines, vllm = make()
    await vllm.choose({"model": folder, "is_kept": True})
    await vllm.start()
    pid = (await ready(vllm)).pid
    await engines.aclose()
    assert is_running(pid or 0)
    again, vllm = make()
    again.start()
    assert await asyncio.to_thread(wait_until, lambda: again.vllm_server is not None)
    view = await ready(vllm)
    assert (view.pid, view.is_adopted) == (pid, True)
    await again.aclose()
    # Without an app that takes it over, it is said that it is there, and it can be stopped.
    _, vllm = make()
    view = await vllm.view()
    assert (view.state, view.can_stop) == (ServerState.STOPPED, True)
    assert f"process {pid} with tiny" in view.message
    await vllm.stop()
    assert not is_running(pid or 0)


async def test_what_cannot_fit_is_refused_before_the_start(
    make: Make, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, vllm = make()
    await vllm.choose({"model": folder, "context_tokens": 4096})
    view = await vllm.view()
    assert view.plan is not None
    assert view.plan.is_refused
    with pytest.raises(ServerRefused, match=r"tiny does not fit\. A context of 4,096 tokens is more than .* 2,048"):
        await vllm.start()
    assert not (tmp_path / "starts").exists()
    # Whoever runs the machine may know better.
    _, vllm = make(vllm_args="--max-model-len 1024")
    assert not (await vllm.view()).plan.is_refused  # type: ignore[union-attr]


async def test_an_engine_that_cannot_fit_says_so(make: Make, folder: str) -> None:
    engines, vllm = make(engine="vllm", model=folder)
    await vllm.choose({"tensor_parallel": 2})
    engines.start()
    with pytest.raises(ServerError, match="Tensor and data parallel are for GPUs"):
        await asyncio.to_thread(engines.wait_ready, 30)
    assert (await vllm.view()).state is ServerState.FAILED


async def test_on_a_gpu_its_memory_counts_and_it_is_named(
    make: Make, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpu").mkdir()
    python = write_python(tmp_path / "gpu", build="vllm")
    gpus = (Gpu("NVIDIA L4", 24 << 30, 4 << 30),)
    monkeypatch.setattr("m1app.engines.managed_vllm.find_gpus", lambda: gpus)
    _, vllm = make(vllm_python=python)
    await vllm.choose({"model": folder})
    plan = (await vllm.view()).plan
    assert plan is not None
    assert plan.fit is not None
    assert plan.hardware == "NVIDIA L4"
    assert "only 4.0 GiB are free" in " ".join(plan.fit.problems)
    gpus = ()
    await vllm.choose({"model": folder, "dtype": "float16"})
    assert "nvidia-smi finds no GPU" in (await vllm.view()).problem


async def test_while_it_runs_it_is_said_where_it_runs_and_not_where_a_restart_would(
    make: Make, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpu").mkdir()
    gpus = (Gpu("NVIDIA L4", 24 << 30, 23 << 30),) * 2
    monkeypatch.setattr("m1app.engines.managed_vllm.find_gpus", lambda: gpus)
    _, vllm = make(vllm_python=write_python(tmp_path / "gpu", build="vllm"))
    await vllm.choose({"model": folder})
    await vllm.start()
    await ready(vllm)
    await vllm.choose({"model": folder, "tensor_parallel": 2})
    view = await vllm.view()
    assert (view.hardware, view.plan.hardware) == ("NVIDIA L4", "2 × NVIDIA L4")  # type: ignore[union-attr]


async def test_the_memory_of_a_kept_server_counts_as_free_for_the_next_one(
    make: Make, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gpu").mkdir()
    python = write_python(tmp_path / "gpu", build="vllm")
    gpus = (Gpu("NVIDIA L4", 24 << 30, 23 << 30),)
    monkeypatch.setattr("m1app.engines.managed_vllm.find_gpus", lambda: gpus)
    engines, vllm = make(vllm_python=python)
    await vllm.choose({"model": folder, "is_kept": True})
    await vllm.start()
    await ready(vllm)
    await engines.aclose()
    gpus = (Gpu("NVIDIA L4", 24 << 30, 1 << 30),)
    # Nobody has taken it over, and Start replaces it.
    _, vllm = make(vllm_python=python)
    await vllm.choose({"model": folder, "is_kept": False})
    view = await vllm.view()
    assert view.state is ServerState.STOPPED
    assert not view.plan.is_refused  # type: ignore[union-attr]


async def test_options_that_are_kept_at_the_same_moment_are_whole(make: Make, folder: str) -> None:
    _, vllm = make()
    chosen = [{"model": folder, "context_tokens": 128 + n} for n in range(200)]
    await asyncio.gather(*map(vllm.choose, chosen))
    assert (await vllm.view()).options.model == folder


async def test_a_model_of_the_hub_is_measured_by_its_config_at_the_start_only(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    config = (write_folder(tmp_path / "big", max_position_embeddings=128) / "config.json").read_bytes()
    with serving_hub(Hub({"Qwen/Qwen3-4B": {"config.json": config}})) as hub:
        _, vllm = make(hub_url=hub.url)
        await vllm.choose({"model": "qwen3-4b", "context_tokens": 256})
        view = await vllm.view()
        assert (view.plan.unknown, hub.seen) == ("its config.json has not been downloaded yet", [])  # type: ignore[union-attr]
        with pytest.raises(ServerRefused, match=r"qwen3-4b does not fit.*more than the model's own 128"):
            await vllm.start()
        assert [path for _, path, _ in hub.seen] == ["/Qwen/Qwen3-4B/resolve/main/config.json"]


async def test_without_vllm_it_says_how_to_get_it(make: Make, folder: str) -> None:
    _, vllm = make(vllm_python="/no/such/python")
    await vllm.choose({"model": folder})
    view = await vllm.view()
    assert view.plan is None
    assert "run `make vllm`" in view.problem


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("no/such", "neither a catalog model nor a folder"),
        ("/etc", r"no config.json with .safetensors"),
        ("smollm2-135m", "Press Use in its row"),
        ("", "No model is chosen"),
    ],
)
async def test_a_model_that_vllm_cannot_load_is_refused(make: Make, model: str, words: str) -> None:
    _, vllm = make()
    await vllm.choose({"model": model})
    with pytest.raises(ServerRefused, match=words):
        await vllm.start()


@pytest.fixture
def command_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home for commands, over the stand-in."""
    for name in [name for name in os.environ if name.startswith("M1_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("M1_HOME", str(tmp_path))
    monkeypatch.setenv("M1_VLLM_PYTHON", str(write_python(tmp_path, starts=tmp_path / "starts")))
    yield tmp_path
    main(["models", "stop"])


def test_a_command_starts_and_stops_it_across_processes(
    command_home: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "start", folder]) == 0
    (pid,) = (json.loads(line)[0] for line in (command_home / "starts").read_text(encoding="utf-8").splitlines())
    assert f"tiny @ vllm is ready (process {pid})" in capsys.readouterr().out
    assert is_running(pid)
    assert main(["models", "start"]) == 0
    assert f"(process {pid}, taken over)" in capsys.readouterr().out
    assert main(["models", "start", "nonsense"]) == 1
    assert "neither a catalog model" in capsys.readouterr().err
    assert json.loads((command_home / "vllm-options.json").read_text(encoding="utf-8"))["model"] == folder
    assert main(["models", "stop"]) == 0
    assert not is_running(pid)
    assert main(["models", "stop"]) == 0
    assert "No vLLM is running" in capsys.readouterr().out


def test_a_command_that_is_refused_because_the_app_uses_vllm_changes_no_options(
    command_home: Path, folder: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["models", "start", folder]) == 0
    record = command_home / "run" / "vllm-kept.json"
    kept = json.loads(record.read_text(encoding="utf-8"))
    app = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        in_use = kept | {"owner_pid": app.pid, "owner_started": process_start(app.pid)}
        record.write_text(json.dumps(in_use), encoding="utf-8")
        assert main(["models", "start", str(write_folder(command_home / "other"))]) == 1
        assert f"in use by process {app.pid} of the app" in capsys.readouterr().err
        assert json.loads((command_home / "vllm-options.json").read_text(encoding="utf-8"))["model"] == folder
    finally:
        app.kill()
        app.wait()


def test_a_command_does_not_start_what_would_end_with_it(
    command_home: Path, folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("M1_VLLM_KEEP", "false")
    assert main(["models", "start", folder]) == 1
    assert "M1_VLLM_KEEP is false" in capsys.readouterr().err
