"""Fits of a run and a policy made from it, on the Benchmarks page."""

import json
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from m1app.strategies.choosing.policy import Policy
from tests.e2e.benchmark_fixtures import OpenPage, app_in_use, open_page
from tests.e2e.benchmark_page import OpenBenchmarksPage
from tests.e2e.browser_watch import screenshot
from tests.e2e.running_app import RunningApp
from tests.e2e.test_strategies import benchmarks_app, runs

__all__ = ["app_in_use", "benchmarks_app", "open_page", "runs"]


def test_fits_of_a_run_are_shown_and_downloaded(open_page: OpenPage, runs: dict[str, str], tmp_path: Path) -> None:
    page = open_page(f"?run={runs['pool']}")
    page.tab("Fits")
    curves = page.part("fits").locator("[data-curve]")
    expect(curves).to_have_count(3)
    expect(curves.first).to_contain_text("The law saturates at")
    expect(curves.first).to_contain_text("The last doubling still gains 1 point or more")
    expect(curves.first.locator("tbody tr")).to_have_count(3)
    expect(page.part("fits-note")).to_contain_text("is on this machine")  # No weights here: the cost is not known.
    page.page.wait_for_function("document.querySelector('[data-curve] .m1-plot').data?.length === 3")
    screenshot(page.page, "fits.png")
    page.box("gain").select_option("5")
    expect(curves.first).to_contain_text("no doubling gains 5 points")
    with page.page.expect_download() as downloading:
        page.part("fits-files").get_by_role("link", name="Download the fits as JSON").click()
    content = json.loads(Path(downloading.value.path()).read_bytes())
    assert (content["gain"], len(content["curves"])) == (0.05, 3)
    page.page.reload()
    page.wait_usable()
    expect(page.box("gain")).to_have_value("5")


def test_a_policy_is_made_downloaded_and_kept_for_probe(
    open_page: OpenPage, runs: dict[str, str], benchmarks_app: RunningApp
) -> None:
    page = open_page(f"?run={runs['pool']}&tab=fits")
    page.part("policy-budget").fill("lots")
    page.page.get_by_role("button", name="Make a policy").click()
    expect(page.part("policy-said")).to_contain_text("“lots” is not a number of tokens")
    page.part("policy-budget").fill("1500")
    page.page.get_by_role("button", name="Make a policy").click()
    expect(page.part("policy-verdict")).to_contain_text("Choosing by the pilot's entropy")
    expect(page.part("policy-comparison").locator("tbody tr")).to_have_count(3)
    expect(page.part("policy-table").locator("tbody tr")).to_have_count(3)
    page.part("policy-verdict").scroll_into_view_if_needed()
    screenshot(page.page, "policy.png")
    with page.page.expect_download() as downloading:
        page.part("policy-file").get_by_role("link").click()
    policy = Policy.from_json(Path(downloading.value.path()).read_bytes())
    assert (policy.budget_tokens, policy.made_from, policy.questions) == (1_500, "Pool", 60)
    page.part("policy-name").fill("From Pool")
    page.page.get_by_role("button", name="Keep for Probe").click()
    expect(page.part("policy-said")).to_contain_text("is not a valid policy name")
    page.part("policy-name").fill("from-pool")
    page.page.get_by_role("button", name="Keep for Probe").click()
    expect(page.part("policy-said")).to_contain_text("Kept as from-pool.")
    assert Policy.from_json((benchmarks_app.home / "policies" / "from-pool.json").read_bytes()) == policy
    page.page.goto(f"{benchmarks_app.url}/")
    page.page.get_by_role("button", name="Advanced").click()
    page.page.locator("#policy input").click()
    expect(page.page.get_by_role("option", name="Auto by from-pool")).to_be_visible()


def test_a_run_of_one_pass_says_what_its_fits_lack(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['single']}&tab=fits")
    expect(page.part("fits").locator("[data-curve]")).to_have_count(1)
    expect(page.part("fits-note")).to_contain_text("asked each question once")
    page.page.get_by_role("button", name="Make a policy").click()
    expect(page.part("policy-said")).to_contain_text("does not have them for every answer")
    expect(page.notice).to_be_hidden()


def test_fits_are_readable_in_the_dark_and_on_a_narrow_screen(
    new_context: Callable[..., BrowserContext], benchmarks_app: RunningApp, runs: dict[str, str]
) -> None:
    dark = new_context(color_scheme="dark", viewport={"width": 400, "height": 800}).new_page()
    page = OpenBenchmarksPage(dark, benchmarks_app.url).open(f"?run={runs['pool']}&tab=fits")
    expect(page.part("fits").locator("[data-curve]")).to_have_count(3)
    dark.wait_for_function("document.querySelector('[data-curve] .m1-plot').data?.length === 3")
    page.part("policy-budget").fill("1500")
    dark.get_by_role("button", name="Make a policy").click()
    expect(page.part("policy-found")).to_be_visible()
    assert dark.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    screenshot(dark, "fits-dark-narrow.png")
