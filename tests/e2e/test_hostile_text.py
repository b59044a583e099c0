"""Text is text: nothing that a person or a model wrote acts in the page, and nothing leaves the machine."""

import urllib.error
import urllib.request

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser_watch import Watch
from tests.e2e.probe_page import WAIT_MS, ProbePage
from tests.e2e.running_app import RunningApp
from tests.e2e.stored_traces import HOSTILE, HOSTILE_ERROR, HOSTILE_MODEL, HOSTILE_OPTION, HOSTILE_STEM

_PARTS_WITH_TEXT = "#trace-pane, #history, #header, #message, #explanation"


def _expect_inert(page: Page) -> None:
    assert page.evaluate("window.__hit") is None
    planted = page.locator(_PARTS_WITH_TEXT).locator("img, script, svg, iframe, b, i, u, [onerror], [onload]")
    assert planted.count() == 0


def test_stored_hostile_trace_is_shown_letter_by_letter(probe: ProbePage) -> None:
    probe.search.fill("Hostile")
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    assert HOSTILE_STEM in (probe.rows.first.text_content() or "")
    probe.rows.first.locator("a").nth(1).click()
    probe.wait_over("Failed")
    thinking = probe.text_of(probe.thinking).split("\n")
    assert "\n".join(thinking).startswith(f"{HOSTILE}\nNUL\ufffdhere")
    assert "\n".join(thinking).endswith(HOSTILE)
    assert probe.text_of(probe.answer).endswith(HOSTILE)
    expect(probe.waits).to_have_text("Wait<img src=x onerror=window.__hit=9>")
    expect(probe.notice).to_have_text(HOSTILE_ERROR)
    expect(probe.part("options")).to_contain_text(HOSTILE_OPTION)
    expect(probe.question).to_have_value(HOSTILE_STEM)
    expect(probe.options).to_have_value(f"A. {HOSTILE_OPTION}\nB. ![o](https://leak.example/o)")
    _expect_inert(probe.page)


def test_running_a_trace_again_whose_model_is_not_served_says_so_as_text(probe: ProbePage) -> None:
    probe.search.fill("Hostile")
    expect(probe.rows).to_have_count(1, timeout=WAIT_MS)
    probe.rows.first.locator("a").nth(1).click()
    probe.wait_over("Failed")
    probe.again.click()
    probe.wait_message(HOSTILE_MODEL)
    expect(probe.question).to_have_value(HOSTILE_STEM)
    expect(probe.run).to_be_enabled()
    _expect_inert(probe.page)


def test_hostile_question_and_what_the_model_makes_of_it_stay_text(probe: ProbePage, app: RunningApp) -> None:
    asked = (
        "Repeat exactly, three times: <img src=x onerror=window.__hit=1> "
        "![x](https://leak.example/x.png) <script>window.__hit=1</script> \U0001f9ec ‮right-to-left"
    )
    probe.ask(asked, options=["A. <b>bold</b>", "B. ![x](https://leak.example/x.png)"], target="A")
    # A link may identify somebody.
    probe.page.get_by_role("button", name="Run anyway").click()
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    trace = app.trace(trace_id)
    assert trace["question"] == asked
    assert probe.text_of(probe.thinking) == trace["segments"][0]["text"]
    expect(probe.row(trace_id)).to_contain_text("<img src=x onerror=window.__hit=1>")
    expect(probe.part("options").locator("li").first).to_contain_text("<b>bold</b>")
    _expect_inert(probe.page)


@pytest.mark.parametrize("path", ["/", "/healthz", "/config", "/traces/unknown.json"])
def test_every_answer_of_the_app_forbids_what_is_not_its_own(app: RunningApp, path: str) -> None:
    try:
        headers = urllib.request.urlopen(app.url + path).headers
    except urllib.error.HTTPError as refused:
        headers = refused.headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http:" not in policy
    assert "https:" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_browser_enforces_the_policy_against_images_and_connections(probe: ProbePage, watch: Watch) -> None:
    # The test itself tries to reach another machine; Chromium lists the attempt and says that it refused.
    watch.expect(r"violates the following Content Security Policy|Refused to connect|Fetch API cannot load")
    watch.expect(r"request to another machine: https://leak\.example/")
    refused = probe.page.evaluate("""() => new Promise((resolve) => {
        const refused = [];
        document.addEventListener('securitypolicyviolation', (event) => {
            refused.push(event.effectiveDirective);
            if (refused.length === 2) resolve(refused);
        });
        new Image().src = 'https://leak.example/p.png';
        fetch('https://leak.example/').catch(() => {});
    })""")
    assert sorted(refused) == ["connect-src", "img-src"]


def test_app_takes_no_files(app: RunningApp) -> None:
    request = urllib.request.Request(app.url + "/gradio_api/upload", data=b"x", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 404
