"""Jobs on the Admin page: what is shown of one, what can be done with it, and what a view asks for."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import gradio as gr
import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.ui.admin.jobs_tab import NEW_VIEW, JobsTab, read_view
from m1app.ui.admin.jobs_view import detail_value, progress_text, row_value, rows_value, wanted_states
from storage.jobs.records import Job, JobKind, JobProgress, JobState, NewJob

BEGUN = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
RUN_ID = "a" * 32


ACCURACY = {"accuracy": 0.6, "accuracy_low": 0.4232, "accuracy_high": 0.7541, "accuracy_n": 30.0}


def job(state: JobState = JobState.RUNNING, **changes: Any) -> Job:
    known = Job(
        kind=JobKind.BENCHMARK,
        name="MedQA",
        recipe={"question_sets": ["MedQA"], "budgets": [64, 128]},
        subject_id=RUN_ID,
        id="b" * 32,
        created_at=BEGUN,
        started_at=BEGUN,
        ended_at=None,
        heartbeat_at=BEGUN,
        state=state,
        handle="host:1",
        attempt=1,
        progress=JobProgress(
            done=30, total=120, unit="questions", per_second=0.5, seconds_left=180.0, figures=dict(ACCURACY)
        ),
        error="",
    )
    return replace(known, **changes)


def detail(shown: Job) -> dict[str, Any]:
    return detail_value(shown, log="", artifacts=(), now=BEGUN + timedelta(minutes=5))


def test_a_running_job_says_how_far_how_fast_and_how_long() -> None:
    row = row_value(job())
    assert row["progress"] == "30 of 120 questions · 30.0/min · 3 min left · accuracy 60.0% (42.3% to 75.4%), n = 30"
    assert row["share"] == 0.25


def test_jobs_of_one_name_are_told_apart_by_what_their_recipes_differ_in() -> None:
    recipes = [{"base": "tiny", "max_steps": 6, "name": ""}, {"base": "tiny", "max_steps": 30, "name": "long"}]
    jobs = [job(id=each * 32, name="tiny on exam", recipe=recipe) for each, recipe in zip("cd", recipes, strict=True)]
    rows = rows_value([*jobs, job()])
    assert [row["apart"] for row in rows] == ["max steps 6", "max steps 30, name long", ""]
    twins = rows_value([jobs[0], replace(jobs[0], id="e" * 32)])
    assert [row["apart"] for row in twins] == ["job cccccc", "job eeeeee"]


def test_a_job_that_is_over_says_no_rate() -> None:
    assert progress_text(job(JobState.STOPPED)) == "30 of 120 questions · accuracy 60.0% (42.3% to 75.4%), n = 30"


@pytest.mark.parametrize(
    ("progress", "text", "share"),
    [
        (JobProgress(), "", None),
        (JobProgress(done=3, unit="steps"), "3 steps", None),
        (JobProgress(done=5, total=4, unit="steps"), "5 of 4 steps", 1.0),
        (JobProgress(total=10, unit="questions", figures=dict(ACCURACY)), "0 of 10 questions", 0.0),
        # As an earlier version reported it, without its interval.
        (JobProgress(done=2, total=10, unit="questions", figures={"accuracy": 0.5}), "2 of 10 questions", 0.2),
        (JobProgress(done=9, total=10, per_second=12.5, seconds_left=0.0), "9 of 10 · 12.5/s · 0 s left", 0.9),
    ],
)
def test_what_is_not_known_is_not_said(progress: JobProgress, text: str, share: float | None) -> None:
    shown = row_value(job(progress=progress))
    assert (shown["progress"], shown["share"]) == (text, share)


@pytest.mark.parametrize(
    ("state", "can"),
    [
        (JobState.QUEUED, {"stop"}),
        (JobState.RUNNING, {"stop"}),
        (JobState.STOPPING, set()),
        (JobState.SUCCEEDED, {"delete"}),
        (JobState.FAILED, {"resume", "delete"}),
        (JobState.STOPPED, {"resume", "delete"}),
        (JobState.LOST, {"resume", "delete"}),
    ],
)
def test_only_what_a_state_allows_is_offered(state: JobState, can: set[str]) -> None:
    value = detail(job(state))
    assert {what for what in ("stop", "resume", "delete") if value[f"can_{what}"]} == can
    assert value["can_clone"]


def test_a_benchmark_with_failed_questions_can_be_resumed_when_it_is_over() -> None:
    assert detail(job(JobState.SUCCEEDED, progress=JobProgress(figures={"failed": 1.0})))["can_resume"]


def test_a_job_in_detail_has_its_command_line_its_run_and_its_files() -> None:
    value = detail_value(job(), log="line", artifacts=[("results/a.csv", 2_500_000)])
    assert value["command"].startswith("python -m m1app bench --questions MedQA --budgets 64,128")
    assert value["run"] == RUN_ID
    assert value["artifacts"] == [["results/a.csv", "2.5 MB"]]
    assert value["log"] == "line"
    assert ["Took", "5 min"] in detail(job())["facts"]


def test_a_job_of_another_kind_has_no_run_no_command_line_and_no_clone() -> None:
    value = detail(job(kind=JobKind.FINE_TUNING, recipe={"epochs": 3}))
    assert (value["run"], value["command"], value["can_clone"]) == ("", "", False)


def test_a_recipe_of_another_version_is_shown_without_its_command_line() -> None:
    assert detail(job(recipe={"question_sets": ["MedQA"], "unheard_of": 1}))["command"] == ""


def test_figures_but_the_accuracy_are_listed() -> None:
    progress = JobProgress(figures=ACCURACY | {"tokens_per_second": 88.123456})
    assert detail(job(progress=progress))["figures"] == [["Tokens per second", "88.12"]]


def test_every_choice_of_the_filter_is_one() -> None:
    assert set(wanted_states("active")) | set(wanted_states("over")) == set(JobState)
    assert wanted_states("failed") == (JobState.FAILED,)
    assert wanted_states("") == wanted_states("unheard of") == ()


@pytest.mark.parametrize(
    ("given", "view"),
    [
        ({}, NEW_VIEW),
        ({"number": "x", "state": None, "text": 5, "job": "j"}, NEW_VIEW | {"text": "5", "job": "j"}),
        ({"number": 3, "text": "x" * 999}, NEW_VIEW | {"number": 3, "text": "x" * 200}),
        ({"runs": "y" * 999}, NEW_VIEW | {"runs": "y" * 320}),
    ],
)
def test_a_view_from_the_page_is_read_with_care(given: dict[str, Any], view: dict[str, Any]) -> None:
    assert read_view(given) == view


# The tab with the real service ---------------------------------------------------------------------------------------


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Services whose scheduler does not run: what is submitted stays queued."""
    made = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9"))
    yield made
    made.database.dispose()


@pytest.fixture
def tab(services: Services) -> JobsTab:
    with gr.Blocks():
        return JobsTab(services)


async def submit(services: Services, name: str = "MedQA") -> Job:
    return await services.jobs.submit(NewJob(kind=JobKind.BENCHMARK, name=name, recipe={}, subject_id=RUN_ID))


def event(**data: Any) -> gr.EventData:
    return cast(gr.EventData, gr.EventData(None, data))


async def test_an_unchanged_list_is_not_sent_again(tab: JobsTab, services: Services) -> None:
    await submit(services)
    view = {"number": 0}
    value, sent = await tab._on_tick(view, "")
    assert [row["name"] for row in value["rows"]] == ["MedQA"]
    again = await tab._on_tick(view, sent)
    assert [update["__type__"] for update in again] == ["update"] * 2
    await submit(services, "Lancet")
    tab._ticks.forget()  # as a second later: until then tabs share what was read
    value, _ = await tab._on_tick(view, sent)
    assert [row["name"] for row in value["rows"]] == ["Lancet", "MedQA"]


async def test_the_chosen_job_comes_with_its_log(tab: JobsTab, services: Services) -> None:
    kept = await submit(services)
    _, value, _ = await tab._on_look(event(number=1, job=kept.id))
    assert value["view"] == NEW_VIEW | {"number": 1, "job": kept.id}
    assert "created: benchmark" in value["detail"]["log"]


async def test_actions_are_done_and_their_refusals_are_said(tab: JobsTab, services: Services) -> None:
    kept = await submit(services)

    async def act(action: str, value: Any = None) -> dict[str, Any]:
        asked = event(action=action, job=kept.id, value=value, view={"number": 2, "job": kept.id})
        return cast(dict[str, Any], (await tab._on_act(asked, {}))[1])

    refused = await act("delete")
    assert "Stop it before" in refused["notice"]
    assert refused["detail"]["id"] == kept.id
    assert (await act("priority", 7))["detail"]["priority"] == 7
    for wrong in (101, -101, 1.5, "x", None):
        refused = await act("priority", wrong)
        assert refused["notice"] == f"Priority is {wrong!r}; enter a whole number from -100 to 100."
        assert refused["detail"]["priority"] == 7
    assert (await act("stop"))["detail"]["state"] == "stopped"
    assert (await act("resume"))["detail"]["state"] == "queued"
    assert "notice" not in await act("unheard of")
    await act("stop")
    gone = await act("delete")
    assert (gone["rows"], gone["detail"], gone["view"]["job"]) == ([], None, "")


async def test_a_job_that_is_gone_is_said_to_be(tab: JobsTab) -> None:
    _, value, _ = await tab._on_look(event(number=1, job="0" * 32))
    assert "not found" in value["notice"]
    assert value["empty"] == "No jobs yet. Start a benchmark or a fine-tuning job to begin."


async def test_after_a_start_the_new_job_is_shown(tab: JobsTab, services: Services) -> None:
    kept = await submit(services)
    tabs, view, value, _ = await tab._on_started(kept.id, {"number": 4})
    assert tabs.selected == "jobs"
    assert (view["number"], view["job"], value["detail"]["id"]) == (5, kept.id, kept.id)
    assert all(update["__type__"] == "update" for update in await tab._on_started("", {"number": 4}))


def test_a_job_of_samples_leads_to_them_and_names_its_command() -> None:
    recipe = {"action": "distill", "source": "questions:pool", "name": "taught"}
    value = detail(job(kind=JobKind.TRAINING_DATA, recipe=recipe))
    assert value["results"] == "/admin/?tab=samples&set=taught"
    assert value["command"].startswith("python -m m1app dataset distill questions:pool --name taught")
    tagged = detail(job(kind=JobKind.TRAINING_DATA, recipe={"action": "tag", "source": "exam:v2"}))
    assert tagged["results"] == "/admin/?tab=samples&set=exam"
    questions = detail(job(kind=JobKind.TRAINING_DATA, recipe={"action": "tag", "source": "questions:pool"}))
    assert questions["results"] == "/admin/?tab=sets"
    assert detail(job(kind=JobKind.TRAINING_DATA, recipe={"action": "draw"}))["command"] == ""


async def test_marked_fine_tunings_are_shown_side_by_side_until_a_job_is_chosen(
    tab: JobsTab, services: Services
) -> None:
    async def tuned(seed: int) -> Job:
        recipe = {"seed": seed}
        return await services.jobs.submit(NewJob(kind=JobKind.FINE_TUNING, name=f"run {seed}", recipe=recipe))

    first, second, benchmark = await tuned(1), await tuned(2), await submit(services)
    _, alone, _ = await tab._on_look(event(number=1, runs=first.id))
    assert "compared" not in alone and "notice" not in alone
    runs = f"{first.id},{second.id},{first.id}"
    _, value, _ = await tab._on_look(event(number=2, runs=runs))
    assert [run["id"] for run in value["compared"]["runs"]] == [first.id, second.id]
    assert value["compared"]["differences"] == [["seed", ["1", "2"]]]
    _, chosen, _ = await tab._on_look(event(number=3, runs=runs, job=first.id))
    assert "compared" not in chosen and chosen["detail"]["id"] == first.id
    _, wrong, _ = await tab._on_look(event(number=4, runs=f"{first.id},{benchmark.id}"))
    assert "is a benchmark, not a fine-tuning" in wrong["notice"] and len(wrong["rows"]) == 3
    _, gone, _ = await tab._on_look(event(number=5, runs=f"{first.id},{'0' * 32}"))
    assert "compared" not in gone and gone["notice"]
