"""A sweep of hundreds of cells: its columns are drawn near the window only, and can be used as any others."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.compare_page import OpenComparePage
from tests.e2e.large_sweep import CELLS, LAST_WORDS, PASSES, store_large_sweep
from tests.e2e.running_app import RunningApp, closed_port, running


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningApp, str]]:
    """An app of its own, and the id of its sweep."""
    home = tmp_path_factory.mktemp("large")
    sweep_id = store_large_sweep(home)
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as app:
        yield app, sweep_id


@pytest.fixture
def app_in_use(large: tuple[RunningApp, str]) -> RunningApp:
    return large[0]


@pytest.fixture
def compare(page: Page, large: tuple[RunningApp, str]) -> OpenComparePage:
    """The sweep, with the columns of all its cells."""
    app, sweep_id = large
    opened = OpenComparePage(page, app.url).open(f"/compare/?sweep={sweep_id}")
    opened.wait_over()
    for band in page.locator("#sweep-columns .m1-band").all():
        band.locator(".m1-chooser > summary").click()
        band.get_by_role("button", name="All cells").click()
    expect(opened.columns).to_have_count(CELLS * PASSES)
    return opened


def drawn(compare: OpenComparePage) -> int:
    return compare.page.locator("#sweep-columns article:has(.m1-prefix p)").count()


def test_only_columns_near_the_window_are_drawn_and_the_others_keep_their_text(compare: OpenComparePage) -> None:
    first, last = compare.columns.first, compare.columns.nth(CELLS - 1)
    first.scroll_into_view_if_needed()
    expect(first.locator(".m1-prefix p").first).to_be_attached()
    expect(last.locator(".m1-prefix")).to_contain_text(LAST_WORDS)
    assert last.locator(".m1-prefix p").count() == 0
    assert 0 < drawn(compare) < 60
    plain = last.locator(".m1-prefix").evaluate("e => e.textContent.replaceAll('\\n', '')")
    last.scroll_into_view_if_needed()
    expect(last.locator(".m1-prefix p").first).to_be_attached()
    assert last.locator(".m1-prefix").evaluate("e => e.textContent") == plain
    assert drawn(compare) < 60


def test_the_browser_finds_text_in_a_column_that_is_not_drawn(compare: OpenComparePage) -> None:
    found = compare.page.evaluate(f"() => window.find('{LAST_WORDS}', true, false, true)")
    assert found
    within = "() => getSelection().anchorNode?.parentElement?.closest('article')?.dataset.cell ?? ''"
    assert compare.page.evaluate(within)


def test_the_heat_map_and_the_tab_key_lead_to_a_column_far_away(compare: OpenComparePage) -> None:
    mark = compare.map_cells.nth(CELLS - 1)
    key = mark.get_attribute("data-key")
    mark.focus()
    compare.page.keyboard.press("Enter")
    at = "() => document.activeElement.closest('article')?.dataset.cell || ''"
    compare.page.wait_for_function(f"cell => ({at})() === cell", arg=key)
    column = compare.page.locator("#sweep-columns article:focus-within")
    expect(column.locator(".m1-prefix p").first).to_be_attached()
    expect(column).to_be_in_viewport()
    compare.page.keyboard.press("Shift+Tab")
    expect(column.locator(".m1-fork")).to_be_focused()


def test_a_selection_stays_while_other_columns_are_drawn(compare: OpenComparePage) -> None:
    first = compare.columns.first
    first.scroll_into_view_if_needed()
    line = first.locator(".m1-prefix p").first
    expect(line).to_be_attached()
    line.evaluate("e => getSelection().selectAllChildren(e)")
    selected = compare.page.evaluate("() => String(getSelection())")
    strip = compare.page.locator("#sweep-columns .m1-strip").first
    for part in range(1, 21):
        strip.evaluate("(e, share) => { e.scrollLeft = share * e.scrollWidth; }", part / 20)
        compare.page.evaluate("() => new Promise((drawn) => setTimeout(() => requestAnimationFrame(drawn), 60))")
    assert compare.page.evaluate("() => String(getSelection())") == selected != ""
    assert drawn(compare) < 60
