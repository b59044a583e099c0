"""The form of the Strategies page: question, strategies, budget, and conversion to and from a `StrategyRunRequest`."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from m1app.privacy.service import IdentifierCheck
from m1app.question.errors import InvalidQuestion
from m1app.runs.errors import ProbeRefused
from m1app.runs.pace import NOT_KNOWN, Pace
from m1app.runs.probe_request import MAX_FORCE_ROUNDS
from m1app.runs.strategy_request import DEFAULT_BUDGET_TOKENS, DEFAULT_TEMPERATURE, StrategyRunRequest
from m1app.ui.question.advanced_form import AdvancedForm
from m1app.ui.question.form_values import read_whole
from m1app.ui.question.knobs import model_box, rounds_slider, seed_box, temperature_slider
from m1app.ui.question.question_form import QuestionForm, TypedQuestion
from m1app.ui.shell.events import Updates
from m1app.ui.shell.page_component import page_component
from m1app.ui.strategies.choice_view import PRESELECTED
from m1app.wording import counted, duration
from models.profiles import Profiles
from storage.strategies.records import StrategyRun
from storage.traces.records import Trace

_DEFAULT_ANSWER_CAP = 128


class StrategiesForm:
    """The components of the form. `inputs` and `read` have the same order."""

    def __init__(self, profiles: Profiles, identifiers: IdentifierCheck) -> None:
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                self.boxes = QuestionForm(identifiers, "strategies-", question_lines=7)
                self.boxes.place_target()
                self._build_knobs()
                self.advanced = AdvancedForm(profiles, "strategies-", _DEFAULT_ANSWER_CAP)
            with gr.Column(scale=7, min_width=320):
                self.choices = page_component("strategies/choices", element_id="strategies-choices")
                self.written = gr.Textbox(
                    ",".join(PRESELECTED),
                    label="As text",
                    info="Your choice above, as the command line and benchmarks write it. You can edit it.",
                    lines=1,
                    max_lines=4,
                    elem_id="strategies-written",
                )

    def _build_knobs(self) -> None:
        with gr.Row():
            self.budget = gr.Number(
                DEFAULT_BUDGET_TOKENS,
                label="Token budget of each strategy",
                info="Maximum tokens that each strategy may generate, including thinking, answers, judges, plans and "
                "cancelled passes.",
                precision=0,
                min_width=150,
                elem_id="strategies-budget",
            )
            self.thinking = gr.Textbox(
                label="Thinking budget of each pass",
                info="Maximum thinking tokens; an answer must fit in the token budget too. Leave empty to divide the "
                "token budget among the passes.",
                placeholder="shared",
                max_lines=1,
                min_width=150,
                elem_id="strategies-thinking",
            )
        with gr.Row():
            self.rounds = rounds_slider("strategies-")
            self.temperature = temperature_slider(
                "strategies-", least=0.05, value=DEFAULT_TEMPERATURE, info="Must be above 0, so that passes differ."
            )
        with gr.Row():
            self.model = model_box("strategies-")
            self.seed = seed_box("strategies-")

    @property
    def fields(self) -> dict[str, tuple[str, ...]]:
        """Ids of the components by the field that an error names."""
        own = {
            "strategies": "strategies-written",
            "budget": "strategies-budget",
            "thinking_budget": "strategies-thinking",
            "force_rounds": "strategies-rounds",
            "temperature": "strategies-temperature",
            "seed": "strategies-seed",
        }
        return {**self.boxes.fields, **self.advanced.fields, **{name: (each,) for name, each in own.items()}}

    @property
    def inputs(self) -> list[gr.components.Component]:
        """Components whose values `read` takes."""
        return [
            *self.boxes.texts,
            self.written,
            self.model,
            self.budget,
            self.thinking,
            self.rounds,
            self.temperature,
            self.seed,
            *self.advanced.inputs,
        ]

    @property
    def costing(self) -> list[Any]:
        """Components that decide what a run costs, and which strategies can be asked."""
        question, options, _ = self.boxes.texts
        return [
            question,
            options,
            self.written,
            self.model,
            self.budget,
            self.thinking,
            self.seed,
            self.advanced.answer_cap,
        ]

    def read(self, values: Sequence[Any]) -> StrategyRunRequest:
        """Return the form's request; raises InvalidQuestion for invalid options, ProbeRefused for other input."""
        return self._asking(self.boxes.read(*values[:3]), values)

    def read_settings(self, values: Sequence[Any]) -> StrategyRunRequest:
        """The same, without the question if its boxes hold none that can be asked yet."""
        try:
            asked = self.boxes.read(*values[:3])
        except InvalidQuestion:
            asked = self.boxes.read("", "", "")
        return self._asking(asked, values)

    def _asking(self, asked: TypedQuestion, values: Sequence[Any]) -> StrategyRunRequest:
        written, model, budget, thinking, rounds, temperature, seed, *rest = values[3:]
        return StrategyRunRequest(
            stem=asked.stem,
            options=asked.options,
            target=asked.target,
            choices=choices_in(written),
            model=model or "",
            budget_tokens=budget,
            thinking_tokens=read_thinking(thinking),
            force_rounds=read_whole(rounds, "force_rounds", "Force rounds", 0, MAX_FORCE_ROUNDS),
            **self.advanced.read(temperature, seed, rest),
            source=asked.source,
            title=asked.title,
        )

    def fill_with_run(self, run: StrategyRun) -> Updates:
        """Fill the form with a run's question, strategies and settings."""
        return (
            self.boxes.fill_with(run.question)
            | {
                self.written: ",".join(run.choices),
                self.choices: {"written": ",".join(run.choices)},
                self.model: run.model,
                self.budget: run.budget_tokens,
                self.thinking: "" if run.thinking_tokens is None else str(run.thinking_tokens),
                self.rounds: run.force_rounds,
                self.temperature: run.temperature,
                self.seed: str(run.seed),
            }
            | self.advanced.fill_with_run(run)
        )

    def fill_with_trace(self, trace: Trace) -> Updates:
        """Fill the form with a trace's question and model."""
        return self.boxes.fill_with(trace.question) | {
            self.model: trace.model,
            self.rounds: trace.force_rounds,
            **self.advanced.fill_with_trace(trace),
        }


def read_thinking(text: str | None) -> int | None:
    """Parse the thinking budget of each pass, None if it is empty; raises ProbeRefused for anything but a number."""
    written = (text or "").strip()
    if not written:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", written):
        raise ProbeRefused(
            "thinking_budget",
            f"Thinking budget of each pass is {written[:40]!r}; enter a whole number of tokens, such as 512, or "
            "leave it empty.",
        )
    return int(written)


def choices_in(written: str | None) -> tuple[str, ...]:
    """Strategies as they are written, separated by commas."""
    return tuple(filter(None, (part.strip() for part in (written or "").split(","))))


def estimate_text(strategies: int, budget_tokens: int, pace: Pace | None, refused: Mapping[str, str]) -> str:
    """The maximum cost of a run, before it runs, and which strategies cannot be asked.

    Args:
        strategies: how many are chosen.
        budget_tokens: of each.
        pace: how fast the model generates; None if it has not run.
        refused: title of a strategy that cannot be asked -> reason.
    """
    can_be = strategies - len(refused)
    tokens = can_be * budget_tokens
    cost = f"{counted(can_be, 'strategy', 'strategies')}: at most {tokens:,} tokens"
    time = f"up to about {duration(pace.seconds_for(tokens))} at {pace.words}" if pace else NOT_KNOWN
    return " ".join([*([f"{cost}, {time}."] if can_be else []), *_refused_texts(refused, is_all=not can_be)])


def _refused_texts(refused: Mapping[str, str], *, is_all: bool) -> Sequence[str]:
    if not refused:
        return ()
    start = "Nothing can be run." if is_all else "Cannot be asked:"
    reasons = set(refused.values())
    if len(reasons) > 1:
        return start, f"{', '.join(refused)}. The reasons are shown above."
    return (start, *(() if is_all else (f"{', '.join(refused)}.",)), *reasons)
