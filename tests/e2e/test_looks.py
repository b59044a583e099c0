"""Dark mode and a phone's width: readable, and nothing scrolls sideways."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import ProbePage
from tests.e2e.running_app import RunningApp
from tests.e2e.stored_traces import LOOKS_STEM

# WCAG contrast of an element's text against the first opaque background behind it.
_CONTRAST = """e => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return Array.from(canvas.getImageData(0, 0, 1, 1).data);
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let behind = e;
  while (behind && rgba(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
  const ground = behind ? rgba(getComputedStyle(behind).backgroundColor) : [255, 255, 255];
  const [a, b] = [light(rgba(getComputedStyle(e).color)), light(ground)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}"""


@pytest.mark.parametrize("width", [1360, 390])
def test_page_is_readable_and_does_not_scroll_sideways(
    new_context: Callable[..., BrowserContext], app: RunningApp, width: int
) -> None:
    context = new_context(viewport={"width": width, "height": 844}, color_scheme="light")
    probe = ProbePage(context.new_page(), app.url).open()
    assert not probe.scrolls_sideways()
    probe.search.fill("koilonychia")
    expect(probe.rows).to_have_count(1)
    probe.rows.first.get_by_text(LOOKS_STEM).click()
    probe.wait_over()
    probe.page.get_by_text("Tokens and settings").click()
    check_looks(probe, "light", width)
    probe.page.get_by_role("button", name="Dark / light").click()
    check_looks(probe, "dark", width)


def check_looks(probe: ProbePage, scheme: str, width: int) -> None:
    """Nothing is faint or too wide."""
    assert probe.page.locator("body.dark").count() == (scheme == "dark")
    assert not probe.scrolls_sideways()
    screenshot(probe.page, f"probe-{scheme}-{width}.png")
    probe.state.evaluate("e => e.scrollIntoView()")
    # Lines outside the window are drawn only when they come into it, a frame later.
    probe.page.evaluate("() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    screenshot(probe.page, f"trace-{scheme}-{width}.png")
    read = [probe.question, probe.verdict, probe.state, probe.part("finish"), probe.part("used"), probe.run]
    read += [probe.thinking.locator("p").first, *probe.part("options").locator("span:not(:empty):not(.m1-bar)").all()]
    read += [probe.rows.first.locator("a").nth(1), probe.part("json"), probe.header("engine")]
    read += [probe.waits.first, probe.answer.locator("p").last]
    faint = {element.inner_text(): element.evaluate(_CONTRAST) for element in read}
    assert {text: ratio for text, ratio in faint.items() if ratio < 4.5} == {}


def test_chosen_brightness_survives_a_reload(probe: ProbePage) -> None:
    probe.page.get_by_role("button", name="Dark / light").click()
    expect(probe.page.locator("body.dark")).to_have_count(1)
    probe.reload()
    expect(probe.page.locator("body.dark")).to_have_count(1)
    probe.page.get_by_role("button", name="Dark / light").click()
    probe.reload()
    expect(probe.page.locator("body.dark")).to_have_count(0)


def test_bad_input_message_can_be_read_on_a_phone(new_tab: Callable[..., Page], app: RunningApp) -> None:
    probe = ProbePage(new_tab(viewport={"width": 390, "height": 844}), app.url).open()
    probe.ask("x", options=[f"option {n}" for n in range(27)])
    probe.wait_message("There are 27 options")
    assert not probe.scrolls_sideways()
    box = probe.message.bounding_box()
    assert box is not None
    assert 0 <= box["x"] <= box["x"] + box["width"] <= 390
    assert probe.message.evaluate("e => e.scrollHeight <= e.clientHeight + 2"), "the message is cut off"
    screenshot(probe.page, "message-390.png")


@pytest.mark.parametrize("path", ["annotate/", "benchmarks/"])
def test_no_choice_is_covered_by_its_arrow(new_tab: Callable[..., Page], app: RunningApp, path: str) -> None:
    page = new_tab()
    page.goto(f"{app.url}/{path}")
    boxes = page.locator("select")
    expect(boxes.first).to_be_attached()
    rooms = boxes.evaluate_all("all => all.map((box) => parseFloat(getComputedStyle(box).paddingInlineEnd))")
    assert min(rooms) >= 28


def test_a_page_at_rest_asks_for_no_frames(new_tab: Callable[..., Page], app: RunningApp) -> None:
    """Gradio's indicator of loading went on asking, sixty times a second, after it was gone."""
    page = new_tab()
    page.add_init_script(
        "const own = window.requestAnimationFrame; window.framesAsked = 0;"
        "window.requestAnimationFrame = (draw) => { window.framesAsked += 1; return own(draw); };"
    )
    ProbePage(page, app.url).open()
    page.wait_for_function(
        "() => { const before = window.framesSeen; window.framesSeen = window.framesAsked;"
        " return before === window.framesAsked; }",
        polling=500,
    )
    assert page.evaluate("window.framesAsked") > 0
