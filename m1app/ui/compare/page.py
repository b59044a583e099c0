"""The Compare page: one question over a grid of budgets and force rounds, from one thinking pass."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.runs.errors import ProbeRefused
from m1app.runs.naming import may_change
from m1app.runs.sweep_reading import SweepSnapshot
from m1app.runs.sweep_request import request_of_sweep
from m1app.ui.compare.branch_columns_view import MOST_COLUMNS, BranchColumn, branch_columns_value
from m1app.ui.compare.form import CompareForm, estimate_text
from m1app.ui.compare.history import SweepHistory
from m1app.ui.compare.sweep_columns_view import columns_value
from m1app.ui.compare.sweep_view import RESUMABLE, FlipMemory, charts_value, view_value
from m1app.ui.question.run_page import RunPage, spaced
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import STREAMED, Updates
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import escaped, page_component
from m1app.ui.shell.run_history import run_strip
from storage.errors import RecordNotFound, not_found
from storage.traces.records import Trace, TraceState

_BRANCHES_SECONDS = 1.0
"""Between two readings of branches that run."""


class ComparePage(RunPage):
    """Builds the page into the open Blocks and holds its handlers."""

    _prefix = "compare-"
    _draft = "m1-compare-draft"
    _address = "/compare/"
    _form: CompareForm

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        super().__init__(services)
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
            self._branch_columns = page_component("compare/branch_columns", element_id="branch-columns")
        self._history = SweepHistory(services, self._strip)
        self._wire(demo)
        header.wire(demo.load, self._form.models)

    def _wire(self, demo: gr.Blocks) -> None:
        form = self._form
        self._wire_runs(demo, asked=form.inputs, begun=[self._folded], opening=[self._history.list.open_sweep])
        demo.load(self._follow_branches, None, self._branch_columns, **STREAMED)
        self._estimate_with(demo, self._on_estimate, form.inputs, self._estimate)

    @property
    def _views(self) -> list[Any]:
        return [self._view, self._charts, self._columns]

    async def _ask(self, values: Sequence[Any], *, allows_identifiers: bool) -> Updates:
        # In a thread: a long paste takes a while to read.
        request = await asyncio.to_thread(self._form.read, values)
        return self._running(await self._services.sweeps.start(request, allows_identifiers=allows_identifiers))

    async def _ask_again(self, sweep_id: str) -> Updates:
        request = request_of_sweep((await self._services.sweeps.get(sweep_id)).sweep)
        # It was sent before, as it is.
        return self._running(await self._services.sweeps.start(request, allows_identifiers=True))

    async def _go_on(self, sweep_id: str) -> Updates:
        return self._running(await self._services.sweeps.resume(sweep_id))

    async def _on_load(self, request: gr.Request) -> Updates:
        asked = request.query_params
        try:
            history = await self._history.updates()
            if asked.get("sweep"):
                return history | await self._opened(str(asked["sweep"]))
            if asked.get("trace"):
                trace = await self._services.probe.get(str(asked["trace"]))
                return history | self._form.fill_with_trace(trace)
            if asked.get("branches"):
                try:
                    trace = await self._services.probe.get(str(asked["branches"]))
                except RecordNotFound:
                    return history  # The branches' own place says so.
                self._services.access.audit.saw("trace.open", trace.id)
                return history | self._form.fill_with_trace(trace) | {self._folded: gr.update(open=False)}
            if asked.get("models"):
                again = await self._question_again(str(asked.get("again", "")))
                return history | again | {self._form.models: str(asked["models"]).split(",")}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)
        return history

    async def _question_again(self, run: str) -> Updates:
        """The question of an earlier run, "trace:ID" or "sweep:ID", without its settings; nothing for another text."""
        kind, _, run_id = run.partition(":")
        if kind == "trace":
            return self._form.boxes.fill_with((await self._services.probe.get(run_id)).question)
        if kind == "sweep":
            return self._form.boxes.fill_with((await self._services.sweeps.get(run_id)).sweep.question)
        return {}

    async def _open(self, sweep_id: str) -> Updates:
        snapshot = await self._services.sweeps.get(sweep_id)
        self._services.access.audit.saw("sweep.open", sweep_id)
        return self._form.fill_with_sweep(snapshot.sweep) | self._running(snapshot)

    async def _follow(self, sweep_id: str) -> AsyncGenerator[Any, None]:
        memory = FlipMemory()
        if not sweep_id:
            return
        try:
            sweep = self._services.sweeps.follow(sweep_id)
            async with aclosing(spaced(sweep, lambda each: each.is_over)) as snapshots:
                async for snapshot in snapshots:
                    yield self._shown(snapshot), charts_value(snapshot, memory), columns_value(snapshot)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield {"notice": message_of(exc)}, gr.skip(), gr.skip()

    async def _follow_branches(self, request: gr.Request) -> AsyncGenerator[Any, None]:
        """Show the tree of the trace that the address names, until none of it runs."""
        trace_id = str(request.query_params.get("branches", ""))
        if not trace_id:
            return
        try:
            over: dict[str, Trace] = {}
            while True:
                shown = await self._branches_of(trace_id, over)
                yield shown
                if not shown["is_running"]:
                    return
                await asyncio.sleep(_BRANCHES_SECONDS)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield {"problem": message_of(exc)}

    async def _branches_of(self, trace_id: str, over: dict[str, Trace]) -> dict[str, Any]:
        """The tree's columns; `over` keeps the traces that have ended, which are read once."""
        branches, probe = self._services.branches, self._services.probe
        tree = await branches.tree(trace_id)
        if not tree:
            raise not_found("trace", trace_id)
        origin = await branches.origin(tree)
        columns = []
        for each in tree[:MOST_COLUMNS]:
            trace = over.get(each.trace_id) or await probe.get(each.trace_id)
            if trace.state is not TraceState.RUNNING:
                over[each.trace_id] = trace
            columns.append(BranchColumn(each, trace, origin if each.sweep_id else None))
        return await asyncio.to_thread(branch_columns_value, columns, len(tree))

    def _shown(self, snapshot: SweepSnapshot) -> dict[str, Any]:
        openings = {each.id: each.thinking.opening for each in self._services.profiles}
        return view_value(snapshot, openings, is_own=may_change(snapshot.sweep.asked_by))

    async def _over(self, sweep_id: str) -> Updates:
        sweep = (await self._services.sweeps.get(sweep_id)).sweep
        return self._over_controls(can_resume=sweep.state in RESUMABLE and may_change(sweep.asked_by))

    def _end(self, sweep_id: str) -> None:
        self._services.sweeps.stop(sweep_id)

    def _end_thinking(self, sweep_id: str) -> bool:
        return self._services.sweeps.answer_now(sweep_id)

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

    def _running(self, snapshot: SweepSnapshot) -> Updates:
        """Collapse the form before a sweep is followed."""
        controls = self._running_controls(snapshot.sweep.id, is_own=may_change(snapshot.sweep.asked_by))
        return controls | {self._folded: gr.update(open=False)}
