"""The process that trains, for real: finish, stop, kill, go on, refuse, and what it leaves."""

import json
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks.served_alike import same_beginning, serving, with_engine, with_transformers
from m1app.training.events import last_ending, read_events, summarise
from m1app.training.folder import TrainingFolder
from models.servers.llama_server import llama_server
from models.servers.vllm_server import vllm_server
from tests.m1app.training.trainings import (
    ROOT,
    STEPS,
    TOPICS,
    TRAIN_PYTHON,
    events_of,
    finish,
    losses,
    prepare,
    prompt_about,
    rows,
    start,
    wait_for,
)

VLLM_PYTHON = ROOT / ".venv-vllm" / "bin" / "python"
pytestmark = [pytest.mark.training, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def straight(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingFolder:
    """A training that nothing disturbed."""
    too_long = [rows("gout")[0] | {"completion": "rest " * 500, "parts": []}]
    folder = prepare(tmp_path_factory.mktemp("straight") / "run", tiny_base, too_long)
    status, output = finish(folder)
    assert status == 0, output
    return folder


def test_the_loss_falls_on_what_is_learnt_and_on_what_is_held_out(straight: TrainingFolder) -> None:
    summary = summarise(read_events(straight.progress_file))
    assert [step for step, _ in losses(straight)] == list(range(1, STEPS + 1))
    assert summary.first_loss and summary.last_loss and summary.last_loss < 0.9 * summary.first_loss
    assert summary.eval_loss_before and summary.eval_loss_after
    assert summary.eval_loss_after < summary.eval_loss_before


def test_a_sample_that_is_too_long_is_left_out_and_counted(straight: TrainingFolder) -> None:
    (started,) = events_of(straight, "started")
    assert (started["samples"], started["too_long"], started["evaluation_samples"]) == (9, 1, 2)


def test_the_model_answers_a_sample_at_every_evaluation(straight: TrainingFolder) -> None:
    evaluated = [each["step"] for each in events_of(straight, "evaluated")]
    assert evaluated == [0, 8, 16, 24]
    assert [each["step"] for each in events_of(straight, "sample")] == evaluated


def test_checkpoints_rotate(straight: TrainingFolder) -> None:
    kept = sorted(path.name for path in straight.checkpoints.glob("checkpoint-*"))
    assert kept == ["checkpoint-20", "checkpoint-24"]


def test_the_finished_files_can_be_read_by_everybody(straight: TrainingFolder) -> None:
    for path in (straight.model / "model.safetensors", straight.adapter / "adapter_model.safetensors", straight.gguf):
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_the_card_says_what_the_model_was_made_of(straight: TrainingFolder) -> None:
    card = straight.card.read_text()
    for words in (
        "# tuned",
        "traces:v1",
        "9 training samples, 2 held out, 1 left out",
        "Seed 5",
        "git commit abc",
    ):
        assert words in card
    public = (straight.model / "README.md").read_text()
    assert public.startswith("---\n") and "# tuned" in public
    # Nothing of this machine's folders goes where others read it.
    assert straight.recipe().base in card
    assert straight.recipe().base not in public


@pytest.mark.parametrize("engine", ["embedded", pytest.param("vllm", marks=pytest.mark.vllm)])
async def test_engines_answer_as_transformers_does(engine: str, straight: TrainingFolder, tmp_path: Path) -> None:
    prompts = [prompt_about(topic) for topic in (*TOPICS[:3], TOPICS[-1])]
    if engine == "embedded":
        server = llama_server(straight.gguf, "tuned", 512, 1, 1, tmp_path / "llama.log")
    elif not VLLM_PYTHON.exists():
        pytest.skip("there is no .venv-vllm; `make vllm` makes it")
    else:
        exact = ("--dtype", "float32")
        server = vllm_server(
            VLLM_PYTHON, str(straight.model), "tuned", tmp_path / "vllm.log", exact, context_length=512
        )
    async with serving(server) as served:
        found = await with_engine(served, prompts, 24)
    wanted = with_transformers(TRAIN_PYTHON, straight.model, prompts, 24)
    assert min(map(len, wanted)) >= 5
    assert [same_beginning(*pair) for pair in zip(found, wanted, strict=True)] == [1.0] * 4


def test_killed_and_stopped_it_goes_on_with_the_same_curve_and_ends_with_the_same_weights(
    straight: TrainingFolder, tiny_base: Path, tmp_path: Path
) -> None:
    folder = prepare(tmp_path / "run", tiny_base)
    process = start(folder)
    wait_for(folder, process, lambda event: event["event"] == "log" and event["step"] >= 7)
    process.kill()
    process.communicate()
    assert last_ending(read_events(folder.progress_file)) is None

    process = start(folder)
    wait_for(folder, process, lambda event: event["event"] == "resumed")
    wait_for(folder, process, lambda event: event["event"] == "log" and event["step"] >= 11)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0
    (stopped,) = events_of(folder, "stopped")
    assert 11 <= stopped["step"] < STEPS
    assert (folder.checkpoints / f"checkpoint-{stopped['step']}").is_dir()
    assert not folder.model.exists()

    status, output = finish(folder)
    assert status == 0, output
    assert [each["step"] for each in events_of(folder, "resumed")][-1] == stopped["step"]
    assert losses(folder) == losses(straight)
    ours, theirs = (each.model / "model.safetensors" for each in (folder, straight))
    assert ours.read_bytes() == theirs.read_bytes()


def test_begun_again_after_its_last_step_it_only_writes_the_model_anew(straight: TrainingFolder) -> None:
    before = (straight.model / "model.safetensors").read_bytes()
    curve = losses(straight)
    status, output = finish(straight)
    assert status == 0, output
    assert losses(straight) == curve
    assert (straight.model / "model.safetensors").read_bytes() == before


def test_told_to_stop_before_it_began_it_stops_at_once(tiny_base: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", tiny_base)
    process = start(folder)
    # The lock is taken right after the signals are listened to.
    while not folder.lock_file.exists():
        assert process.poll() is None, process.communicate()[0]
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0
    assert [each["step"] for each in events_of(folder, "stopped")] == [0]
    assert losses(folder) == []


def test_a_loss_that_is_no_number_ends_it_and_says_so(broken_base: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", broken_base, save_every_steps=1)
    status, output = finish(folder)
    assert status == 1
    (failed,) = events_of(folder, "failed")
    assert "no longer a number at step 1" in failed["message"]
    assert failed["message"] in output
    assert not list(folder.checkpoints.glob("checkpoint-*"))
    assert not folder.model.exists()


def test_it_stops_early_when_nothing_is_learnt(tiny_base: Path, tmp_path: Path) -> None:
    # Steps so small that no float32 weight moves: the held-out loss stays where it is.
    still = {"learning_rate": 1e-13, "weight_decay": 0.0, "method": "full", "warmup_ratio": 0.0, "max_steps": 20}
    every = {"early_stop_patience": 1, "evaluate_every_steps": 2, "save_every_steps": 2, "scheduler": "constant"}
    folder = prepare(tmp_path / "run", tiny_base, **still, **every)
    status, output = finish(folder)
    assert status == 0, output
    assert losses(folder)[-1][0] == 4
    (early,) = events_of(folder, "stopping_early")
    assert "checkpoint-2" in early["message"]
    assert folder.gguf.is_file()


def too_long(count: int) -> list[dict[str, Any]]:
    return [rows("gout")[0] | {"completion": "rest " * 500, "parts": []}] * count


def write_rows(path: Path, found: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in found))


def test_data_of_which_too_little_fits_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", tiny_base)
    write_rows(folder.train_file, rows("gout") + too_long(19))
    status, _ = finish(folder)
    assert status == 1
    assert "Only 1 of the 20 training samples fits into 128 tokens" in events_of(folder, "failed")[0]["message"]
    assert losses(folder) == []


def test_held_out_samples_that_are_all_too_long_are_spoken_of(tiny_base: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", tiny_base, max_steps=2)
    write_rows(folder.evaluation_file, too_long(2))
    status, output = finish(folder)
    assert status == 0, output
    assert "None of the 2 held-out samples fits into 128 tokens" in events_of(folder, "note")[0]["message"]
    assert events_of(folder, "evaluated") == []


def test_early_stopping_without_a_held_out_sample_that_fits_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", tiny_base, early_stop_patience=1, save_every_steps=8)
    write_rows(folder.evaluation_file, too_long(2))
    status, _ = finish(folder)
    assert status == 1
    assert "early stopping compares" in events_of(folder, "failed")[0]["message"]


def test_going_on_where_the_rest_does_not_fit_onto_the_disk_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    inside = f"mount -t tmpfs -o size=64m none {disk} && cp -r {tmp_path}/run {disk} && exec {TRAIN_PYTHON} -m"
    if subprocess.run(["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(disk)], capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    prepare(tmp_path / "run", tiny_base)
    command = ["unshare", "-rm", "sh", "-c", f"{inside} m1app.training.sft {disk}/run"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 1
    assert "free. Free some space, then resume the job" in done.stderr


def test_what_pytorch_says_of_a_full_disk_is_known() -> None:
    script = "\n".join(
        [
            "import torch",
            "from m1app.training.sft.__main__ import is_disk_full",
            "try:",
            "    torch.save({'weights': torch.zeros(5_000_000)}, '/dev/full')",
            "except RuntimeError as exc:",
            "    print(is_disk_full(exc))",
        ]
    )
    done = subprocess.run([str(TRAIN_PYTHON), "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=170)
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_model_is_written_from_the_machines_memory_once_the_optimizer_is_gone(
    tiny_base: Path, tmp_path: Path, method: str
) -> None:
    folder = prepare(tmp_path / "run", tiny_base, max_steps=2, method=method)
    script = Path(__file__).with_name("watched_export.py")
    done = subprocess.run(
        [str(TRAIN_PYTHON), str(script), str(folder.path)], cwd=ROOT, capture_output=True, text=True, timeout=170
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["optimizers"] == 0
    assert seen["not_to_the_cpu"] == 0 and seen["to_the_cpu"] > 10
    if method == "lora":
        assert seen["whole_model"] == ["cpu", "torch.float32", "torch.bfloat16"]


def test_data_of_which_nothing_fits_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", tiny_base, block_size=16)
    status, _ = finish(folder)
    assert status == 1
    assert "None of the 9 training samples fits into 16 tokens" in events_of(folder, "failed")[0]["message"]
