"""The tab that launches a benchmark: form, equivalent command line, dry run, start."""

import math
from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from m1app.benchmark.estimate import BenchmarkEstimate, judge_facts
from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.benchmark.strategy_plan import strategy_facts
from m1app.bootstrap import Services
from m1app.ui.admin.launch_form import LaunchForm
from m1app.ui.admin.problems import clear_when_changed
from m1app.ui.question.form_message import FormMessage
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, Updates, after_changes, enable_after
from m1app.ui.shell.page_component import page_component
from m1app.wording import counted, duration, percent


class LaunchTab:
    """Builds the tab and holds its handlers; `started` is the event after which a job has started."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.form = LaunchForm(services.profiles, has_ray=bool(services.settings.ray_address))
        self._command = page_component("admin/command", element_id="admin-launch-command")
        self._estimate = page_component("admin/launch", element_id="admin-launch")
        with gr.Column(elem_classes="m1-actions-bar"):
            self._message = FormMessage("admin-launch-message")
            with gr.Row(elem_id="admin-launch-controls"):
                self._start = gr.Button("Start", variant="primary", elem_id="admin-start", min_width=90)
                self._dry_run = gr.Button("Dry run", elem_id="admin-dry-run", min_width=90)
        self.started_job = gr.State("")
        """Id of the last launched job."""

    def wire(self, demo: gr.Blocks) -> Any:
        """Connect the handlers; returns the start event, after which `started_job` holds the job's id or is empty."""
        form = self.form
        spoken = [self._estimate, self._message.component, *form.problems]
        clear_when_changed(form.inputs, self._cleared())
        changes = [demo.load, *(knob.change for knob in form.inputs)]
        after_changes(changes, self._on_change, form.inputs, self._command)
        form.question_sets.change(self._on_sets, form.question_sets, form.judge, trigger_mode="always_last", **QUIET)
        self._dry_run.click(self._on_dry_run, form.inputs, spoken, **QUIET)
        begun = [*spoken, self._start, self.started_job]
        started = self._start.click(self._on_start, [*form.turn, *form.inputs], begun, **QUIET)
        enable_after(started, self._start)
        return started

    async def _on_change(self, *values: Any) -> Updates:
        """The command line follows the form."""
        try:
            return {self._command: {"command": self.form.read(values).command_line()}}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self._command: {"hint": message_of(exc)}}

    async def _on_sets(self, sets: list[str] | None) -> Updates:
        """Open questions need a judge."""
        try:
            has_open = await self._services.benchmarks.has_open_questions([str(each) for each in sets or ()])
            served = (await self._services.engine_watch.latest()).models
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            message_of(exc)  # A benchmark is refused for the same reason; it is said there.
            return {self.form.judge: gr.skip()}
        return self.form.offer_judge(served, has_open_questions=has_open)

    async def _on_dry_run(self, *values: Any) -> Updates:
        try:
            recipe = self.form.read(values)
            facts = estimate_facts(recipe, await self._services.benchmarks.estimate(recipe))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)
        return self._cleared() | {self._estimate: {"estimate": facts}}

    async def _on_start(self, priority: Any, executor: Any, *values: Any) -> AsyncGenerator[Updates, None]:
        yield {self._start: gr.update(interactive=False), self.started_job: ""}
        try:
            turn, where = self.form.read_turn(priority, executor)
            recipe = self.form.read(values)
            _, job = await self._services.benchmarks.launch(recipe, priority=turn, executor=where)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield self._refused(exc) | {self.started_job: ""}
            return
        yield self._cleared() | {self.started_job: job.id}

    def _cleared(self) -> Updates:
        """Nothing is refused, and nothing estimated."""
        return self.form.show_problem(None) | self._message.cleared() | {self._estimate: {}}

    def _refused(self, error: Exception) -> Updates:
        """Show the error once: at its field, which the page scrolls to, or above the buttons if it has none."""
        message = message_of(error)
        said = self.form.show_problem(error, message) | self._message.at(message, self.form.place_id(error))
        return said | {self._estimate: {}}


def estimate_facts(recipe: BenchmarkRecipe, estimate: BenchmarkEstimate) -> list[tuple[str, str]]:
    """Facts of a dry run, as name and text."""
    models = max(1, len(recipe.models))
    factors = [f"{estimate.items // models:,} questions", counted(models, "model"), counted(estimate.cells, "cell")]
    if recipe.passes > 1:
        factors.append(f"{recipe.passes} passes")
    separate = estimate.tokens_if_separate_at_most
    saved = f", {percent(1 - estimate.tokens_at_most / separate, 0)} less" if separate > estimate.tokens_at_most else ""
    return [
        ("Answers", f"{' × '.join(factors)} = {estimate.results:,} answers"),
        *strategy_facts(estimate.strategies, recipe.passes, estimate.shared_at_most),
        *judge_facts(estimate),
        ("Tokens", f"at most {estimate.tokens_at_most:,}; separate runs at most {separate:,}{saved}"),
        ("Time", _time(estimate)),
        ("Difference", _difference(estimate.difference_to_find)),
    ]


def _time(estimate: BenchmarkEstimate) -> str:
    if estimate.seconds_at_most is None or estimate.tokens_per_second is None:
        return "unknown until these models have run a benchmark"
    rate = f"{estimate.tokens_per_second:,.0f} tokens/s, measured in the last run"
    return f"at most {duration(estimate.seconds_at_most)} at {rate}"


def _difference(smallest: float) -> str:
    if math.isnan(smallest):
        return "too few questions to detect a difference between two settings"
    return (
        f"a difference of about {100 * smallest:.0f} points or more is likely to be detected if two settings "
        "disagree on a fifth of the questions"
    )
