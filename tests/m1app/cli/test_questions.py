"""`python -m m1app questions`: what it prints and how it ends. No engine is asked anything."""

import json
from pathlib import Path

import pytest

from tests.m1app.cli.command_line import Done, run
from tests.m1app.question_sets.question_set_samples import FILES, as_jsonl, m1_row

NO_ENGINE = {"M1_ENGINE_URL": "http://127.0.0.1:9"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def questions(*arguments: str, home: Path, **settings: str) -> Done:
    return run("questions", *arguments, home=home, **NO_ENGINE, **settings)


def test_a_set_is_imported_listed_previewed_and_deleted(home: Path) -> None:
    done = questions("import", str(FILES / "m1_eval_data.json"), home=home)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "Lancet: 2 questions, layout m1\nNEJM: 1 question, layout m1\nMedXpertQA: 1 question, layout m1\n"
    )
    listed = json.loads(questions("list", "--json", home=home).stdout)["sets"]
    assert [(each["name"], each["question_count"]) for each in listed] == [
        ("Lancet", 2),
        ("MedXpertQA", 1),
        ("NEJM", 1),
    ]
    shown = json.loads(questions("preview", "Lancet", "--search", "flood", "--json", home=home).stdout)
    assert [each["answer_idx"] for each in shown["questions"]] == ["A"]
    assert "  A. Leptospirosis\n" in questions("preview", "Lancet", "--limit", "1", home=home).stdout
    assert questions("delete", "NEJM", home=home).stdout.startswith("NEJM moved to the trash")
    assert "NEJM" not in questions("list", home=home).stdout


def test_duplicates_overlap_and_what_was_here_are_said(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_bytes(as_jsonl([m1_row(), m1_row(), m1_row(1)]))
    first = questions("import", str(path), home=home)
    assert first.stdout == "own: 2 questions, layout m1\nown: 1 repeated in the file, kept once\n"
    again = questions("import", str(path), home=home)
    assert "own already exists, imported" in again.stdout
    other = json.loads(questions("import", str(path), "--name", "other", "--json", home=home).stdout)
    assert other["duplicates"] == {"other": 1}
    assert [(each["first"], each["second"], each["count"]) for each in other["overlaps"]] == [("other", "own", 2)]
    training = questions("overlap", "own", "--training", str(path), home=home)
    assert training.stdout.startswith(
        "overlap: own shares 2 questions with own.jsonl (identical or nearly so)\n  100%  Patient 0"
    )


def test_a_file_that_is_refused_and_a_set_that_is_not_there_end_with_a_message(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_bytes(as_jsonl([m1_row(answer_idx="Q")]))
    refused = questions("import", str(path), home=home)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr.startswith('error: bad.jsonl, line 1: column answer_idx: found "Q", expected')
    missing = questions("preview", "none", home=home)
    assert (missing.returncode, missing.stderr) == (1, "error: Question set 'none' not found. Available: none yet.\n")


@pytest.mark.parametrize("option", ["--limit=0", "--limit=-5", "--limit=1001", f"--limit={10**30}", "--offset=-1"])
def test_a_number_of_questions_out_of_range_is_refused_with_the_range(home: Path, option: str) -> None:
    done = questions("preview", "any", option, home=home)
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected a whole number from" in done.stderr


def test_the_layouts_are_listed_and_an_empty_home_says_what_to_do(home: Path) -> None:
    assert "medmcqa-original   MedMCQA, cop from 1" in questions("layouts", home=home).stdout
    assert "Import one: python -m m1app questions import FILE" in questions("list", home=home).stdout


def test_the_hub_is_asked_only_with_its_option_and_by_its_address(home: Path) -> None:
    by_file = questions("import", "openlifescienceai/medmcqa", home=home)
    assert "the file cannot be read" in by_file.stderr
    by_hub = questions("import", "--hub", "UCSC-VLAA/m1_eval_data", home=home, M1_HUB_URL="http://127.0.0.1:9")
    assert by_hub.returncode == 1
    assert by_hub.stderr.startswith("error: hub:UCSC-VLAA/m1_eval_data")
    assert "Check the network and M1_HUB_URL" in by_hub.stderr
