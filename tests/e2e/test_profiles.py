"""A profile of one's own, made by clicks from the demo model's chat template, and used."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from models.profiles import load_profiles
from models.profiles.own_profiles import LiveProfiles
from tests.e2e.browser_watch import Watch
from tests.e2e.probe_page import OPEN_QUESTION, ProbePage
from tests.e2e.running_app import RunningApp, make_home, running

ENDLESS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.fixture(scope="module")
def own_app(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    home = make_home(tmp_path_factory.mktemp("home"), smollm2_path)
    with running(RunningApp(home, M1_CONTEXT_LENGTH="1024")) as started:
        yield started


@pytest.fixture
def app_in_use(own_app: RunningApp) -> RunningApp:
    return own_app


def _open_profiles(page: Page, app: RunningApp) -> Locator:
    page.goto(f"{app.url}/admin/?tab=profiles")
    profiles = page.locator("#admin-profiles")
    profiles.locator('[data-part="none"], tr[data-profile]').filter(visible=True).first.wait_for()
    return profiles


def test_a_profile_is_made_from_the_demo_model_s_template_and_used(
    new_tab: Callable[..., Page], own_app: RunningApp
) -> None:
    own_app.wait_for_engine()
    page = new_tab()
    profiles = _open_profiles(page, own_app)
    profiles.get_by_role("button", name="Read template").click()
    expect(profiles.get_by_label("Without one")).to_have_value(
        "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
        "<|im_start|>user\n{user}<|im_end|>\n<|im_start|>assistant\n"
    )
    parts = profiles.locator('[data-part="parts"] .m1-tokens')
    expect(parts).to_have_count(3)
    expect(parts.first.locator(".is-special .m1-token-text").first).to_have_text("<|im_start|>")
    profiles.get_by_label("Tokens that end thinking, one per line", exact=True).fill("<|im_end|>\n</think>")
    profiles.get_by_role("button", name="Preview").click()
    warnings = profiles.locator('[data-part="warnings"]')
    expect(warnings).to_contain_text("</think> is 3 tokens of this model, not one. It is matched as text.")
    name = profiles.get_by_label("Name", exact=True)
    name.fill("plain")
    profiles.get_by_role("button", name="Save").click()
    expect(profiles.locator('[data-part="problem"]')).to_contain_text(
        "The app already includes a profile named 'plain'"
    )
    name.fill("my-smollm")
    profiles.get_by_label("Opens thinking").fill("Let me see:")
    profiles.get_by_role("button", name="Save").click()
    expect(profiles.locator('tr[data-profile="my-smollm"]')).to_contain_text("my-smollm@")

    probe = ProbePage(page, own_app.url).open()
    probe.ask(OPEN_QUESTION, budget=16)
    trace_id = probe.wait_trace_id()
    probe.wait_over()
    assert own_app.trace(trace_id)["profile"].startswith("my-smollm@")


def test_a_profile_is_offered_after_a_restart_edited_and_removed(
    new_context: Callable[..., BrowserContext], own_app: RunningApp, watch: Watch
) -> None:
    own_app.wait_for_engine()
    watch.expect("net::ERR_|network error")
    values = load_profiles().get("plain-chatml").values() | {"title": "Kept", "models": [], "hints": []}
    saved = LiveProfiles((), own_app.home / "profiles").save("kept", values, replaces=False)
    own_app.kill()
    own_app.start()
    own_app.wait_for_engine()
    page = new_context().new_page()
    for address in ("/", "/compare/"):
        page.goto(own_app.url + address)
        page.get_by_role("button", name="Advanced").click()
        page.get_by_label("Profile", exact=True).click()
        page.get_by_role("option", name=f"{saved.id}: Kept", exact=True).click()
    profiles = _open_profiles(page, own_app)
    row = profiles.locator('tr[data-profile="kept"]')
    expect(row).to_contain_text(saved.id)
    row.get_by_role("button", name="Edit").click()
    expect(profiles.get_by_label("Opens thinking")).to_have_value("Let's think step by step.")
    profiles.get_by_label("Opens thinking").fill("Well:")
    profiles.get_by_role("button", name="Save").click()
    expect(row).not_to_contain_text(saved.id)
    own_app.wait_for_engine()
    page.get_by_role("tab", name="New benchmark", exact=True).click()
    page.get_by_role("button", name="Advanced").click()
    page.locator("#admin-profile input").click()
    expect(page.get_by_role("option", name="kept@")).to_be_visible()
    expect(page.get_by_role("option", name=saved.id)).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_role("tab", name="Profiles", exact=True).click()
    remove = row.get_by_role("button", name="Remove")
    remove.click()
    remove.click()
    expect(row).to_have_count(0)


def test_templates_that_cannot_be_used_say_why(new_tab: Callable[..., Page], own_app: RunningApp) -> None:
    profiles = _open_profiles(new_tab(), own_app)
    profiles.get_by_text("Paste a template instead").click()
    notice = profiles.locator('[data-part="notice"]')
    for template, said in (
        ("{% if %}", "cannot be rendered"),
        ("no question", "writes the question 0 times"),
        (ENDLESS, "does not end"),
    ):
        profiles.get_by_label("Chat template (Jinja)").fill(template)
        profiles.get_by_role("button", name="Read template").click()
        expect(notice).to_contain_text(said)
    expect(profiles.locator('[data-part="edit"]')).to_be_hidden()
