"""`python -m m1app dataset samples|exclude|restore|edit`: samples listed, and changed as a new version."""

import json
from pathlib import Path
from typing import Any

import pytest

from m1app.cli.main import main
from m1app.training.samples import sample_key
from tests.e2e.running_app import closed_port
from tests.m1app.cli.command_line import assert_one_line
from tests.m1app.training.training_cases import a_sample, jsonl, some_samples

WRONG = a_sample(question="Which gland is the wrong one?", answer="The answer is B.")
FIRST = some_samples(1)[0]


@pytest.fixture
def exam(
    tmp_path: Path, no_settings: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """A home with the data set exam:v1: ten samples, one left out."""
    monkeypatch.setenv("M1_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("M1_ENGINE_URL", f"http://127.0.0.1:{closed_port()}")
    path = tmp_path / "traces.jsonl"
    path.write_bytes(jsonl([sample.as_row() for sample in [*some_samples(10), WRONG]]))
    assert main(["dataset", "build", str(path), "--name", "exam"]) == 0
    capsys.readouterr()
    return tmp_path


def run_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["dataset", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_samples_are_listed_and_found(exam: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = run_json(capsys, "samples", "exam")
    assert (listed["data_set"], listed["total"], len(listed["samples"])) == ("exam:v1", 10, 10)
    (found,) = run_json(capsys, "samples", "exam:v1", "--search", "adrenal7")["samples"]
    whole = run_json(capsys, "samples", "exam", "--sample", found["key"])
    assert "adrenal7" in whole["sample"]["question"]
    assert main(["dataset", "samples", "exam", "--state", "dropped"]) == 0
    shown = capsys.readouterr()
    assert f"{sample_key(WRONG)} " in shown.out
    assert "[verify: its answer names another option]" in shown.out
    assert "1 - 1 of 1. 1 sample." in shown.err
    assert run_json(capsys, "samples", "exam", "--state", "all", "--page", "2")["samples"] == []


def test_samples_are_excluded_and_taken_back_as_new_versions(exam: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key = sample_key(FIRST)
    made = run_json(capsys, "exclude", "exam", "--sample", key, "--reason", "outdated")
    assert (made["id"], made["samples"]) == ("exam:v2", 9)
    assert main(["dataset", "restore", "exam", "--sample", key, "--reason", "still right"]) == 0
    assert "exam:v3: 10 samples in" in capsys.readouterr().out
    assert run_json(capsys, "show", "exam:v3")["parent"] == "exam:v2"


def test_an_edit_that_contradicts_its_target_has_to_be_kept_deliberately(
    exam: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    values = exam / "values.json"
    values.write_text(json.dumps({"target": "B"}), encoding="utf-8")
    edit = ["edit", "exam", "--sample", sample_key(FIRST), "--file", str(values), "--reason", "the guideline changed"]
    assert main(["dataset", *edit]) == 1
    assert_one_line(capsys.readouterr().err, "its answer names another option than the target")
    assert run_json(capsys, *edit, "--keep-anyway")["id"] == "exam:v2"
    assert run_json(capsys, "show", "exam")["changes"][0]["doubt"] == "its answer names another option than the target"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["samples", "nothing"], "Data set 'nothing' not found"),
        (["samples", "exam", "--sample", "0" * 12], "has no sample"),
        (["samples", "exam", "--least", "-1"], "least: Input should be greater than or equal to 0"),
        (["samples", "exam", "--page", "0"], "offset: Input should be greater"),
        (["exclude", "exam", "--sample", "x", "--reason", "y"], "cannot be read: key"),
        (["exclude", "exam", "--sample", "0" * 12, "--reason", "y"], "No sample 000000000000 is in this version"),
        (["edit", "exam", "--sample", sample_key(FIRST), "--file", "nowhere.json", "--reason", "y"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(
    exam: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["dataset", *arguments]) == 1
    assert_one_line(capsys.readouterr().err, message)
