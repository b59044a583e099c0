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


GERMAN = (
    "Frage;a1;a2;Lsg;Fach\nWelches Metall ist flüssig?;Eisen;Quecksilber;2;Chemie\nWas rostet?;Eisen;Gold;1;Chemie\n"
)


def test_columns_are_named_and_what_was_read_otherwise_is_said(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "german.csv"
    path.write_bytes(GERMAN.encode("cp1252"))
    unknown = questions("import", str(path), home=home)
    assert unknown.returncode == 1
    assert "no layout has the columns 'Fach', 'Frage', 'Lsg', 'a1', 'a2'" in unknown.stderr
    assert "--question-column" in unknown.stderr
    columns = ("--question-column", "Frage", "--option-columns", "a1,a2", "--answer-column", "Lsg")
    done = questions("import", str(path), *columns, "--answer-base", "1", "--tag-columns", "Fach", home=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("german: 2 questions, layout columns\ngerman.csv is not UTF-8 and was read as")
    shown = json.loads(questions("preview", "german", "--json", home=home).stdout)["questions"]
    assert [(each["answer_idx"], each["tags"]) for each in shown] == [("B", ["Chemie"]), ("A", ["Chemie"])]
    wrong = questions("import", str(path), *columns, "--answer-base", "0", home=home)
    assert 'german.csv, line 2: column Lsg: found "2", expected the right option\'s number, 0 to 1.' in wrong.stderr


def test_bad_rows_are_skipped_and_written_to_a_file(home: Path, tmp_path: Path) -> None:
    path, bad = tmp_path / "own.jsonl", tmp_path / "bad.csv"
    path.write_bytes(as_jsonl([m1_row(), *(m1_row(number, answer_idx="=1") for number in range(1, 13))]))
    done = questions("import", str(path), "--skip-bad", "--bad-rows", str(bad), home=home)
    assert done.returncode == 0, done.stderr
    assert "own: 1 question, layout m1\n12 rows could not be used and were left out.\n  line 2: column" in done.stdout
    assert f"  ... and 2 more; see {bad}\n" in done.stdout
    assert len(bad.read_text().splitlines()) == 13
    report = json.loads(questions("import", str(path), "--skip-bad", "--json", home=home).stdout)
    assert (report["bad_row_count"], report["bad_rows"][0]["where"]) == (12, "line 2")
    nowhere = questions("import", str(path), "--skip-bad", "--bad-rows", str(tmp_path / "no" / "x.csv"), home=home)
    assert nowhere.returncode == 1
    assert "The questions were imported, but" in nowhere.stderr


def test_a_part_is_taken_by_ids_or_at_random(home: Path, tmp_path: Path) -> None:
    path, ids = tmp_path / "own.jsonl", tmp_path / "ids.txt"
    path.write_bytes(as_jsonl([m1_row(number, id=number) for number in range(30)]))
    ids.write_text("3\n4\n99\n")
    done = questions("import", str(path), "--ids", str(ids), "--name", "listed", home=home)
    assert done.stdout.startswith(
        "listed: 2 questions, layout m1\n1 of the 3 listed ids were not found in the file: '99'."
    )
    for name in ("one", "two"):
        assert questions("import", str(path), "--limit", "5", "--seed", "7", "--name", name, home=home).returncode == 0
    one, two = (questions("preview", name, home=home).stdout for name in ("one", "two"))
    assert one == two
    assert one.count("target: ") == 5
    missing = questions("import", str(path), "--ids", str(tmp_path / "none"), "--name", "x", home=home)
    assert "none: the file cannot be read (No such file or directory)" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "expected"),
    [
        (("--answer-column", "x"), 1, "add --question-column"),
        (("--bad-rows", "x.csv"), 1, "add --skip-bad"),
        (("--limit", "0"), 2, "expected a whole number from 1 to 500,000"),
        (("--answer-base", "2"), 2, "invalid choice: '2'"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    home: Path, arguments: tuple[str, ...], code: int, expected: str
) -> None:
    done = questions("import", "a.jsonl", *arguments, home=home)
    assert (done.returncode, done.stdout) == (code, "")
    assert expected in done.stderr


def test_the_library_is_imported_without_a_file(home: Path) -> None:
    assert questions("import", "--library", home=home).stdout == "library: 60 questions, layout library\n"
    for wrong in (["import"], ["import", "--library", "own.jsonl"]):
        done = questions(*wrong, home=home)
        assert done.returncode != 0
        assert "Name a FILE to import, or use --library without one." in done.stderr
