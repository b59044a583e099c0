"""Logging in through a provider on another site, in a real browser: its rules for cookies decide whether it works."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from m1app.settings import Settings
from tests.m1app.ui.login.login_app import access_in, app_of
from tests.m1app.ui.login.provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.m1app.ui.serving import serving


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The app at 127.0.0.1; to a browser, its provider at localhost is another site."""
    provider = Provider(is_asking=True)
    with ExitStack() as stack:
        provider.issuer = stack.enter_context(serving(provider.app())).replace("127.0.0.1", "localhost")
        client = {"oidc_client_id": CLIENT_ID, "oidc_client_secret": CLIENT_SECRET}
        settings = Settings(home=tmp_path, oidc_issuer=provider.issuer, **client)
        access = stack.enter_context(access_in(tmp_path, settings))
        yield stack.enter_context(serving(app_of(access, settings)))


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def test_the_way_to_the_provider_and_back_ends_logged_in_on_the_page_that_was_asked_for(
    page: Page, address: str
) -> None:
    page.goto(f"{address}/?trace=abc")
    page.get_by_role("link", name="Log in with your institution").click()
    # From here on, the browser takes every redirect to come from the provider.
    page.get_by_role("link", name="I am Anna").click()
    expect(page).to_have_url(f"{address}/?trace=abc")
    expect(page.locator("body")).to_contain_text('"name":"anna"')
