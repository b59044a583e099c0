"""A fine-tuned model handed on from the Models tab: quantized, and pushed to a scripted hub after it was confirmed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from m1app.settings import Settings
from tests.e2e.browser_watch import screenshot
from tests.e2e.running_app import RunningApp, make_home, running
from tests.m1app.training.publishing.taking_hub import TOKEN, TakingHub, serving_taking_hub
from tests.m1app.training.publishing.tuned_cases import published
from tests.models.weights.float_model import write_floats
from tests.shallow_model import write_shallow


@pytest.fixture
def hub() -> Iterator[TakingHub]:
    with serving_taking_hub(TakingHub()) as hub:
        yield hub


@pytest.fixture
def app_in_use(smollm2_path: Path, tmp_path: Path, hub: TakingHub) -> Iterator[RunningApp]:
    home = make_home(tmp_path, smollm2_path)
    floats = write_floats(write_shallow(smollm2_path, tmp_path / "shallow.gguf"), tmp_path / "f16.gguf")
    published(Settings(home=home), tmp_path, floats)
    with running(RunningApp(home, M1_HUB_URL=hub.url, M1_HUB_TOKEN=TOKEN), with_engine=False) as started:
        yield started


def test_a_tuned_model_is_quantized_and_pushed_once_it_was_confirmed(
    page: Page, app_in_use: RunningApp, hub: TakingHub
) -> None:
    page.goto(f"{app_in_use.url}/admin/?tab=models")
    section = page.locator("#admin-tuned")
    row = section.locator("tr[data-model=mine]")
    expect(row).to_contain_text("SFT, from smollm2-135m, on exam:v2")
    row.get_by_role("button", name="Hand on mine").click()
    expect(section.locator("[data-part=card]")).to_contain_text("base_model: HuggingFaceTB/SmolLM2-135M-Instruct")
    section.locator("[data-part=kind]").select_option("q8_0")
    section.get_by_role("button", name="Quantize").click()
    expect(row).to_contain_text("mine-q8-0 is in the catalog")
    expect(row).to_contain_text("Q8_0")

    section.locator("[data-part=repo]").fill("ada/mine")
    section.get_by_label("With GGUF Q8_0").check()
    section.get_by_role("button", name="Show what would be uploaded").click()
    words = section.locator("[data-part=words]")
    expect(words).to_contain_text("mine goes to")
    expect(words).to_contain_text("(private): 4 files")
    expect(words).to_contain_text("mine-Q8_0.gguf")
    screenshot(section, "admin-tuned.png")
    # Nothing was asked of the hub before the person confirmed, and another choice has to be shown again.
    assert hub.asked == []
    section.get_by_label("Public").check()
    expect(section.locator("[data-part=upload]")).to_be_hidden()
    section.get_by_label("Public").uncheck()
    section.get_by_role("button", name="Show what would be uploaded").click()
    section.get_by_role("button", name="Upload to ada/mine").click()
    expect(row).to_contain_text(f"It is at {hub.url}/ada/mine.")
    assert hub.private == {"ada/mine"}
    assert hub.files.keys() == {"config.json", "model.safetensors", "README.md", "mine-Q8_0.gguf"}
    assert TOKEN not in page.content()
    assert TOKEN not in app_in_use.log()
