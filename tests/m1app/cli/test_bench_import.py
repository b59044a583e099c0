"""`python -m m1app bench import` in a process of its own."""

import json
from pathlib import Path

from tests.m1app.benchmark.imports.log_cases import (
    harness_folder,
    harness_sample,
    inspect_log,
    inspect_sample,
    m1_folder,
    m1_row,
)
from tests.m1app.cli.command_line import assert_one_line, run


def test_an_import_says_what_it_found_and_a_second_one_that_it_is_there(tmp_path: Path) -> None:
    home = tmp_path / "home"
    harness_folder(tmp_path / "log", harness_sample(0, "The answer is B."), harness_sample(1, "Answer: B", value=1.0))
    done = run("bench", "import", str(tmp_path / "log"), home=home)
    assert done.returncode == 0, done.stderr
    first, name, file, own, state, *_ = done.stdout.splitlines()
    assert first == "new question set: glands (imported)"
    assert name == "lm-evaluation-harness, glands (imported): example/m1-7b (imported)"
    assert "written by lm-evaluation-harness 0.4.9; 0 of 2 questions (0.0%) matched to a question set" in file
    assert own.startswith("Right by the files' own verdicts: 2 of 2 (100.0%). The rule strict differs on 1 answer")
    assert state.endswith("(imported): 2 done, 0 failed")
    assert "generated" not in done.stdout
    assert [line.partition(" ")[0] for line in done.stderr.splitlines()] == ["reading", "scoring", "storing"]
    again = run("bench", "import", str(tmp_path / "log"), home=home)
    assert (again.returncode, again.stdout) == (0, "")
    assert "imported already, as run" in again.stderr


def test_an_import_as_json_has_files_cells_and_verdicts(tmp_path: Path) -> None:
    rows = [m1_row(0, "The answer is B"), m1_row(1, "The answer is B")]
    m1_folder(tmp_path / "log" / "a", *rows, budget=128, correct=[True, True])
    m1_folder(tmp_path / "log" / "b", *rows, budget=512, correct=[True, False])
    done = run("bench", "import", str(tmp_path / "log"), "--name", "Theirs", "--json", home=tmp_path / "home")
    (told,) = json.loads(done.stdout)["runs"]
    assert (told["name"], told["state"], told["budgets"]) == ("Theirs (imported)", "imported", [128, 512])
    assert told["own_verdicts"] == {"answers": 4, "correct": 3, "differ_strict": 1, "differ_m1": 1}
    assert [each["tool"] for each in told["files"]] == ["m1", "m1"]


def test_an_imported_run_is_not_resumed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (tmp_path / "log.eval").write_bytes(inspect_log(inspect_sample(0, "ANSWER: B")))
    done = run("bench", "import", str(tmp_path / "log.eval"), "--json", home=home)
    run_id = json.loads(done.stdout)["runs"][0]["run_id"]
    scored = run("bench", "--rescore", run_id, home=home)
    assert_one_line(scored.stderr, "was imported", "import its files again")


def test_a_log_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "log.eval").write_bytes(b"PK\x03\x04")
    done = run("bench", "import", str(tmp_path / "log.eval"), home=tmp_path / "home")
    assert done.returncode == 1
    assert_one_line(done.stderr.partition("\n")[2], "log.eval", "Copy the file again")
    wrong = run("bench", "import", "x", "--budget", "-1", home=tmp_path / "home")
    assert (wrong.returncode, "expected a whole number of 0 or more" in wrong.stderr) == (2, True)
