"""`python -m m1app dataset tag|distill`: estimated, and started as a job."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from m1app.cli.main import main
from tests.m1app.cli.command_line import assert_one_line
from tests.m1app.training.data_jobs.teacher import MODEL, teacher
from tests.m1app.training.training_cases import jsonl, some_samples
from tests.models.engine.scripted_server import Script, serving


@pytest.fixture
def engine(
    tmp_path: Path, no_settings: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Script]:
    """A teacher, and a home with the data set exam:v1."""
    script = teacher()
    with serving(script) as served:
        monkeypatch.setenv("M1_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("M1_ENGINE_URL", served.url)
        monkeypatch.setenv("M1_MODEL", MODEL)
        path = tmp_path / "traces.jsonl"
        path.write_bytes(jsonl([sample.as_row() for sample in some_samples(10)]))
        assert main(["dataset", "build", str(path), "--name", "exam"]) == 0
        capsys.readouterr()
        yield script


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_an_estimate_starts_nothing(engine: Script, capsys: pytest.CaptureFixture[str]) -> None:
    found = run_json(capsys, "dataset", "tag", "exam", "--estimate")
    assert (found["model"], found["requests"], found["most_generated"]) == (MODEL, 10, 320)
    assert "job" not in found
    assert main(["dataset", "tag", "exam", "--estimate", "--limit", "2"]) == 0
    assert f"{MODEL} would be asked about 2 questions" in capsys.readouterr().err
    assert run_json(capsys, "jobs", "list") == []
    assert engine.completions == []


def test_a_job_is_started_with_its_recipe(engine: Script, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--name", "taught", "--thinking", "64", "--answer", "32", "--seed", "3"]
    started = run_json(capsys, "dataset", "distill", "exam", *given)
    (job,) = run_json(capsys, "jobs", "list")
    assert (job["id"], job["kind"], job["name"]) == (started["job"], "training-data", "taught, distilled from exam:v1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tag", "nothing"], "Data set 'nothing' not found"),
        (["tag", "exam", "--limit", "0"], "limit: Input should be greater than or equal to 1"),
        (["distill", "questions:none", "--name", "x"], "There is no question set 'none'"),
        (["distill", "exam", "--name", "a b"], "is not a data set name"),
        (["distill", "exam", "--name", "x", "--temperature", "9"], "temperature"),
    ],
)
def test_what_cannot_be_started_is_said_in_a_line(
    engine: Script, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["dataset", *arguments]) == 1
    assert_one_line(capsys.readouterr().err, message)
