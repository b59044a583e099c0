"""The Strategies page: one question, asked by several strategies within the same budget, side by side."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.knowledge.guard import may_read_facts
from m1app.runs.errors import ProbeRefused
from m1app.runs.naming import may_change
from m1app.runs.strategy_request import check_strategy_settings, request_of_run
from m1app.runs.strategy_snapshots import StrategyRunSnapshot
from m1app.strategies.catalogue import choose
from m1app.ui.question.run_page import RunPage, spaced
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import Updates
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import escaped, page_component
from m1app.ui.shell.run_history import run_strip
from m1app.ui.strategies.choice_view import choices_value
from m1app.ui.strategies.form import StrategiesForm, estimate_text
from m1app.ui.strategies.history import StrategyHistory
from m1app.ui.strategies.run_view import RESUMABLE, view_value
from storage.corpora.repository import FACTS
from storage.errors import StorageError

_KEYS_HINT = "Ctrl+Enter runs, Escape stops."


class StrategiesPage(RunPage):
    """Builds the page into the open Blocks and holds its handlers."""

    _prefix = "strategies-"
    _draft = "m1-strategies-draft"
    _address = "/strategies/"
    _form: StrategiesForm

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        super().__init__(services)
        header = PageHeader(services)
        # What the buttons stay in view beside; the history is not part of it.
        with gr.Column():
            with gr.Accordion("Question and strategies", open=True, elem_id="strategies-form") as self._folded:
                self._form = StrategiesForm(services.profiles, services.identifiers)
            self._build_actions(hint=_KEYS_HINT, answers_now=False)
            self._strip = run_strip("strategies-strip")
            self._view = page_component("strategies/run_view", element_id="strategies-view", events=("example",))
        self._history = StrategyHistory(services, self._strip)
        loaded = self._wire(demo)
        header.wire(
            loaded.then, self._form.model, lambda chosen, served, default: chosen if chosen in served else default
        )

    def _wire(self, demo: gr.Blocks) -> Any:
        """Returns the load event, after which the form is filled from the address."""
        form = self._form
        begun = [form.choices, self._folded]
        loaded = self._wire_runs(demo, asked=form.inputs, begun=begun, opening=[self._history.list.open_run])
        self._estimate_with(demo, self._on_estimate, form.inputs, [self._estimate, form.choices])
        return loaded

    @property
    def _controls(self) -> list[gr.components.Component]:
        return [*super()._controls, self._estimate]

    async def _ask(self, values: Sequence[Any], *, allows_identifiers: bool) -> Updates:
        # In a thread: a long paste takes a while to read.
        request = await asyncio.to_thread(self._form.read, values)
        return self._running(await self._services.strategies.start(request, allows_identifiers=allows_identifiers))

    async def _ask_again(self, run_id: str) -> Updates:
        kept = await self._services.strategies.get(run_id)
        # It was sent before, as it is.
        return self._running(await self._services.strategies.start(request_of_run(kept.run), allows_identifiers=True))

    async def _go_on(self, run_id: str) -> Updates:
        return self._running(await self._services.strategies.resume(run_id))

    async def _on_load(self, request: gr.Request) -> Updates:
        served = (await self._services.engine_watch.latest()).models
        offered = choices_value(served, await self._services.policies.names(), await self._corpora())
        shown: Updates = {}
        try:
            shown = await self._history.updates() | await self._asked_for(request.query_params)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            shown |= self._refused(exc)
        return shown | {self._form.choices: offered | shown.get(self._form.choices, {})}

    async def _corpora(self) -> list[str]:
        """Names of what the person can search; none if the database cannot be read now."""
        try:
            corpora = await self._services.corpora.all()
            facts = may_read_facts() and await self._services.corpora.fact_count()
        except StorageError:
            return []
        return [*(each.name for each in corpora), *([FACTS] if facts else [])]

    async def _asked_for(self, asked: Mapping[str, str]) -> Updates:
        """What the address names."""
        if asked.get("run"):
            return await self._opened(str(asked["run"]))
        if asked.get("corpus"):
            written = choose("passages", {"corpus": str(asked["corpus"])}).text
            return {self._form.written: written, self._form.choices: {"written": written}}
        if asked.get("trace"):
            return self._form.fill_with_trace(await self._services.probe.get(str(asked["trace"])))
        return {}

    async def _open(self, run_id: str) -> Updates:
        await self._services.fact_tests.require_readable(run_id)
        snapshot = await self._services.strategies.get(run_id)
        self._services.access.audit.saw("strategies.open", run_id)
        return self._form.fill_with_run(snapshot.run) | self._running(snapshot)

    async def _follow(self, run_id: str) -> AsyncGenerator[Any, None]:
        if not run_id:
            return
        try:
            await self._services.fact_tests.require_readable(run_id)
            run = self._services.strategies.follow(run_id)
            async with aclosing(spaced(run, lambda each: each.is_over)) as snapshots:
                async for snapshot in snapshots:
                    yield view_value(snapshot, is_own=may_change(snapshot.run.asked_by))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield {"notice": message_of(exc)}

    async def _over(self, run_id: str) -> Updates:
        await self._services.fact_tests.require_readable(run_id)
        run = (await self._services.strategies.get(run_id)).run
        return self._over_controls(can_resume=run.state in RESUMABLE and may_change(run.asked_by))

    def _end(self, run_id: str) -> None:
        self._services.strategies.stop(run_id)

    async def _on_estimate(self, *values: Any) -> Updates:
        """What a run would cost, and at each strategy why it cannot be asked as it is set."""
        refused: dict[str, str] = {}
        try:
            request = await asyncio.to_thread(self._form.read_settings, values)
            chosen = check_strategy_settings(request)
            reasons = await self._services.strategies.refusals(request)
            pace = await self._services.probe.pace(request.model)
            kinds = [each.kind for each in chosen]
            titles = {
                each.kind.title if kinds.count(each.kind) == 1 else each.title: reasons[each.text]
                for each in chosen
                if each.text in reasons
            }
            refused = {each.kind.name: reasons[each.text] for each in chosen if each.text in reasons}
            text = estimate_text(len(chosen), request.budget_tokens, pace, titles)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            text = message_of(exc)
        return {self._estimate: escaped(text), self._form.choices: {"refused": refused}}

    def _running(self, snapshot: StrategyRunSnapshot) -> Updates:
        """Collapse the form before a run is followed."""
        controls = self._running_controls(snapshot.run.id, is_own=may_change(snapshot.run.asked_by))
        return controls | {self._folded: gr.update(open=False)}

    def _refused(self, error: Exception) -> Updates:
        # The estimate may say the same.
        return super()._refused(error) | ({self._estimate: ""} if isinstance(error, ProbeRefused) else {})
