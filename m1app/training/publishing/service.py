"""Fine-tuned models handed on: quantized, described, and pushed to the hub on request."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.background import reported, start_task
from m1app.benchmark.queries import BenchmarkReading
from m1app.settings import Settings
from m1app.training.publishing.errors import PublishingError
from m1app.training.publishing.evaluation import measurements
from m1app.training.publishing.hub_push import PushPlan, PushRequest, hub_card, plan_push, push
from m1app.training.publishing.quantizing import Report, quantize_model
from m1app.training.publishing.tuned_list import TunedModel, tuned_model, tuned_models
from models.weights.catalog import CatalogModel
from storage.database import Database


@dataclass(slots=True)
class Activity:
    """What is being done with a model, or how the last thing ended."""

    words: str
    """Such as "quantizing to q8_0"."""
    share: float | None = None
    """Of it that is done, 0 to 1; None if that is not known."""
    is_running: bool = True
    done: str = ""
    """What came out of it."""
    error: str = ""
    """Why it ended; empty if it is running or succeeded."""


class PublishingService:
    """Hands fine-tuned models on. Methods that take a model's id raise TunedModelNotFound."""

    def __init__(self, settings: Settings, database: Database, reading: BenchmarkReading) -> None:
        """Args:
        settings: the app's settings.
        database: for the audit log.
        reading: what was measured of the models.
        """
        self._settings = settings
        self._database = database
        self._reading = reading
        self._activities: dict[str, Activity] = {}

    @needs(Permission.MANAGE)
    def models(self) -> tuple[TunedModel, ...]:
        """The models that were fine-tuned here. Blocks."""
        return tuned_models(self._settings.models_directory)

    @needs(Permission.MANAGE)
    def activity(self, model_id: str) -> Activity | None:
        """What this process does with a model, or did last; None if nothing."""
        return self._activities.get(model_id)

    @needs(Permission.MANAGE)
    async def card(self, model_id: str) -> str:
        """The model's card in the hub's form, with its newest measurement on each question set."""
        model = await self._model(model_id)
        return await asyncio.to_thread(hub_card, model, await measurements(model, self._reading))

    @needs(Permission.MANAGE)
    async def quantize(self, model_id: str, kind: str, report: Report = lambda share: None) -> CatalogModel:
        """Write a quantized file, and return its entry in the catalog; `report` is told the share that is done.

        Raises:
            QuantizingFailed: it cannot be quantized.
        """
        model = await self._model(model_id)
        made = await quantize_model(model, kind, self._settings, report, sys.executable)
        await self._database.write(lambda s: record(s, "model.quantize", model.id, kind=kind))
        return made

    @needs(Permission.MANAGE)
    def start_quantizing(self, model_id: str, kind: str) -> None:
        """`quantize` in the background; see `activity`. Raises PublishingError if something is being done with it."""

        async def work(activity: Activity) -> str:
            def report(share: float) -> None:
                activity.share = share

            made = await self.quantize(model_id, kind, report)
            return f"{made.id} is in the catalog, for the embedded engine."

        self._start(model_id, f"quantizing to {kind}", work)

    @needs(Permission.MANAGE)
    async def plan_push(self, request: PushRequest) -> PushPlan:
        """What a push would upload; asks nothing of the hub.

        Raises:
            PushRefused: it cannot be pushed.
        """
        model = await self._model(request.model_id)
        found = await measurements(model, self._reading)
        return await asyncio.to_thread(plan_push, model, request, self._settings, found)

    @needs(Permission.MANAGE)
    async def push(self, plan: PushPlan) -> str:
        """Upload what a plan says, after a person has confirmed it; return the repository's address.

        Raises:
            PushRefused: the hub did not take it.
        """
        request = plan.request
        # Recorded first: what leaves the machine must not leave without an entry.
        public = request.is_public
        await self._database.write(lambda s: record(s, "model.push", request.model_id, is_public=public))
        return await push(plan, self._settings)

    @needs(Permission.MANAGE)
    def start_push(self, plan: PushPlan) -> None:
        """`push` in the background; see `activity`. Raises PublishingError if something is being done with it."""

        async def work(_: Activity) -> str:
            return f"It is at {await self.push(plan)}."

        self._start(plan.request.model_id, f"uploading to {plan.request.repo}", work)

    def _start(self, model_id: str, words: str, work: Callable[[Activity], Awaitable[str]]) -> None:
        before = self._activities.get(model_id)
        if before and before.is_running:
            raise PublishingError(f"{model_id} is busy: {before.words}. Wait until that has ended.")
        activity = self._activities[model_id] = Activity(words)
        start_task(self._run(activity, work), f"publish-{model_id}")

    async def _run(self, activity: Activity, work: Callable[[Activity], Awaitable[str]]) -> None:
        def fail(message: str) -> None:
            activity.error = message

        try:
            with reported(activity.words, fail):
                activity.done = await work(activity)
        finally:
            activity.is_running = False

    async def _model(self, model_id: str) -> TunedModel:
        return await asyncio.to_thread(tuned_model, self._settings.models_directory, model_id)
