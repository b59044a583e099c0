"""The Probe page: ask on the left, watch the trace on the right, find it again below."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.runs.errors import ProbeRefused
from m1app.runs.naming import may_change
from m1app.runs.probe import is_resumable
from m1app.runs.probe_request import MAX_TOKENS, ProbeRequest, request_of
from m1app.runs.strategy_request import request_of_run
from m1app.strategies.errors import PolicyRefused
from m1app.strategies.protocol import most_generated
from m1app.ui.probe.batches import BatchPart
from m1app.ui.probe.branch_tree_view import tree_value
from m1app.ui.probe.form import ProbeForm, estimate_text
from m1app.ui.probe.history import TraceHistory
from m1app.ui.probe.open_verdict import OpenVerdictPanel
from m1app.ui.probe.policy_run import policy_choices, policy_pane_value, request_by_policy, run_of, shown_id
from m1app.ui.probe.trace_view import PaneValue, pane_value
from m1app.ui.question.question_form import library_explanation
from m1app.ui.question.run_page import RunPage, spaced
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, Updates
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import escaped, page_component, text_block
from m1app.ui.shell.run_history import run_strip
from storage.traces.records import Trace, TraceState

_Frame = tuple[bool, Callable[[], PaneValue]]
"""Whether it is the last, and what makes the pane's value, which is only made for frames that are shown."""


class ProbePage(RunPage):
    """Builds the page into the open Blocks and holds its handlers."""

    _draft = "m1-draft"
    _address = "/"
    _form: ProbeForm

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        super().__init__(services)
        header = PageHeader(services)
        with gr.Row(elem_id="probe-work"):
            with gr.Column(scale=5, min_width=340, elem_id="probe-form"):
                self._form = ProbeForm(services.profiles, services.identifiers)
                self._unkept = gr.Checkbox(
                    False,
                    label="Do not keep",
                    info="Nothing is stored. You can read and download the trace for 15 minutes after it ends; it "
                    "cannot be annotated, and it is lost if the app restarts.",
                    elem_id="unkept",
                )
                self._build_actions(new="New question", is_wide=False)
            with gr.Column(scale=7, min_width=340):
                self._batch = BatchPart(services, self._form)
                self._strip = run_strip("trace-strip")
                self._view = page_component("probe/trace_pane", element_id="trace-pane", events=("example",))
                self._tree = page_component("probe/branch_tree", element_id="branch-tree")
                self._judging = OpenVerdictPanel(services)
                self._explanation = text_block("explanation")
        self._history = TraceHistory(services, self._strip)
        loaded = self._wire(demo)
        header.wire(
            loaded.then, self._form.model, lambda chosen, served, default: chosen if chosen in served else default
        )

    def _wire(self, demo: gr.Blocks) -> Any:
        """Returns the load event, after which the form is filled from the address."""
        form = self._form
        loaded = self._wire_runs(
            demo,
            asked=[*form.inputs, form.policy, self._unkept],
            begun=[form.policy, form.budget_slider, *self._shown_when_over, self._unkept],
            opening=[self._history.list.open_trace, self._batch.shown.open_trace],
        )
        self._batch.wire(demo, self._unkept, self._then_list)
        self._judging.wire()
        self._estimate_with(demo, self._on_estimate, form.costing, self._estimate)
        demo.load(self._on_policies, None, form.policy, **QUIET)
        return loaded

    @property
    def _shown_when_over(self) -> list[Any]:
        return [self._judging.component, self._explanation, self._tree]

    def _then_list(self, event: Any) -> None:
        """After `event`, refresh the history."""
        event.then(self._on_batch_over, self._history.inputs, self._history.outputs, **QUIET)

    async def _on_batch_over(self, *listed: Any) -> Updates:
        try:
            return await self._history.updates(*listed)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self._history.list: {"notice": message_of(exc)}}

    async def _ask(self, values: Sequence[Any], *, allows_identifiers: bool) -> Updates:
        *typed, policy, is_unkept = values
        # In a thread: a long paste takes a while to read.
        request = await asyncio.to_thread(self._form.read, typed)
        kept = not is_unkept
        return self._running(
            await self._start(request, str(policy or ""), allows_identifiers=allows_identifiers, is_kept=kept)
        )

    async def _start(self, request: ProbeRequest, policy: str, *, allows_identifiers: bool, is_kept: bool) -> str:
        """Start a trace, or a run by a policy; returns how the page names it."""
        if not policy:
            trace = await self._services.probe.start(request, allows_identifiers=allows_identifiers, is_kept=is_kept)
            return trace.id
        try:
            found = await self._services.policies.get(policy)
        except PolicyRefused as exc:
            raise ProbeRefused("strategies", str(exc)) from exc
        asked = request_by_policy(request, policy, found, is_kept=is_kept)
        snapshot = await self._services.strategies.start(asked, allows_identifiers=allows_identifiers)
        return shown_id(snapshot.run.id)

    async def _ask_again(self, trace_id: str) -> Updates:
        # It was sent before, as it is.
        if run_id := run_of(trace_id):
            strategies = self._services.strategies
            kept = await strategies.get(run_id)
            again = await strategies.start(request_of_run(kept.run), allows_identifiers=True)
            return self._running(shown_id(again.run.id))
        probe = self._services.probe
        request = request_of(await probe.get(trace_id))
        trace = await probe.start(request, allows_identifiers=True, is_kept=probe.is_kept(trace_id))
        return self._running(trace.id)

    async def _go_on(self, trace_id: str) -> Updates:
        return self._running((await self._services.probe.resume(trace_id)).id)

    async def _on_load(self, request: gr.Request) -> Updates:
        try:
            history = await self._history.updates()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)
        asked = request.query_params
        if asked.get("trace"):
            return history | await self._opened(str(asked["trace"]))
        return history | ({self._form.model: str(asked["model"])} if asked.get("model") else {})

    async def _open(self, trace_id: str) -> Updates:
        trace = await self._services.probe.get(trace_id)
        self._services.access.audit.saw("trace.open", trace_id)
        # Whoever asks this again does not want it kept either.
        unkept = {} if self._services.probe.is_kept(trace_id) else {self._unkept: True}
        running = self._running(trace_id, is_own=may_change(trace.asked_by))
        return self._form.fill_with_trace(trace) | running | unkept

    async def _follow(self, trace_id: str) -> AsyncGenerator[Any, None]:
        if not trace_id:
            return
        try:
            run_id = run_of(trace_id)
            frames = self._frames_of_run(run_id) if run_id else self._frames(trace_id)
            async with aclosing(spaced(frames, lambda frame: frame[0])) as shown:
                async for _, value in shown:
                    yield value()
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield {"notice": message_of(exc)}

    async def _frames(self, trace_id: str) -> AsyncGenerator[_Frame, None]:
        probe = self._services.probe

        def value(trace: Trace) -> PaneValue:
            return pane_value(trace, probe.save_error(trace_id), is_kept=probe.is_kept(trace_id))

        async with aclosing(probe.follow(trace_id)) as snapshots:
            async for trace in snapshots:
                yield trace.state is not TraceState.RUNNING, partial(value, trace)

    async def _frames_of_run(self, run_id: str) -> AsyncGenerator[_Frame, None]:
        await self._services.fact_tests.require_readable(run_id)
        async with aclosing(self._services.strategies.follow(run_id)) as snapshots:
            async for snapshot in snapshots:
                yield snapshot.is_over, partial(policy_pane_value, snapshot)

    async def _over(self, trace_id: str) -> Updates:
        explanation = library_explanation(await self._stem_of(trace_id))
        shown: Updates = {self._explanation: gr.update(visible=bool(explanation), value=escaped(explanation))}
        if not run_of(trace_id):
            shown |= await self._shown_of_trace(trace_id)
        return self._over_controls(can_resume=False) | shown

    async def _shown_of_trace(self, trace_id: str) -> Updates:
        """What the page shows of a trace that is over, besides the trace."""
        probe = self._services.probe
        kept = await probe.get(trace_id)
        can_resume = probe.is_kept(trace_id) and is_resumable(kept) and may_change(kept.asked_by)
        return {
            self._judging.component: await self._judging.value_of(trace_id),
            self._resume: gr.update(visible=can_resume),
            self._tree: await self._tree_of(trace_id),
        }

    async def _tree_of(self, trace_id: str) -> dict[str, Any]:
        tree = await self._services.branches.tree(trace_id)
        return tree_value(tree, trace_id, await self._services.branches.origin(tree))

    async def _stem_of(self, trace_id: str) -> str:
        if run_id := run_of(trace_id):
            return (await self._services.strategies.get(run_id)).run.question.stem
        return (await self._services.probe.get(trace_id)).question.stem

    async def _on_policies(self) -> Any:
        try:
            return gr.update(choices=policy_choices(await self._services.policies.names()))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            message_of(exc)
            return gr.skip()

    def _end(self, trace_id: str) -> None:
        if run_id := run_of(trace_id):
            self._services.strategies.stop(run_id)
            return
        self._services.probe.stop(trace_id)

    def _end_thinking(self, trace_id: str) -> bool:
        return self._services.probe.answer_now(trace_id)

    async def _tokens_of(self, policy: str, answer_cap: Any) -> int | None:
        """The most tokens of a policy besides one answer and look; None while the form has no usable answer cap."""
        if not isinstance(answer_cap, int) or not 0 < answer_cap <= MAX_TOKENS:
            return None
        most = (await self._services.policies.get(policy)).most_tokens(answer_cap)
        return most - most_generated(answer=answer_cap, looks=1)

    async def _on_estimate(self, model: Any, budget: Any, answer_cap: Any, rounds: Any, policy: Any) -> str:
        try:
            pace = await self._services.probe.pace(str(model or ""))
            if policy:
                budget = await self._tokens_of(str(policy), answer_cap)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return escaped(message_of(exc))
        return escaped(estimate_text(budget, answer_cap, rounds, pace))

    def _running(self, trace_id: str, *, is_own: bool = True) -> Updates:
        # Strategies decide by themselves when they answer.
        return self._running_controls(trace_id, is_own=is_own, can_answer_now=not run_of(trace_id)) | {
            self._tree: {},
            self._judging.component: {},
            self._explanation: gr.update(visible=False),
        }
