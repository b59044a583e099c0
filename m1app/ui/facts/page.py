"""The Facts page: a corrected fact is tested where it was missing, and what came of it."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import gradio as gr

from m1app.access.person import Permission, current_person
from m1app.bootstrap import Services
from m1app.errors import FOR_PEOPLE
from m1app.fact_tests.design import LEAST_SEEDS
from m1app.fact_tests.errors import FactTestRefused
from m1app.fact_tests.recipe import MOST_FACTS, FactTestsRecipe
from m1app.fact_tests.request import FactTestRequest
from m1app.fact_tests.service import FactTestSnapshot, TestableFact
from m1app.privacy.errors import IdentifiersFound
from m1app.runs.naming import may_change
from m1app.ui.facts.fact_view import form_value, outlook_value, tests_value, view_value, waiting_value
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET, STREAMED, Updates, told_anew
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import page_component

_FRAME_SECONDS = 0.15
_LISTED = 50


class FactsPage:
    """Builds the page into the open Blocks and holds its handlers."""

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        self._services = services
        self._tests = services.fact_tests
        self._queue = services.fact_queue
        header = PageHeader(services)
        self._form = page_component("facts/form", element_id="facts-form", events=("start", "look"))
        self._view = page_component("facts/view", element_id="facts-view", events=("stop", "resume"))
        self._list = page_component("facts/tests", element_id="facts-tests", events=("launch",))
        self._run_id = gr.State("")
        begun = [self._form, self._view, self._run_id, self._list]
        loaded = demo.load(self._on_load, None, begun, **QUIET)
        started = self._form.start(self._on_start, None, begun, **QUIET)
        self._form.look(self._on_look, None, self._form, trigger_mode="always_last", **QUIET)
        resumed = self._view.resume(self._on_resume, self._run_id, begun, **QUIET)
        self._view.stop(self._on_stop, self._run_id, self._view, **QUIET)
        self._list.launch(self._on_launch, None, self._list, **QUIET)
        for event in (loaded, started, resumed):
            follow = event.then(self._follow, self._run_id, self._view, **STREAMED)
            follow.then(self._on_over, self._run_id, self._list, **QUIET)
        # The header offers the served models to a form; this page has none.
        header.wire(demo.load, gr.Dropdown([], visible=False))

    async def _on_load(self, request: gr.Request) -> Updates:
        asked = {name: str(value) for name, value in request.query_params.items()}
        shown: Updates = {self._form: form_value(None)}
        try:
            shown |= await self._asked_for(asked)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            shown |= {self._form: form_value(None, message_of(exc))}
        return shown | await self._listed(asked.get("case", ""))

    async def _asked_for(self, asked: Mapping[str, str]) -> Updates:
        """What the address names: a test, one to be made again, an annotation, or a stretch of a case."""
        if asked.get("fact"):
            snapshot = await self._tests.get(asked["fact"])
            self._services.access.audit.saw("fact_test.open", snapshot.test.run_id)
            return self._running(snapshot)
        if asked.get("annotation"):
            return {self._form: form_value(await self._tests.of_annotation(asked["annotation"]))}
        if asked.get("again"):
            tested = await self._tests.get(asked["again"])
            return {self._form: form_value(await self._tests.of_test(asked["again"]), seeds=2 * tested.test.seeds)}
        if asked.get("case"):
            return {self._form: form_value(await self._stretch_of(asked))}
        return {}

    async def _stretch_of(self, asked: Mapping[str, str]) -> TestableFact:
        start, end = (asked.get(name, "") for name in ("from", "to"))
        if not (start.isdecimal() and end.isdecimal() and len(start) < 10 and len(end) < 10):
            raise FactTestRefused("mark", "Select the part of the thinking where the fact was missing, then test it.")
        return await self._tests.of_case(asked["case"], int(start), int(end))

    async def _on_start(self, event: gr.EventData) -> Updates:
        try:
            given = event._data
            snapshot = await self._tests.start(_request(given), allows_identifiers=bool(given.get("anyway")))
            return self._running(snapshot) | await self._listed()
        except IdentifiersFound as exc:
            return {self._form: told_anew(str(exc), may_run_anyway=exc.may_run_anyway)}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            field = exc.field if isinstance(exc, FactTestRefused) else ""
            return {self._form: told_anew(message_of(exc), field=field)}

    async def _on_look(self, event: gr.EventData) -> Any:
        """What a test would cost, and whether its fact names the target; nothing while the form cannot be read."""
        try:
            found = await self._tests.outlook(_request(event._data))
            return outlook_value(found, await self._services.probe.pace(found.model))
        except FOR_PEOPLE:
            return {"outlook": "", "names_target": ""}

    async def _on_resume(self, run_id: str) -> Updates:
        try:
            return self._running(await self._tests.resume(run_id))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self._view: told_anew(message_of(exc))}

    async def _on_stop(self, run_id: str) -> Any:
        try:
            await self._tests.stop(run_id)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return told_anew(message_of(exc))
        return gr.skip()

    async def _follow(self, run_id: str) -> AsyncGenerator[Any, None]:
        """Show a test until it is over, at most one frame per `_FRAME_SECONDS`."""
        shown_at = 0.0
        if not run_id:
            return
        try:
            async with aclosing(self._tests.follow(run_id)) as snapshots:
                async for snapshot in snapshots:
                    if snapshot.run.is_over or time.monotonic() - shown_at >= _FRAME_SECONDS:
                        shown_at = time.monotonic()
                        yield _value(snapshot)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield {"problem": message_of(exc)}

    async def _on_over(self, run_id: str) -> Any:
        return (await self._listed())[self._list] if run_id else gr.skip()

    def _running(self, snapshot: FactTestSnapshot) -> Updates:
        return {
            self._run_id: snapshot.test.run_id,
            self._view: _value(snapshot),
            self._form: {"problem": "", "started": snapshot.test.run_id},
        }

    async def _listed(self, case_id: str = "") -> Updates:
        try:
            listed = tests_value(await self._tests.recent(_LISTED, case_id=case_id))
            return {self._list: {"tests": listed, "waiting": await self._waiting()}}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self._list: {"problem": message_of(exc)}}

    async def _waiting(self) -> dict[str, Any]:
        """Nothing for who may not launch jobs."""
        if not current_person().may(Permission.MANAGE):
            return {}
        return waiting_value(await self._queue.waiting(MOST_FACTS))

    async def _on_launch(self, event: gr.EventData) -> Updates:
        """Test all facts that wait as a job."""
        try:
            waiting = await self._queue.waiting(MOST_FACTS)
            if not waiting:
                raise FactTestRefused("case", "There are no untested facts left. Reload the page.")
            recipe = {"annotations": [each.annotation_id for each in waiting], "seeds": _seeds(event._data)}
            job = await self._queue.launch(FactTestsRecipe.parse(recipe))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {self._list: told_anew("", launch_problem=message_of(exc))}
        return {self._list: {"job": job.id, "job_name": job.name}}


def _value(snapshot: FactTestSnapshot) -> dict[str, Any]:
    return view_value(snapshot, is_own=may_change(snapshot.run.run.asked_by))


def _request(given: Mapping[str, Any]) -> FactTestRequest:
    subject = given["subject"]
    return FactTestRequest(
        case_id=str(subject["case"]),
        mark_start=int(subject["start"]),
        mark_end=int(subject["end"]),
        annotation_id=str(subject.get("annotation") or ""),
        fact=str(given.get("fact") or ""),
        seeds=_seeds(given),
        has_prompt_arm=bool(given.get("prompt_arm", True)),
        wrong_fact=str(given.get("wrong_fact") or ""),
    )


def _seeds(given: Mapping[str, Any]) -> int:
    seeds = str(given.get("seeds", LEAST_SEEDS))
    if not (seeds.isascii() and seeds.isdecimal() and len(seeds) < 6):
        raise FactTestRefused("seeds", f"The number of seeds is {seeds[:20]!r}; enter a whole number, such as 5.")
    return int(seeds)
