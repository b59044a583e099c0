"""Two studies beside each other, as values for the page."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m1app.benchmark.model_pairs import Verdicts
from m1app.studies.comparison import compare_studies
from m1app.studies.records import Verdict
from m1app.ui.studies.comparison_view import comparison_value
from storage.database import Database
from tests.m1app.studies.report.study_samples import a_study


@pytest.fixture
def database(tmp_path: Path, migrated_copies: Any) -> Iterator[Database]:
    made = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    made.migrate()
    yield made
    made.dispose()


async def test_verdicts_stand_side_by_side_and_differences_have_intervals(database: Database) -> None:
    first = await a_study(database, name="june")
    second = await a_study(database, name="july", model="m1-32b", is_demo=True)
    holds, fails = (
        replace(each.claims[0], verdict=verdict)
        for each, verdict in ((first, Verdict.HOLDS), (second, Verdict.DOES_NOT_HOLD))
    )
    runs = [next(part.benchmark for part in each.parts if part.benchmark) for each in (first, second)]
    asked = {f"q{n}": n % 2 == 0 for n in range(40)}
    verdicts: dict[str, Verdicts] = {
        runs[0].id: {("m1-7b", (128, 0)): asked},
        runs[1].id: {("m1-32b", (128, 0)): dict.fromkeys(asked, True)},
    }
    value = comparison_value(
        compare_studies(replace(first, claims=(holds,)), replace(second, claims=(fails,)), verdicts)
    )
    json.dumps(value, allow_nan=False)
    assert [(each["name"], each["link"]) for each in value["studies"]] == [
        ("june", f"/studies/?study={first.id}"),
        ("july", f"/studies/?study={second.id}"),
    ]
    assert any("The verdicts of july mean nothing" in each for each in value["differences"])
    (claim,) = value["claims"]
    assert claim["is_contradiction"]
    assert [each["verdict_label"] for each in claim["sides"]] == ["Holds", "Does not hold"]
    assert all(each["found"] for each in claim["sides"])
    (cell,) = value["cells"]
    assert cell[:4] == ["main", "small: m1-7b, then m1-32b", "128", "0"]
    assert cell[4].startswith("+50.0 points (+")
    assert cell[5:] == ["p < 0.001", "40"]
    assert "july less that of june" in value["cells_note"]


async def test_studies_without_an_answer_in_common_have_no_rows(database: Database) -> None:
    first, second = await a_study(database, name="june"), await a_study(database, name="july")
    runs = [next(part.benchmark for part in each.parts if part.benchmark) for each in (first, second)]
    value = comparison_value(compare_studies(first, second, {each.id: {} for each in runs}))
    assert value["cells"] == []
    assert len(value["claims"]) == 3
