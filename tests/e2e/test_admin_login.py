"""The Admin page of an app that other machines reach: a password, sessions that end, and no start without one."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.admin_page import OpenAdminPage
from tests.e2e.browser_watch import Watch
from tests.e2e.running_app import RunningApp, closed_port, running

PASSWORD = "correct horse battery"
_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def own_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """An app on every address of the machine, with a password; nobody asks its engine."""
    engine = f"http://127.0.0.1:{closed_port()}"
    home = tmp_path_factory.mktemp("home")
    app = RunningApp(home, M1_HOST="0.0.0.0", M1_ADMIN_PASSWORD=PASSWORD, M1_ENGINE_URL=engine)
    with running(app, with_engine=False) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


def log_in(page: Page, password: str) -> None:
    page.locator('form[action="/login"]').get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_the_password_opens_the_page_and_logging_out_closes_it(
    page: Page, app_in_use: RunningApp, watch: Watch
) -> None:
    watch.expect("status of (401|403)")  # The browser logs every refusal.
    address = f"{app_in_use.url}/admin/?tab=sets"
    page.goto(address)
    expect(page).to_have_title("Log in – m1app")
    log_in(page, "wrong horse")
    expect(page.get_by_role("alert")).to_have_text("Wrong name or password.")
    log_in(page, PASSWORD)
    expect(page).to_have_url(address)
    admin = OpenAdminPage(page, app_in_use.url)
    expect(admin.of_sets("empty")).to_contain_text("Import a file")
    (cookie,) = page.context.cookies()
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (
        "m1-session",
        True,
        "Strict",
        "/",
    )
    assert cookie["expires"] > 0
    page.get_by_text("admin (admin)").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("Password")).to_be_visible()
    page.goto(address)
    expect(page.get_by_label("Password")).to_be_visible()
    assert PASSWORD not in app_in_use.log()
    assert cookie["value"] not in app_in_use.log()


def test_a_session_that_has_ended_leads_to_the_login_and_back(page: Page, app_in_use: RunningApp, watch: Watch) -> None:
    watch.expect("status of 401|net::|Failed to fetch|Connection errored|network error")
    page.goto(f"{app_in_use.url}/admin/?tab=jobs")
    log_in(page, PASSWORD)
    admin = OpenAdminPage(page, app_in_use.url)
    expect(admin.job("empty")).to_contain_text("No jobs yet")
    app_in_use.kill()
    app_in_use.start()
    # A restart ends no session.
    page.reload()
    expect(admin.job("empty")).to_contain_text("No jobs yet")
    page.context.clear_cookies()
    expect(page.get_by_label("Password")).to_be_visible()
    log_in(page, PASSWORD)
    expect(admin.job("empty")).to_contain_text("No jobs yet")


@pytest.mark.parametrize("path", ["/", "/compare/", "/annotate/", "/benchmarks/", "/admin/"])
def test_every_page_needs_the_login(page: Page, app_in_use: RunningApp, path: str) -> None:
    page.goto(f"{app_in_use.url}{path}")
    expect(page.get_by_label("Password")).to_be_visible()


def test_the_app_refuses_to_be_reached_by_others_without_a_password(tmp_path: Path) -> None:
    app = RunningApp(tmp_path, M1_HOST="0.0.0.0")
    ended = subprocess.run(
        [sys.executable, "app.py"], cwd=_ROOT, env=app.environment(), capture_output=True, text=True, timeout=240
    )
    assert ended.returncode == 1
    assert "M1_ADMIN_PASSWORD" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "m1.sqlite3").exists()
