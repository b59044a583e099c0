"""The report of a study in a real browser without a network: drawn on the screen, fit for paper, nothing asked for."""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from m1app.bootstrap import build_services
from m1app.settings import Settings
from tests.e2e.browser_watch import Watch, screenshot
from tests.m1app.studies.report.study_samples import a_study

_A4_WIDTH_PIXELS = 680
"""Between the margins of the page's own style: 210 mm less 2 x 15 mm, at 96 pixels to the inch."""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    # The browser's own event loop runs in this thread.
    with ThreadPoolExecutor(1) as thread:
        files = thread.submit(lambda: asyncio.run(_files(folder / "home"))).result()
    page = folder / "report.html"
    page.write_bytes(files["report.html"])
    return page


async def _files(home: Path) -> Mapping[str, bytes]:
    services = build_services(Settings(home=home, engine_url="http://127.0.0.1:9", model=""))
    try:
        outcome = await a_study(services.database, model="m1 <b>7b</b> of the second ward, asked by another profile")
        return await services.study_reports.files(outcome)
    finally:
        await services.aclose()


@pytest.fixture
def opened(browser: Browser, report: Path, request: pytest.FixtureRequest) -> Iterator[Page]:
    options: dict[str, Any] = getattr(request, "param", {})
    context = browser.new_context(offline=True, **options)
    seen = Watch(report.parent.as_uri())
    seen.attach(context)
    page = context.new_page()
    page.goto(report.as_uri())
    expect(page.locator("img.printed[src^='data:image/svg']")).to_have_count(7)
    yield page
    context.close()
    assert not seen.unexpected()


def test_charts_are_drawn_and_nothing_is_asked_for(opened: Page) -> None:
    expect(opened.locator(".plot .main-svg").first).to_be_visible()
    expect(opened.get_by_text("m1 <b>7b</b> of the second ward").first).to_be_visible()
    assert opened.locator("img.printed").first.is_hidden()
    screenshot(opened, "study-report.png")


@pytest.mark.parametrize("opened", [{"color_scheme": "dark"}], indirect=True)
def test_paper_has_pictures_in_dark_ink_also_of_a_dark_screen(opened: Page) -> None:
    opened.emulate_media(media="print")
    expect(opened.locator("img.printed").first).to_be_visible()
    assert opened.locator(".plot").first.is_hidden()
    picture = opened.locator("img.printed").first.evaluate("image => decodeURIComponent(image.src)")
    assert "fill: rgb(0, 0, 0)" in picture and "fill: rgb(231, 237, 245)" not in picture
    screenshot(opened, "study-report-printed.png")


@pytest.mark.parametrize(
    "opened", [{"viewport": {"width": _A4_WIDTH_PIXELS, "height": 960}}], indirect=True, ids=["A4"]
)
def test_nothing_is_wider_than_the_paper(opened: Page) -> None:
    opened.emulate_media(media="print")
    wide = (
        "() => [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)"
    )
    assert opened.evaluate(f"({wide})().map(e => e.outerHTML.slice(0, 200))") == []
