"""The tab for fine-tuning: training data, form, plan, start."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.training.pace import measured_pace
from m1app.training.plan import count_tokens
from m1app.ui.admin.fine_tune_form import NO_SET, TrainingForm
from m1app.ui.admin.fine_tune_plan_view import plan_value
from m1app.ui.admin.problems import clear_when_changed
from m1app.ui.admin.training_data_tab import TrainingDataPart
from m1app.ui.question.form_message import FormMessage
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, Updates, after_changes, enable_after
from m1app.ui.shell.page_component import page_component
from storage.errors import StorageError


class TrainingTab:
    """Builds the tab and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._data = TrainingDataPart(services)
        gr.HTML("<h2>Fine-tune</h2>", elem_id="admin-training-head", apply_default_css=False)
        bases = base_choices(services)
        self.form = TrainingForm(bases, _first(bases, services), has_ray=bool(services.settings.ray_address))
        with gr.Column(elem_classes="m1-actions-bar"):
            self._message = FormMessage("admin-training-message")
            with gr.Row(elem_id="admin-training-controls"):
                self._start = gr.Button("Start", variant="primary", elem_id="admin-training-start", min_width=90)
                self._plan = gr.Button("Plan", elem_id="admin-training-plan-button", min_width=90)
        self._command = page_component("admin/command", element_id="admin-training-command")
        self._planned = page_component("admin/fine_tune_plan", element_id="admin-training-plan")
        self.started_job = gr.State("")
        """Id of the last launched job."""

    def refresh_when(self, opened: Any) -> None:
        """List the data sets anew at an event."""
        self._data.refresh_when(opened, self.form.data)

    def wire(self, demo: gr.Blocks) -> Any:
        """Connect the handlers; returns the start event, after which `started_job` holds the job's id or is empty."""
        form = self.form
        self._data.wire(demo, form.data)
        spoken = [self._planned, self._message.component, *form.problems]
        clear_when_changed(form.inputs, self._cleared())
        after_changes([knob.change for knob in form.inputs], self._on_change, form.inputs, self._command)
        form.preset.change(self._on_preset, form.preset, [form.meaning, *form.inputs], **QUIET)
        demo.load(self._on_load, form.inputs, [form.base, form.accuracy_set, self._command], **QUIET)
        planned = [*spoken, self._plan]
        enable_after(self._plan.click(self._on_plan, form.inputs, planned, **QUIET), self._plan)
        begun = [*spoken, self._start, self.started_job]
        started = self._start.click(self._on_start, [form.executor, *form.inputs], begun, **QUIET)
        enable_after(started, self._start)
        return started

    async def _on_load(self, *values: Any) -> Updates:
        """A model fine-tuned since the app started can be the next base."""
        bases = await asyncio.to_thread(base_choices, self._services)
        offered = {self.form.base: gr.update(choices=bases)} | await self._question_sets()
        return await self._on_change(*values) | offered

    async def _question_sets(self) -> Updates:
        """The sets that can be asked; nothing if the database cannot be read, which another part of the page says."""
        try:
            names = [each.name for each in await self._services.question_sets.all()]
        except StorageError:
            return {}
        return {self.form.accuracy_set: gr.update(choices=[NO_SET, *((name, name) for name in names)])}

    async def _on_preset(self, preset: str) -> Updates:
        return self.form.show_preset(preset)

    async def _on_change(self, *values: Any) -> Updates:
        """The command line follows the form."""
        try:
            return {self._command: {"command": self.form.read(values).command_line()}}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self._command: {"hint": message_of(exc)}}

    async def _on_plan(self, *values: Any) -> AsyncGenerator[Updates, None]:
        yield {self._plan: gr.update(interactive=False, value="Planning…")}
        ready = {self._plan: gr.update(value="Plan")}
        try:
            recipe = self.form.read(values)
            plan = await self._services.fine_tuning.plan(recipe)
            yield {self._plan: gr.update(value="Counting tokens…")}
            plan = await count_tokens(plan, self._services.engines)
            value = plan_value(plan, await measured_pace(self._services.jobs, self._services.fine_tuning, recipe))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield self._refused(exc) | ready
            return
        yield self._cleared() | {self._planned: {"plan": value}} | ready

    async def _on_start(self, executor: Any, *values: Any) -> AsyncGenerator[Updates, None]:
        yield {self._start: gr.update(interactive=False), self.started_job: ""}
        try:
            recipe = self.form.read(values)
            job = await self._services.fine_tuning.launch(recipe, executor=str(executor or "local"))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield self._refused(exc) | {self.started_job: ""}
            return
        yield self._cleared() | {self.started_job: job.id}

    def _cleared(self) -> Updates:
        """Nothing is refused, and nothing planned."""
        return self.form.show_problem(None) | self._message.cleared() | {self._planned: {}}

    def _refused(self, error: Exception) -> Updates:
        """Show the error once: at its field, or above the buttons if it has none; an earlier plan is removed."""
        message = message_of(error)
        said = self.form.show_problem(error, message) | self._message.at(message, self.form.place_id(error))
        return said | {self._planned: {}}


def base_choices(services: Services) -> list[tuple[str, str]]:
    """Models in the current catalog: label and id."""
    return [(f"{model.id} ({model.parameters})", model.id) for model in services.engines.catalog().models]


def _first(bases: list[tuple[str, str]], services: Services) -> str | None:
    """The served model, if it is in the catalog."""
    used = services.engines.status().model
    known = [model_id for _, model_id in bases]
    return used if used in known else next(iter(known), None)
