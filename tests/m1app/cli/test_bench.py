"""`python -m m1app bench` in a process of its own: on the real model, and on a slow engine to be interrupted on."""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from models.engine.endpoint import Endpoint
from tests.m1app.cli.command_line import ROOT, assert_one_line, environment, run
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.models.engine.scripted_server import MODEL, Script, serving

QUESTIONS = [
    {"question": f"Which gland makes hormone {n}?", "options": {"A": "Adrenal", "B": "Thyroid"}, "answer_idx": "B"}
    for n in range(4)
]
SHORT = ("--budgets", "8,16", "--force-rounds", "0,1", "--answer-cap", "12")


@pytest.fixture
def questions(tmp_path: Path) -> str:
    path = tmp_path / "glands.json"
    path.write_text(json.dumps({"glands": QUESTIONS}), encoding="utf-8")
    return str(path)


@pytest.mark.engine
def test_bench_prints_every_cell_by_both_rules(tmp_path: Path, questions: str, embedded_endpoint: Endpoint) -> None:
    engine = {"M1_ENGINE_URL": embedded_endpoint.base_url, "M1_ENGINE_API_KEY": embedded_endpoint.api_key}
    home = tmp_path / "home"
    done = run("bench", "--questions", questions, *SHORT, "--limit", "2", "--json", home=home, **engine)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["questions"], told["done"], told["failed"]) == ("completed", 2, 2, 0)
    assert [(cell["set"], cell["budget"], cell["rounds"], cell["n"]) for cell in told["cells"]] == [
        ("glands", 8, 0, 2), ("glands", 16, 0, 2), ("glands", 8, 1, 2), ("glands", 16, 1, 2),
    ]  # fmt: skip
    for cell in told["cells"]:
        for rule in ("strict", "m1"):
            found = cell["accuracy"][rule]
            assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
            assert 0 <= cell["unanswered"][rule] <= 2
        assert cell["mean_thinking_tokens"] <= cell["budget"]
    assert 0 < told["tokens_generated"] < told["tokens_if_separate"]
    # The file is imported once: by its name, and again by its path, it is the same set.
    again = run("bench", "--questions", "glands", "--questions", questions, *SHORT, "--dry-run", home=home, **engine)
    assert again.returncode == 0, again.stderr
    assert "4 questions x 4 cells: 16 answers" in again.stdout
    assert "bench --questions glands --budgets 8,16" in again.stdout


@pytest.mark.engine
def test_bench_prints_each_strategy_with_its_cost(tmp_path: Path, questions: str, embedded_endpoint: Endpoint) -> None:
    engine = {"M1_ENGINE_URL": embedded_endpoint.base_url, "M1_ENGINE_API_KEY": embedded_endpoint.api_key}
    asked = ("--budgets", "8", "--answer-cap", "8", "--limit", "1", "--temperature", "0.6", "--seed", "1")
    more = ("--strategies", "vote:k=2,first-finish:n=2", "--strategy-budget", "64")
    done = run("bench", "--questions", questions, *asked, *more, home=tmp_path / "home", **engine)
    assert done.returncode == 0, done.stderr
    _, _, shown = done.stdout.partition("\nstrategies of smollm2-135m\n")
    heads, vote, first, how, *_ = shown.splitlines()
    assert heads.startswith("Strategy")
    assert vote.split()[:1] == ["Vote"]
    assert first.startswith("First to finish")
    assert how.startswith("Each strategy answered every question once.")
    again = run("bench", "--resume", done.stdout.split()[1], "--json", home=tmp_path / "home", **engine)
    told = json.loads(again.stdout)["strategies"]
    assert [(each["strategy"], each["questions"]) for each in told] == [("vote:k=2", 1), ("first-finish:n=2", 1)]
    assert all(0 < each["mean_tokens"] <= 64 for each in told)


def slowly(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    time.sleep(0.15)
    answering(lambda _: RIGHT)(handler, body)


def begin(home: Path, url: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "m1app", "bench", *arguments],
        cwd=ROOT,
        env=environment(home, M1_ENGINE_URL=url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def asked_about(script: Script) -> int:
    """How many questions have begun."""
    return len({str(body["prompt"]) for body in script.completions if body["max_tokens"] == 16})


def finished(script: Script) -> int:
    """How many of one another's last cuts have been answered: two questions can be on their way at the end."""
    return sum(body["max_tokens"] == 12 for body in script.completions) // 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_bench_that_is_interrupted_or_killed_is_gone_on_with(
    tmp_path: Path, questions: str, number: signal.Signals
) -> None:
    home = tmp_path / "home"
    options = ("--profile", "plain-chatml", "--in-flight", "1", "--json")
    with serving(Script(slowly)) as script:
        bench = begin(home, script.url, "--questions", questions, *SHORT, *options)
        deadline = time.monotonic() + 90
        while finished(script) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(bench.pid, number)
        _, said = bench.communicate(timeout=60)
        run_id = said.split("run ", 1)[1].split(":", 1)[0]
        if number is signal.SIGINT:
            assert bench.returncode == 130
            assert f"bench --resume {run_id}" in said
        assert asked_about(script) < 4
        resumed = begin(home, script.url, "--resume", run_id, "--json")
        output, said = resumed.communicate(timeout=120)
        passes = len([body for body in script.completions if body["max_tokens"] == 16])
    assert resumed.returncode == 0, said
    told = json.loads(output)
    assert (told["state"], told["done"], told["failed"]) == ("completed", 4, 0)
    assert [cell["n"] for cell in told["cells"]] == [4] * 4
    assert [cell["accuracy"]["strict"]["value"] for cell in told["cells"]] == [1.0] * 4
    # One question was on its way when it ended; no other was begun a second time.
    assert passes <= 5


def test_bench_prints_a_line_for_every_cell(tmp_path: Path, questions: str) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        done = run(
            "bench", "--questions", questions, *SHORT, "--profile", "plain-chatml",
            home=tmp_path / "home", M1_ENGINE_URL=script.url,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, head, *cells, careful, _ = done.stdout.splitlines()
    assert careful == "Few questions (n = 4): read the interval, not the percentage."
    assert head.split() == ["set", "model", "budget", "rounds", "n", "strict", "m1", "unanswered", "thinking"]
    assert [" ".join(each.split()[2:5]) for each in cells] == ["8 0 4", "16 0 4", "8 1 4", "16 1 4"]
    assert all("100.0%" in each and " 0 | 0 " in each for each in cells)


def test_bench_compares_models_on_the_same_questions(tmp_path: Path, questions: str) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        alike = [f"{MODEL} by {profile}" for profile in ("plain-chatml", "plain-llama3")]
        models = [word for name in alike for word in ("--model", name)]
        done = run("bench", "--questions", questions, "--budgets", "8,16", "--answer-cap", "12", *models,
                   home=tmp_path / "home", M1_ENGINE_URL=script.url)  # fmt: skip
        assert done.returncode == 0, done.stderr
        again = run(
            "bench", "--resume", done.stdout.split()[1], "--json", home=tmp_path / "home", M1_ENGINE_URL=script.url
        )
    _, _, shown = done.stdout.partition("\nmodels on the same questions, by the rule strict\n")
    first, second, said, *_ = shown.splitlines()
    assert first.startswith(f"{alike[0]} -> {alike[1]}, budget 8, 0 rounds: ")
    assert "n = 4, 0 gained, 0 lost, p = 1.000, after Holm p = 1.000" in second
    assert said == "4 questions: no two models differ in any verdict."
    told = json.loads(again.stdout)
    assert [(each["other"], each["budget"], each["n"]) for each in told["models"]] == [
        (alike[1], 8, 4),
        (alike[1], 16, 4),
    ]
    assert told["models"][0]["questions_needed"] is None and told["detectable"]["difference"] is None
    # A run that is over can be compared with another one, or alone, without an engine.
    found = run("bench", "--compare", done.stdout.split()[1], home=tmp_path / "home", M1_ENGINE_URL="http://[::1]:9")
    assert found.returncode == 0, found.stderr
    assert first in found.stdout and second in found.stdout and said in found.stdout
    refused = run("bench", "--compare", "0" * 32, "--dry-run", home=tmp_path / "home", M1_ENGINE_URL="http://[::1]:9")
    assert_one_line(refused.stderr, "--compare cannot be combined")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), ("--questions", "--resume")),
        (("--questions", "nowhere.json"), ("nowhere.json",)),
        (("--resume", "0" * 32), ("Benchmark run '000", "not found")),
        (("--resume", "0" * 32, "--dry-run"), ("--dry-run and --resume cannot be combined",)),
    ],
)
def test_a_bench_that_cannot_begin_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        done = run("bench", *arguments, home=tmp_path / "home", M1_ENGINE_URL=script.url)
    assert done.returncode == 1
    assert_one_line(done.stderr, *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--budgets", f"64,{10**23}"), "A thinking budget is 100,000,000,000,000,000,000,000; enter a whole number"),
        (("--limit", str(10**23)), "The limit is 100,000,000,000,000,000,000,000; enter a whole number"),
        (("--name", "\udcff"), "'\\udcff' is not valid UTF-8 text"),
        (("--model", "m\udcff"), "'m\\udcff' is not valid UTF-8 text"),
        (("--profile", "\udcff"), "'\\udcff' is not valid UTF-8 text"),
    ],
)
def test_a_dry_run_refuses_what_a_run_would(
    tmp_path: Path, questions: str, arguments: tuple[str, ...], words: str
) -> None:
    done = run(
        "bench", "--questions", questions, *arguments, "--dry-run", home=tmp_path, M1_ENGINE_URL="http://[::1]:9"
    )
    assert done.returncode == 1
    assert_one_line(done.stderr, words)


def test_one_question_is_counted_in_the_singular(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(json.dumps({"one": QUESTIONS[:1]}), encoding="utf-8")
    done = run(
        "bench", "--questions", str(path), "--budgets", "8", "--dry-run", home=tmp_path, M1_ENGINE_URL="http://[::1]:9"
    )
    assert done.stdout.startswith("1 question x 1 cell: 1 answer\n")


def test_bench_says_which_questions_the_published_rule_does_not_score(tmp_path: Path) -> None:
    options = {"A": "Adrenal", "B": "Thyroid", "C": "Testis"}
    asked = [{"question": "Which make steroids?", "options": options, "answer_idx": "A, C"}]
    path = tmp_path / "several.json"
    path.write_text(json.dumps({"several": asked}), encoding="utf-8")
    with serving(Script(answering(lambda _: RIGHT))) as script:
        arguments = ("bench", "--questions", str(path), "--budgets", "8", "--force-rounds", "0", "--answer-cap", "12")
        done = run(*arguments, home=tmp_path / "home", M1_ENGINE_URL=script.url)
        told = run(*arguments, "--json", home=tmp_path / "home", M1_ENGINE_URL=script.url)
    assert done.returncode == 0, done.stderr
    assert "The rule m1 does not score 1 question" in done.stdout
    assert "not scored" in next(line for line in done.stdout.splitlines() if line.startswith("several "))
    (cell,) = json.loads(told.stdout)["cells"]
    assert (cell["n"], cell["n_scored"], list(cell["accuracy"])) == (1, {"strict": 1}, ["strict"])
