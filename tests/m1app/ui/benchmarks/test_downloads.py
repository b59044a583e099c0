"""Downloads of benchmark runs from the real server."""

import csv
import io
from collections.abc import Iterator
from dataclasses import replace

import httpx2
import pandas as pd
import pytest

from m1app.benchmark.results_export import csv_parts, parquet_parts
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.spreadsheet import harmless
from m1app.ui.web import build_app
from storage.benchmarks.records import BenchmarkRun
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.benchmark.stored_passes import store_passes
from tests.m1app.ui.serving import serving
from tests.m1app.ui.test_web import UNKNOWN, assert_secured
from tests.storage.benchmarks.test_repository import strategy_result

FORMULA = '=HYPERLINK("https://elsewhere.test")'


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    return build_services(Settings(home=tmp_path_factory.mktemp("home"), engine_url="http://127.0.0.1:9"))


@pytest.fixture(scope="module")
def run(services: Services) -> BenchmarkRun:
    questions = {
        "MedQA": [replace(each, tags=("MedQA", "=1+1")) for each in questions_of("MedQA", 4, FORMULA)],
        "NEJM": [replace(each, tags=("NEJM",)) for each in questions_of("NEJM", 3)],
    }
    return store_run(services.database, a_run(), questions, failed=1)


@pytest.fixture(scope="module")
def client(services: Services, run: BenchmarkRun) -> Iterator[httpx2.Client]:
    with serving(build_app(services)) as url, httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client


def test_csv_has_a_row_for_every_result_and_no_formula(client: httpx2.Client, run: BenchmarkRun) -> None:
    answer = client.get(f"/benchmark-runs/{run.id}.csv")
    assert answer.headers["content-disposition"] == (
        f'attachment; filename="{run.created_at:%Y-%m-%d} benchmark {run.name} {run.id[:8]}.csv"'
    )
    assert_secured(answer)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert len(rows) == 7 * 3 * 2
    assert {row["question"] for row in rows if row["position"] == "0"} == {f"'{FORMULA}"}
    assert {(row["budget_tokens"], row["force_rounds"]) for row in rows} == {
        (budget, rounds) for budget in ("128", "512", "2048") for rounds in ("0", "1")
    }


def test_parquet_holds_the_same_with_its_types(client: httpx2.Client, run: BenchmarkRun) -> None:
    answer = client.get(f"/benchmark-runs/{run.id}.parquet")
    table = pd.read_parquet(io.BytesIO(answer.content))
    assert len(table) == 42
    assert table["question"].iloc[0] == FORMULA
    assert table["budget_tokens"].dtype == "int64" and table["is_correct_strict"].dtype == "bool"


def test_report_is_a_file_to_keep(client: httpx2.Client, run: BenchmarkRun) -> None:
    answer = client.get(f"/benchmark-runs/{run.id}.html")
    assert answer.headers["content-disposition"].startswith("attachment; ")
    assert answer.text.startswith("<!doctype html>")


@pytest.mark.parametrize("ending", ["csv", "parquet", "html"])
def test_a_database_that_takes_no_changes_is_downloaded_all_the_same(
    services: Services, client: httpx2.Client, run: BenchmarkRun, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    monkeypatch.setattr(services.database, "_damage", "The database is damaged.")
    answer = client.get(f"/benchmark-runs/{run.id}.{ending}")
    assert (answer.status_code, len(answer.content) > 100) == (200, True)


@pytest.mark.parametrize("ending", ["csv", "parquet", "html"])
@pytest.mark.parametrize("run_id", [UNKNOWN, "x", "..%2f..%2fetc%2fpasswd"])
def test_an_unknown_run_is_a_404_in_words(client: httpx2.Client, run_id: str, ending: str) -> None:
    answer = client.get(f"/benchmark-runs/{run_id}.{ending}")
    assert answer.status_code == 404
    assert_secured(answer)


def test_charts_program_comes_from_this_app(client: httpx2.Client) -> None:
    answer = client.get("/plotly.min.js")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "plotly.js v" in answer.text[:200]


def test_address_without_a_slash_keeps_what_is_shown(client: httpx2.Client) -> None:
    answer = client.get("/benchmarks?run=abc&rule=m1", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (307, "/benchmarks/?run=abc&rule=m1")


@pytest.mark.parametrize("page_rows", [1, 7, 2000])
async def test_pages_together_are_the_whole_table(services: Services, run: BenchmarkRun, page_rows: int) -> None:
    pages = [page async for page in services.benchmark_reading.rows(run.id, page_rows)]
    assert max(map(len, pages)) <= max(6, page_rows)
    rows = [row for page in pages for row in page]
    assert [(row["position"], row["force_rounds"], row["budget_tokens"]) for row in rows] == [
        (position, rounds, budget) for position in range(7) for rounds in (0, 1) for budget in (128, 512, 2048)
    ]


async def test_files_made_page_by_page_say_the_same_as_the_table(services: Services, run: BenchmarkRun) -> None:
    reading = services.benchmark_reading
    table = await reading.table(run.id)
    parquet = b"".join([part async for part in parquet_parts(reading.rows(run.id, 7))])
    stored = pd.read_parquet(io.BytesIO(parquet))
    assert stored.astype(object).where(stored.notna(), None).to_dict("records") == table.astype(object).where(
        table.notna(), None
    ).to_dict("records")
    text = b"".join([part async for part in csv_parts(reading.rows(run.id, 7))]).decode("utf-8-sig")
    quoted = table.assign(question=table["question"].map(harmless), answer=table["answer"].map(harmless))
    assert text == quoted.to_csv(index=False, lineterminator="\r\n")


def test_accuracy_by_tag_is_a_file_with_intervals_and_cautions(client: httpx2.Client, run: BenchmarkRun) -> None:
    answer = client.get(f"/benchmark-runs/{run.id}/tags.csv", params={"rounds": "1", "rule": "m1"})
    assert_secured(answer)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert {(row["tag"], row["questions"], row["force_rounds"], row["rule"]) for row in rows} == {
        ("'=1+1", "4", "1", "m1"),
        ("MedQA", "4", "1", "m1"),
        ("NEJM", "3", "1", "m1"),
    }
    assert [row["budget_tokens"] for row in rows if row["tag"] == "NEJM"] == ["128", "512", "2048"]
    assert all(0 <= float(row["low"]) <= float(row["accuracy"]) <= float(row["high"]) <= 1 for row in rows)
    assert {row["caution"][:13] for row in rows} == {"Few questions"}
    content = client.get(f"/benchmark-runs/{run.id}/tags.json", params={"set": "NEJM", "text": "nejm"}).json()
    assert (content["tags"], {row["tag"] for row in content["rows"]}) == (1, {"NEJM"})
    assert client.get(f"/benchmark-runs/{UNKNOWN}/tags.csv").status_code == 404
    assert client.get(f"/benchmark-runs/{run.id}/tags.exe").status_code in (404, 422)


def test_what_strategies_answered_is_a_file(client: httpx2.Client, services: Services) -> None:
    kept = store_passes(
        services.database,
        [[[("A", 60, None)]] * 2] * 3,
        budgets=(100,),
        own=lambda item_id, _: [strategy_result(item_id, error="=1+1")],
        strategies=("vote:k=2",),
    )
    answer = client.get(f"/benchmark-runs/{kept.id}/strategies.csv")
    assert_secured(answer)
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["position"], row["strategy"], row["source"]) for row in rows] == [
        (str(number), "vote:k=2", "measured") for number in range(3)
    ]
    assert (rows[0]["generated"], rows[0]["shared"], rows[0]["error"]) == ("90", "70", "'=1+1")
    assert client.get(f"/benchmark-runs/{UNKNOWN}/strategies.csv").status_code == 404
    report = client.get(f"/benchmark-runs/{kept.id}.html").text
    assert "Strategies of this run" in report
    assert "Vote (passes 2)" in report
