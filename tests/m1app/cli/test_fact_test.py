"""`python -m m1app fact-test`: what it lists and refuses. No engine is asked anything."""

import json
from pathlib import Path

from storage.database import Database
from tests.m1app.cli.command_line import Done, run
from tests.m1app.fact_tests.test_queue import corrected, queue_of, recipe_of
from tests.m1app.fact_tests.test_service import only
from tests.m1app.fact_tests.testing_facts import FACT, SeededEngine, a_failure, service_of
from tests.models.engine.scripted_server import Script, fail, serving

NO_ENGINE = {"M1_ENGINE_URL": "http://127.0.0.1:9"}


def fact_test(*arguments: str, home: Path, **settings: str) -> Done:
    return run("fact-test", *arguments, home=home, **(NO_ENGINE | settings))


def test_waiting_facts_are_listed(tmp_path: Path) -> None:
    nothing = fact_test("--waiting", home=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (0, "")
    assert nothing.stderr == "0 corrected facts of wrong answers not tested yet\n"
    database = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    annotation_id = corrected(database, a_failure(database))
    database.dispose()
    listed = fact_test("--waiting", "--list", home=tmp_path)
    assert listed.stdout == f"{annotation_id}  toy  knowledge_gap  {FACT!r}\n"
    found = json.loads(fact_test("--waiting", "--list", "--json", home=tmp_path).stdout)["waiting"]
    assert [(each["annotation_id"], each["fact"]) for each in found] == [(annotation_id, FACT)]
    assert fact_test("--waiting", "--label", "bias", home=tmp_path).stdout == ""


async def test_what_was_tested_is_said_with_what_came_from_the_prefix_cache(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    database.migrate()
    annotation_id = corrected(database, a_failure(database))
    queue = queue_of(database, service_of(database, SeededEngine(says=only("B"), cached_tokens=5)))
    await queue.run(recipe_of(annotation_id))
    database.dispose()
    with serving(Script(fail(500, {}))) as server:
        said = fact_test(annotation_id, home=tmp_path, M1_ENGINE_URL=server.url).stdout
        found = json.loads(fact_test(annotation_id, "--json", home=tmp_path, M1_ENGINE_URL=server.url).stdout)
        assert server.completions == [], "it is tested already"
    cache = found["tests"][0]["prefix_cache"]
    assert cache["cached_tokens"] > 0
    assert said.startswith(f"{annotation_id}  Knowledge was missing")
    assert f" {cache['cached_tokens']:,} of {cache['prompt_tokens']:,} prompt tokens from the prefix cache (" in said


def test_what_cannot_be_meant_is_refused(tmp_path: Path) -> None:
    neither = fact_test(home=tmp_path)
    assert neither.returncode == 1
    assert "Name annotations, or use --waiting" in neither.stderr
    assert "--list needs --waiting" in fact_test("a" * 32, "--list", home=tmp_path).stderr
    assert "1 to 1,000 facts" in fact_test("../x", home=tmp_path).stderr
    assert fact_test("--waiting", "--seeds", "4", home=tmp_path).returncode == 2
