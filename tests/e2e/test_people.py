"""Several people at once: the first account, four roles in four browsers, the trash and the audit log."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from m1app.access.passwords import Passwords
from storage.database import Database
from storage.people.accounts import AccountRepository
from storage.people.records import Role
from tests.e2e.admin_page import OpenAdminPage, write_set
from tests.e2e.annotate_cases import RIGHT_STEM, store_cases
from tests.e2e.annotate_page import OpenAnnotatePage
from tests.e2e.browser_watch import Watch
from tests.e2e.probe_page import OPEN_QUESTION, WAIT_MS, ProbePage
from tests.e2e.running_app import RunningApp, make_home, running, wait_until

PASSWORD = "correct horse"
OLD_NAME = "Marker"
ROOT, VIEWER, ANNOTATOR, REVIEWER = "Root", "Vera Viewer", "Anna Annotator", "Rita Reviewer"
_LINK = re.compile(r"http://\S+/login\?key=\S+")
_WIDTHS = (1280, 600)

NewContext = Callable[..., BrowserContext]


@pytest.fixture(scope="module")
def people_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app without accounts, in which somebody has annotated under a typed name."""
    home = make_home(tmp_path_factory.mktemp("home"), smollm2_path)
    store_cases(home)
    with running(RunningApp(home)) as started:
        yield started


@pytest.fixture
def app_in_use(people_app: RunningApp) -> RunningApp:
    return people_app


class PeoplePage:
    """The tabs of people, trash and audit log on an open Admin page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin

    def open(self, tab: str) -> "PeoplePage":
        self.page.goto(f"{self.origin}/admin/?tab={tab}")
        return self

    def of(self, component: str, part: str) -> Locator:
        """A part of "people", "trash" or "audit"."""
        return self.page.locator(f'#admin-{component} [data-part="{part}"]')

    def problem(self, field: str) -> Locator:
        return self.page.locator(f'#admin-people [data-problem="{field}"]')

    def account(self, name: str) -> Locator:
        return self.page.locator("#admin-people tr[data-account]").filter(has_text=name)

    def fill(self, name: str, password: str, role: str = "") -> None:
        form = self.of("people", "add-form")
        form.get_by_label("Name").fill(name)
        form.get_by_label("Password").fill(password)
        if role:
            form.get_by_label("Role").select_option(role)

    def add(self, name: str, role: str) -> None:
        self.fill(name, PASSWORD, role)
        self.of("people", "add").click()
        expect(self.account(name)).to_be_visible(timeout=WAIT_MS)

    def set_role(self, name: str, role: str) -> None:
        row = self.account(name)
        row.get_by_role("combobox").select_option(role)
        row.get_by_role("button", name="Set role").click()

    def press_twice(self, button: Locator) -> None:
        button.click()
        button.page.locator("[data-sure]").click()


def log_in(page: Page, name: str) -> None:
    page.locator('form[action="/login"]').get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def browser_of(new_context: NewContext, app: RunningApp, name: str) -> Page:
    """A browser in which somebody is logged in."""
    page = new_context(viewport={"width": _WIDTHS[0], "height": 900}).new_page()
    page.goto(f"{app.url}/login")
    log_in(page, name)
    page.locator("#run").wait_for()
    return page


def looks(page: Page, name: str) -> None:
    """Draw the page light and dark, wide and narrow, for people to look at; it never scrolls sideways."""
    folder = os.environ.get("M1_TEST_SCREENSHOTS")
    for width in _WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), width
        for theme in ("light", "dark") if folder else ():
            page.evaluate("isDark => document.body.classList.toggle('dark', isDark)", theme == "dark")
            page.screenshot(path=Path(str(folder)) / f"{name}-{width}-{theme}.png", full_page=True)
        page.evaluate("document.body.classList.remove('dark')")
    page.set_viewport_size({"width": _WIDTHS[0], "height": 900})


def test_the_first_account_leads_to_the_login_and_creates_the_others(
    new_context: NewContext, app_in_use: RunningApp, watch: Watch
) -> None:
    watch.expect("status of 401|Response at|net::|Failed to fetch|Connection errored|network error")  # The link ends.
    page = new_context().new_page()
    found = wait_until(lambda: _LINK.search(app_in_use.log()), "the link is printed")
    page.goto(found.group())
    people = PeoplePage(page, app_in_use.url).open("people")
    expect(people.of("people", "first")).to_contain_text("everyone must log in, including you", timeout=WAIT_MS)
    expect(people.of("people", "old")).to_contain_text(OLD_NAME)
    looks(page, "people-first")
    people.fill(ROOT, "short")
    people.of("people", "add").click()
    expect(people.problem("password")).to_contain_text("5 characters", timeout=WAIT_MS)
    expect(people.of("people", "add-form").get_by_label("Name")).to_have_value(ROOT)
    people.fill(ROOT, PASSWORD)
    people.of("people", "add").click()
    expect(page).to_have_title("Log in – m1app", timeout=WAIT_MS)
    log_in(page, ROOT)
    expect(page).to_have_url(f"{app_in_use.url}/admin/?tab=people", timeout=WAIT_MS)

    expect(people.account(ROOT)).to_contain_text("you", timeout=WAIT_MS)
    people.add(VIEWER, "viewer")
    people.add(ANNOTATOR, "annotator")
    people.add(REVIEWER, "reviewer")
    people.fill("rOOt", PASSWORD, "viewer")
    people.of("people", "add").click()
    expect(people.problem("name")).to_contain_text("already an account", timeout=WAIT_MS)
    people.press_twice(people.account(ROOT).get_by_role("button", name="Disable"))
    expect(people.of("people", "notice")).to_contain_text("your own account", timeout=WAIT_MS)
    people.set_role(ROOT, "viewer")
    expect(people.of("people", "notice")).to_contain_text("your own account", timeout=WAIT_MS)


@pytest.fixture
def four_accounts(app_in_use: RunningApp) -> None:
    """The accounts that the test before has made on the page; made here if this test runs alone."""
    database = Database(f"sqlite:///{app_in_use.home / 'm1.sqlite3'}")
    hashed = Passwords().hash(PASSWORD)
    roles = {ROOT: Role.ADMIN, VIEWER: Role.VIEWER, ANNOTATOR: Role.ANNOTATOR, REVIEWER: Role.REVIEWER}
    with database.session() as session:
        accounts = AccountRepository(session)
        there = {account.name for account in accounts.all()}
        for name in roles.keys() - there:
            accounts.add(name, roles[name], password_hash=hashed)
    database.dispose()


@pytest.mark.usefixtures("four_accounts")
def test_four_roles_work_at_once(new_context: NewContext, app_in_use: RunningApp, watch: Watch, tmp_path: Path) -> None:
    # Refusals, which Gradio's client logs as well, and a session that ends under an open page.
    refusals = "status of (401|403)|Response at|role|logged out"
    watch.expect(f"{refusals}|net::|Failed to fetch|Connection errored|network error")
    url = app_in_use.url
    admin, viewer, annotator, reviewer = (
        browser_of(new_context, app_in_use, name) for name in (ROOT, VIEWER, ANNOTATOR, REVIEWER)
    )

    # The viewer reads, and may not ask; the question stays.
    reading = ProbePage(viewer, url).open()
    reading.ask(OPEN_QUESTION)
    expect(reading.message).to_contain_text("requires the annotator role", timeout=WAIT_MS)
    expect(reading.question).to_have_value(OPEN_QUESTION)
    viewer.goto(f"{url}/admin/")
    expect(viewer.locator("body")).to_contain_text("requires the admin role")

    trace_id = _ask_and_mark(annotator, url)
    _dispute_and_decide(reviewer, url)

    # The admin demotes the annotator, whose open page is refused from then on.
    asking = ProbePage(annotator, url).open()
    people = PeoplePage(admin, url).open("people")
    people.set_role(ANNOTATOR, "viewer")
    expect(people.of("people", "done")).to_contain_text(f"{ANNOTATOR} is now viewer", timeout=WAIT_MS)
    asking.ask(OPEN_QUESTION)
    expect(asking.message).to_contain_text("requires the annotator role", timeout=WAIT_MS)
    expect(asking.question).to_have_value(OPEN_QUESTION)

    # Disabling logs out at once.
    reading = ProbePage(viewer, url).open()
    people.press_twice(people.account(VIEWER).get_by_role("button", name="Disable"))
    expect(people.account(VIEWER)).to_contain_text("disabled", timeout=WAIT_MS)
    expect(viewer).to_have_title("Log in – m1app", timeout=WAIT_MS)
    log_in(viewer, VIEWER)
    expect(viewer.get_by_role("alert")).to_have_text("Wrong name or password.")

    looks(admin, "people")
    _claim(people)
    _restore(admin, url, tmp_path)
    _read_log(admin, url, trace_id)


def opened(page: Page, url: str) -> OpenAnnotatePage:
    """The Annotate page, which asks nobody with an account for a name."""
    annotating = OpenAnnotatePage(page, url).open()
    expect(annotating.annotator).to_be_disabled()
    return annotating


def _ask_and_mark(page: Page, url: str) -> str:
    """Returns the id of the trace."""
    asking = ProbePage(page, url).open()
    asking.ask(OPEN_QUESTION, budget=16)
    asking.wait_state("Done")
    trace_id = page.url.rpartition("=")[2]
    marking = opened(page, url)
    marking.open_case(RIGHT_STEM)
    marking.mark("thinking", "adrenal", "gland", "3", comment="Anna's comment")
    marking.submit_case()
    return trace_id


def _dispute_and_decide(page: Page, url: str) -> None:
    judging = opened(page, url)
    judging.open_case(RIGHT_STEM)
    judging.submit_and_review()
    card = judging.review.locator(".m1-review-column").filter(has_text=ANNOTATOR).locator(".m1-mark-card")
    for action, confirm, state in (
        ("Dispute", "Dispute", "Disputed"),
        ("Adjudicate", "Reject the mark", "Adjudicated: rejected"),
    ):
        card.get_by_role("button", name=action).click()
        card.locator("textarea").fill("It is the adrenal gland.")
        card.locator(".m1-reason").get_by_role("button", name=confirm).click()
        expect(card.locator(".m1-mark-state")).to_have_text(state, timeout=WAIT_MS)


def _claim(people: PeoplePage) -> None:
    old = people.of("people", "old").locator("li").filter(has_text=OLD_NAME)
    old.get_by_role("combobox").select_option(ANNOTATOR)
    people.press_twice(old.get_by_role("button", name="Claim"))
    expect(people.of("people", "done")).to_contain_text(f"now belong to {ANNOTATOR}", timeout=WAIT_MS)
    expect(people.of("people", "old-about")).to_have_text("Every annotation belongs to an account.")


def _restore(page: Page, url: str, folder: Path) -> None:
    admin, trash = OpenAdminPage(page, url).open(), PeoplePage(page, url)
    admin.import_file(write_set(folder, "vitamins"))
    admin.sets.get_by_role("button", name="vitamins").click(timeout=WAIT_MS)
    trash.press_twice(admin.of_sets("delete"))
    expect(admin.of_sets("empty")).to_contain_text("Import a file", timeout=WAIT_MS)
    trash.open("trash")
    row = page.locator("#admin-trash tr[data-deletion]").filter(has_text="vitamins")
    expect(row).to_contain_text(ROOT, timeout=WAIT_MS)
    expect(page.locator("#admin-audit tr[data-entry]").first).to_be_visible(timeout=WAIT_MS)
    looks(page, "trash")
    row.get_by_role("button", name="Restore").click()
    expect(trash.of("trash", "empty")).to_contain_text("The trash is empty", timeout=WAIT_MS)
    admin.tab("Question sets")
    expect(admin.sets).to_contain_text("vitamins", timeout=WAIT_MS)


def _read_log(page: Page, url: str, trace_id: str) -> None:
    log = PeoplePage(page, url).open("trash")
    rows = page.locator("#admin-audit tr[data-entry]")
    expect(rows.first).to_be_visible(timeout=WAIT_MS)
    filters = log.of("audit", "filters")
    filters.get_by_label("Id").fill(trace_id)
    expect(rows).to_have_count(1, timeout=WAIT_MS)
    expect(rows).to_contain_text("trace.ask")
    expect(rows).to_contain_text(ANNOTATOR)
    filters.get_by_label("Id").fill("")
    filters.get_by_label("Person").select_option(label=ROOT)
    filters.get_by_label("Action begins with").fill("account.")
    expect(rows.first).to_contain_text("account.disable", timeout=WAIT_MS)
    expect(rows.filter(has_text=ANNOTATOR)).to_have_count(0)
    log.of("audit", "check").click()
    expect(log.of("audit", "checked")).to_have_text("No entry was changed or removed.", timeout=WAIT_MS)
    looks(page, "audit")
    with page.expect_download() as caught:
        log.of("audit", "download").click()
    assert b'"account.disable"' in Path(caught.value.path()).read_bytes()
