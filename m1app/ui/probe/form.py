"""The left side of the Probe page: question, library and settings, and conversion to and from a `ProbeRequest`."""

import math
from collections.abc import Sequence
from typing import Any

import gradio as gr

from m1app.privacy.service import IdentifierCheck
from m1app.runs.pace import NOT_KNOWN, Pace, time_words
from m1app.runs.probe_request import DEFAULT_BUDGET_TOKENS, MAX_FORCE_ROUNDS, MAX_TOKENS, ProbeRequest
from m1app.strategies.protocol import most_generated
from m1app.ui.probe.policy_run import policy_choices
from m1app.ui.question.advanced_form import AdvancedForm
from m1app.ui.question.form_values import BUDGET_EXPONENTS, read_whole
from m1app.ui.question.knobs import model_box, rounds_slider, seed_box, temperature_slider
from m1app.ui.question.question_form import QuestionForm
from m1app.ui.shell.events import Updates
from models.profiles import Profiles
from storage.traces.records import Trace


class ProbeForm:
    """The components of the form. `inputs` and `read` have the same order."""

    def __init__(self, profiles: Profiles, identifiers: IdentifierCheck) -> None:
        self.boxes = QuestionForm(identifiers, has_sets=True)
        self.library = self.boxes.library
        self.question, self.options, self.target = self.boxes.question, self.boxes.options, self.boxes.target
        with gr.Row():
            self.boxes.place_target()
            self.model = model_box()
            self.seed = seed_box()
        low, high = BUDGET_EXPONENTS
        exponent = int(math.log2(DEFAULT_BUDGET_TOKENS))
        with gr.Row(equal_height=True):
            with gr.Column(scale=4, min_width=180):
                self.budget_slider = gr.Slider(
                    low,
                    high,
                    value=exponent,
                    step=1,
                    label="Thinking budget",
                    info="Maximum thinking tokens. Then the thinking is closed and the model answers.",
                    elem_id="budget-slider",
                    buttons=[],
                )
                gr.HTML(_ticks(low, high), apply_default_css=False)
            self.budget = gr.Number(
                DEFAULT_BUDGET_TOKENS,
                label="Exact tokens",
                info="Any number",
                precision=0,
                min_width=90,
                scale=1,
                elem_id="budget",
            )
        with gr.Row():
            self.rounds = rounds_slider()
            self.temperature = temperature_slider()
        self.advanced = AdvancedForm(profiles)
        with self.advanced.block:
            # A policy may be removed while a page that chose it is open.
            self.policy = gr.Dropdown(
                policy_choices(()),
                value="",
                label="Strategy",
                info="A policy runs a pilot pass first, then chooses the strategy and budget by how sure the model "
                "is. The budget above is ignored.",
                elem_id="policy",
                allow_custom_value=True,
            )
        self._wire_budget()

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Ids of the components by the field that an error names."""
        own = {"thinking_budget": "budget", "force_rounds": "rounds", "temperature": "temperature", "seed": "seed"}
        own |= {"strategies": "policy"}
        return {**self.boxes.fields, **self.advanced.fields, **{name: (each,) for name, each in own.items()}}

    @property
    def inputs(self) -> list[gr.components.Component]:
        """Components whose values `read` takes."""
        return [
            self.question,
            self.options,
            self.target,
            self.model,
            self.budget,
            self.rounds,
            self.temperature,
            self.seed,
            *self.advanced.inputs,
        ]

    @property
    def costing(self) -> list[Any]:
        """Components that decide how long a run takes, in the order of `estimate_text`: model first, policy last."""
        return [self.model, self.budget, self.advanced.answer_cap, self.rounds, self.policy]

    def read(self, values: Sequence[Any]) -> ProbeRequest:
        """Return the form's request; raises InvalidQuestion for invalid options."""
        question, options, target, model, budget, rounds, temperature, seed, *rest = values
        asked = self.boxes.read(question, options, target)
        return ProbeRequest(
            stem=asked.stem,
            options=asked.options,
            target=asked.target,
            model=model or "",
            thinking_budget_tokens=budget,
            force_rounds=read_whole(rounds, "force_rounds", "Force rounds", 0, MAX_FORCE_ROUNDS),
            **self.advanced.read(temperature, seed, rest),
            source=asked.source,
            title=asked.title,
        )

    def fill_with_library(self, question_id: str) -> Updates:
        """Fill the form with a library question."""
        return self.boxes.fill_with_library(question_id)

    def fill_with_trace(self, trace: Trace) -> Updates:
        """Fill the form with a trace's question and settings."""
        budget = trace.thinking_budget_tokens
        return self.boxes.fill_with(trace.question) | {
            self.model: trace.model,
            self.budget: budget,
            self.budget_slider: _nearest_exponent(budget),
            self.rounds: trace.force_rounds,
            self.temperature: trace.temperature,
            self.seed: "" if trace.seed is None else str(trace.seed),
            **self.advanced.fill_with_trace(trace),
            self.policy: "",
        }

    def _wire_budget(self) -> None:
        low, high = BUDGET_EXPONENTS
        self.budget_slider.input(None, self.budget_slider, self.budget, js="(x) => 2 ** x", queue=False)
        self.budget.change(
            None,
            self.budget,
            self.budget_slider,
            js=f"(n) => n > 0 ? Math.min({high}, Math.max({low}, Math.round(Math.log2(n)))) : {low}",
            queue=False,
        )


def estimate_text(budget: Any, answer_cap: Any, rounds: Any, pace: Pace | None) -> str:
    """How long a run may take, and likely takes; empty while the form has no usable numbers.

    Args:
        budget: tokens in the form. A look at the options comes on top, and what forced rounds overrule.
        answer_cap: tokens in the form.
        rounds: force rounds in the form.
        pace: how fast the model generates, and how much; None if it has not run.
    """
    if not all(isinstance(each, int | float) and 0 < each <= MAX_TOKENS for each in (budget, answer_cap)):
        return ""
    tokens = most_generated(thinking=int(budget), answer=int(answer_cap), looks=1)
    forced = int(rounds) if isinstance(rounds, int | float) and 0 <= rounds <= MAX_FORCE_ROUNDS else 0
    # How many tokens a stop has is the engine's to say.
    most = f"At most {tokens:,} tokens{' plus overruled stops' if forced else ''}"
    if pace is None:
        return f"{most}, {NOT_KNOWN}."
    likely = pace.likely_tokens((int(budget),), (forced,), int(answer_cap))
    seconds = (pace.seconds_for(likely.low), pace.seconds_for(likely.high)) if likely else None
    return f"{most}, {time_words(seconds, pace.seconds_for(tokens))} at {pace.words}."


def _ticks(low: int, high: int) -> str:
    names = [f"{2**n}" if n < 10 else f"{2 ** (n - 10)}K" for n in range(low, high + 1)]
    return '<div class="m1-ticks" aria-hidden="true">' + "".join(f"<span>{name}</span>" for name in names) + "</div>"


def _nearest_exponent(budget_tokens: int) -> int:
    low, high = BUDGET_EXPONENTS
    return min(high, max(low, round(math.log2(budget_tokens))))
