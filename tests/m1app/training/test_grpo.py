"""Training by rewards, for real: a model that knows the form answers and is rewarded by our verdict."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from m1app.training.folder import TrainingFolder
from tests.conftest import VLLM_PYTHON
from tests.m1app.training.trainings import ROOT, events_of, finish, prepare, question_rows, start, wait_for

pytestmark = [pytest.mark.training, pytest.mark.timeout(600)]
FORM: dict[str, Any] = {"method": "full", "max_steps": 30, "evaluation_share": 0.0, "sample_tokens": 0, "batch_size": 3}
FEW: dict[str, Any] = {
    "objective": "grpo",
    "max_steps": 3,
    "batch_size": 8,
    "gradient_accumulation": 2,
    "generations": 4,
    "completion_tokens": 32,
    "learning_rate": 0.001,
    "evaluate_every_steps": 3,
    "save_every_steps": 1,
    "sample_tokens": 0,
}
DECIDED: dict[str, Any] = {"stop_tokens": ("<|im_end|>",)}


@pytest.fixture(scope="module")
def informed(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base that has learnt to think, close its thinking and answer."""
    folder = prepare(tmp_path_factory.mktemp("informed") / "run", tiny_base, **FORM)
    status, output = finish(folder)
    assert status == 0, output
    return folder.model


@pytest.fixture(scope="module")
def straight(informed: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingFolder:
    """A training that nothing disturbed, with a question that leaves no room for an answer."""
    long = question_rows("gout")[0] | {"prompt": "gout " * 200}
    folder = prepare(tmp_path_factory.mktemp("straight") / "run", informed, [long], DECIDED, **FEW)
    status, output = finish(folder)
    assert status == 0, output
    return folder


def test_right_answers_are_rewarded_and_counted(straight: TrainingFolder) -> None:
    (started,) = events_of(straight, "started")
    assert (started["samples"], started["too_long"]) == (9, 1)
    logs = events_of(straight, "log")
    assert [each["step"] for each in logs] == [1, 2, 3]
    assert all(0.0 <= each["reward"] <= 1.0 for each in logs)
    # The base answers right at times: a reward that nothing earns would teach nothing.
    assert max(each["reward"] for each in logs) > 0.0
    assert all(0 < each["completion_tokens"] <= 32 for each in logs)
    assert [each["step"] for each in events_of(straight, "evaluated")] == [0, 3]
    assert straight.gguf.is_file()
    assert "share of right answers while training" in straight.card.read_text()


def test_stopped_it_goes_on_from_its_checkpoint(informed: Path, tmp_path: Path) -> None:
    folder = prepare(tmp_path / "run", informed, None, DECIDED, **FEW)
    process = start(folder)
    wait_for(folder, process, lambda event: event["event"] == "log" and event["step"] >= 1)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0
    status, output = finish(folder)
    assert status == 0, output
    assert [each["step"] for each in events_of(folder, "log")] == [1, 2, 3]


@pytest.mark.vllm
@pytest.mark.timeout(1800)
def test_vllm_writes_the_answers_of_the_model_as_it_is_trained(informed: Path, tmp_path: Path) -> None:
    needed = ["-c", "import vllm, trl, peft, datasets"]
    if not VLLM_PYTHON.exists() or subprocess.run([str(VLLM_PYTHON), *needed], capture_output=True).returncode:
        pytest.skip("there is no .venv-vllm with TRL; docs/fine-tuning.md says under Objectives how to make one")
    folder = prepare(tmp_path / "run", informed, None, DECIDED, **FEW, generator="vllm", precision="bf16")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
    command = [str(VLLM_PYTHON), "-m", "tests.m1app.training.grpo_on_cpu", str(folder.path)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    logs = events_of(folder, "log")
    assert [each["step"] for each in logs] == [1, 2, 3]
    # A model that kept its first weights, or random ones, would not know the form and earn nothing.
    assert max(each["reward"] for each in logs) > 0.0
    assert folder.gguf.is_file()
