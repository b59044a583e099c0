"""Aids for the keyboard, a phone, still pages and forced colours, on the Probe page: all pages share its header."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import ProbePage
from tests.e2e.running_app import RunningApp
from tests.e2e.stored_traces import LOOKS_STEM

_STYLE = "(e, [name, part]) => getComputedStyle(e, part || null)[name]"
NewTab = Callable[..., Page]
NARROW = {"width": 400, "height": 800}


def open_probe(new_tab: NewTab, app: RunningApp, **options: object) -> ProbePage:
    return ProbePage(new_tab(**options), app.url).open()


def open_trace(probe: ProbePage) -> None:
    """Open the trace that has everything."""
    probe.search.fill("koilonychia")
    expect(probe.rows).to_have_count(1)
    probe.rows.first.get_by_text(LOOKS_STEM).click()
    probe.wait_over()


def test_first_tab_leads_past_the_header(probe: ProbePage) -> None:
    page = probe.page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    assert (skip.bounding_box() or {"height": 0})["height"] > 20
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.get_by_role("heading", level=1)).to_have_text("Probe")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.closest('#header') === null")
    expect(page).to_have_url(re.compile("/$"))


def test_header_is_one_line_on_a_phone_and_its_menu_opens(new_tab: NewTab, app: RunningApp) -> None:
    probe = open_probe(new_tab, app, viewport=NARROW)
    page = probe.page
    expect(probe.header("engine")).to_contain_text("smollm2")
    assert page.locator(".m1-header").evaluate("e => e.getBoundingClientRect().height") < 50
    ends = page.locator(".m1-header > *").evaluate_all("all => all.map((e) => e.getBoundingClientRect().right)")
    assert max(ends) <= NARROW["width"]
    menu, compare = page.get_by_role("button", name="Menu"), page.get_by_role("link", name="Compare", exact=True)
    expect(compare).to_be_hidden()
    menu.click()
    expect(menu).to_have_attribute("aria-expanded", "true")
    expect(compare).to_be_visible()
    screenshot(page, "menu-400.png")
    for link in page.locator(".m1-nav a").all():
        box = link.bounding_box()
        assert box
        place = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
        assert link.evaluate("(e, [x, y]) => document.elementFromPoint(x, y) === e", place), "the menu is covered"
    page.keyboard.press("Escape")
    expect(compare).to_be_hidden()
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    compare.click()
    expect(page).to_have_url(re.compile("/compare/$"))
    page.locator(".m1-header summary").first.click()
    panel = page.locator(".m1-header .m1-panel").first.bounding_box()
    assert panel
    assert 0 <= panel["x"] <= panel["x"] + panel["width"] <= NARROW["width"]


def test_scroll_bars_follow_the_brightness(probe: ProbePage) -> None:
    root = probe.page.locator("html")
    assert root.evaluate(_STYLE, ["colorScheme", ""]) == "light"
    probe.page.get_by_role("button", name="Dark / light").click()
    assert root.evaluate(_STYLE, ["colorScheme", ""]) == "dark"


@pytest.mark.parametrize("wish", ["reduce", "no-preference"])
def test_nothing_moves_for_whom_movement_is_unpleasant(new_tab: NewTab, app: RunningApp, wish: str) -> None:
    probe = open_probe(new_tab, app, reduced_motion=wish)
    moving = "e => { e.dataset.state = 'starting'; return getComputedStyle(e).animationName; }"
    moves = probe.header("dot").evaluate(moving) != "none"
    changes_slowly = probe.run.evaluate(_STYLE, ["transitionProperty", ""]) != "none"
    assert (moves, changes_slowly) == ((wish != "reduce"),) * 2


def test_forced_colours_leave_verdict_shares_and_the_current_page(new_tab: NewTab, app: RunningApp) -> None:
    probe = open_probe(new_tab, app, forced_colors="active")
    open_trace(probe)
    screenshot(probe.page, "trace-forced-colours.png")
    expect(probe.verdict).to_contain_text("Wrong: B, target A")
    assert probe.verdict.evaluate(_STYLE, ["borderTopStyle", ""]) == "dashed"
    here, elsewhere = (
        probe.page.get_by_role("link", name=name, exact=True).evaluate(_STYLE, ["borderBottomColor", ""])
        for name in ("Probe", "Compare")
    )
    assert here != elsewhere
    meter = probe.part("meter")
    filled = meter.evaluate(_STYLE, ["backgroundColor", "::before"])
    assert filled != meter.evaluate(_STYLE, ["backgroundColor", ""])
    assert "gradient" in probe.part("options").locator(".m1-bar").first.evaluate(_STYLE, ["backgroundImage", ""])
