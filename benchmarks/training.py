"""Tokens per second of a fine-tuning against a bare TRL script with the same settings, in turns.

Both train the embedded model with the same LoRA on the same rows, in the same environment, with the same threads and
without niceness. Ours is measured from the first event to the last step, the bare script by TRL's runtime.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.report import add_json_option, describe, machine, middle, table
from m1app.settings import load_settings
from m1app.training.events import read_events
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.process import KEPT_MEMORY
from m1app.training.recipe import TrainingRecipe
from models.weights.catalog import Catalog
from models.weights.download import download

_ROOT = Path(__file__).resolve().parents[1]
_BARE = _ROOT / "benchmarks" / "bare" / "train_with_trl.py"
_TARGET = 0.98
_SENTENCE = "The patient has a fever, a stiff neck and a rash, so meningitis must be treated at once. "


def prepare(path: Path, base: Path, steps: int, threads: int) -> TrainingFolder:
    """Rows of about 250 tokens, two a step."""
    recipe = TrainingRecipe.of_preset(
        "cpu-trial",
        str(base),
        "measurement",
        max_steps=steps,
        batch_size=2,
        gradient_accumulation=1,
        block_size=512,
        evaluation_share=0.0,
        save_every_steps=10_000,
        warmup_ratio=0.0,
        sample_tokens=0,
        niceness=0,
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
    rows = [{"prompt": f"{number}: {prompt}", "completion": _SENTENCE * 12 + "<|im_end|>"} for number in range(64)]
    folder = TrainingFolder(path)
    folder.write(recipe, run, rows, [])
    return folder


def ours(folder: TrainingFolder, python: Path) -> float:
    """Tokens per second of our process."""
    _run([str(python), "-m", "m1app.training.sft", str(folder.path)])
    events = read_events(folder.progress_file)
    started = next(each for each in events if each["event"] == "started")
    last = [each for each in events if each["event"] == "log"][-1]
    return float(last["tokens"]) / float(last["time"] - started["time"])


def bare(folder: TrainingFolder, python: Path, output: Path) -> float:
    """Tokens per second of the bare script."""
    said = _run([str(python), str(_BARE), str(folder.path), str(output)])
    found = json.loads(said.strip().splitlines()[-1])
    return float(found["tokens"]) / float(found["seconds"])


def _run(command: Sequence[str]) -> str:
    environment = {**os.environ, **KEPT_MEMORY}
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main() -> int:
    """Measure, print, and return 1 if the target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
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
            folder = prepare(Path(place) / "run", base, options.steps, options.threads)
            measured = {}
            for side in ("ours", "bare") if turn % 2 == 0 else ("bare", "ours"):
                measured[side] = (
                    ours(folder, settings.train_python)
                    if side == "ours"
                    else bare(folder, settings.train_python, Path(place) / "bare")
                )
            rows.append({"turn": turn + 1, **measured, "ratio": measured["ours"] / measured["bare"]})
    ratio = middle([row["ratio"] for row in rows])
    if options.json:
        sys.stdout.write(json.dumps({"machine": machine(), "turns": rows, "ratio": ratio, "target": _TARGET}) + "\n")
    else:
        sys.stdout.write(f"{table(rows)}\ntokens/s, ours / bare TRL: {ratio:.3f} (target {_TARGET})\n")
        sys.stdout.write(describe(machine()) + "\n")
    return 0 if ratio >= _TARGET else 1


if __name__ == "__main__":
    sys.exit(main())
