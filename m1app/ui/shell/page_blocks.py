"""A page's Gradio application, whose events run for the person who sent them."""

from copy import copy
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import convert_component_dict_to_list
from gradio.state_holder import SessionState

from m1app.access.person import NOBODY, Permission, acting_as, require
from m1app.access.service import Access
from m1app.errors import FOR_PEOPLE
from m1app.ui.shell.boundary import message_of
from m1app.ui.shell.visitor import visitor_of

_BY_ITSELF = ("tick", "load", "then", "success", "change")
"""Events that a page sends without anybody doing anything: also what follows another event, or a value it has set."""


class PageBlocks(gr.Blocks):
    """Checks before each step of each handler who is asking, so that a session that ends stops what streams."""

    m1_access: Access
    m1_needs: Permission = Permission.READ

    async def call_function(self, block_fn: BlockFunction | int, *args: Any, **kwargs: Any) -> Any:
        """Call a handler as Gradio does, for the person behind the request; raises gr.Error if they may not."""
        function = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
        requests = kwargs.get("requests", args[2] if len(args) > 2 else None)
        request = requests[0] if isinstance(requests, list) else requests
        is_active = not all(event in _BY_ITSELF for _, event in function.targets)
        asked = getattr(request, "request", request)
        try:
            person = NOBODY if asked is None else await visitor_of(self.m1_access, asked, is_active=is_active)
            with acting_as(person):
                require(self.m1_needs)
                return await super().call_function(block_fn, *args, **kwargs)
        except FOR_PEOPLE as exc:
            raise gr.Error(str(exc), print_exception=False) from exc

    async def process_api(self, block_fn: BlockFunction | int, *args: Any, **kwargs: Any) -> Any:
        """Process a request as Gradio does, except that what it says of the inputs is not printed, as Gradio would."""
        try:
            return await super().process_api(block_fn, *args, **kwargs)
        except gr.Error as exc:
            exc.print_exception = False
            raise
        except Exception as exc:
            raise gr.Error(message_of(exc), print_exception=False) from exc

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """Prepare a handler's outputs as Gradio does, except that components that stay as they are stay.

        Gradio makes each of them anew, which costs more than the rest of a tick.
        """
        outputs, values = list(block_fn.outputs), _listed(block_fn, predictions)
        changed = [place for place, value in enumerate(values) if not _is_skipped(value)]
        # What does not fit its outputs is left to Gradio to complain about.
        if len(values) != len(outputs) or len(changed) == len(outputs):
            return await super().postprocess_data(block_fn, predictions, state)
        prepared: list[Any] = [None if output.stateful else gr.skip() for output in outputs]
        if changed:
            some = copy(block_fn)
            some.outputs = [outputs[place] for place in changed]
            kept: Any = [values[place] for place in changed]
            made = await super().postprocess_data(some, kept if len(kept) > 1 else kept[0], state)
            for place, value in zip(changed, made, strict=True):
                prepared[place] = value
        return prepared


def _listed(block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any]) -> list[Any]:
    """What a handler returned, in the order of its outputs."""
    outputs = list(block_fn.outputs)
    if isinstance(predictions, dict) and predictions:
        if len(outputs) > 1 and _is_skipped(predictions):
            return [predictions] * len(outputs)
        predictions = convert_component_dict_to_list(outputs, predictions)
    if len(outputs) == 1:
        return [predictions]
    return list(predictions) if isinstance(predictions, (list, tuple)) else []


def _is_skipped(value: Any) -> bool:
    return isinstance(value, dict) and value == gr.skip()
