"""The panel below a trace that judges the answer to an open question."""

from collections.abc import AsyncGenerator
from typing import Any

import gradio as gr

from m1app.bootstrap import Services
from m1app.ui.probe.open_verdict_view import judging_value
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.events import QUIET
from m1app.ui.shell.page_component import page_component
from models.errors import ModelsError
from storage.open_verdicts.records import Judgement


class OpenVerdictPanel:
    """Builds the panel into the open Blocks and holds its handlers."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.component = page_component("probe/open_verdict", element_id="open-verdict", events=("judge", "say"))

    def wire(self) -> None:
        """Register the handlers of its buttons."""
        self.component.judge(self._on_judge, None, self.component, **QUIET)
        self.component.say(self._on_say, None, self.component, **QUIET)

    async def value_of(self, trace_id: str) -> dict[str, Any]:
        """What the panel shows for a trace."""
        judged = await self._services.judging.on(trace_id)
        return judging_value(judged, await self._models() if judged else ())

    async def _on_judge(self, event: gr.EventData) -> AsyncGenerator[dict[str, Any], None]:
        trace_id, reference = str(event.id), str(event.reference)
        value: dict[str, Any] = {"id": trace_id}
        try:
            value = await self.value_of(trace_id)
            yield value | {"is_judging": True}
            judged = await self._services.judging.judge(trace_id, reference, str(event.model))
            yield judging_value(judged, value.get("models", ()))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            yield value | {"message": message_of(exc)}

    async def _on_say(self, event: gr.EventData) -> dict[str, Any]:
        trace_id, reference = str(event.id), str(event.reference)
        value: dict[str, Any] = {"id": trace_id}
        try:
            value = await self.value_of(trace_id)
            judged = await self._services.judging.say(trace_id, reference, Judgement(str(event.judgement)))
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return value | {"message": message_of(exc)}
        return judging_value(judged, value.get("models", ()))

    async def _models(self) -> list[str]:
        """Served models, the default first; without any, the judge is the default one."""
        engines = self._services.engines
        try:
            served = await engines.models()
        except ModelsError:
            served = ()
        default = engines.default_model
        return sorted(served, key=lambda name: name != default)
