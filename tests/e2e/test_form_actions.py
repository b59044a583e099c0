"""What a form needs is in view on a small laptop: its buttons, why it was refused, and the field to change."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.admin_page import OpenAdminPage
from tests.e2e.browser_watch import screenshot
from tests.e2e.compare_page import OpenComparePage
from tests.e2e.probe_page import LONG_BUDGET, LONG_QUESTION, ProbePage
from tests.e2e.running_app import RunningApp

LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 400, "height": 844}


@pytest.fixture(params=[LAPTOP, PHONE], ids=["laptop", "phone"])
def tab(new_tab: Callable[..., Page], request: pytest.FixtureRequest) -> Iterator[Page]:
    yield new_tab(viewport=request.param, color_scheme="dark")


def is_uncovered(shown: Locator) -> bool:
    """Whether the middle of an element is in the window, and nothing lies over it."""
    return bool(
        shown.evaluate(
            """(e) => {
              const { left, top, width, height } = e.getBoundingClientRect();
              const [x, y] = [left + width / 2, top + height / 2];
              const found = document.elementFromPoint(x, y);
              return Boolean(found) && (e === found || e.contains(found));
            }"""
        )
    )


def test_probe_can_be_run_and_stopped_without_scrolling(tab: Page, app: RunningApp) -> None:
    probe = ProbePage(tab, app.url).open()
    assert tab.evaluate("scrollY") == 0
    for button in (probe.run, probe.stop, probe.answer_now):
        assert is_uncovered(button)
    tab.evaluate("document.querySelector('#trace-pane').scrollIntoView()")
    assert is_uncovered(probe.run)
    assert not probe.scrolls_sideways()


def test_a_refused_probe_says_why_in_view_and_leads_to_the_field(tab: Page, app: RunningApp) -> None:
    probe = ProbePage(tab, app.url).open()
    probe.question.fill("x")
    probe.set_number(probe.budget, 0)
    tab.evaluate("scrollTo(0, 0)")
    probe.run.click()
    probe.wait_message("Thinking budget is 0")
    expect(probe.budget).to_be_focused()
    expect(probe.budget).to_have_attribute("aria-invalid", "true")
    assert is_uncovered(probe.message) and is_uncovered(probe.budget)
    screenshot(tab, f"refused-probe-{tab.viewport_size['width']}.png")  # type: ignore[index]
    probe.set_number(probe.budget, 64)
    expect(probe.budget).not_to_have_attribute("aria-invalid", "true")
    probe.cap_answer(0)
    tab.get_by_role("button", name="Advanced").click()
    probe.run.click()
    probe.wait_message("Answer cap is 0")
    expect(tab.get_by_label("Answer cap (tokens)")).to_be_focused()
    probe.cap_answer(16)
    probe.options.fill("A. One")
    probe.run.click()
    probe.wait_message("only one option")
    expect(probe.options).to_be_focused()
    assert is_uncovered(probe.message)


def test_compare_can_be_run_and_stopped_wherever_it_is_scrolled(tab: Page, app: RunningApp) -> None:
    compare = OpenComparePage(tab, app.url).open()
    for place in ("#compare-library", "#compare-seed", "#sweep-view"):
        tab.locator(place).first.evaluate("e => e.scrollIntoView()")
        assert is_uncovered(compare.run) and is_uncovered(compare.stop) and is_uncovered(compare.answer_now)
    compare.question.fill("Why?")
    compare.choose("budgets")
    compare.own_budgets.fill("none")
    tab.locator("#sweep-view").evaluate("e => e.scrollIntoView()")
    compare.run.click()
    expect(compare.message).to_contain_text("enter whole numbers of tokens")
    expect(compare.own_budgets).to_be_focused()
    assert is_uncovered(compare.message) and is_uncovered(compare.own_budgets)
    screenshot(tab, f"refused-compare-{tab.viewport_size['width']}.png")  # type: ignore[index]


def test_admin_forms_show_their_buttons_and_what_is_wrong_without_scrolling(tab: Page, app: RunningApp) -> None:
    admin = OpenAdminPage(tab, app.url).open()
    admin.tab("New benchmark")
    expect(admin.start).to_be_visible()
    assert is_uncovered(admin.start)
    admin.own_budgets.fill("1,024")
    admin.own_budgets.press("Tab")
    tab.evaluate("scrollTo(0, document.body.scrollHeight)")
    admin.start.click()
    problem = admin.problem("budgets")
    expect(problem).to_contain_text("could be one number or several")
    expect(problem).to_be_in_viewport()
    assert is_uncovered(problem)
    expect(admin.message).to_be_hidden()


@pytest.mark.parametrize("page_name", ["probe", "compare"])
def test_escape_that_closes_a_list_or_a_menu_leaves_the_run_alone(
    new_tab: Callable[..., Page], app: RunningApp, page_name: str
) -> None:
    tab = new_tab(viewport=LAPTOP)
    if page_name == "probe":
        asked: ProbePage | OpenComparePage = ProbePage(tab, app.url).open()
        asked.fill(LONG_QUESTION, budget=LONG_BUDGET)  # type: ignore[call-arg]
    else:
        asked = OpenComparePage(tab, app.url).open()
        asked.fill(LONG_QUESTION, own=str(LONG_BUDGET), budgets=[])  # type: ignore[call-arg]
    asked.run.click()
    expect(asked.stop).to_be_enabled()
    if page_name == "compare":
        tab.get_by_text("Question and grid").click()
    listed = tab.locator("#library input, #compare-library input").first
    listed.click()
    expect(listed).to_have_attribute("aria-expanded", "true")
    tab.keyboard.press("Escape")
    expect(listed).to_have_attribute("aria-expanded", "false")
    menu = tab.locator("#header details.m1-chip").first
    menu.locator("summary").click()
    expect(menu).to_have_attribute("open", "")
    tab.keyboard.press("Escape")
    expect(menu).not_to_have_attribute("open", "")
    expect(asked.state).not_to_have_text("Stopped")
    expect(asked.stop).to_be_enabled()
    tab.keyboard.press("Escape")
    asked.wait_over("Stopped")


def test_tab_closes_a_list_and_goes_on_and_a_click_opens_one_that_escape_closed(
    new_tab: Callable[..., Page], app: RunningApp
) -> None:
    probe = ProbePage(new_tab(viewport=LAPTOP), app.url).open()
    listed = probe.library
    listed.focus()
    expect(listed).to_have_attribute("aria-expanded", "true")
    listed.press("Tab")
    expect(probe.question).to_be_focused()
    expect(listed).to_have_attribute("aria-expanded", "false")
    probe.question.press("Shift+Tab")
    expect(listed).to_be_focused()
    listed.press("Escape")
    listed.press("Tab")
    expect(probe.question).to_be_focused()
    expect(listed).to_have_attribute("aria-expanded", "false")
    listed.click()
    expect(listed).to_have_attribute("aria-expanded", "true")
    listed.press("Escape")
    expect(listed).to_have_attribute("aria-expanded", "false")
    listed.click()
    expect(listed).to_have_attribute("aria-expanded", "true")
