"""`python -m m1app study` in a process of its own, on a scripted engine."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.m1app.cli.command_line import assert_one_line, run
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.m1app.studies.study_cases import SMALL
from tests.models.engine.scripted_server import Script, serving

QUESTIONS = [
    {"question": f"Which gland makes hormone {n}?", "options": {"A": "Adrenal", "B": "Thyroid"}, "answer_idx": "B"}
    for n in range(5)
]


@pytest.fixture
def engine() -> Iterator[dict[str, str]]:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        yield {"M1_ENGINE_URL": script.url}


def test_a_study_is_added_estimated_run_and_deleted(tmp_path: Path, engine: dict[str, str]) -> None:
    home, file, five = tmp_path / "home", tmp_path / "small.toml", tmp_path / "five.json"
    file.write_text(SMALL, encoding="utf-8")
    five.write_text(json.dumps({"five": QUESTIONS}), encoding="utf-8")
    missing = run("study", "run", str(file), home=home, **engine)
    assert_one_line(missing.stderr, "error: The question set 'five' is not here")
    assert run("questions", "import", str(five), home=home, **engine).returncode == 0
    assert "small: added" in run("study", "add", str(file), home=home, **engine).stdout
    estimated = run("study", "estimate", "small", home=home, **engine).stdout
    assert "scripted: 5 questions, at most" in estimated
    assert "USD" in estimated
    done = run("study", "run", "small", home=home, **engine)
    assert done.returncode == 0, done.stderr
    assert "completed, 10 of 10 questions done" in done.stdout
    assert "Not decidable: More thinking helps." in done.stdout
    assert "Not measured: Facts explain most failures." in done.stdout
    told = json.loads(run("study", "status", "small", "--json", home=home, **engine).stdout)
    assert (told["state"], told["progress"]["done"], told["claims"][0]["n"]) == ("completed", 10, 5)
    assert_one_line(
        run("study", "run", "small", home=home, **engine).stderr, "error: A study named 'small' was already started"
    )
    assert run("study", "run", "small", "--name", "again", home=home, **engine).returncode == 0
    compared = run("study", "compare", "small", "again", home=home, **engine)
    assert "0.0 points" in compared.stdout and "n = 5" in compared.stdout, compared.stderr
    both = json.loads(run("study", "compare", "small", "again", "--json", home=home, **engine).stdout)
    assert (both["first"]["name"], both["second"]["name"], both["differences"]) == ("small", "again", [])
    site = tmp_path / "site"
    published = run("publish", "small", "--output", str(site), home=home, **engine)
    assert published.returncode == 0, published.stderr
    claims = (site / "claims-1.html").read_text(encoding="utf-8")
    assert "More thinking helps." in claims and "Not decidable" in claims
    assert_one_line(run("publish", "nothing", "--output", str(site), home=home, **engine).stderr, "No started study")
    assert "trash" in run("study", "delete", "again", home=home, **engine).stdout
    listed = json.loads(run("study", "list", "--json", home=home, **engine).stdout)
    assert [each["name"] for each in listed["started"]] == ["small"]
    assert [each["name"] for each in listed["files"]][-1] == "small"
    assert "trash" in run("study", "delete", "small", home=home, **engine).stdout
    assert run("study", "remove", "small", home=home, **engine).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("status", "nothing"), "error: No started study is named 'nothing'. Started studies: none yet."),
        (("show", "nothing"), "error: Study 'nothing' not found. Available: m1-smoke"),
        (("add", "missing.toml"), "error: missing.toml: No such file or directory"),
        (("run", "m1-smoke", "--model", "large=scripted"), "error: The study has no role 'large'"),
        (("remove", "m1-main"), "error: You have not added a study file named 'm1-main'"),
    ],
)
def test_what_is_not_there_is_named(
    tmp_path: Path, engine: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    refused = run("study", *arguments, home=tmp_path / "home", **engine)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert said.removeprefix("error: ") in refused.stderr
