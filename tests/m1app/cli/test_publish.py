"""`m1app publish` in a process of its own, on stored runs, traces and sweeps."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from storage.questions.records import NewQuestion
from tests.e2e.benchmark_page import database_of
from tests.m1app.annotation.cases import stored_sweep, stored_trace
from tests.m1app.cli.command_line import ROOT, assert_one_line, environment, run
from tests.m1app.publishing.site_samples import ANNOTATORS, FREE_SET, SECRET_SET, annotate, store_site_run
from tests.storage.samples import begin

ENGINE = {"M1_ENGINE_URL": "http://127.0.0.1:9"}
"""Nothing is there: publishing needs no engine."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def ids(home: Path) -> dict[str, str]:
    database = database_of(home)
    try:
        small, large = store_site_run(database, free=2), store_site_run(database, name="Large", free=400)
        annotate(database, small.item_ids[0])
        licensed = NewQuestion(
            stem="Who may see this? mail@ward.example", options={"A": "a", "B": "b"}, source=SECRET_SET
        )
        return {
            "run": small.run_id,
            "large": large.run_id,
            "trace": stored_trace(database),
            "sweep": stored_sweep(database)[0],
            "licensed": begin(database, licensed).id,
        }
    finally:
        database.dispose()


def test_a_site_is_made_and_said(home: Path, ids: dict[str, str], tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = run("publish", ids["run"], "--output", str(site), "--annotator", ANNOTATORS[0], home=home, **ENGINE)
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith(f"{site}: 4 questions, ")
    assert f"texts of {FREE_SET} shown: its licence is Apache 2.0" in rest
    assert f"texts of {SECRET_SET} left out: its licence is unknown: it was imported from a file" in rest
    assert "annotations: 1" in rest
    assert "questions: 4 of 4" in done.stderr
    assert "may describe patients" not in done.stderr
    assert (site / "index.html").read_text(encoding="utf-8").count("<h1>Base</h1>") == 1


def test_a_site_as_json_replaces_the_earlier_one_and_warns_of_own_questions(
    home: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    arguments = ("publish", ids["run"], "--output", str(tmp_path / "site"), "--title", "Ours", "--json")
    assert run(*arguments, home=home, **ENGINE).returncode == 0
    done = run(*arguments, "--include-texts", SECRET_SET, home=home, **ENGINE)
    found = json.loads(done.stdout)
    assert (found["questions"], found["annotations"], found["identifiers"]) == (4, 0, {SECRET_SET: {"name": 2}})
    assert [each["has_texts"] for each in found["sets"]] == [True, True]
    assert f"{SECRET_SET} comes from people here, and its questions may describe patients" in done.stderr
    assert f"The texts of {SECRET_SET} may identify people: 2 possible names." in done.stderr


@pytest.mark.parametrize("kind", ["trace", "sweep"])
def test_one_trace_and_one_sweep_are_one_file(home: Path, ids: dict[str, str], tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"{kind}.html"
    done = run("publish", f"--{kind}", ids[kind], "--output", str(file), home=home, **ENGINE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{file}: ")
    assert done.stderr == ""
    assert "default-src 'none'" in file.read_text(encoding="utf-8").replace("&#39;", "'")


def test_a_file_with_a_question_that_may_not_be_passed_on_warns(
    home: Path, ids: dict[str, str], tmp_path: Path
) -> None:
    done = run("publish", "--trace", ids["licensed"], "--output", str(tmp_path / "trace.html"), home=home, **ENGINE)
    assert done.returncode == 0
    assert f"The question is one of {SECRET_SET}: its licence is unknown: " in done.stderr
    assert "e-mail address ma" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name benchmark runs, or --trace ID, or --sweep ID"),
        (("RUN", "--trace", "TRACE"), "one of the three"),
        (("--trace", "TRACE", "--title", "x"), "are for sites"),
        (("0" * 32,), "not found"),
        (("--sweep", "0" * 32), "not found"),
        (("RUN", "--include-texts", "MedQA"), "is in none of these runs"),
        (("RUN", "--annotator", "Mallory"), "Nobody has annotated as 'Mallory'"),
    ],
)
def test_what_cannot_be_published_is_said_and_leaves_nothing(
    home: Path, ids: dict[str, str], tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    given = [{"RUN": ids["run"], "TRACE": ids["trace"]}.get(each, each) for each in arguments]
    done = run("publish", *given, "--output", str(tmp_path / "out"), home=home, **ENGINE)
    assert done.returncode == 1
    assert_one_line(done.stderr, words)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_other_files_is_refused(home: Path, ids: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    done = run("publish", ids["run"], "--output", str(tmp_path), home=home, **ENGINE)
    assert_one_line(done.stderr, "contains other files")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopping_leaves_nothing_half(home: Path, ids: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    target = tmp_path / "out" / "site"
    command = [sys.executable, "-m", "m1app", "publish", ids["large"], "--output", str(target)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(home, **ENGINE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    while "questions: " not in process.stderr.readline():
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Stopped; nothing was written." in said
    assert list(target.parent.iterdir()) == []
