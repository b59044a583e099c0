"""The Strategies page with the real model: strategies run side by side, are stopped, resumed, read and taken away."""

import csv
import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from m1app.wording import shown_answer
from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import LONG_QUESTION, ProbePage
from tests.e2e.running_app import RunningApp
from tests.e2e.strategies_page import OpenStrategiesPage

OPTIONS = ["A. It lowers glucose", "B. It raises glucose", "C. <b>Nothing</b> <img src=x onerror=window.__hit=1>"]
WRITTEN = "budget-forcing,vote:k=2"
BUDGET = 96
PASS_TOKENS = 72
ANSWER_CAP = 8


@pytest.fixture
def strategies(page: Page, app_in_use: RunningApp) -> OpenStrategiesPage:
    """The Strategies page, open."""
    return OpenStrategiesPage(page, app_in_use.url).open()


@pytest.fixture(scope="module")
def asked() -> dict[str, Any]:
    """Becomes the record of one finished run, which several tests look at."""
    return {}


def _finished(strategies: OpenStrategiesPage, app: RunningApp, asked: dict[str, Any]) -> dict[str, Any]:
    """The finished run, open in the page; the first test that asks for it runs it."""
    if not asked:
        strategies.fill(LONG_QUESTION, written=WRITTEN, budget=BUDGET, options=OPTIONS, target="A")
        strategies.run.click()
        run_id = strategies.wait_run_id()
        strategies.wait_over()
        asked.update(app.get_json(f"/strategy-runs/{run_id}.json"))
    else:
        strategies.open(f"/strategies/?run={asked['run_id']}")
        strategies.wait_over()
    return asked


def test_each_strategy_has_a_row_and_a_card_with_what_it_spent_and_answered(
    strategies: OpenStrategiesPage, app: RunningApp, asked: dict[str, Any]
) -> None:
    record = _finished(strategies, app, asked)
    expect(strategies.results).to_have_count(2)
    expect(strategies.cards).to_have_count(2)
    for row, result in zip(strategies.results.all(), record["results"], strict=True):
        expect(row).to_contain_text(f"{result['generated']:,}")
        expect(row).to_contain_text(f"{result['computed']:,}")
        assert 0 < result["generated"] <= BUDGET
        card = strategies.card(result["strategy"])
        expect(card).to_contain_text(f"{result['generated']} of {BUDGET} tokens")
        expect(card).to_contain_text(result["why"])
        assert card.locator(".m1-strategy-answer").evaluate("e => e.textContent") == shown_answer(result["answer"])
    chain, vote = record["results"]
    expect(strategies.card(chain["strategy"]).locator("figure")).to_have_attribute("data-picture", "chain")
    expect(strategies.card(vote["strategy"]).locator("figure")).to_contain_text("2 of 2 passes done")
    expect(strategies.part("done")).to_have_text("2 of 2 strategies answered")
    assert strategies.page.evaluate("window.__hit") is None


def test_the_ledger_lists_every_request_and_leads_to_the_trace_of_a_pass(
    strategies: OpenStrategiesPage, app: RunningApp, asked: dict[str, Any]
) -> None:
    record = _finished(strategies, app, asked)
    vote = record["results"][1]
    rows = strategies.ledger("vote:k=2")
    expect(rows).to_have_count(len(vote["requests"]))
    assert sum(each["generated"] for each in vote["requests"]) == vote["generated"]
    sums = strategies.card("vote:k=2").locator("tfoot td")
    expect(sums.nth(3)).to_have_text(f"{vote['generated']:,}")
    first = vote["requests"][0]
    expect(rows.first).to_contain_text("pass/0")
    expect(rows.first.get_by_role("link", name="Annotate pass/0")).to_have_attribute(
        "href", f"/annotate/?case={first['trace_id']}"
    )
    rows.first.get_by_role("link", name="Trace of pass/0").click()
    probe = ProbePage(strategies.page, app.url)
    assert probe.wait_trace_id() == first["trace_id"]
    probe.wait_over()
    assert probe.text_of(probe.thinking).replace("\n", "") == first["text"].replace("\n", "")


def test_a_run_can_be_taken_away(strategies: OpenStrategiesPage, app: RunningApp, asked: dict[str, Any]) -> None:
    record = _finished(strategies, app, asked)
    contents = {}
    for part, ending in (("json", "json"), ("csv", "csv"), ("markdown", "md")):
        with strategies.page.expect_download() as download:
            strategies.part(part).click()
        assert download.value.suggested_filename.endswith(f" {record['run_id'][:8]}.{ending}")
        contents[part] = download.value.path().read_text(encoding="utf-8")
    assert json.loads(contents["json"])["results"] == app.get_json(f"/strategy-runs/{record['run_id']}.json")["results"]
    rows = list(csv.DictReader(contents["csv"].splitlines()))
    assert {row["strategy"] for row in rows} == {"budget-forcing", "vote:k=2"}
    assert "## Vote (passes 2)" in contents["markdown"]


def test_a_link_and_the_history_open_the_run_as_it_was_and_the_form_repeats_it(
    strategies: OpenStrategiesPage, app: RunningApp, asked: dict[str, Any]
) -> None:
    record = _finished(strategies, app, asked)
    strategies.open()
    expect(strategies.part("run")).to_be_hidden()
    strategies.search.fill("insulin")
    row = strategies.page.locator(f'#strategies-history tr[data-run="{record["run_id"]}"]')
    expect(row).to_contain_text("One chain, Vote")
    row.locator(".m1-stem a").click()
    assert strategies.wait_run_id() == record["run_id"]
    strategies.wait_over()
    expect(strategies.question).to_have_value(LONG_QUESTION)
    expect(strategies.written).to_have_value(WRITTEN)
    expect(strategies.budget).to_have_value(str(BUDGET))
    strategies.page.locator("#strategies-form .label-wrap").first.click()
    expect(strategies.kind("Vote").get_by_role("checkbox")).to_be_checked()
    expect(strategies.kind("Vote").get_by_label("Passes")).to_have_value("2")
    expect(strategies.kind("Vote until clear").get_by_role("checkbox")).not_to_be_checked()
    screenshot(strategies.page, "strategies.png")


def test_a_stopped_run_keeps_what_it_has_and_is_resumed(strategies: OpenStrategiesPage, app_in_use: RunningApp) -> None:
    # Several passes, so that some have ended when it is stopped, and some have not.
    choice = "vote:k=6"
    strategies.fill(LONG_QUESTION, written=choice, budget=6 * (PASS_TOKENS + ANSWER_CAP), answer_cap=ANSWER_CAP)
    strategies.run.click()
    run_id = strategies.wait_run_id()
    # Two passes run at once: then the first two have been answered, and the next two have begun.
    strategies.wait_spent(choice, 2 * (PASS_TOKENS + ANSWER_CAP) + 10)
    expect(strategies.card(choice).locator(".m1-tail")).not_to_have_text("")
    with app_in_use.engine_held():
        strategies.page.reload()
        strategies.wait_usable()
        expect(strategies.state).to_have_text("Running")
        strategies.stop.click()
        strategies.wait_over("Stopped")
    (kept,) = app_in_use.get_json(f"/strategy-runs/{run_id}.json")["results"]
    assert kept["state"] == "stopped"
    assert kept["generated"] >= 100
    strategies.resume.click()
    expect(strategies.resume).to_be_hidden()
    strategies.wait_over("Done")
    (over,) = app_in_use.get_json(f"/strategy-runs/{run_id}.json")["results"]
    done = {(each["key"], each["attempt"]) for each in kept["requests"] if each["state"] == "done"}
    assert done <= {(each["key"], each["attempt"]) for each in over["requests"] if each["state"] == "done"}
    lost = sum(each["generated"] for each in kept["requests"] if each["state"] != "done")
    assert over["wasted"] >= lost > 0
    expect(strategies.card(choice)).to_contain_text("of them wasted")


def test_a_run_again_is_a_new_run_with_the_same_seed(
    strategies: OpenStrategiesPage, app: RunningApp, asked: dict[str, Any]
) -> None:
    record = _finished(strategies, app, asked)
    strategies.again.click()
    strategies.page.wait_for_function("id => !location.href.includes(id)", arg=record["run_id"])
    run_id = strategies.wait_run_id()
    strategies.stop.click()
    strategies.wait_over("Stopped")
    settings = app.get_json(f"/strategy-runs/{run_id}.json")["settings"]
    assert settings == record["settings"]
