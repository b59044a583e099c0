"""Shared by tests of the training process: a tiny base, prepared folders, and the process itself."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m1app.training.events import read_events
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.recipe import TrainingRecipe

ROOT = Path(__file__).resolve().parents[3]
TRAIN_PYTHON = ROOT / ".venv-train" / "bin" / "python"
STEPS = 24
_WAIT_SECONDS = 150.0
TOPICS = ("fever", "cough", "anaemia", "migraine", "gout", "asthma", "sepsis", "stroke", "angina", "eczema", "mumps")


def prompt_about(topic: str) -> str:
    return f"<|im_start|>user\nWhat helps with {topic}?<|im_end|>\n<|im_start|>assistant\n"


def rows(*topics: str) -> list[dict[str, Any]]:
    """Rendered samples in m1's form, in parts."""
    found = []
    for topic in topics:
        parts = [
            ("open", "<|im_start|>think"),
            ("reasoning", f"\nThe question is about {topic}.\n"),
            ("close", "<|im_start|>answer"),
            ("answer", f"\nFor {topic}, rest helps: \\boxed{{B}}"),
            ("end", "<|im_end|>"),
        ]
        completion = "".join(text for _, text in parts)
        found.append({"prompt": prompt_about(topic), "completion": completion, "parts": parts})
    return found


def pair_rows(*topics: str) -> list[dict[str, Any]]:
    """Rendered preference pairs: the better response of each is that of `rows`."""
    return [row | {"rejected": _worse(row)} for row in rows(*topics)]


def question_rows(*topics: str) -> list[dict[str, Any]]:
    """Rendered questions for GRPO; the right answer to each is that of `rows`."""
    asked = {"opens": "<|im_start|>think", "closes": "<|im_start|>answer", "target": "B"}
    return [row | asked | {"options": {"A": "Running", "B": "Rest"}} for row in rows(*topics)]


def _worse(row: dict[str, Any]) -> dict[str, Any]:
    parts = [(kind, text.replace("rest helps: \\boxed{B}", "run: \\boxed{A}")) for kind, text in row["parts"]]
    return {"completion": "".join(text for _, text in parts), "parts": parts}


def prepare(
    path: Path,
    base: Path,
    extra: list[dict[str, Any]] | None = None,
    decided: dict[str, Any] | None = None,
    **changes: object,
) -> TrainingFolder:
    """A folder prepared like the app does; `extra` adds training rows, `decided` fields of run.json.

    Objective "dpo" gets preference pairs, and "grpo" questions.
    """
    usual: dict[str, object] = {
        "max_steps": STEPS,
        "epochs": 1000,
        "batch_size": 2,
        "gradient_accumulation": 1,
        "block_size": 128,
        "evaluate_every_steps": 8,
        "save_every_steps": 4,
        "sample_tokens": 8,
        "lora_dropout": 0.1,
        "seed": 5,
        "learning_rate": 0.01,
        "niceness": 0,
    }
    if changes.get("method") == "full" or changes.get("objective", "sft") != "sft":
        del usual["lora_dropout"]
    recipe = TrainingRecipe.of_preset("cpu-trial", str(base), "traces:v1", **(usual | changes))
    run = TrainingRun(
        model_id="tuned",
        base_id="tiny",
        base_kind="gguf" if base.suffix == ".gguf" else "folder",
        base_location=str(base),
        profile="m1",
        data="traces:v1",
        data_sha256="0" * 64,
        git_commit="abc",
        sample_prompt=prompt_about("fever"),
        context_length=2048,
        threads=1,
        created_at="2026-11-01T00:00:00+00:00",
        **(decided or {}),
    )
    folder = TrainingFolder(path)
    made = {"sft": rows, "dpo": pair_rows, "grpo": question_rows}[recipe.objective]
    folder.write(recipe, run, made(*TOPICS[:9]) + (extra or []), made(*TOPICS[9:]))
    return folder


def start(folder: TrainingFolder) -> subprocess.Popen[str]:
    """Start the training process."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [str(TRAIN_PYTHON), "-m", "m1app.training.sft", str(folder.path)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(folder: TrainingFolder) -> tuple[int, str]:
    """Run a training to its end; return exit status and output."""
    process = start(folder)
    output, _ = process.communicate(timeout=_WAIT_SECONDS)
    return process.returncode, output


def wait_for(folder: TrainingFolder, process: subprocess.Popen[str], is_so: Callable[[dict[str, Any]], bool]) -> None:
    """Block until a matching event of the running process."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while not any(map(is_so, read_events(folder.progress_file))):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"the training ended, or took too long: {process.communicate()[0]}")
        time.sleep(0.005)


def losses(folder: TrainingFolder) -> list[tuple[int, float]]:
    """Step and loss of every step, as read from the events."""
    return [(each["step"], each["loss"]) for each in read_events(folder.progress_file) if each["event"] == "log"]


def events_of(folder: TrainingFolder, kind: str) -> list[dict[str, Any]]:
    return [each for each in read_events(folder.progress_file) if each["event"] == kind]
