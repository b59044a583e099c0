"""A base that trains in seconds, made once."""

import subprocess
from pathlib import Path

import pytest

from tests.m1app.training.trainings import TRAIN_PYTHON


@pytest.fixture(scope="session")
def tiny_base(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of two layers with the embedded model's tokenizer."""
    return make_base(smollm2_path, tmp_path_factory.mktemp("bases") / "tiny")


@pytest.fixture(scope="session")
def broken_base(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a NaN weight."""
    return make_base(smollm2_path, tmp_path_factory.mktemp("bases") / "broken", "--broken")


def make_base(gguf: Path, folder: Path, *options: str) -> Path:
    if not TRAIN_PYTHON.is_file():
        pytest.skip("there is no .venv-train; run make train-env")
    script = Path(__file__).with_name("tiny_base.py")
    subprocess.run(
        [str(TRAIN_PYTHON), str(script), str(gguf), str(folder), *options], check=True, capture_output=True, timeout=170
    )
    return folder
