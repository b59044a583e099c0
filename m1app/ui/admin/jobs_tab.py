"""The jobs tab: the list with live progress, details of one job, and its actions.

The page numbers its views (filter, search, job); every reply carries its view's number, so that replies to older views
are ignored.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.errors import AppError
from m1app.jobs.service import MAX_PRIORITY
from m1app.training.comparison import MOST_RUNS, read_runs
from m1app.ui.admin.compared_runs_view import compared_value
from m1app.ui.admin.fine_tune_progress_view import training_value
from m1app.ui.admin.jobs_view import detail_value, rows_value, wanted_states
from m1app.ui.question.form_values import read_whole
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from m1app.ui.shell.shared_reading import SharedReading
from storage.errors import RecordNotFound
from storage.jobs.records import Job, JobKind, JobState

_LIMIT = 100
_LOG_LINES = 200
_LONGEST_RUNS = 40 * MOST_RUNS
"""Characters of the marked runs' ids."""
_TICK_SECONDS = 1.5
_SHARED_SECONDS = 1.0
"""Tabs with the same view share readings up to this age."""

View = dict[str, Any]
NEW_VIEW: View = {"number": 0, "state": "", "text": "", "job": "", "runs": ""}


class JobsTab:
    """Builds the tab and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._jobs = services.jobs
        self._fine_tuning = services.fine_tuning
        self._engine_watch = services.engine_watch
        self._engines = services.engines
        self.list = page_component("admin/jobs", element_id="admin-jobs", events=("look", "act", "clone", "benchmark"))
        self._ticks: SharedReading[dict[str, Any]] = SharedReading(_SHARED_SECONDS)
        self._view = gr.State(dict(NEW_VIEW))
        self._sent = gr.State("")

    @property
    def outputs(self) -> list[gr.components.Component]:
        """Outputs of `shown`."""
        return [self._view, self.list, self._sent]

    def wire(self) -> None:
        """Connect the handlers, and refresh the list at intervals."""
        outputs = self.outputs
        gr.Timer(_TICK_SECONDS).tick(self._on_tick, [self._view, self._sent], [self.list, self._sent], **QUIET)
        self.list.look(self._on_look, None, outputs, trigger_mode="multiple", **QUIET)
        self.list.act(self._on_act, self._view, outputs, trigger_mode="multiple", **QUIET)

    def follow_start(self, event: Any, tabs: gr.Tabs, started: gr.State) -> None:
        """After a start, show its job here."""
        event.then(self._on_started, [started, self._view], [tabs, *self.outputs], **QUIET)

    async def shown(
        self, view: Mapping[str, Any], notice: str = "", sent: str = "", *, is_shared: bool = False
    ) -> tuple[Any, Any, Any]:
        """Return the reply that shows a view.

        Args:
            view: the requested view.
            notice: an error message; may be empty.
            sent: the last reply; an equal one is not sent again, so nothing is repainted.
            is_shared: whether a recent shared reading is good enough.
        """
        kept = {name: view.get(name, "") for name in NEW_VIEW}
        try:
            if is_shared:
                looked_at = (kept["state"], kept["text"], kept["job"], kept["runs"])
                value = await self._ticks.get(looked_at, lambda: self._value(kept))
            else:
                value = await self._value(kept)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            value = {"notice": message_of(exc)}
        value = value | {"view": kept} | ({"notice": notice} if notice else {})
        text = json.dumps(value, sort_keys=True)
        if text == sent:
            return gr.skip(), gr.skip(), gr.skip()
        return kept, value, text

    async def _value(self, view: View) -> dict[str, Any]:
        states = wanted_states(view["state"])
        jobs = await self._jobs.recent(limit=_LIMIT, states=states, text=view["text"])
        is_filtered = bool(states or view["text"].strip())
        nothing = (
            "No job matches. Clear the filter."
            if is_filtered
            else "No jobs yet. Start a benchmark or a fine-tuning job to begin."
        )
        value = {"rows": rows_value(jobs), "empty": "" if jobs else nothing, "detail": None}
        if view["job"]:
            return value | await self._detail(view["job"])
        return value | await self._compared(run_ids(view["runs"]))

    async def _compared(self, job_ids: Sequence[str]) -> dict[str, Any]:
        """Runs side by side; nothing for fewer than two."""
        if len(job_ids) < 2:
            return {}
        try:
            runs = await read_runs(self._jobs, self._fine_tuning, job_ids)
        except (AppError, RecordNotFound) as exc:
            return {"notice": str(exc)}
        return {"compared": await asyncio.to_thread(compared_value, runs)}

    async def _detail(self, job_id: str) -> dict[str, Any]:
        try:
            job = await self._jobs.get(job_id)
        except RecordNotFound as exc:
            return {"notice": str(exc)}
        log = await self._jobs.log_tail(job_id, lines=_LOG_LINES)
        artifacts = await asyncio.to_thread(self._jobs.artifacts, job_id)
        detail = detail_value(job, log=log, artifacts=artifacts)
        return {"detail": detail | {"training": await self._training(job)}}

    async def _training(self, job: Job) -> dict[str, Any] | None:
        """Progress of a fine-tuning; None for other jobs."""
        if job.kind is not JobKind.FINE_TUNING:
            return None
        events = await asyncio.to_thread(self._fine_tuning.read_progress, job.id)
        if job.state is not JobState.SUCCEEDED:
            return training_value(job, events, None)
        result = await asyncio.to_thread(self._fine_tuning.result, job.id)
        served = (await self._engine_watch.latest()).models
        # Checks for the new model's files.
        return await asyncio.to_thread(training_value, job, events, result, served, self._profile_of)

    def _profile_of(self, model: str) -> str:
        return self._engines.match_profile(model).profile.id

    async def _on_tick(self, view: View, sent: str) -> tuple[Any, Any]:
        # The view is not an output: a slow tick would restore an older one.
        _, value, text = await self.shown(view, sent=sent, is_shared=True)
        return value, text

    async def _on_look(self, event: gr.EventData) -> tuple[Any, Any, Any]:
        return await self.shown(read_view(event._data))

    async def _on_started(self, job_id: str, view: View) -> tuple[Any, ...]:
        if not job_id:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        looked_at = dict(NEW_VIEW) | {"number": view["number"] + 1, "job": job_id}
        return gr.Tabs(selected="jobs"), *(await self.shown(looked_at))

    async def _on_act(self, event: gr.EventData, view: View) -> tuple[Any, Any, Any]:
        asked, notice = event._data, ""
        action = self._actions.get(str(asked["action"]))
        try:
            if action:
                await action(str(asked["job"]), asked.get("value"))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            notice = message_of(exc)
        self._ticks.forget()
        looked_at = read_view(asked["view"])
        if asked["action"] == "delete" and not notice:
            looked_at["job"], notice = "", "Moved to the trash, where it can be restored."
        return await self.shown(looked_at, notice)

    @property
    def _actions(self) -> Mapping[str, Callable[[str, Any], Awaitable[object]]]:
        return {
            "stop": lambda job_id, _: self._jobs.stop(job_id),
            "resume": lambda job_id, _: self._jobs.resume(job_id),
            "delete": lambda job_id, _: self._jobs.delete(job_id),
            "priority": lambda job_id, value: self._jobs.set_priority(
                job_id, read_whole(value, "priority", "Priority", -MAX_PRIORITY, MAX_PRIORITY)
            ),
        }


def read_view(data: Mapping[str, Any]) -> View:
    """Parse the view sent by the page."""
    number = data.get("number")
    texts = {name: str(data.get(name) or "")[:200] for name in ("state", "text", "job")}
    runs = str(data.get("runs") or "")[:_LONGEST_RUNS]
    return {"number": number if isinstance(number, int) else 0, **texts, "runs": runs}


def run_ids(text: str) -> list[str]:
    """The ids of marked runs, each once."""
    return list(dict.fromkeys(filter(None, text.split(","))))
