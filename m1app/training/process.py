"""The training process, from its owner's side: start it, follow its events, tell it to stop.

It cannot outlive its owner (`models.servers.process_guard`), and it saves a checkpoint when told to stop.
"""

import asyncio
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from m1app.errors import AppError
from m1app.settings import Settings
from m1app.training.environment import PROJECT
from m1app.training.events import Event, last_ending, read_events, summarise
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.machine import Machine, examine_machine
from models.servers.process_guard import guarded, inherited_environment
from storage.jobs.records import JobProgress

GRACE_SECONDS = 600.0
"""Time for a step and a checkpoint of a large model on a busy machine."""
_LOOK_SECONDS = 1.0
_FULL_DISK_BYTES = 50_000_000
"""A disk with less free space counts as full."""
_FSDP = PROJECT / "m1app" / "training" / "accelerate_fsdp.yaml"
KEPT_MEMORY = {
    # Returning memory to the system after every step, only to request it again, costs a sixth of the time.
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    "MALLOC_TOP_PAD_": "268435456",
}
"""Allocator settings for training on a CPU."""


async def run_training(
    folder: TrainingFolder,
    settings: Settings,
    report: Callable[[JobProgress], None],
    is_stopping: asyncio.Event,
) -> bool:
    """Train in a prepared folder, or resume there, until finished, trained or stopped.

    Returns:
        False if it was stopped, with a checkpoint if a step was done.

    Raises:
        AppError: it failed; the message says why.
    """
    run = await asyncio.to_thread(folder.run)
    environment = training_environment(settings)
    if run.devices == 1 and not run.nodes:
        machine = await asyncio.to_thread(examine_machine, folder.path)
        environment |= one_gpu(machine)
    started_at = time.time()
    folder.stop_file.unlink(missing_ok=True)
    process = await asyncio.create_subprocess_exec(
        *command_of(settings, folder, run),
        cwd=PROJECT,
        env=environment,
        stdin=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    ended = asyncio.ensure_future(process.wait())
    is_told = False
    try:
        while not ended.done():
            await asyncio.wait((ended,), timeout=_LOOK_SECONDS)
            events = await asyncio.to_thread(read_events, folder.progress_file)
            report(progress_of(events))
            if is_stopping.is_set() and not is_told:
                is_told = True
                await _tell_to_stop(process, folder, run)
    finally:
        # Closing the guard's input ends what it guards.
        if process.stdin is not None:
            process.stdin.close()
        await ended
        folder.stop_file.unlink(missing_ok=True)
    events = await asyncio.to_thread(read_events, folder.progress_file)
    report(progress_of(events))
    is_finished = _is_finished(events, started_at, ended.result(), is_stopping=is_stopping.is_set())
    if is_finished is None:
        usage = await asyncio.to_thread(shutil.disk_usage, folder.path)
        raise AppError(_silence(ended.result(), usage.free))
    return is_finished


async def _tell_to_stop(process: asyncio.subprocess.Process, folder: TrainingFolder, run: TrainingRun) -> None:
    if run.devices > 1 or run.nodes:
        with suppress(OSError):  # On a full disk the signal must suffice.
            await asyncio.to_thread(folder.stop_file.touch)
            return
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)


def progress_of(events: Sequence[Event]) -> JobProgress:
    """Training progress from its events."""
    summary = summarise(events)
    logs = [each for each in events if each["event"] == "log"]
    last = logs[-1] if logs else {}
    figures = {
        name: float(value)
        for name, value in {
            **{name: last.get(name) for name in ("loss", "learning_rate", "samples_per_second", "tokens_per_second")},
            "eval_loss": summary.eval_loss_after or summary.eval_loss_before,
            **_accuracy(events),
            "reward_margin": summary.reward_margin,
            "pair_accuracy": summary.pair_accuracy,
            "reward": summary.last_reward,
        }.items()
        if value is not None
    }
    return JobProgress(
        done=summary.steps,
        total=summary.steps_planned,
        unit="steps",
        per_second=_steps_per_second(summary.seconds_left, summary.steps_planned - summary.steps),
        seconds_left=summary.seconds_left,
        message=_message(events),
        figures=figures,
    )


def _accuracy(events: Sequence[Event]) -> dict[str, float]:
    """The last measured one, as a benchmark reports its own."""
    last = max((each for each in events if each["event"] == "accuracy"), key=lambda each: each["step"], default=None)
    names = {"accuracy": "value", "accuracy_low": "low", "accuracy_high": "high", "accuracy_n": "n"}
    return {name: float(last[key]) for name, key in names.items()} if last else {}


def _steps_per_second(seconds_left: float | None, steps_left: int) -> float | None:
    return steps_left / seconds_left if seconds_left and steps_left > 0 else None


def _message(events: Sequence[Event]) -> str:
    said = {"started": "Starting training.", "resumed": "Continuing from the last checkpoint."}
    notes = [str(each["message"]) for each in events if each["event"] == "note"]
    ending = last_ending(events)
    if ending is not None and ending["event"] == "finished":  # Checkpoints may be asked after it.
        unmeasured = [str(each["message"]) for each in events if each["event"] == "unmeasured"]
        return " ".join(["The new model is finished.", *notes, *unmeasured[-1:]])
    for event in reversed(events):
        if event["event"] in said:
            return said[event["event"]]
        if event.get("message"):
            return str(event["message"])
        if event["event"] == "log":
            return " ".join(["Training.", *notes])
    return "Loading the base model."


def _is_finished(events: Sequence[Event], started_at: float, status: int, *, is_stopping: bool) -> bool | None:
    """Whether training finished; None if the process did not report an outcome. Raises AppError with a reported
    failure."""
    ending = last_ending(events)
    # An older event is from an earlier attempt: this process ended before it could report anything.
    is_new = ending is not None and float(ending["time"]) >= started_at
    if ending is not None and is_new and ending["event"] == "failed":
        raise AppError(str(ending["message"]))
    if ending is not None and ending["event"] in ("finished", "trained") and status == 0:
        return True
    if is_stopping or (ending is not None and is_new and ending["event"] == "stopped"):
        return False
    return None


def _silence(status: int, disk_free_bytes: int) -> str:
    """Error message for a process that ended without reporting why."""
    said = f"The training process exited without reporting a result (status {status})."
    if disk_free_bytes < _FULL_DISK_BYTES:
        return (
            f"{said} The disk is full: free some space, then resume the job; it continues from its last checkpoint. "
            "The end of its output is in the log."
        )
    return (
        f"{said} It may have been killed or run out of memory. See the log; resume the job to continue from the last "
        "checkpoint."
    )


def command_of(settings: Settings, folder: TrainingFolder, run: TrainingRun) -> list[str]:
    """The training command under guard, with one process per GPU, here or on cluster nodes."""
    python, module = str(settings.train_python), ["-m", "m1app.training.sft", str(folder.path)]
    # Relative to PROJECT, because a Ray job's code is at a different path on every node.
    launch = [python, "-m", "accelerate.commands.launch", "--config_file", str(_FSDP.relative_to(PROJECT))]
    if run.nodes:
        spread = [sys.executable, "-m", "m1app.jobs.ray_nodes", "--nodes", str(run.nodes), "--gpus", str(run.devices)]
        launch += ["--num_processes", str(run.nodes * run.devices), "--num_machines", str(run.nodes)]
        launch += ["--machine_rank", "{rank}", "--main_process_ip", "{address}", "--main_process_port", "{port}"]
        command = [*spread, "--unless", str(folder.stop_file), "--", *launch, *module]
    elif run.devices > 1:
        command = [*launch, "--num_processes", str(run.devices), *module]
    else:
        command = [python, *module]
    return guarded(command, GRACE_SECONDS)


def one_gpu(machine: Machine) -> dict[str, str]:
    """Variables that make only the GPU with the most free memory visible; empty if there is no GPU.

    If it saw several, the trainer would replicate the model and split every batch on its own.
    """
    if not machine.gpus:
        return {}
    roomiest = max(range(len(machine.gpus)), key=lambda index: machine.gpus[index].free_bytes)
    # nvidia-smi orders GPUs by bus; CUDA by speed unless told otherwise.
    visible = machine.gpus[roomiest].uuid or str(roomiest)
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": visible}


def training_environment(settings: Settings) -> dict[str, str]:
    """The environment without the app's settings, which contain secrets, except those for the hub."""
    hub = {"HF_ENDPOINT": settings.hub_url, "HF_HUB_DISABLE_TELEMETRY": "1"}
    if token := settings.hub_token.get_secret_value():
        hub["HF_TOKEN"] = token
    if settings.hub_offline:
        hub["HF_HUB_OFFLINE"] = "1"
    return {**inherited_environment(), **KEPT_MEMORY, **hub, "PYTHONUNBUFFERED": "1"}
