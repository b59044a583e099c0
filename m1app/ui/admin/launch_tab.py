"""The tab that launches a benchmark: form, equivalent command line, dry run, start."""

import math
from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from m1app.benchmark.recipe import BenchmarkRecipe
from m1app.benchmark.service import BenchmarkEstimate
from m1app.bootstrap import Services
from m1app.runs.errors import ProbeRefused
from m1app.ui.admin.launch_form import LaunchForm
from m1app.ui.question.form_message import FormMessage
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, Updates
from m1app.ui.shell.page_component import page_component
from m1app.wording import counted, duration, percent


class LaunchTab:
    """Builds the tab and holds its handlers; `started` is the event after which a job has started."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.form = LaunchForm(services.profiles, has_ray=bool(services.settings.ray_address))
        self._shown = page_component("admin/launch", element_id="admin-launch")
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
        spoken = [self._shown, self._message.component, *form.problems]
        for knob in form.inputs:
            knob.change(self._on_change, form.inputs, spoken, trigger_mode="always_last", **QUIET)
        demo.load(self._on_change, form.inputs, spoken, **QUIET)
        self._dry_run.click(self._on_dry_run, form.inputs, spoken, **QUIET)
        begun = [*spoken, self._start, self.started_job]
        return self._start.click(self._on_start, [*form.turn, *form.inputs], begun, **QUIET)

    async def _on_change(self, *values: Any) -> Updates:
        """The command line follows the form; a problem that was shown is no longer the form's."""
        cleared = self.form.show_problem(None) | self._message.cleared()
        try:
            return cleared | {self._shown: launch_value(self.form.read(values), None)}
        except ProbeRefused as exc:
            return cleared | {self._shown: {"hint": str(exc)}}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return cleared | {self._shown: {"hint": message_of(exc)}}

    async def _on_dry_run(self, *values: Any) -> Updates:
        try:
            recipe = self.form.read(values)
            shown = launch_value(recipe, await self._services.benchmarks.estimate(recipe))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)
        return self.form.show_problem(None) | {self._shown: shown} | self._message.cleared()

    async def _on_start(self, priority: Any, executor: Any, *values: Any) -> AsyncGenerator[Updates, None]:
        yield {self._start: gr.update(interactive=False), self.started_job: ""}
        try:
            turn, where = self.form.read_turn(priority, executor)
            recipe = self.form.read(values)
            _, job = await self._services.benchmarks.launch(recipe, priority=turn, executor=where)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield self._refused(exc) | {self._start: gr.update(interactive=True), self.started_job: ""}
            return
        over = self._message.cleared() | {self._start: gr.update(interactive=True)}
        yield self.form.show_problem(None) | over | {self.started_job: job.id}

    def _refused(self, error: Exception) -> Updates:
        """Show the error above the buttons, and at its field if it has one, which the page scrolls to."""
        message = message_of(error)
        return self.form.show_problem(error, message) | self._message.at(message, self.form.place_id(error))


def launch_value(recipe: BenchmarkRecipe, estimate: BenchmarkEstimate | None) -> dict[str, Any]:
    """What is shown below the form: the equivalent command line and the result of a dry run."""
    return {"command": recipe.command_line(), "estimate": estimate_facts(recipe, estimate) if estimate else []}


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
        ("Tokens", f"at most {estimate.tokens_at_most:,}; separate runs at most {separate:,}{saved}"),
        ("Time", _time(estimate)),
        ("Difference", _difference(estimate.difference_to_find)),
    ]


def _time(estimate: BenchmarkEstimate) -> str:
    if estimate.seconds_at_most is None or estimate.tokens_per_second is None:
        return "unknown until a benchmark has run with these models"
    rate = f"{estimate.tokens_per_second:,.0f} tokens/s, measured in the last run"
    return f"at most {duration(estimate.seconds_at_most)} at {rate}"


def _difference(smallest: float) -> str:
    if math.isnan(smallest):
        return "too few questions to detect a difference between two settings"
    return (
        f"a difference of about {100 * smallest:.0f} points or more is likely to be detected if two settings "
        "disagree on a fifth of the questions"
    )
