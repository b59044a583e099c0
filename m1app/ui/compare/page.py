"""The Compare page: one question over a grid of budgets and force rounds, from one thinking pass."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.runs.errors import ProbeRefused
from m1app.runs.sweep_reading import SweepSnapshot
from m1app.runs.sweep_request import request_of_sweep
from m1app.ui.compare.form import CompareForm, estimate_text
from m1app.ui.compare.history import SweepHistory
from m1app.ui.compare.sweep_columns_view import columns_value
from m1app.ui.compare.sweep_view import RESUMABLE, FlipMemory, charts_value, view_value
from m1app.ui.question.form_message import KEYS_HINT, NOTHING_TO_END, FormMessage
from m1app.ui.question.identifier_warning import hide_once_edited, may_run_anyway, run_anyway_button
from m1app.ui.question.question_form import new_question_js
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, STREAMED, Updates
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import escaped, page_component
from m1app.ui.shell.run_history import run_strip

_FRAME_SECONDS = 0.15
"""Shortest interval between updates sent to the page."""
_DRAFT = "m1-compare-draft"


class ComparePage:
    """Builds the page into the open Blocks and holds its handlers."""

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        self._services = services
        header = PageHeader(services)
        # What the buttons stay in view beside; the history is not part of it.
        with gr.Column():
            with gr.Accordion("Question and grid", open=True, elem_id="compare-form") as self._folded:
                self._form = CompareForm(services.profiles, services.identifiers)
            self._build_actions()
            self._strip = run_strip("sweep-strip")
            self._view = page_component("compare/sweep_view", element_id="sweep-view", events=("example",))
            self._charts = page_component("compare/charts", element_id="sweep-charts")
            self._columns = page_component("compare/sweep_columns", element_id="sweep-columns")
        self._history = SweepHistory(services, self._strip)
        self._sweep_id = gr.State("")
        self._wire(demo)
        header.wire(demo.load, self._form.models)

    def _build_actions(self) -> None:
        """What stays in view however far the page is scrolled: cost, buttons, and why nothing was run."""
        with gr.Column(elem_classes="m1-actions-bar"):
            self._message = FormMessage("compare-message", self._form.fields)
            self._anyway = run_anyway_button("compare-run-anyway")
            self._estimate = gr.HTML(elem_classes="m1-hint", elem_id="compare-estimate", apply_default_css=False)
            with gr.Row(elem_id="compare-controls"):
                self._run = gr.Button("Run", variant="primary", elem_id="compare-run", min_width=90)
                self._stop = gr.Button("Stop", elem_id="compare-stop", interactive=False, min_width=90)
                self._answer_now = gr.Button(
                    "Answer now", elem_id="compare-answer-now", interactive=False, min_width=90
                )
                self._again = gr.Button("Run again", elem_id="compare-again", interactive=False, min_width=90)
                self._resume = gr.Button("Resume", elem_id="compare-resume", visible=False, min_width=90)
                self._new = gr.Button("New", elem_id="compare-new", min_width=90)
                gr.HTML(KEYS_HINT, elem_classes="m1-hint m1-keys", apply_default_css=False)

    def _wire(self, demo: gr.Blocks) -> None:
        form = self._form
        begun = [*form.inputs, form.boxes.preview, *self._controls, self._folded, self._sweep_id]
        run = self._run.click(self._on_run, form.inputs, begun, **QUIET)
        anyway = self._anyway.click(self._on_run_anyway, form.inputs, begun, **QUIET)
        hide_once_edited(self._anyway, [*form.boxes.texts, form.boxes.library])
        again = self._again.click(self._on_again, self._sweep_id, begun, **QUIET)
        resume = self._resume.click(self._on_resume, self._sweep_id, begun, **QUIET)
        loaded = demo.load(self._on_load, None, [*begun, *self._history.outputs], **QUIET)
        followed = [self._then_follow(event) for event in (run, anyway, again, resume, loaded)]
        # Only one sweep is shown at a time; leaving it does not stop it.
        opened = self._history.list.open_sweep(self._on_open, None, begun, cancels=followed, **QUIET)
        followed.append(self._then_follow(opened))
        self._stop.click(self._on_stop, self._sweep_id, None, **QUIET)
        self._answer_now.click(self._on_answer_now, self._sweep_id, self._message.component, **QUIET)
        self._new.click(None, js=new_question_js(_DRAFT, "/compare/"))
        self._view.example(form.boxes.fill_with_example, None, form.boxes.filled, **QUIET)
        form.boxes.wire(demo)
        form.advanced.offer_profiles([demo.load], self._services.own_profiles.refresh)
        for knob in form.costing:
            knob.change(self._on_estimate, form.inputs, self._estimate, trigger_mode="always_last", **QUIET)
        demo.load(self._on_estimate, form.inputs, self._estimate, **QUIET)
        self._history.wire(self._sweep_id)

    def _then_follow(self, event: Any) -> Any:
        """After `event`, stream the chosen sweep, then reset the controls and refresh the history."""
        follow = event.then(self._follow, self._sweep_id, [self._view, self._charts, self._columns], **STREAMED)
        self._history.show_strip(event, self._sweep_id)
        shown = [*self._controls, *self._history.outputs]
        follow.then(self._on_over, [self._sweep_id, *self._history.inputs], shown, **QUIET)
        return follow

    @property
    def _controls(self) -> list[gr.components.Component]:
        buttons = [self._run, self._anyway, self._stop, self._answer_now, self._again, self._resume]
        return [*buttons, self._message.component]

    async def _on_run(self, *values: Any) -> AsyncGenerator[dict[Any, Any], None]:
        async for updates in self._started(values, allows_identifiers=False):
            yield updates

    async def _on_run_anyway(self, *values: Any) -> AsyncGenerator[dict[Any, Any], None]:
        async for updates in self._started(values, allows_identifiers=True):
            yield updates

    async def _started(
        self, values: Sequence[Any], *, allows_identifiers: bool
    ) -> AsyncGenerator[dict[Any, Any], None]:
        yield {
            self._run: gr.update(interactive=False),
            self._anyway: gr.update(visible=False),
            **self._message.cleared(),
        }
        try:
            # In a thread: a long paste takes a while to read.
            request = await asyncio.to_thread(self._form.read, values)
            snapshot = await self._services.sweeps.start(request, allows_identifiers=allows_identifiers)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield self._refused(exc)
            return
        yield self._running(snapshot)

    async def _on_again(self, sweep_id: str) -> dict[Any, Any]:
        try:
            kept = await self._services.sweeps.get(sweep_id)
            request = request_of_sweep(kept.sweep)
            # It was sent before, as it is.
            return self._running(await self._services.sweeps.start(request, allows_identifiers=True))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)

    async def _on_resume(self, sweep_id: str) -> dict[Any, Any]:
        try:
            return self._running(await self._services.sweeps.resume(sweep_id))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)

    async def _on_open(self, event: gr.EventData) -> dict[Any, Any]:
        return await self._opened(str(event.id))

    async def _on_load(self, request: gr.Request) -> dict[Any, Any]:
        asked = request.query_params
        try:
            history = await self._history.updates()
            if asked.get("sweep"):
                return history | await self._opened(str(asked["sweep"]))
            if asked.get("trace"):
                trace = await self._services.probe.get(str(asked["trace"]))
                return history | self._form.fill_with_trace(trace)
            if asked.get("models"):
                return history | {self._form.models: str(asked["models"]).split(",")}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)
        return history

    async def _opened(self, sweep_id: str) -> dict[Any, Any]:
        """Open a stored or running sweep: fill the form with its question, grid and settings."""
        try:
            snapshot = await self._services.sweeps.get(sweep_id)
            self._services.access.audit.saw("sweep.open", sweep_id)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)
        return self._form.fill_with_sweep(snapshot.sweep) | self._running(snapshot)

    async def _follow(self, sweep_id: str) -> AsyncGenerator[Any, None]:
        """Show a sweep until it is over, at most one frame per `_FRAME_SECONDS`."""
        shown_at, memory = 0.0, FlipMemory()
        if not sweep_id:
            return
        try:
            async with aclosing(self._services.sweeps.follow(sweep_id)) as snapshots:
                async for snapshot in snapshots:
                    if snapshot.is_over or time.monotonic() - shown_at >= _FRAME_SECONDS:
                        shown_at = time.monotonic()
                        yield view_value(snapshot), charts_value(snapshot, memory), columns_value(snapshot)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield {"notice": message_of(exc)}, gr.skip(), gr.skip()

    async def _on_over(self, sweep_id: str, *listed: Any) -> dict[Any, Any]:
        if not sweep_id:
            # Nothing was followed: the page was only loaded, and a sweep may have started since.
            return {self._run: gr.skip()}
        try:
            snapshot = await self._services.sweeps.get(sweep_id)
            return self._over(snapshot) | await self._history.updates(*listed)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)

    async def _on_stop(self, sweep_id: str) -> None:
        # Async, to stay on the sweep's event loop: a plain function would run in a thread.
        self._services.sweeps.stop(sweep_id)

    async def _on_answer_now(self, sweep_id: str) -> Updates:
        is_asked = self._services.sweeps.answer_now(sweep_id)
        return self._message.cleared() if is_asked else self._message.at(NOTHING_TO_END, "")

    async def _on_estimate(self, *values: Any) -> str:
        try:
            request = await asyncio.to_thread(self._form.read, values)
            tokens = self._services.sweeps.estimate(request, has_options=bool(request.options))
            paces = {model: await self._services.probe.pace(model) for model in request.models or ("",)}
            return escaped(estimate_text(request, tokens, paces))
        except ProbeRefused as exc:
            return escaped(str(exc))
        except Exception:  # noqa: BLE001 - what is wrong with the question is said when it is run
            return ""

    def _running(self, snapshot: SweepSnapshot) -> dict[Any, Any]:
        """Collapse the form before a sweep is followed."""
        return {
            self._sweep_id: snapshot.sweep.id,
            self._folded: gr.update(open=False),
            self._run: gr.update(interactive=False),
            self._anyway: gr.update(visible=False),
            self._stop: gr.update(interactive=True),
            self._answer_now: gr.update(interactive=True),
            self._again: gr.update(interactive=False),
            self._resume: gr.update(visible=False),
            **self._message.cleared(),
        }

    def _over(self, snapshot: SweepSnapshot) -> Updates:
        return {
            self._run: gr.update(interactive=True),
            self._stop: gr.update(interactive=False),
            self._answer_now: gr.update(interactive=False),
            self._again: gr.update(interactive=True),
            self._resume: gr.update(visible=snapshot.sweep.state in RESUMABLE),
        }

    def _refused(self, error: Exception) -> Updates:
        return {
            **self._message.of(error),
            self._anyway: gr.update(visible=may_run_anyway(error)),
            self._run: gr.update(interactive=True),
            self._stop: gr.update(interactive=False),
            self._answer_now: gr.update(interactive=False),
        }
