"""Engines that no small model can be: down, refusing the key, without the model, breaking off, talking garbage, or
stopping exactly when a test wants it. The page says what is wrong, and nothing is lost."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from models.servers.llama_server import llama_server
from tests.e2e.browser_watch import Watch
from tests.e2e.probe_page import LONG_QUESTION, OPEN_QUESTION, WAIT_MS, ProbePage
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.models.engine.scripted_server import Respond, Script, chunk, fail, serving, stream

# A name whose profile brings its own chat template: the scripted server renders none.
_MODEL = "smollm2-135m"
_LISTED = [{"id": _MODEL, "owned_by": "vllm", "max_model_len": 4096}]
_ENGINE_ERROR = {"error": {"message": "<img src=x> out of memory"}}


@contextmanager
def _page_of(browser: Browser, home: Path, **settings: str) -> Iterator[ProbePage]:
    """A page of an app with these settings; fails on what no page may do."""
    with running(RunningApp(home, **settings), with_engine=False) as app:
        watch = Watch(app.url)
        context = browser.new_context()
        context.set_default_timeout(WAIT_MS)
        watch.attach(context)
        yield ProbePage(context.new_page(), app.url).open()
        context.close()
        assert not watch.unexpected()
        assert "Traceback" not in app.log()


def _expect_refused(probe: ProbePage, *words: str) -> None:
    probe.fill(OPEN_QUESTION, budget=70, options=["A. pallor", "B. rash"], target="B")
    probe.run.click()
    for word in words:
        probe.wait_message(word)
    expect(probe.run).to_be_enabled()
    held = [field.input_value() for field in (probe.question, probe.options, probe.target, probe.budget)]
    assert held == [OPEN_QUESTION, "A. pallor\nB. rash", "B", "70"]


def test_page_opens_and_says_so_when_no_engine_answers(browser: Browser, tmp_path: Path) -> None:
    address = f"http://127.0.0.1:{closed_port()}"
    with _page_of(browser, tmp_path, M1_ENGINE_URL=address) as probe:
        expect(probe.header("engine")).to_contain_text("failed", timeout=WAIT_MS)
        probe.header("engine").click()
        expect(probe.header("message")).to_contain_text("No engine is responding")
        probe.header("engine").click()
        _expect_refused(probe, "No engine is responding", "M1_ENGINE_URL")


def test_wrong_api_key_is_named(browser: Browser, tmp_path: Path, smollm2_path: Path) -> None:
    server = llama_server(
        model_path=smollm2_path,
        model_id=_MODEL,
        context_length=1024,
        parallel=1,
        threads=1,
        log_path=tmp_path / "server.log",
    )
    server.start()
    try:
        address = server.wait_ready(240).base_url
        with _page_of(browser, tmp_path, M1_ENGINE_URL=address, M1_ENGINE_API_KEY="not-the-key") as probe:
            _expect_refused(probe, "key", "M1_ENGINE_API_KEY")
            assert "not-the-key" not in probe.page.content()
    finally:
        server.stop()


def test_model_that_the_engine_does_not_serve_is_named(browser: Browser, tmp_path: Path) -> None:
    with (
        serving(Script(stream(), models=_LISTED)) as script,
        _page_of(browser, tmp_path, M1_ENGINE_URL=script.url, M1_MODEL="absent/model") as probe,
    ):
        _expect_refused(probe, "absent/model", _MODEL)


@pytest.fixture(scope="module")
def script() -> Iterator[Script]:
    with serving(Script(stream(), models=_LISTED)) as served:
        yield served


@pytest.fixture(scope="module")
def scripted_app(script: Script, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    app = RunningApp(tmp_path_factory.mktemp("scripted"), M1_ENGINE_URL=script.url)
    with running(app, with_engine=False) as started:
        yield started


class TestWithAScriptedEngine:
    @pytest.fixture
    def app_in_use(self, scripted_app: RunningApp) -> RunningApp:
        return scripted_app

    @pytest.mark.parametrize(
        ("respond", "thinking", "says"),
        [
            (
                stream(chunk("Half a thou", [1, 2, 3]), is_whole=False),
                "Half a thou",
                "connection to the engine broke",
            ),
            (
                stream(chunk("First. ", [1, 2]), "data: {not json\n\n"),
                "First. ",
                "is not JSON: '{not json'",
            ),
            (stream(chunk("Some. ", [1]), _ENGINE_ERROR), "Some. ", "<img src=x> out of memory"),
            (fail(500, {"error": {"message": "worker <b>died</b>"}}), "", "worker <b>died</b>"),
            (fail(200, b"<html>a login page</html>"), "", "The engine ended the stream"),
        ],
        ids=["dropped mid-stream", "garbage", "error mid-stream", "answers 500", "not an engine"],
    )
    def test_run_that_the_engine_breaks_keeps_its_text_and_says_why(
        self, probe: ProbePage, script: Script, respond: Respond, thinking: str, says: str
    ) -> None:
        script.completion = respond
        probe.ask(LONG_QUESTION, budget=64)
        trace_id = probe.wait_trace_id()
        probe.wait_over("Failed")
        assert probe.text_of(probe.thinking) == thinking
        expect(probe.notice).to_be_visible()
        expect(probe.notice).to_contain_text(says)
        assert "Traceback" not in probe.notice.inner_text()
        assert probe.page.locator("#trace-pane").locator("img, b").count() == 0
        expect(probe.question).to_have_value(LONG_QUESTION)
        expect(probe.row(trace_id)).to_contain_text("Failed", timeout=WAIT_MS)

    def test_forced_rounds_stand_out_as_marked_waits(
        self, probe: ProbePage, script: Script, scripted_app: RunningApp
    ) -> None:
        script.completion = stream(chunk("Pallor is one.", [1, 2, 3]), chunk("", [9], "stop"))
        probe.ask(OPEN_QUESTION, budget=400, rounds=2)
        trace_id = probe.wait_trace_id()
        probe.wait_over()
        expect(probe.waits).to_have_count(2)
        expect(probe.part("rounds")).to_have_text("2 of 2 force rounds")
        for wait in probe.waits.all():
            assert (wait.text_content() or "").strip() == "Wait"
            assert "force round" in wait.evaluate("mark => getComputedStyle(mark, '::after').content")
            background = "e => getComputedStyle(e).backgroundColor"
            assert wait.evaluate(background) != wait.locator("..").evaluate(background)
        trace = scripted_app.trace(trace_id)
        assert [part["kind"] for part in trace["segments"]][:5] == ["think", "wait", "think", "wait", "think"]
        assert trace["thinking_tokens"] <= 400
        expect(probe.verdict).to_have_text("Not scored")
