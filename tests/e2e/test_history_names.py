"""The History: names and tags, deletion without a mouse, orders, and what runs in any process."""

from collections.abc import Callable, Iterator
from uuid import uuid4

import pytest
from playwright.sync_api import BrowserContext, Locator, expect

from storage.database import Database
from storage.questions.records import NewQuestion
from storage.traces.records import Trace
from storage.traces.repository import TraceRepository
from tests.e2e.probe_page import OPEN_QUESTION, ProbePage
from tests.e2e.running_app import RunningApp, wait_until
from tests.storage.samples import answer, begin, finish, progress, think


@pytest.fixture
def database(app: RunningApp) -> Iterator[Database]:
    """The app's, as another process has it."""
    opened = Database(f"sqlite:///{app.home / 'm1.sqlite3'}")
    yield opened
    opened.dispose()


@pytest.fixture
def word() -> str:
    """A word that only this test's traces have."""
    return f"quokka{uuid4().hex[:8]}"


@pytest.fixture
def stored(database: Database, word: str) -> Trace:
    """A trace that only this test has."""
    trace = begin(database, NewQuestion(stem=f"Which nerve extends the wrist in the {word}?"))
    finish(database, trace, think("Radial."), answer("The radial nerve."))
    return trace


def find(probe: ProbePage, words: str, rows: int) -> None:
    probe.search.fill(words)
    expect(probe.rows).to_have_count(rows)


def save(page_part: Locator, name: str, tags: str) -> None:
    dialog = page_part.locator("dialog[open]")
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_label("Tags, separated by commas").fill(tags)
    dialog.get_by_role("button", name="Save").press("Enter")
    expect(page_part.locator("dialog[open]")).to_have_count(0)


def test_a_trace_is_named_in_the_list_by_keyboard_and_found_by_name_and_tag(
    probe: ProbePage, stored: Trace, word: str
) -> None:
    find(probe, word, 1)
    probe.page.locator(f'#history tr[data-trace="{stored.id}"] .m1-stem a').focus()
    probe.page.keyboard.press("Tab")
    button = probe.rows.first.get_by_role("button", name="Name and tags")
    expect(button).to_be_focused()
    expect(button).to_have_css("opacity", "1")
    probe.page.keyboard.press("Enter")
    save(probe.page.locator("#history"), "Wrist drop <b>x</b>", "teaching, ward round")
    expect(probe.rows.first.locator(".m1-called")).to_have_text("Wrist drop <b>x</b>")
    expect(probe.rows.first.locator(".m1-tag")).to_have_text(["teaching", "ward round"])
    find(probe, "nothing has this", 0)
    find(probe, "drop teaching", 1)
    probe.reload()
    find(probe, f"{word} ward", 1)
    probe.rows.first.locator(".m1-called").click()
    strip = probe.page.locator("#trace-strip")
    expect(strip.locator("[data-part=name]")).to_have_text("Wrist drop <b>x</b>")
    expect(strip.locator(".m1-tag")).to_have_text(["teaching", "ward round"])


def test_the_page_of_a_trace_names_it_deletes_it_and_brings_it_back(probe: ProbePage, stored: Trace) -> None:
    probe.open(f"/?trace={stored.id}")
    strip = probe.page.locator("#trace-strip")
    strip.get_by_role("button", name="Name and tags").click()
    save(strip, "x" * 120, "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen")
    expect(strip).to_contain_text("There are 13 tags; the limit is 12.")
    strip.get_by_role("button", name="Name and tags").click()
    save(strip, "A named one", "one")
    expect(strip.locator("[data-part=name]")).to_have_text("A named one")
    expect(probe.row(stored.id).locator(".m1-called")).to_have_text("A named one")
    strip.get_by_role("button", name="Delete").click()
    expect(strip).to_contain_text("Moved to the trash.")
    expect(probe.row(stored.id)).to_have_count(0)
    strip.get_by_role("button", name="Undo").click()
    expect(probe.row(stored.id)).to_have_count(1)
    expect(strip.locator("[data-part=name]")).to_have_text("A named one")


def test_rows_are_deleted_by_touch(
    new_context: Callable[..., BrowserContext], app_in_use: RunningApp, stored: Trace
) -> None:
    phone = new_context(viewport={"width": 400, "height": 800}, has_touch=True, is_mobile=True)
    probe = ProbePage(phone.new_page(), app_in_use.url).open()
    button = probe.row(stored.id).get_by_role("button", name="Delete")
    expect(button).to_have_css("opacity", "1")
    button.tap()
    expect(probe.row(stored.id)).to_have_count(0)
    expect(probe.page.locator("#history")).to_contain_text("Moved to the trash.")


def test_orders_are_kept_while_the_list_grows_and_the_filter_after_a_run(
    probe: ProbePage, stored: Trace, word: str
) -> None:
    find(probe, "Filler", 25)
    probe.choose("Order", "Oldest first")
    expect(probe.rows.first).to_contain_text("Filler question 0?")
    probe.page.locator("#more").click()
    expect(probe.rows.last).to_contain_text("Filler question 29?")
    probe.choose("Order", "Name or question")
    expect(probe.rows.nth(1)).to_contain_text("Filler question 10?")
    expect(probe.rows.nth(2)).to_contain_text("Filler question 11?")
    find(probe, word, 1)
    probe.choose("Order", "Verdict")
    probe.ask(OPEN_QUESTION)
    probe.wait_over()
    # The run that has ended does not match, and the list still has what was looked for.
    expect(probe.rows).to_have_count(1)
    expect(probe.row(stored.id)).to_have_count(1)
    expect(probe.page.locator("#history [data-part=running] tr")).to_have_count(0)


def test_what_another_process_runs_is_on_top_with_its_progress(
    probe: ProbePage, database: Database, stored: Trace, word: str
) -> None:
    find(probe, word, 1)
    running = begin(
        database, NewQuestion(stem=f"Which nerve flexes the {word}?"), owner="elsewhere:1", thinking_budget_tokens=100
    )
    top = probe.page.locator("#history [data-part=running] tr")
    meter = top.get_by_role("progressbar")

    def run_until(tokens: int, is_seen: Callable[[], bool]) -> None:
        """Save progress, as a process does every second, until the page shows it."""

        def save() -> bool:
            with database.session() as session:
                TraceRepository(session).save_all(progress(running.id, think("x", token_count=tokens), tokens=tokens))
            probe.page.wait_for_timeout(300)
            return is_seen()

        wait_until(save, f"the list shows {tokens} tokens")

    for tokens in (25, 50):
        run_until(tokens, lambda said=str(tokens): top.count() == 1 and meter.get_attribute("aria-valuenow") == said)
    expect(top).to_contain_text(f"Which nerve flexes the {word}?")
    expect(top).to_contain_text("Running")
    expect(top.get_by_role("button")).to_have_count(0)
    probe.choose("State", "Done")
    run_until(60, lambda: top.count() == 0)
    probe.choose("State", "Any state")
    run_until(70, lambda: top.count() == 1)
    finish(database, running, think("Done."))
    expect(top).to_have_count(0)
    expect(probe.rows).to_have_count(2)
