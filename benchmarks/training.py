"""Tokens per second of a fine-tuning (SFT or DPO) against a bare TRL script with the same settings, in turns.

Both train the embedded model with the same LoRA on the same rows, in the same environment, with the same threads and
niceness. Ours is measured from the first event to the last step, the bare script by TRL's runtime; by the clock, and by
the processor time that the process used meanwhile. On a machine that does other work, only the second compares the two.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import add_json_option, describe, machine, middle, table
from m1app.settings import load_settings
from m1app.training.events import Event, read_events
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.process import KEPT_MEMORY
from m1app.training.recipe import Objective, TrainingRecipe
from models.weights.catalog import Catalog
from models.weights.download import download

_ROOT = Path(__file__).resolve().parents[1]
_BARE = _ROOT / "benchmarks" / "bare" / "train_with_trl.py"
_TARGET = 0.98
_LOOK_SECONDS = 0.05
_SENTENCE = "The patient has a fever, a stiff neck and a rash, so meningitis must be treated at once. "


def prepare(
    path: Path,
    base: Path,
    steps: int,
    threads: int,
    objective: Objective = "sft",
    rows: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> TrainingFolder:
    """Prepare two rows of about 250 tokens a step, unless `rows` and `changes` of the recipe say otherwise.

    Preference pairs have two responses of that length.
    """
    usual: dict[str, Any] = {"batch_size": 2, "gradient_accumulation": 1}
    recipe = TrainingRecipe.of_preset(
        "dpo-cpu-trial" if objective == "dpo" else "cpu-trial",
        str(base),
        "measurement",
        max_steps=steps,
        block_size=512,
        evaluation_share=0.0,
        save_every_steps=10_000,
        warmup_ratio=0.0,
        sample_tokens=0,
        niceness=0,
        **(usual | changes),
    )
    run = TrainingRun(
        model_id="measured",
        base_id="smollm2-135m",
        base_kind="gguf",
        base_location=str(base),
        profile="m1",
        data="measurement",
        data_sha256="",
        git_commit="",
        context_length=8192,
        threads=threads,
        created_at=datetime.now(UTC).isoformat(),
    )
    prompt = "<|im_start|>user\nWhat now?<|im_end|>\n<|im_start|>assistant\n"
    rows = rows or [
        {"prompt": f"{number}: {prompt}", "completion": _SENTENCE * 12 + "<|im_end|>"} for number in range(64)
    ]
    if objective == "dpo":
        rejected = {"completion": _SENTENCE.replace("meningitis", "migraine") * 12 + "<|im_end|>", "parts": []}
        rows = [row | {"rejected": rejected} for row in rows]
    folder = TrainingFolder(path)
    folder.write(recipe, run, rows, [])
    return folder


@dataclass(frozen=True, slots=True)
class Rate:
    """Tokens per second of one training."""

    clock: float
    processor: float
    """Per second of processor time, of all threads together."""


def ours(folder: TrainingFolder, python: Path) -> Rate:
    """The rate of our process."""
    process = _start([str(python), "-m", "m1app.training.sft", str(folder.path)])
    used: dict[int, float] = {}
    while process.poll() is None:
        seconds = processor_seconds(process.pid)
        events = read_events(folder.progress_file)
        # The first look that sees a step comes just after it.
        for step in {0 for each in events if each["event"] == "started"} | _steps(events):
            used.setdefault(step, seconds)
        time.sleep(_LOOK_SECONDS)
    _output(process)
    events = read_events(folder.progress_file)
    started = next(each for each in events if each["event"] == "started")
    last = [each for each in events if each["event"] == "log"][-1]
    tokens = float(last["tokens"])
    return Rate(tokens / float(last["time"] - started["time"]), tokens / (used[last["step"]] - used[0]))


def _steps(events: Sequence[Event]) -> set[int]:
    return {int(each["step"]) for each in events if each["event"] == "log"}


def processor_seconds(process_id: int) -> float:
    """User and system time of a process so far, of all its threads; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def bare(folder: TrainingFolder, python: Path, output: Path) -> Rate:
    """The rate of the bare script."""
    said = _output(_start([str(python), str(_BARE), str(folder.path), str(output)]))
    found = json.loads(said.strip().splitlines()[-1])
    tokens = float(found["tokens"])
    return Rate(tokens / float(found["seconds"]), tokens / float(found["processor_seconds"]))


def _start(command: Sequence[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, **KEPT_MEMORY}
    # Both into one pipe, which is read at the end: neither side says much.
    return subprocess.Popen(
        command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _output(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate()
    if process.returncode:
        sys.exit(f"{process.args!r} failed:\n{said[-2000:]}")
    return said


def _row(app: Rate, script: Rate) -> dict[str, float]:
    return {
        "ours/processor s": app.processor,
        "bare/processor s": script.processor,
        "ratio": app.processor / script.processor,
        "ours/s": app.clock,
        "bare/s": script.clock,
        "ratio by the clock": app.clock / script.clock,
    }


def main() -> int:
    """Measure, print, and return 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--objective", choices=["sft", "dpo"], default="sft")
    add_json_option(parser)
    options = parser.parse_args()
    settings = load_settings()
    if not settings.train_python.is_file():
        sys.stdout.write("There is no .venv-train; run make train-env to measure the training.\n")
        return 0
    base = download(Catalog.load().get("smollm2-135m"), settings.models_directory)
    rows = []
    for turn in range(options.turns):
        with tempfile.TemporaryDirectory(prefix="m1-training-") as place:
            folder = prepare(Path(place) / "run", base, options.steps, options.threads, options.objective)
            measured: dict[str, Rate] = {}
            for side in ("ours", "bare") if turn % 2 == 0 else ("bare", "ours"):
                measured[side] = (
                    ours(folder, settings.train_python)
                    if side == "ours"
                    else bare(folder, settings.train_python, Path(place) / "bare")
                )
            rows.append({"turn": turn + 1, **_row(measured["ours"], measured["bare"])})
    ratio, by_clock = (middle([row[name] for row in rows]) for name in ("ratio", "ratio by the clock"))
    if options.json:
        sys.stdout.write(
            json.dumps(
                {"machine": machine(), "turns": rows, "ratio": ratio, "ratio_by_the_clock": by_clock, "target": _TARGET}
            )
            + "\n"
        )
    else:
        said = (
            f"tokens of {options.objective} per second of a processor, ours / bare TRL: {ratio:.3f} (target {_TARGET})"
            f"; by the clock: {by_clock:.3f}"
        )
        sys.stdout.write(f"{table(rows)}\n{said}\n")
        sys.stdout.write(describe(machine()) + "\n")
    return 0 if ratio >= _TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
