"""`m1app fits` and `m1app policy` in a process of their own, on a stored run."""

import json
import random
from pathlib import Path

import pytest

from m1app.strategies.choosing.policy import Policy
from tests.e2e.benchmark_page import database_of
from tests.e2e.test_strategies import BUDGETS, PASSES, _answers
from tests.m1app.benchmark.stored_passes import store_passes
from tests.m1app.cli.command_line import assert_one_line, run

ENGINE = {"M1_ENGINE_URL": "http://127.0.0.1:9"}
"""Nothing is there: these commands need no engine."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def run_id(home: Path) -> str:
    database, chance = database_of(home), random.Random(7)
    pool = [[_answers(chance, number / 40) for _ in range(PASSES)] for number in range(40)]
    try:
        return store_passes(database, pool, name="Pool", budgets=BUDGETS).id
    finally:
        database.dispose()


def test_fits_prints_the_curves_and_what_they_say(home: Path, run_id: str) -> None:
    done = run("fits", run_id, home=home, **ENGINE)
    assert done.returncode == 0, done.stderr
    assert "Accuracy by thinking budget" in done.stdout
    assert "The law saturates at" in done.stdout
    as_json = run("fits", run_id, "--at", "512", "--gain", "5", "--json", home=home, **ENGINE)
    found = json.loads(as_json.stdout)
    assert (found["drawn_at_tokens"], found["gain"], len(found["curves"])) == (512, 0.05, 3)


def test_a_policy_is_made_written_kept_listed_and_removed(home: Path, run_id: str, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    made = run("policy", "make", run_id, "--budget", "1500", "--bins", "2", "--output", str(file), home=home, **ENGINE)
    assert made.returncode == 0, made.stderr
    assert "Oracle: by the right answers" in made.stdout
    assert "Choosing by the pilot's entropy" in made.stdout
    assert Policy.from_json(file.read_bytes()).questions == 40
    assert run("policy", "add", str(file), "--name", "pool", home=home, **ENGINE).returncode == 0
    again = run("policy", "add", str(file), "--name", "pool", home=home, **ENGINE)
    assert again.returncode == 1
    assert_one_line(again.stderr, "There is already a policy named 'pool'")
    assert run("policy", "list", home=home, **ENGINE).stdout == "pool\n"
    assert run("policy", "remove", "pool", home=home, **ENGINE).returncode == 0
    assert run("policy", "list", home=home, **ENGINE).stdout == "no policies\n"
    poor = run("policy", "make", run_id, "--budget", "5", home=home, **ENGINE)
    assert_one_line(poor.stderr, "No strategy costs at most 5 mean tokens")


def test_searches_are_compared_at_equal_trials(home: Path, run_id: str) -> None:
    done = run("policy", "search", run_id, "--trials", "3", home=home, **ENGINE)
    assert done.returncode == 0, done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith(("random search ", "grid search "))]
    assert len(rows) == 6
    assert "Random search, 3 trials: " in done.stdout
    found = json.loads(run("policy", "search", run_id, "--trials", "3", "--json", home=home, **ENGINE).stdout)
    assert [len(each["trials"]) for each in found["archives"].values()] == [3, 3]
