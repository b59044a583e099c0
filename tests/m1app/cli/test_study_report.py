"""`m1app study report` and `verify` in a process of their own, on a stored study."""

import json
from pathlib import Path

import pytest

from tests.e2e.benchmark_page import database_of
from tests.e2e.browser_watch import chromium_path
from tests.m1app.cli.command_line import assert_one_line, run
from tests.m1app.studies.report.study_samples import store_study

ENGINE = {"M1_ENGINE_URL": "http://127.0.0.1:9"}
"""Nothing is there: these commands need no engine."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    database = database_of(home)
    store_study(database)
    database.dispose()
    return home


@pytest.fixture(scope="module")
def report(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "report"
    done = run("study", "report", "thinking-helps", "--output", str(folder), home=home, **ENGINE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{folder}: 17 files, ")
    return folder


def test_a_report_is_a_folder_that_is_not_written_over(home: Path, report: Path) -> None:
    found = {path.relative_to(report).as_posix() for path in report.rglob("*") if path.is_file()}
    assert {"report.html", "study.toml", "claims.csv", "tables/claims.tex", "manifest.json"} <= found
    again = run("study", "report", "thinking-helps", "--output", str(report), home=home, **ENGINE)
    assert again.returncode == 1
    assert_one_line(again.stderr, "is not empty. Choose a new folder for the report.")


def test_a_report_without_a_browser_writes_nothing_and_says_why(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "report.zip"
    asked = ("study", "report", "thinking-helps", "--output", str(target), "--pdf")
    refused = run(*asked, home=home, M1_CHROMIUM="/nowhere/chrome", **ENGINE)
    assert refused.returncode == 1 and not target.exists()
    assert_one_line(refused.stderr, "M1_CHROMIUM is /nowhere/chrome, which is not an executable program")


@pytest.mark.skipif(chromium_path() is None, reason="no browser")
def test_a_report_has_a_pdf_where_a_browser_is(home: Path, tmp_path: Path) -> None:
    target = tmp_path / "report"
    asked = ("study", "report", "thinking-helps", "--output", str(target), "--pdf", "--paper", "letter")
    done = run(*asked, home=home, M1_CHROMIUM=chromium_path() or "", **ENGINE)
    assert done.returncode == 0, done.stderr
    assert (target / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_a_manifest_is_verified_against_its_own_study(home: Path, report: Path) -> None:
    done = run("study", "verify", str(report), "--strict", home=home, **ENGINE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  = m1-7b in run main: 12 of 12 cells: same" in done.stdout
    assert done.stdout.endswith("The study was repeated here.\n")


def test_what_differs_is_told_with_another_exit_status(home: Path, report: Path, tmp_path: Path) -> None:
    changed = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    changed["cells"][0]["right"] = 0
    changed["claims"][2]["verdict"] = "holds"
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(changed), encoding="utf-8")
    done = run("study", "verify", str(file), home=home, **ENGINE)
    assert done.returncode == 3, done.stderr
    assert (
        "  ! m1-7b in run main, MedQA, 128 tokens, 0 rounds: differs (there: 0 of 60 right (0.0%); here: "
        in done.stdout
    )
    assert "  ! claim larger: differs (there: holds; here: not measured)" in done.stdout
    as_json = json.loads(run("study", "verify", str(file), "--json", home=home, **ENGINE).stdout)
    assert as_json["is_repeated"] is False
    assert {"differs", "same"} <= {each["grade"] for each in as_json["findings"]}


def test_a_study_that_was_not_started_here_is_compared_as_far_as_it_can_be(
    home: Path, report: Path, tmp_path: Path
) -> None:
    changed = json.loads((report / "manifest.json").read_text(encoding="utf-8"))
    changed["study"]["name"] = "elsewhere"
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(changed), encoding="utf-8")
    done = run("study", "verify", str(file), home=home, **ENGINE)
    assert done.returncode == 3
    assert "elsewhere was not started here" in done.stderr
    assert "  = MedQA: same" in done.stdout and "  - claim gains: not here" in done.stdout
    named = run("study", "verify", str(file), "--study", "thinking-helps", home=home, **ENGINE)
    assert named.returncode == 0, named.stdout
    wrong = run("study", "verify", str(file), "--study", "nothing", home=home, **ENGINE)
    assert_one_line(wrong.stderr, "No started study is named 'nothing'")


def test_a_file_that_is_no_manifest_and_a_study_that_is_not_there_are_named(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "notes.json"
    file.write_text('{"format": "m1app study manifest", "version": 7}')
    newer = run("study", "verify", str(file), home=home, **ENGINE)
    assert newer.returncode == 1
    assert_one_line(newer.stderr, "written by a newer m1app", "update it")
    absent = run("study", "report", "nothing", "--output", str(tmp_path / "x"), home=home, **ENGINE)
    assert absent.returncode == 1 and not (tmp_path / "x").exists()
    assert_one_line(absent.stderr, "No started study is named 'nothing'")
