"""The samples tab: a data set's samples are searched, read, compared, and changed as a new version."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import gradio as gr
from pydantic import ValidationError

from m1app.bootstrap import Services
from m1app.errors import AppError
from m1app.training.data_jobs.recipe import DataJobRecipe
from m1app.training.errors import ChangeRefused
from m1app.training.sample_index import SampleQuery
from m1app.ui.admin.samples_view import made_words, page_value, pairs_value, sample_value, versions_value
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component

Reply = dict[str, Any]
PAIRS = 5
_MAX_OFFSET = 10_000_000


class SamplesTab:
    """Builds the tab and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._data = services.training_data
        self._samples = services.samples
        self.list = page_component("admin/samples", element_id="admin-samples", events=("ask",))

    def wire(self, demo: gr.Blocks, tab: gr.Tab) -> None:
        """Connect the handlers."""
        self.list.ask(self._on_ask, None, self.list, trigger_mode="multiple", **QUIET)
        for opened in (demo.load, tab.select):
            opened(self._on_load, None, self.list, **QUIET)

    @property
    def _answers(self) -> Mapping[str, Callable[[Mapping[str, Any]], Awaitable[Reply]]]:
        answers = {"page": self._page, "sample": self._sample, "pairs": self._pairs}
        return answers | {"check": self._check, "save": self._save, "models": self._models, "job": self._job}

    async def _on_load(self) -> Reply:
        try:
            return {"sets": versions_value(await self._data.all())}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return {"number": 0, "reply": {"error": message_of(exc)}}

    async def _on_ask(self, event: gr.EventData) -> Reply:
        asked = event._data
        value: Reply = {"number": int(asked["number"])}
        try:
            reply = await self._answers[str(asked["action"])](asked)
            if "made" in reply:
                value["sets"] = versions_value(await self._data.all())
        except ChangeRefused as exc:
            reply = {"error": str(exc), "field": exc.field, "may_keep": exc.may_keep}
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            reply = {"error": message_of(exc)}
        return value | {"reply": reply}

    async def _page(self, asked: Mapping[str, Any]) -> Reply:
        query = _query(asked.get("query"))
        return {"page": page_value(await self._samples.page(str(asked["set"]), query), query)}

    async def _sample(self, asked: Mapping[str, Any]) -> Reply:
        return {"sample": sample_value(await self._samples.sample(str(asked["set"]), str(asked["key"])))}

    async def _pairs(self, asked: Mapping[str, Any]) -> Reply:
        offset = max(0, min(int(asked["offset"]), _MAX_OFFSET))
        pairs, total = await self._samples.pairs(str(asked["set"]), offset, PAIRS)
        return {"pairs": pairs_value(pairs, offset, total)}

    async def _check(self, asked: Mapping[str, Any]) -> Reply:
        await self._samples.check(str(asked["set"]), [asked["change"]])
        return {"checked": asked["change"]}

    async def _save(self, asked: Mapping[str, Any]) -> Reply:
        made = await self._samples.change(str(asked["set"]), asked["changes"])
        return {"made": made.id, "said": made_words(made)}

    async def _models(self, asked: Mapping[str, Any]) -> Reply:
        """Models to ask, and question sets to ask about."""
        models = list((await self._services.engine_watch.latest()).models)
        sets = [each.name for each in await self._services.question_sets.all()]
        return {"models": models, "question_sets": sets}

    async def _job(self, asked: Mapping[str, Any]) -> Reply:
        """Estimate or start a job that asks about samples."""
        recipe = DataJobRecipe.parse({name: each for name, each in dict(asked["recipe"]).items() if each is not None})
        jobs = self._services.data_jobs
        if asked.get("is_estimate"):
            return {"estimate": (await jobs.estimate(recipe)).words}
        job = await jobs.launch(recipe)
        return {"job": job.id, "job_name": job.name}


def _query(given: Any) -> SampleQuery:
    """The query as the page's form sends it; empty boxes set no limit."""
    try:
        return SampleQuery.model_validate({name: each for name, each in dict(given or {}).items() if each is not None})
    except ValidationError as exc:
        wrong = exc.errors()[0]
        names = {"least": "The minimum length", "most": "The maximum length", "text": "The search"}
        name = names.get(str(wrong["loc"][0]) if wrong["loc"] else "", "The filter")
        raise AppError(f"{name} cannot be used: {wrong['msg'][0].lower()}{wrong['msg'][1:]}.") from exc
