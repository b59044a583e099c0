"""One training on two nodes of a real Ray, which believes that this machine has two GPUs: make test-ray."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from m1app.jobs.executor import WorkerTask
from m1app.jobs.ray_executor import RayExecutor
from m1app.jobs.watching import Presence
from storage.jobs.records import Resource
from tests.m1app.jobs.ray_cluster import ray_cluster
from tests.m1app.training.conftest import make_base
from tests.m1app.training.on_cpu import python_on_cpu
from tests.m1app.training.trainings import events_of, losses, prepare

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("no_settings"), pytest.mark.timeout(500)]
PROGRAM = (str(Path(__file__).with_name("train_program.py")),)
STEPS = 12


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    pytest.importorskip("ray", reason="Ray is not installed; run make test-ray")
    home = Path(tempfile.mkdtemp(prefix="m1-ray-"))
    try:
        with ray_cluster(home, gpus=2) as address:
            yield address
    finally:
        shutil.rmtree(home, ignore_errors=True)


def start(executor: RayExecutor, attempt: int, environment: dict[str, str], log: Path) -> str:
    task = WorkerTask(
        job_id=f"{attempt:032x}", attempt=attempt, resource=Resource.CPU, log_path=log, environment=environment
    )
    return executor.start(task)


def ended(executor: RayExecutor, handle: str) -> str:
    """What a worker on the cluster has written, once it is over."""
    end = time.monotonic() + 200
    while executor.look(handle) is not Presence.GONE:
        assert time.monotonic() < end, executor.written(handle)
        time.sleep(1)
    return executor.written(handle)


def run(executor: RayExecutor, attempt: int, environment: dict[str, str], log: Path) -> str:
    return ended(executor, start(executor, attempt, environment, log))


def test_every_weight_is_trained_on_two_nodes_stopped_and_resumed(
    address: str, smollm2_path: Path, tmp_path: Path
) -> None:
    base = make_base(smollm2_path, tmp_path / "tiny")
    folder = prepare(tmp_path / "run", base, method="full", max_steps=STEPS, save_every_steps=4, evaluate_every_steps=4)
    folder.run_file.write_text(folder.run().model_copy(update={"nodes": 2}).model_dump_json())
    python = python_on_cpu(tmp_path)
    environment = {"M1_HOME": str(tmp_path / "home"), "M1_TRAIN_PYTHON": str(python), "FOLDER": str(folder.path)}
    executor = RayExecutor(address, PROGRAM)

    said = run(executor, 1, environment | {"STOP_AT": "2"}, tmp_path / "log.txt")
    assert "trained to the end: False" in said, said
    [stopped] = events_of(folder, "stopped")
    assert 2 <= stopped["step"] < STEPS

    said = run(executor, 2, environment | {"STOP_AT": "0"}, tmp_path / "log.txt")
    assert "trained to the end: True" in said, said
    assert [step for step, _ in losses(folder)] == list(range(1, STEPS + 1))
    assert losses(folder)[-1][1] < losses(folder)[0][1]
    assert (folder.checkpoints / f"checkpoint-{STEPS}" / "rng_state_1.pth").is_file(), "by two processes"
    assert folder.gguf.is_file()
    assert (folder.model / "model.safetensors").is_file()


def test_a_node_that_fails_ends_the_others(address: str, tmp_path: Path) -> None:
    script = 'echo $$ > "$1/$0"; if [ "$0" = 1 ]; then sleep 5; exit 3; fi; exec sleep 600'
    command = ("sh", "-c", script, "{rank}", str(tmp_path))
    spread = ("-m", "m1app.jobs.ray_nodes", "--nodes", "2", "--gpus", "1", "--unless", str(tmp_path / "stop"), "--")
    said = run(RayExecutor(address, (*spread, *command)), 3, {}, tmp_path / "log.txt")
    assert "exit code 3" in said, said
    left = int((tmp_path / "0").read_text())
    end = time.monotonic() + 30
    while Path(f"/proc/{left}").exists():
        assert time.monotonic() < end, "the first node's command goes on"
        time.sleep(0.2)


def test_nodes_that_the_cluster_does_not_have_are_waited_for_until_it_is_stopped(address: str, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", tmp_path / "none", method="full")
    folder.run_file.write_text(folder.run().model_copy(update={"nodes": 3}).model_dump_json())
    executor = RayExecutor(address, PROGRAM)
    environment = {"M1_HOME": str(tmp_path / "home"), "FOLDER": str(folder.path), "STOP_AT": "0"}
    handle = start(executor, 4, environment, tmp_path / "log.txt")
    end = time.monotonic() + 100
    while "Waiting for 3 nodes with 1 free GPUs each" not in executor.written(handle):
        assert time.monotonic() < end, executor.written(handle)
        time.sleep(0.5)
    time.sleep(2)
    assert executor.look(handle) is Presence.ALIVE
    folder.stop_file.touch()
    said = ended(executor, handle)
    assert "exited without reporting a result (status 0)" in said, "as it was not the app that stopped it"
