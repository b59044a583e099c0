"""The engine dies, the app dies: the page says so, what was written stays, and the next question works."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from storage.database import Database
from storage.strategies.repository import StrategyRepository
from storage.traces.repository import TraceRepository
from tests.e2e.browser_watch import Watch, screenshot
from tests.e2e.compare_page import OpenComparePage
from tests.e2e.probe_page import LONG_BUDGET, LONG_QUESTION, OPEN_QUESTION, WAIT_MS, ProbePage
from tests.e2e.running_app import RunningApp, make_home, running, wait_until
from tests.e2e.strategies_page import OpenStrategiesPage
from tests.e2e.test_pastes import batch, open_set


@pytest.fixture(scope="module")
def own_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    with running(RunningApp(make_home(tmp_path_factory.mktemp("crash"), smollm2_path))) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


def test_engine_killed_while_it_thinks_is_said_and_restarted_and_the_next_question_works(
    probe: ProbePage, app_in_use: RunningApp
) -> None:
    probe.ask(LONG_QUESTION, budget=LONG_BUDGET)
    before = probe.wait_streaming()
    killed = app_in_use.engine_pid()
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    probe.wait_over("Failed")
    assert probe.text_of(probe.thinking).startswith(before)
    expect(probe.notice).to_be_visible()
    notice = probe.notice.inner_text()
    assert "Traceback" not in notice
    assert "engine" in notice.lower()
    trace = app_in_use.trace(probe.wait_trace_id())
    assert trace["state"] == "failed"
    assert trace["error"] == notice
    assert trace["segments"][0]["text"].startswith(before)

    wait_until(lambda: app_in_use.engine_pid() not in (None, killed), "another engine process starts")
    app_in_use.wait_for_engine()
    probe.ask(OPEN_QUESTION)
    probe.page.wait_for_function("id => !location.href.includes(id)", arg=trace["trace_id"])
    probe.wait_over("Done")
    expect(probe.notice).to_be_hidden()


def test_app_killed_while_it_streams_keeps_the_partial_trace_and_says_interrupted(
    probe: ProbePage, app_in_use: RunningApp, watch: Watch
) -> None:
    # With the app dead, the page's own requests to it fail, and Chromium writes each into the console.
    watch.expect(r"Failed to load resource: net::ERR_(CONNECTION_|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)")
    watch.expect(r"TypeError: (network error|Failed to fetch)")
    watch.expect(r"Unexpected error Connection errored out\.")
    probe.ask(LONG_QUESTION, budget=LONG_BUDGET)
    trace_id = probe.wait_trace_id()
    probe.wait_streaming()
    saved = wait_until(lambda: _saved_thinking(app_in_use, trace_id), "something is saved")
    expect(probe.header("work")).to_contain_text("1 running")
    engine = app_in_use.engine_pid()
    app_in_use.kill()
    wait_until(lambda: not Path(f"/proc/{engine}").exists(), "the engine ends with the app")
    expect(probe.header("engine")).to_have_text("The app is not responding", timeout=WAIT_MS)
    expect(probe.header("work")).to_be_empty()
    # A page that is open reloads itself once the app is back, in the middle of the next navigation.
    probe.page.goto("about:blank")
    app_in_use.start()
    app_in_use.wait_for_engine()

    probe.open(f"/?trace={trace_id}")
    probe.wait_over("Interrupted")
    text = probe.text_of(probe.thinking)
    assert text
    assert text.startswith(saved) or saved.startswith(text)
    expect(probe.notice).to_contain_text("The app stopped while this was running")
    expect(probe.question).to_have_value(LONG_QUESTION)
    expect(probe.row(trace_id)).to_contain_text("Interrupted", timeout=WAIT_MS)
    probe.ask(OPEN_QUESTION)
    probe.page.wait_for_function("id => !location.href.includes(id)", arg=trace_id)
    probe.wait_over("Done")


def _saved_thinking(app: RunningApp, trace_id: str) -> str:
    """What the database of a running app holds, read beside it: the app's own answers come from its memory."""
    database = Database(f"sqlite:///{app.home / 'm1.sqlite3'}")
    try:
        with database.session(is_read_only=True) as session:
            return TraceRepository(session).get(trace_id).thinking_text
    finally:
        database.dispose()


def test_app_killed_while_it_sweeps_keeps_what_it_had_and_the_sweep_is_resumed(
    probe: ProbePage, app_in_use: RunningApp, watch: Watch
) -> None:
    watch.expect(r"Failed to load resource: net::ERR_(CONNECTION_|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)")
    watch.expect(r"TypeError: (network error|Failed to fetch)")
    watch.expect(r"Unexpected error Connection errored out\.")
    compare = OpenComparePage(probe.page, app_in_use.url).open()
    compare.fill(LONG_QUESTION, budgets=["64", "1,024"])
    compare.run.click()
    sweep_id = compare.wait_sweep_id()
    compare.page.wait_for_function(
        "() => document.querySelector('[data-cell=\"1024-0\"] .m1-prefix')?.textContent.length > 300", timeout=WAIT_MS
    )
    app_in_use.kill()
    compare.page.goto("about:blank")
    app_in_use.start()
    app_in_use.wait_for_engine()

    compare.open(f"/compare/?sweep={sweep_id}")
    compare.wait_over("Interrupted")
    kept = compare.thinking("1024-0")
    assert len(kept) > 100
    expect(compare.column("64-0")).to_be_visible()
    compare.resume.click()
    compare.page.wait_for_function(
        "n => document.querySelector('[data-cell=\"1024-0\"] .m1-prefix')?.textContent.length > n + 50",
        arg=len(kept),
        timeout=WAIT_MS,
    )
    assert compare.thinking("1024-0").startswith(kept)
    compare.stop.click()
    compare.wait_over("Stopped")


def test_engine_is_stopped_and_started_from_the_header(probe: ProbePage, app_in_use: RunningApp) -> None:
    ended = app_in_use.engine_pid()
    probe.header("engine").click()
    probe.header("stop").click()
    expect(probe.header("engine")).to_contain_text("stopped", timeout=WAIT_MS)
    wait_until(lambda: not Path(f"/proc/{ended}").exists(), "the engine is gone")
    probe.ask(OPEN_QUESTION)
    probe.wait_message("not running; start it again")
    expect(probe.question).to_have_value(OPEN_QUESTION)
    expect(probe.header("restart")).to_have_text("Start engine")
    probe.header("restart").click()
    expect(probe.header("engine")).to_contain_text("ready", timeout=WAIT_MS)
    probe.run.click()
    probe.wait_over("Done")


def test_app_stopped_while_a_page_is_open_ends_without_a_traceback(
    probe: ProbePage, app_in_use: RunningApp, watch: Watch
) -> None:
    watch.expect(r"Failed to load resource: net::ERR_(CONNECTION_|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)")
    watch.expect(r"TypeError: (network error|Failed to fetch)")
    watch.expect(r"Unexpected error (Connection errored out\.|Cancelled via cancel scope)")
    probe.ask(LONG_QUESTION, budget=LONG_BUDGET)
    probe.wait_streaming()
    before = len(app_in_use.log())
    app_in_use.stop()
    said = app_in_use.log()[before:]
    app_in_use.start()
    assert "Traceback" not in said


def test_app_killed_while_strategies_run_keeps_what_they_had_and_the_run_is_resumed(
    probe: ProbePage, app_in_use: RunningApp, watch: Watch
) -> None:
    watch.expect(r"Failed to load resource: net::ERR_(CONNECTION_|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)")
    watch.expect(r"TypeError: (network error|Failed to fetch)")
    watch.expect(r"Unexpected error Connection errored out\.")
    strategies = OpenStrategiesPage(probe.page, app_in_use.url).open()
    strategies.fill(LONG_QUESTION, written="vote:k=4", budget=240)
    strategies.run.click()
    run_id = strategies.wait_run_id()
    strategies.wait_spent("vote:k=4", 80)
    wait_until(lambda: _saved_tokens(app_in_use, run_id), "something is saved")
    app_in_use.kill()
    strategies.page.goto("about:blank")
    app_in_use.start()
    app_in_use.wait_for_engine()

    strategies.open(f"/strategies/?run={run_id}")
    strategies.wait_over("Interrupted")
    expect(strategies.part("notice")).to_contain_text("The app stopped while this was running")
    kept = strategies.wait_spent("vote:k=4", 1)
    strategies.resume.click()
    strategies.wait_over("Done")
    assert strategies.wait_spent("vote:k=4", kept) <= 240
    (result,) = app_in_use.get_json(f"/strategy-runs/{run_id}.json")["results"]
    assert result["wasted"] == sum(each["generated"] for each in result["requests"] if each["state"] == "lost")


def _saved_tokens(app: RunningApp, run_id: str) -> int:
    database = Database(f"sqlite:///{app.home / 'm1.sqlite3'}")
    try:
        with database.session(is_read_only=True) as session:
            return StrategyRepository(session).get(run_id).results[0].generated
    finally:
        database.dispose()


def test_app_killed_while_it_asks_a_set_shows_what_was_asked_and_asks_the_rest(
    probe: ProbePage, app_in_use: RunningApp, watch: Watch
) -> None:
    watch.expect(r"Failed to load resource: net::ERR_(CONNECTION_|INCOMPLETE_CHUNKED_ENCODING|EMPTY_RESPONSE)")
    watch.expect(r"TypeError: (network error|Failed to fetch)")
    watch.expect(r"Unexpected error Connection errored out\.")
    several = "\n\n".join(f"Question {i}\n{LONG_QUESTION} And what does glucagon {i} do?" for i in range(1, 7))
    probe.set_number(probe.budget, LONG_BUDGET)
    open_set(probe, several, 6).get_by_role("button", name="Ask all 6").click()
    expect(batch(probe.page)).to_contain_text("4 running", timeout=WAIT_MS)
    expect(batch(probe.page).locator("li[data-trace]")).to_have_count(4, timeout=WAIT_MS)
    app_in_use.kill()
    probe.page.goto("about:blank")
    app_in_use.start()
    app_in_use.wait_for_engine()

    probe.open("/")
    left = "6 questions: 4 interrupted, 2 waiting. The app stopped before all were asked."
    expect(batch(probe.page)).to_contain_text(left, timeout=WAIT_MS)
    screenshot(probe.page, "batch-left.png")
    batch(probe.page).get_by_role("button", name="Ask the remaining 6").click()
    expect(batch(probe.page)).to_contain_text("4 running", timeout=WAIT_MS)
    batch(probe.page).get_by_role("button", name="Stop all").click()
    batch(probe.page).get_by_role("button", name="Close").click(timeout=WAIT_MS)
    expect(batch(probe.page)).to_be_hidden()
