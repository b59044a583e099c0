"""The samples tab: what its requests are answered with."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.training.curation import CurationPlan, curate
from m1app.training.data_sets import DataSetVersion
from m1app.training.samples import sample_key
from m1app.ui.admin.samples_tab import SamplesTab
from m1app.ui.admin.samples_view import versions_value
from tests.m1app.training.training_cases import a_sample, some_samples

WRONG = a_sample(question="Which gland is the wrong one?", answer="The answer is B.")
FIRST = some_samples(1)[0]


@pytest.fixture
async def services(tmp_path: Path, no_settings: None) -> AsyncIterator[Services]:
    made = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", cpu_jobs=0))
    yield made
    await made.aclose()


@pytest.fixture
def tab(services: Services) -> SamplesTab:
    plan = CurationPlan()
    samples = [*some_samples(30), a_sample(domain="Surgery"), WRONG]
    services.training_data.data_sets.add("exam", curate(samples, plan, evaluation={}), plan, ())
    with gr.Blocks():
        return SamplesTab(services)


async def ask(tab: SamplesTab, action: str, **values: Any) -> dict[str, Any]:
    data = {"number": 7, "action": action, "set": "exam:v1", **values}
    value = await tab._on_ask(SimpleNamespace(_data=data))  # type: ignore[arg-type]
    assert value["number"] == 7
    return value


async def test_without_data_sets_there_is_nothing_to_choose(services: Services) -> None:
    with gr.Blocks():
        assert await SamplesTab(services)._on_load() == {"sets": []}


async def test_a_page_has_its_rows_choices_and_charts(tab: SamplesTab) -> None:
    assert await tab._on_load() == {"sets": [["exam:v1", "exam:v1 (31)"]]}
    page = (await ask(tab, "page", query={"text": "", "least": None}))["reply"]["page"]
    assert (page["total"], len(page["rows"]), page["size"]) == (31, 25, 25)
    assert page["states"] == [
        ["kept", "Kept (31)"],
        ["dropped", "Left out (1)"],
        ["verify", "Left out: verify (1)"],
        ["", "All (32)"],
    ]
    assert ["Surgery", "Surgery (1)"] in page["domains"]
    assert [chart["data"][0]["type"] for chart in page["charts"]] == ["bar", "bar"]
    (row,) = (await ask(tab, "page", query={"state": "dropped"}))["reply"]["page"]["rows"]
    assert row["why"] == "verify: its answer names another option"


async def test_a_filter_that_is_no_number_names_its_box(tab: SamplesTab) -> None:
    reply = (await ask(tab, "page", query={"least": "many"}))["reply"]
    assert reply["error"].startswith("The minimum length cannot be used")


async def test_a_sample_is_sent_whole(tab: SamplesTab) -> None:
    sample = (await ask(tab, "sample", key=sample_key(WRONG)))["reply"]["sample"]
    assert (sample["full_question"], sample["target"], sample["is_kept"]) == (WRONG.question, "A", False)
    assert sample["doubt"] == "its answer names another option than the target"


async def test_a_change_is_checked_and_only_saved_when_asked_to(tab: SamplesTab) -> None:
    change = {"kind": "exclude", "key": sample_key(FIRST), "reason": "outdated"}
    assert (await ask(tab, "check", change=change))["reply"] == {"checked": change}
    assert len((await tab._on_load())["sets"]) == 1
    saved = await ask(tab, "save", changes=[change])
    assert saved["reply"]["made"] == "exam:v2"
    assert saved["reply"]["said"] == "exam:v2 was made: 30 samples, by hand: 1 sample left out."
    assert [choice[0] for choice in saved["sets"]] == ["exam:v2", "exam:v1"]


async def test_a_refused_change_says_where_and_whether_one_may_insist(tab: SamplesTab) -> None:
    back = {"kind": "restore", "key": sample_key(WRONG), "reason": "read again"}
    reply = (await ask(tab, "check", change=back))["reply"]
    assert (reply["field"], reply["may_keep"]) == ("answer", True)
    assert (await ask(tab, "check", change=back | {"is_deliberate": True}))["reply"]["checked"]
    without = (await ask(tab, "check", change=back | {"reason": "", "is_deliberate": True}))["reply"]
    assert (without["field"], without["may_keep"]) == ("reason", False)


async def test_pairs_say_what_they_share(tab: SamplesTab) -> None:
    pairs = (await ask(tab, "pairs", offset=0))["reply"]["pairs"]
    assert (pairs["total"], pairs["pairs"]) == (0, [])


async def test_a_job_is_estimated_or_started_or_refused_with_a_message(tab: SamplesTab) -> None:
    recipe = {"action": "tag", "source": "exam:v1", "model": "", "limit": None}
    started = (await ask(tab, "job", recipe=recipe))["reply"]
    assert (len(started["job"]), started["job_name"]) == (32, "Domains of exam:v1")
    assert "error" in (await ask(tab, "job", recipe=recipe, is_estimate=True))["reply"]
    refused = (await ask(tab, "job", recipe=recipe | {"action": "distill"}))["reply"]
    assert "a name for the new data set is missing" in refused["error"]


async def test_models_and_question_sets_are_offered(tab: SamplesTab) -> None:
    reply = (await ask(tab, "models"))["reply"]
    assert (reply["models"], reply["question_sets"]) == ([], [])


async def test_an_unknown_version_is_named(tab: SamplesTab) -> None:
    assert "has no version 9" in (await ask(tab, "page", set="exam:v9"))["reply"]["error"]


def test_preference_pairs_are_not_offered_as_samples(tmp_path: Path) -> None:
    made = DataSetVersion("exam", 1, tmp_path, 1_200, "0" * 64, datetime.now(UTC), ())
    assert versions_value([made, replace(made, name="preferred", kind="pairs")]) == [["exam:v1", "exam:v1 (1,200)"]]
