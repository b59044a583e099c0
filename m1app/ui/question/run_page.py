"""What the pages Probe, Compare and Strategies share.

A question is asked as a run, which is shown, stopped, resumed and found again.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

import gradio as gr

from m1app.bootstrap import Services
from m1app.runs.naming import may_ask
from m1app.ui.question.advanced_form import AdvancedForm
from m1app.ui.question.form_message import KEYS_HINT, NOTHING_TO_END, FormMessage
from m1app.ui.question.identifier_warning import hide_once_edited, may_run_anyway, run_anyway_button
from m1app.ui.question.question_form import QuestionForm, new_question_js
from m1app.ui.shell.events import QUIET, STREAMED, Updates, after_changes
from m1app.ui.shell.run_history import RunHistory

_FRAME_SECONDS = 0.15
"""Shortest interval between updates sent to the page, except for the first and the last."""
FrameT = TypeVar("FrameT")


class RunForm(Protocol):
    """The form of such a page."""

    boxes: QuestionForm
    advanced: AdvancedForm

    @property
    def inputs(self) -> list[gr.components.Component]:
        """Components whose values `read` takes."""

    @property
    def costing(self) -> list[Any]:
        """Components that decide how long a run takes."""

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Ids of the components by the field that an error names."""


class RunPage(ABC):
    """Builds the buttons of a page into the open Blocks, and holds the handlers of its runs.

    A subclass builds form, buttons, view and history in the order of the page, then calls `_wire_runs`.
    """

    _prefix = ""
    """Of the ids of the page's elements."""
    _draft: str
    """Key of what is typed and not run, in the tab's session storage."""
    _address: str
    _form: RunForm
    _history: RunHistory[Any]
    _view: Any
    """The component that shows the run, and offers an example while there is none."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._answer_now: gr.Button | None = None

    def _build_actions(
        self, *, new: str = "New", hint: str = KEYS_HINT, answers_now: bool = True, is_wide: bool = True
    ) -> None:
        """What stays in view however far the page is scrolled: cost, buttons, and why nothing was run.

        Args:
            new: on the button that clears the page.
            hint: what the keys do.
            answers_now: whether a thinking can be ended.
            is_wide: whether the hint stands beside the buttons.
        """
        prefix = self._prefix
        with gr.Column(elem_classes="m1-actions-bar"):
            self._message = FormMessage(f"{prefix}message", self._form.fields)
            self._anyway = run_anyway_button(f"{prefix}run-anyway")
            self._estimate = gr.HTML(elem_classes="m1-hint", elem_id=f"{prefix}estimate", apply_default_css=False)
            with gr.Row(elem_id=f"{prefix}controls"):
                self._run = gr.Button("Run", variant="primary", elem_id=f"{prefix}run", min_width=90)
                self._stop = self._button("Stop", "stop", interactive=False)
                if answers_now:
                    self._answer_now = self._button("Answer now", "answer-now", interactive=False)
                self._again = self._button("Run again", "again", interactive=False)
                self._resume = self._button("Resume", "resume", visible=False)
                self._new = self._button(new, "new")
                if is_wide:
                    _keys_hint(hint)
            if not is_wide:
                _keys_hint(hint)

    def _button(self, text: str, name: str, **options: Any) -> gr.Button:
        return gr.Button(text, elem_id=f"{self._prefix}{name}", min_width=90, **options)

    @property
    def _controls(self) -> list[gr.components.Component]:
        """What a run changes besides its view."""
        ending = [self._answer_now] if self._answer_now else []
        return [self._run, self._anyway, self._stop, *ending, self._again, self._resume, self._message.component]

    def _wire_runs(
        self,
        demo: gr.Blocks,
        *,
        asked: Sequence[gr.components.Component],
        begun: Sequence[gr.components.Component],
        opening: Sequence[Callable[..., Any]],
    ) -> Any:
        """Connect the handlers.

        Args:
            demo: the page.
            asked: what `_ask` takes the values of.
            begun: what a run that begins, or is opened, may change besides the controls.
            opening: register a handler for the choice of a run in a list.

        Returns:
            The load event, after which the form is filled from the address.
        """
        self._shown_id = gr.State("")
        self._measured = gr.State(0)
        form, shown_id = self._form, self._shown_id
        begun = [*form.inputs, form.boxes.preview, *self._controls, *begun, shown_id]
        run = self._run.click(self._on_run, asked, begun, **QUIET)
        anyway = self._anyway.click(self._on_run_anyway, asked, begun, **QUIET)
        hide_once_edited(self._anyway, [*form.boxes.texts, form.boxes.library])
        again = self._again.click(self._on_again, shown_id, begun, **QUIET)
        resume = self._resume.click(self._on_resume, shown_id, begun, **QUIET)
        loaded = demo.load(self._on_load, None, [*begun, *self._history.outputs], **QUIET)
        followed = [self._then_follow(event, self._on_asked) for event in (run, anyway)]
        followed += [self._then_follow(event, self._on_over) for event in (again, resume, loaded)]
        # Only one run is shown at a time; leaving it does not stop it.
        opened = [opens(self._on_open, None, begun, cancels=followed, **QUIET) for opens in opening]
        for each in opened:
            self._then_follow(each, self._on_over)
        self._stop.click(self._on_stop, shown_id, None, **QUIET)
        if self._answer_now:
            self._answer_now.click(self._on_answer_now, shown_id, self._message.component, **QUIET)
        self._new.click(None, js=new_question_js(self._draft, self._address))
        self._view.example(form.boxes.fill_with_example, None, form.boxes.filled, **QUIET)
        form.boxes.wire(demo)
        form.advanced.close_at(demo.load)
        form.advanced.offer_profiles([demo.load], self._services.own_profiles.refresh)
        self._history.wire(shown_id)
        return loaded

    def _then_follow(self, event: Any, on_over: Callable[..., Awaitable[Updates]]) -> Any:
        """After `event`, stream the chosen run, then reset the controls and refresh the history."""
        # The view is the stream's only output, because Gradio processes every output for each frame.
        follow = event.then(self._follow, self._shown_id, self._views, **STREAMED)
        self._history.show_strip(event, self._shown_id)
        shown = [*self._controls, *self._shown_when_over, *self._history.outputs]
        over = follow.then(on_over, [self._shown_id, *self._history.inputs], shown, **QUIET)
        over.then(_one_more, [self._shown_id, self._measured], self._measured, **QUIET)
        return follow

    @property
    def _views(self) -> list[Any]:
        """What `_follow` shows a run in."""
        return [self._view]

    @property
    def _shown_when_over(self) -> list[Any]:
        """What `_over` changes besides the controls."""
        return []

    def _estimate_with(self, demo: gr.Blocks, handler: Callable[..., Any], inputs: Any, outputs: Any) -> None:
        """Keep the estimate of the next run: with the page, the form, and each run, which is one more measurement.

        As one event: as several, the reply about what the form was before could come last.
        """
        changes = [knob.change for knob in self._form.costing]
        after_changes([demo.load, self._measured.change, *changes], handler, inputs, outputs)

    async def _on_run(self, *values: Any) -> AsyncGenerator[Updates, None]:
        async for updates in self._started(values, allows_identifiers=False):
            yield updates

    async def _on_run_anyway(self, *values: Any) -> AsyncGenerator[Updates, None]:
        async for updates in self._started(values, allows_identifiers=True):
            yield updates

    async def _started(self, values: Sequence[Any], *, allows_identifiers: bool) -> AsyncGenerator[Updates, None]:
        yield {
            self._run: gr.update(interactive=False),
            self._anyway: gr.update(visible=False),
            **self._message.cleared(),
        }
        try:
            begun = await self._ask(values, allows_identifiers=allows_identifiers)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            begun = self._refused(exc)
        yield begun

    async def _on_again(self, run_id: str) -> Updates:
        try:
            return await self._ask_again(run_id)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)

    async def _on_resume(self, run_id: str) -> Updates:
        try:
            return await self._go_on(run_id)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)

    async def _on_open(self, event: gr.EventData) -> Updates:
        return await self._opened(str(event.id))

    async def _opened(self, run_id: str) -> Updates:
        try:
            return await self._open(run_id)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc)

    async def _on_asked(self, run_id: str, *listed: Any) -> Updates:
        """What Run or "Run anyway" began has ended, or was refused: only now is the next click accepted by Gradio."""
        if not run_id:
            return {self._run: gr.update(interactive=True)}
        return await self._on_over(run_id, *listed)

    async def _on_over(self, run_id: str, *listed: Any) -> Updates:
        if not run_id:
            # Nothing was followed: the page was only loaded, and a run may have started since.
            return {self._run: gr.skip()}
        try:
            return await self._over(run_id) | await self._history.updates(*listed)
        except Exception as exc:  # noqa: BLE001 - the UI boundary
            return self._refused(exc) | {self._run: gr.update(interactive=True)}

    async def _on_stop(self, run_id: str) -> None:
        # Async, to stay on the run's event loop: a plain function would run in a thread.
        self._end(run_id)

    async def _on_answer_now(self, run_id: str) -> Updates:
        is_asked = self._end_thinking(run_id)
        return self._message.cleared() if is_asked else self._message.at(NOTHING_TO_END, "")

    def _running_controls(self, run_id: str, *, is_own: bool, can_answer_now: bool = True) -> Updates:
        """The controls of a run that is shown and may go on."""
        ending: Updates = (
            {self._answer_now: gr.update(interactive=is_own and can_answer_now)} if self._answer_now else {}
        )
        return {
            self._shown_id: run_id,
            self._run: gr.update(interactive=False),
            self._anyway: gr.update(visible=False),
            self._stop: gr.update(interactive=is_own),
            **ending,
            self._again: gr.update(interactive=False),
            self._resume: gr.update(visible=False),
            **self._message.cleared(),
        }

    def _over_controls(self, *, can_resume: bool) -> Updates:
        """The controls of a run that is over."""
        return {
            self._run: gr.update(interactive=True),
            **self._nothing_to_stop(),
            self._again: gr.update(interactive=may_ask()),
            self._resume: gr.update(visible=can_resume),
        }

    def _nothing_to_stop(self) -> Updates:
        buttons = [self._stop, *([self._answer_now] if self._answer_now else [])]
        return {each: gr.update(interactive=False) for each in buttons}

    def _refused(self, error: Exception) -> Updates:
        return {
            **self._message.of(error),
            self._anyway: gr.update(visible=may_run_anyway(error)),
            **self._nothing_to_stop(),
        }

    @abstractmethod
    async def _ask(self, values: Sequence[Any], *, allows_identifiers: bool) -> Updates:
        """Start the run that the form asks for; may raise anything."""

    @abstractmethod
    async def _ask_again(self, run_id: str) -> Updates:
        """Start a run like this one; may raise anything."""

    @abstractmethod
    async def _go_on(self, run_id: str) -> Updates:
        """Resume a run; may raise anything."""

    @abstractmethod
    async def _on_load(self, request: gr.Request) -> Updates:
        """Fill history and form, and open what the address names."""

    @abstractmethod
    async def _open(self, run_id: str) -> Updates:
        """Fill the form with a stored or running run, which is followed then; may raise anything."""

    @abstractmethod
    def _follow(self, run_id: str) -> AsyncGenerator[Any, None]:
        """Show a run until it is over; nothing for an empty id."""

    @abstractmethod
    async def _over(self, run_id: str) -> Updates:
        """What the page shows of a run that is over; may raise anything."""

    @abstractmethod
    def _end(self, run_id: str) -> None:
        """Stop a run."""

    def _end_thinking(self, run_id: str) -> bool:
        """Have a run answer from what it has thought; False if it does not think."""
        raise NotImplementedError


def _keys_hint(hint: str) -> None:
    gr.HTML(hint, elem_classes="m1-hint m1-keys", apply_default_css=False)


async def spaced(
    frames: AsyncGenerator[FrameT, None], is_last: Callable[[FrameT], bool]
) -> AsyncGenerator[FrameT, None]:
    """The frames of a run, at most one per `_FRAME_SECONDS` and the last in any case."""
    shown_at = 0.0
    async with aclosing(frames) as each_frame:
        async for frame in each_frame:
            if is_last(frame) or time.monotonic() - shown_at >= _FRAME_SECONDS:
                shown_at = time.monotonic()
                yield frame


def _one_more(run_id: str, measured: int) -> int:
    """How many runs have ended on this page; one that was refused is none."""
    return measured + bool(run_id)
