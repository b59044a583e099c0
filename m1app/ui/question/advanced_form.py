"""Rarely used settings, behind "Advanced": top-p, answer cap, profile, system prompt."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import gradio as gr

from m1app.ui.question.form_values import read_seed
from m1app.ui.shell.events import QUIET, Updates
from models.profiles import Profile, Profiles
from storage.strategies.records import StrategyRun
from storage.sweeps.records import Sweep
from storage.traces.records import Trace

_CLOSE_JS = "() => ({ __type__: 'update', open: false, elem_classes: [] })"


class AdvancedForm:
    """The settings in their accordion; all forms read `inputs` in this order."""

    def __init__(self, profiles: Profiles, id_prefix: str = "", answer_cap_tokens: int = 512) -> None:
        """Args:
        profiles: the available profiles.
        id_prefix: prefix of the elements' ids.
        answer_cap_tokens: the initial answer cap.
        """
        # Built open and closed as the page loads: Gradio builds what is in a closed one when it is opened, and a moment
        # later sets its fields back, also one that was typed into meanwhile.
        with gr.Accordion("Advanced", open=True, elem_classes="m1-closed-at-first") as self.block:
            with gr.Row():
                self.top_p = gr.Slider(
                    0.05,
                    1,
                    value=1,
                    step=0.05,
                    label="Top-p",
                    info="Share of the likeliest tokens to sample from; 1 is all.",
                    min_width=140,
                    elem_id=f"{id_prefix}top-p",
                )
                self.answer_cap = gr.Number(
                    answer_cap_tokens,
                    label="Answer cap (tokens)",
                    info="Maximum answer tokens, on top of the budget.",
                    precision=0,
                    min_width=120,
                    elem_id=f"{id_prefix}answer-cap",
                )
                # A trace may name a profile that has been removed from the choice.
                self.profile = gr.Dropdown(
                    _profile_choices(profiles),
                    value="",
                    label="Profile",
                    info="How the model's family opens and closes thinking and answers.",
                    min_width=200,
                    elem_id=f"{id_prefix}profile",
                    allow_custom_value=True,
                )
            self.system_prompt = gr.Textbox(
                label="System prompt",
                info="Shown to the model before the question.",
                lines=2,
                placeholder="Leave empty to use the profile's",
                elem_id=f"{id_prefix}system-prompt",
            )

    def offer_profiles(
        self, occasions: Sequence[Callable[..., Any]], read: Callable[[], Awaitable[Iterable[Profile]]]
    ) -> None:
        """Offer the profiles that there are, also those that were made since the app started.

        Args:
            occasions: register a handler to call each time, such as the page's `load`.
            read: returns the profiles.
        """

        async def offered() -> Any:
            return gr.update(choices=_profile_choices(await read()))

        for occasion in occasions:
            occasion(offered, None, self.profile, **QUIET)

    def close_at(self, load: Callable[..., Any]) -> None:
        """Close the accordion at this event, the page's `load`."""
        load(None, None, self.block, js=_CLOSE_JS, **QUIET)

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Ids of the components by the field that an error names."""
        names = ("top_p", "answer_cap", "profile", "system_prompt")
        return {name: (str(each.elem_id),) for name, each in zip(names, self.inputs, strict=True)}

    @property
    def inputs(self) -> list[gr.components.Component]:
        """The settings, in order."""
        return [self.top_p, self.answer_cap, self.profile, self.system_prompt]

    @staticmethod
    def read(temperature: Any, seed: Any, values: Sequence[Any]) -> dict[str, Any]:
        """Sampling and profile of a request, by name; raises ProbeRefused for what is no seed.

        Args:
            temperature: of the form.
            seed: of the form.
            values: of `inputs`.
        """
        top_p, cap, profile, system = values
        return {
            "temperature": temperature,
            "top_p": top_p,
            "seed": read_seed(seed),
            "answer_cap_tokens": cap,
            "system_prompt": system if system and system.strip() else None,
            "profile": profile or "",
        }

    def fill_with_trace(self, trace: Trace) -> Updates:
        """Fill in a trace's settings."""
        profile = "" if trace.profile_is_guess else trace.profile
        values = (trace.top_p, trace.answer_cap_tokens, profile, trace.system_prompt)
        return dict(zip(self.inputs, values, strict=True))

    def fill_with_run(self, run: Sweep | StrategyRun) -> Updates:
        """Fill in the settings of a sweep or a run of strategies."""
        values = (run.top_p, run.answer_cap_tokens, run.profile, run.system_prompt or "")
        return dict(zip(self.inputs, values, strict=True))


def _profile_choices(profiles: Iterable[Profile]) -> list[tuple[str, str]]:
    return [("Chosen to fit the model", ""), *((f"{p.id}: {p.title}", p.id) for p in profiles)]
