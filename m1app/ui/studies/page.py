"""The Studies page: a study is chosen, cast, estimated, run and watched, and its claims are read."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr

from m1app.access.person import Permission, current_person
from m1app.bootstrap import Services
from m1app.studies.errors import StudyRefused
from m1app.studies.planning import StudyRequest
from m1app.studies.service import study_of
from m1app.ui.shell.asked import Reply, Values, answer, refusal
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.header import PageHeader
from m1app.ui.shell.page_component import page_component
from m1app.ui.studies.comparison_view import comparison_value
from m1app.ui.studies.studies_view import (
    estimated_value,
    file_value,
    files_value,
    outcome_value,
    progress_value,
    stamp_of,
    started_value,
)


class StudiesPage:
    """Builds the page into the open Blocks and holds its handlers."""

    def __init__(self, demo: gr.Blocks, services: Services) -> None:
        self._studies = services.studies
        self._files = services.study_files
        self._reading = services.study_reading
        self._sets = services.question_sets
        self._watch = services.engine_watch
        self._trash = services.trash
        header = PageHeader(services)
        self._page = page_component("studies/page", element_id="studies-page", events=("ask",))
        self._page.ask(self._on_ask, None, self._page, trigger_mode="multiple", **QUIET)
        # The header offers the served models to a form; this page asks for them itself.
        header.wire(demo.load, gr.Dropdown([], visible=False))

    @property
    def _answers(self) -> Mapping[str, Callable[[Values], Awaitable[Reply]]]:
        return {
            "list": self._list,
            "file": self._file,
            "estimate": self._estimate,
            "add": self._add,
            "remove": self._remove,
            "import_sets": self._import_sets,
            "start": self._start,
            "study": self._study,
            "outcome": self._outcome,
            "compare": self._compare,
            "stop": self._stop,
            "resume": self._resume,
            "extend": self._extend,
            "delete": self._delete,
            "restore": self._restore,
        }

    async def _on_ask(self, event: gr.EventData) -> dict[str, Any]:
        return await answer(event, self._answers, _refusal)

    async def _list(self, _: Values) -> Reply:
        return {
            "files": files_value(await self._files.all()),
            "started": started_value(await self._studies.all()),
            "may_run": current_person().may(Permission.MANAGE),
        }

    async def _file(self, values: Values) -> Reply:
        found = await self._files.get(str(values.get("name", "")))
        return file_value(found)

    async def _estimate(self, values: Values) -> Reply:
        request = await self._request(values)
        found = await self._studies.estimate(request)
        served = (await self._watch.latest()).models
        names = [each.name for each in await self._sets.all()]
        return estimated_value(request.study, found, served, names)

    async def _add(self, values: Values) -> Reply:
        kept = await self._files.save(str(values.get("text", "")))
        return {"name": kept.name}

    async def _remove(self, values: Values) -> Reply:
        await self._files.remove(str(values.get("name", "")))
        return {}

    async def _import_sets(self, values: Values) -> Reply:
        return {"notes": list(await self._studies.import_sets(await self._request(values)))}

    async def _start(self, values: Values) -> Reply:
        stored = await self._studies.start(await self._request(values))
        await self._studies.launch(stored.id)
        return {"study": stored.id}

    async def _study(self, values: Values) -> Reply:
        """A started study; only `is_same` if nothing changed since the page's last stamp."""
        summary = await self._studies.summary(str(values.get("study", "")))
        stamp = stamp_of(summary)
        if stamp == values.get("stamp"):
            return {"is_same": True}
        study, facts = study_of(summary.stored)
        may_run = current_person().may(Permission.MANAGE)
        return progress_value(study, summary, is_demo=facts.is_demo, may_run=may_run) | {"stamp": stamp}

    async def _outcome(self, values: Values) -> Reply:
        """The verdicts; of a study of a million answers, they take seconds."""
        return outcome_value(await self._reading.outcome(str(values.get("study", ""))))

    async def _compare(self, values: Values) -> Reply:
        """Two studies beside each other; of large ones, it takes seconds."""
        return comparison_value(await self._reading.compare(str(values.get("study", "")), str(values.get("with", ""))))

    async def _stop(self, values: Values) -> Reply:
        await self._studies.stop(str(values.get("study", "")))
        return {}

    async def _resume(self, values: Values) -> Reply:
        await self._studies.launch(str(values.get("study", "")))
        return {}

    async def _extend(self, values: Values) -> Reply:
        study_id = str(values.get("study", ""))
        await self._studies.extend(study_id)
        await self._studies.launch(study_id)
        return {}

    async def _delete(self, values: Values) -> Reply:
        deletion = await self._studies.delete(str(values.get("study", "")))
        return {"deletion": deletion.id, "said": f"{deletion.name} is in the trash; its benchmark runs stay."}

    async def _restore(self, values: Values) -> Reply:
        await self._trash.restore(str(values.get("deletion", "")))
        return {}

    async def _request(self, values: Values) -> StudyRequest:
        return StudyRequest(
            file=await self._files.get(str(values.get("name", ""))),
            name=str(values.get("as_name", "")),
            models=_texts(values.get("models")),
            sets={name: own for name, own in _texts(values.get("sets")).items() if own},
            limit=_limit(values.get("limit")),
            allows_other_sizes=bool(values.get("other_sizes")),
        )


def _texts(value: object) -> dict[str, str]:
    return {str(name): str(text) for name, text in value.items()} if isinstance(value, Mapping) else {}


def _limit(value: object) -> int | None:
    text = str(value or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 6 and int(text) > 0):
        raise StudyRefused("questions", f"The number of questions is {text[:20]!r}; enter a whole number from 1.")
    return int(text)


def _refusal(error: Exception) -> Reply:
    return refusal(error) | {"field": error.field if isinstance(error, StudyRefused) else ""}
