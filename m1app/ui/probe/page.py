"""The Probe page: ask on the left, watch the trace on the right, find it again below."""

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.runs.probe_request import request_of
from m1app.ui.probe.form import ProbeForm, estimate_text
from m1app.ui.probe.history import TraceHistory
from m1app.ui.probe.trace_view import pane_value
from m1app.ui.question.form_message import KEYS_HINT, NOTHING_TO_END, FormMessage
from m1app.ui.question.identifier_warning import hide_once_edited, may_run_anyway, run_anyway_button
from m1app.ui.question.question_form import library_explanation, new_question_js
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, STREAMED, Updates
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import escaped, page_component, text_block
from m1app.ui.shell.run_history import run_strip
from storage.traces.records import TraceState

_FRAME_SECONDS = 0.15
"""Shortest interval between updates sent to the page, except for the first token."""
_DRAFT = "m1-draft"


class ProbePage:
    """Builds the page into the open Blocks and holds its handlers."""

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        self._services = services
        header = PageHeader(services)
        with gr.Row(elem_id="probe-work"):
            with gr.Column(scale=5, min_width=340, elem_id="probe-form"):
                self._form = ProbeForm(services.profiles, services.identifiers)
                self._unkept = gr.Checkbox(
                    False,
                    label="Do not keep",
                    info="Nothing of it is stored. It can be read and downloaded for 15 minutes after it ends, cannot "
                    "be annotated, and is lost if the app restarts.",
                    elem_id="unkept",
                )
                self._build_actions()
            with gr.Column(scale=7, min_width=340):
                self._strip = run_strip("trace-strip")
                self._pane = page_component("probe/trace_pane", element_id="trace-pane", events=("example",))
                self._explanation = text_block("explanation")
        self._history = TraceHistory(services, self._strip)
        self._trace_id = gr.State("")
        loaded = self._wire(demo)
        header.wire(
            loaded.then, self._form.model, lambda chosen, served, default: chosen if chosen in served else default
        )

    def _build_actions(self) -> None:
        """What stays in view however long the form is: the buttons, and why nothing was run."""
        with gr.Column(elem_classes="m1-actions-bar"):
            self._message = FormMessage("message", self._form.fields)
            self._anyway = run_anyway_button("run-anyway")
            self._estimate = gr.HTML(elem_classes="m1-hint", elem_id="estimate", apply_default_css=False)
            with gr.Row():
                self._run = gr.Button("Run", variant="primary", elem_id="run", min_width=90)
                self._stop = gr.Button("Stop", elem_id="stop", interactive=False, min_width=90)
                self._answer_now = gr.Button("Answer now", elem_id="answer-now", interactive=False, min_width=90)
                self._again = gr.Button("Run again", elem_id="again", interactive=False, min_width=90)
                self._new = gr.Button("New question", elem_id="new", min_width=90)
            gr.HTML(KEYS_HINT, elem_classes="m1-hint m1-keys", apply_default_css=False)

    def _wire(self, demo: gr.Blocks) -> Any:
        """Returns the load event, after which the form is filled from the address."""
        form = self._form
        begun = [*form.inputs, form.budget_slider, form.boxes.preview, *self._controls, self._unkept, self._trace_id]
        asked = [*form.inputs, self._unkept]
        run = self._run.click(self._on_run, asked, begun, **QUIET)
        anyway = self._anyway.click(self._on_run_anyway, asked, begun, **QUIET)
        hide_once_edited(self._anyway, [*form.boxes.texts, form.boxes.library])
        again = self._again.click(self._on_again, self._trace_id, begun, **QUIET)
        loaded = demo.load(self._on_load, None, [*begun, *self._history.outputs], **QUIET)
        followed = [self._then_follow(event) for event in (run, anyway, again, loaded)]
        # Only one trace is shown at a time; leaving it does not stop its run.
        opened = self._history.list.open_trace(self._on_open, None, begun, cancels=followed, **QUIET)
        followed.append(self._then_follow(opened))
        self._stop.click(self._on_stop, self._trace_id, None, **QUIET)
        self._answer_now.click(self._on_answer_now, self._trace_id, self._message.component, **QUIET)
        self._new.click(None, js=new_question_js(_DRAFT, "/"))
        self._pane.example(form.boxes.fill_with_example, None, form.boxes.filled, **QUIET)
        for knob in form.costing:
            knob.change(self._on_estimate, form.costing, self._estimate, trigger_mode="always_last", **QUIET)
        demo.load(self._on_estimate, form.costing, self._estimate, **QUIET)
        form.boxes.wire(demo)
        form.advanced.offer_profiles([demo.load], self._services.own_profiles.refresh)
        self._history.wire(self._trace_id)
        return loaded

    def _then_follow(self, event: Any) -> Any:
        """After `event`, stream the chosen trace, then reset the controls and refresh the history."""
        # The pane is the stream's only output, because Gradio processes every output for each frame.
        follow = event.then(self._follow, self._trace_id, self._pane, **STREAMED)
        self._history.show_strip(event, self._trace_id)
        shown = [*self._controls, *self._history.outputs]
        over = follow.then(self._on_over, [self._trace_id, *self._history.inputs], shown, **QUIET)
        # The run that has ended is one more measurement.
        over.then(self._on_estimate, self._form.costing, self._estimate, **QUIET)
        return follow

    async def _on_run(self, *values: Any) -> AsyncGenerator[Updates, None]:
        async for updates in self._started(values, allows_identifiers=False):
            yield updates

    async def _on_run_anyway(self, *values: Any) -> AsyncGenerator[Updates, None]:
        async for updates in self._started(values, allows_identifiers=True):
            yield updates

    async def _started(self, values: Sequence[Any], *, allows_identifiers: bool) -> AsyncGenerator[Updates, None]:
        yield {
            self._run: gr.update(interactive=False),
            self._anyway: gr.update(visible=False),
            **self._message.cleared(),
        }
        try:
            *typed, is_unkept = values
            # In a thread: a long paste takes a while to read.
            request = await asyncio.to_thread(self._form.read, typed)
            trace = await self._services.probe.start(
                request, allows_identifiers=allows_identifiers, is_kept=not is_unkept
            )
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield self._refused(exc)
            return
        yield self._running(trace.id)

    async def _on_again(self, trace_id: str) -> Updates:
        try:
            probe = self._services.probe
            request = request_of(await probe.get(trace_id))
            # It was sent before, as it is.
            trace = await probe.start(request, allows_identifiers=True, is_kept=probe.is_kept(trace_id))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)
        return self._running(trace.id)

    async def _on_open(self, event: gr.EventData) -> Updates:
        return await self._opened(str(event.id))

    async def _on_load(self, request: gr.Request) -> Updates:
        try:
            history = await self._history.updates()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)
        asked = request.query_params
        if asked.get("trace"):
            return history | await self._opened(str(asked["trace"]))
        return history | ({self._form.model: str(asked["model"])} if asked.get("model") else {})

    async def _opened(self, trace_id: str) -> Updates:
        """Open a stored or running trace: fill the form with its question and settings."""
        try:
            trace = await self._services.probe.get(trace_id)
            self._services.access.audit.saw("trace.open", trace_id)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)
        # Whoever asks this again does not want it kept either.
        unkept = {} if self._services.probe.is_kept(trace_id) else {self._unkept: True}
        return self._form.fill_with_trace(trace) | self._running(trace_id) | unkept

    async def _follow(self, trace_id: str) -> AsyncGenerator[Any, None]:
        """Show a trace until it is over, at most one frame per `_FRAME_SECONDS`."""
        probe, shown_at = self._services.probe, 0.0
        if not trace_id:
            return
        try:
            async with aclosing(probe.follow(trace_id)) as snapshots:
                async for trace in snapshots:
                    is_over = trace.state is not TraceState.RUNNING
                    if is_over or time.monotonic() - shown_at >= _FRAME_SECONDS:
                        shown_at = time.monotonic()
                        yield pane_value(trace, probe.save_error(trace_id), is_kept=probe.is_kept(trace_id))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield {"notice": message_of(exc)}

    async def _on_over(self, trace_id: str, *listed: Any) -> Updates:
        if not trace_id:
            # Nothing was followed: the page was only loaded, and a run may have started since.
            return {self._run: gr.skip()}
        controls: Updates = {
            self._run: gr.update(interactive=True),
            self._stop: gr.update(interactive=False),
            self._answer_now: gr.update(interactive=False),
            self._again: gr.update(interactive=True),
        }
        try:
            trace = await self._services.probe.get(trace_id)
            explanation = library_explanation(trace.question.stem)
            shown = {self._explanation: gr.update(visible=bool(explanation), value=escaped(explanation))}
            return controls | shown | await self._history.updates(*listed)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)

    async def _on_stop(self, trace_id: str) -> None:
        # Async, to stay on the run's event loop: a plain function would run in a thread.
        self._services.probe.stop(trace_id)

    async def _on_estimate(self, model: Any, budget: Any, answer_cap: Any) -> str:
        try:
            pace = await self._services.probe.pace(str(model or ""))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return escaped(message_of(exc))
        return escaped(estimate_text(budget, answer_cap, pace))

    async def _on_answer_now(self, trace_id: str) -> Updates:
        is_asked = self._services.probe.answer_now(trace_id)
        return self._message.cleared() if is_asked else self._message.at(NOTHING_TO_END, "")

    @property
    def _controls(self) -> list[gr.components.Component]:
        buttons = [self._run, self._anyway, self._stop, self._answer_now, self._again]
        return [*buttons, self._message.component, self._explanation]

    def _running(self, trace_id: str) -> Updates:
        return {
            self._trace_id: trace_id,
            self._run: gr.update(interactive=False),
            self._anyway: gr.update(visible=False),
            self._stop: gr.update(interactive=True),
            self._answer_now: gr.update(interactive=True),
            self._again: gr.update(interactive=False),
            **self._message.cleared(),
            self._explanation: gr.update(visible=False),
        }

    def _refused(self, error: Exception) -> Updates:
        return {
            **self._message.of(error),
            self._anyway: gr.update(visible=may_run_anyway(error)),
            self._run: gr.update(interactive=True),
            self._stop: gr.update(interactive=False),
            self._answer_now: gr.update(interactive=False),
        }
