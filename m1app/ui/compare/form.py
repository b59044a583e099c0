"""The form of the Compare page: question, grid and settings, and conversion to and from a `SweepRequest`."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from m1app.privacy.service import IdentifierCheck
from m1app.runs.pace import NOT_KNOWN, Pace, time_words
from m1app.runs.probe_request import MAX_FORCE_ROUNDS
from m1app.runs.sweep_request import DEFAULT_BUDGETS, DEFAULT_FORCE_ROUNDS, MAX_PASSES, SweepRequest
from m1app.runs.sweeps import SweepEstimate
from m1app.ui.question.advanced_form import AdvancedForm
from m1app.ui.question.form_values import (
    BUDGET_CHIPS,
    ROUNDS_HELP,
    read_budgets,
    read_whole,
)
from m1app.ui.question.knobs import seed_box, temperature_slider
from m1app.ui.question.question_form import QuestionForm
from m1app.ui.shell.events import Updates
from m1app.wording import counted
from models.profiles import Profiles
from storage.sweeps.records import Sweep
from storage.traces.records import Trace

_DEFAULT_ANSWER_CAP = 256


class CompareForm:
    """The components of the form. `inputs` and `read` have the same order."""

    def __init__(self, profiles: Profiles, identifiers: IdentifierCheck) -> None:
        with gr.Row():
            with gr.Column(scale=6, min_width=320):
                self.boxes = QuestionForm(identifiers, "compare-", question_lines=7)
                self.boxes.place_target()
            with gr.Column(scale=6, min_width=320):
                self._build_grid()
                self._build_knobs()
                self.advanced = AdvancedForm(profiles, "compare-", _DEFAULT_ANSWER_CAP)

    def _build_grid(self) -> None:
        self.budgets = gr.CheckboxGroup(
            [(f"{budget:,}", budget) for budget in BUDGET_CHIPS],
            value=list(DEFAULT_BUDGETS),
            label="Thinking budgets (tokens)",
            info="The model answers after each. One thinking pass, up to the largest budget, serves them all.",
            elem_id="compare-budgets",
            elem_classes="m1-chips",
        )
        self.own_budgets = gr.Textbox(
            label="Custom budgets",
            info="Additional budgets, separated by spaces.",
            placeholder="For example 100 300 3000",
            max_lines=1,
            elem_id="compare-own-budgets",
        )
        self.rounds = gr.CheckboxGroup(
            list(range(MAX_FORCE_ROUNDS + 1)),
            value=list(DEFAULT_FORCE_ROUNDS),
            label="Force rounds",
            info=ROUNDS_HELP,
            elem_id="compare-rounds",
            elem_classes="m1-chips",
        )

    def _build_knobs(self) -> None:
        self.models = gr.Dropdown(
            [],
            label="Models",
            info="Each model gets its own sweep. Leave empty for the engine's default.",
            multiselect=True,
            allow_custom_value=True,
            elem_id="compare-models",
        )
        with gr.Row():
            self.passes = gr.Slider(
                1,
                MAX_PASSES,
                value=1,
                step=1,
                label="Passes",
                info="Repetitions with different seeds, at a temperature above 0.",
                min_width=120,
                elem_id="compare-passes",
            )
            self.temperature = temperature_slider("compare-", min_width=120)
            self.seed = seed_box("compare-")

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Ids of the components by the field that an error names."""
        own = {
            "budgets": ("compare-own-budgets", "compare-budgets"),
            "thinking_budget": ("compare-own-budgets", "compare-budgets"),
            "force_rounds": ("compare-rounds",),
            "passes": ("compare-passes",),
            "temperature": ("compare-temperature",),
            "seed": ("compare-seed",),
        }
        return {**self.boxes.fields, **self.advanced.fields, **own}

    @property
    def inputs(self) -> list[gr.components.Component]:
        """Components whose values `read` takes."""
        return [*self.boxes.texts, *self._grid, self.seed, *self.advanced.inputs]

    @property
    def costing(self) -> list[Any]:
        """Components that affect the cost of a sweep."""
        return [*self._grid, self.advanced.answer_cap]

    @property
    def _grid(self) -> list[gr.components.Component]:
        return [self.budgets, self.own_budgets, self.rounds, self.models, self.passes, self.temperature]

    def read(self, values: Sequence[Any]) -> SweepRequest:
        """Return the form's request; raises InvalidQuestion or ProbeRefused for invalid input."""
        question, options, target, budgets, own, rounds, models, passes, temperature, seed, *rest = values
        asked = self.boxes.read(question, options, target)
        return SweepRequest(
            stem=asked.stem,
            options=asked.options,
            target=asked.target,
            models=tuple(models or ()),
            budgets=(*map(int, budgets or ()), *read_budgets(own)),
            force_rounds=tuple(map(int, rounds or ())),
            passes=read_whole(passes, "passes", "Passes", 1, MAX_PASSES),
            **self.advanced.read(temperature, seed, rest),
            source=asked.source,
            title=asked.title,
        )

    def fill_with_sweep(self, sweep: Sweep) -> Updates:
        """Fill the form with a sweep's question, grid and settings."""
        return (
            self.boxes.fill_with(sweep.question)
            | self._fill_budgets(sweep.budgets)
            | {
                self.rounds: list(sweep.force_rounds),
                self.models: list(sweep.models),
                self.passes: sweep.passes,
                self.temperature: sweep.temperature,
                self.seed: "" if sweep.seed is None else str(sweep.seed),
            }
            | self.advanced.fill_with_run(sweep)
        )

    def fill_with_trace(self, trace: Trace) -> Updates:
        """Fill the form with a trace's question and a grid whose largest cell reproduces the trace."""
        budget = trace.thinking_budget_tokens
        smaller = [chip for chip in BUDGET_CHIPS if chip < budget]
        return (
            self.boxes.fill_with(trace.question)
            | self._fill_budgets((*smaller[-4:], budget))
            | {
                self.rounds: list(range(trace.force_rounds + 1)),
                self.models: [trace.model],
                self.passes: 1,
                self.temperature: trace.temperature,
                self.seed: "" if trace.seed is None else str(trace.seed),
            }
            | self.advanced.fill_with_trace(trace)
        )

    def _fill_budgets(self, budgets: Sequence[int]) -> Updates:
        return {
            self.budgets: [budget for budget in budgets if budget in BUDGET_CHIPS],
            self.own_budgets: " ".join(str(budget) for budget in budgets if budget not in BUDGET_CHIPS),
        }


def estimate_text(request: SweepRequest, estimate: SweepEstimate, paces: Mapping[str, Pace | None]) -> str:
    """The maximum cost of a sweep, before it runs.

    Args:
        request: what would be run.
        estimate: its tokens, of all models together.
        paces: how fast each of its models generates; None for one that has not run.
    """
    cells = len(request.cells)
    runs = request.passes * max(1, len(request.models))
    of_runs = counted(runs, "pass", "passes")
    return (
        f"{counted(cells, 'cell')} from {of_runs}: at most {estimate.tokens_at_most:,} tokens, "
        f"{_time_text(request, estimate.tokens_at_most // len(paces), paces)}. "
        f"Separate runs: at most {estimate.tokens_if_separate_at_most:,} tokens."
    )


def _time_text(request: SweepRequest, tokens_each: int, paces: Mapping[str, Pace | None]) -> str:
    known = [pace for pace in paces.values() if pace]
    if len(known) < len(paces):
        missing = ", ".join(name for name, pace in paces.items() if name and not pace)
        return NOT_KNOWN + (f" ({missing})" if missing else "")
    most = sum(pace.seconds_for(tokens_each) for pace in known)
    return f"{time_words(_likely_seconds(request, known), most)} at {'; '.join(pace.words for pace in known)}"


def _likely_seconds(request: SweepRequest, paces: Sequence[Pace]) -> tuple[float, float] | None:
    """Seconds of all passes; None if it is not known of a model how long it thinks."""
    low = high = 0.0
    for pace in paces:
        likely = pace.likely_tokens(request.budgets, request.force_rounds, request.answer_cap_tokens)
        if likely is None:
            return None
        low += request.passes * pace.seconds_for(likely.low)
        high += request.passes * pace.seconds_for(likely.high)
    return low, high
