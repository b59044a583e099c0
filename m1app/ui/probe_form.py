"""The left side of the Probe page: question, library and knobs; and their way to a `ProbeRequest` and back."""

import math
from collections.abc import Sequence
from typing import Any

import gradio as gr

from m1app.benchmark.library import LibraryQuestion, load_library
from m1app.benchmark.question_text import format_options, parse_options, parse_question
from m1app.services.errors import ProbeRefused
from m1app.services.probe_request import DEFAULT_BUDGET_TOKENS, MAX_FORCE_ROUNDS, MAX_SEED, ProbeRequest
from models.profiles import Profiles
from storage.records import Trace

BUDGET_EXPONENTS = (6, 14)
"""The slider's powers of two: 64 to 16,384 tokens."""

Updates = dict[gr.components.Component, Any]


class ProbeForm:
    """The components of the form. `inputs` and `read` have the same order."""

    def __init__(self, profiles: Profiles) -> None:
        self.library = gr.Dropdown(
            _library_choices(),
            value=None,
            label="Question library",
            info="Written for this app, with target and explanation. Type to search.",
            elem_id="library",
        )
        self.question = gr.Textbox(
            label="Question",
            lines=9,
            max_lines=24,
            placeholder="Paste or type a vignette. Options typed below it as lines “A. …”, “B. …” are recognised.",
            elem_id="question",
        )
        self.options = gr.Textbox(
            label="Options",
            lines=2,
            max_lines=14,
            placeholder="One per line: A. … Leave empty for an open question.",
            elem_id="options",
        )
        self.note = gr.HTML("", elem_classes="m1-hint", elem_id="question-note", apply_default_css=False)
        with gr.Row():
            self.target = gr.Textbox(label="Target", placeholder="Letter", max_lines=1, min_width=70, elem_id="target")
            self.model = gr.Dropdown(
                [], label="Model", min_width=160, scale=3, allow_custom_value=True, elem_id="model"
            )
            self.seed = gr.Textbox(label="Seed", placeholder="drawn", max_lines=1, min_width=70, elem_id="seed")
        low, high = BUDGET_EXPONENTS
        exponent = int(math.log2(DEFAULT_BUDGET_TOKENS))
        with gr.Row(equal_height=True):
            with gr.Column(scale=4, min_width=180):
                self.budget_slider = gr.Slider(
                    low, high, value=exponent, step=1, label="Thinking budget", elem_id="budget-slider", buttons=[]
                )
                gr.HTML(_ticks(low, high), apply_default_css=False)
            self.budget = gr.Number(
                DEFAULT_BUDGET_TOKENS, label="Tokens, exact", precision=0, min_width=90, scale=1, elem_id="budget"
            )
        with gr.Row():
            self.rounds = gr.Slider(0, MAX_FORCE_ROUNDS, value=0, step=1, label="Force rounds", min_width=140)
            self.temperature = gr.Slider(0, 2, value=0, step=0.05, label="Temperature", min_width=140)
        with gr.Accordion("Advanced", open=False):
            with gr.Row():
                self.top_p = gr.Slider(0.05, 1, value=1, step=0.05, label="Top-p", min_width=140)
                self.answer_cap = gr.Number(512, label="Answer cap (tokens)", precision=0, min_width=120)
                self.profile = gr.Dropdown(
                    _profile_choices(profiles), value="", label="Profile", min_width=200, elem_id="profile"
                )
            self.system_prompt = gr.Textbox(
                label="System prompt", lines=2, placeholder="Empty: the profile's own", elem_id="system-prompt"
            )
        self._wire_budget()

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
            self.top_p,
            self.answer_cap,
            self.profile,
            self.system_prompt,
        ]

    def read(self, values: Sequence[Any]) -> ProbeRequest:
        """The request that the form holds; raises InvalidQuestion for options that cannot be read."""
        question, options, target, model, budget, rounds, temperature, seed, top_p, cap, profile, system = values
        stem, parsed, found = take_apart(question or "", options or "", target or "")
        entry = _library_entry(stem)
        return ProbeRequest(
            stem=stem,
            options=parsed,
            target=found.strip().upper() or None,
            model=model or "",
            profile=profile or "",
            thinking_budget_tokens=budget,
            force_rounds=_whole(rounds, "force_rounds"),
            temperature=temperature,
            top_p=top_p,
            seed=_seed(seed),
            answer_cap_tokens=cap,
            system_prompt=system if system and system.strip() else None,
            source="library" if entry else "typed",
            title=entry.title if entry else "",
        )

    def fill_with_library(self, question_id: str) -> Updates:
        """A library question goes into the form."""
        for entry in load_library():
            if entry.id == question_id:
                return {
                    self.question: entry.question,
                    self.options: format_options(entry.options),
                    self.target: entry.target or "",
                }
        return {self.question: gr.skip()}

    def fill_with_trace(self, trace: Trace) -> Updates:
        """A trace's question and knobs go into the form."""
        budget = trace.thinking_budget_tokens
        return {
            self.question: trace.question.stem,
            self.options: format_options(trace.question.options),
            self.target: trace.question.target or "",
            self.model: trace.model,
            self.budget: budget,
            self.budget_slider: _nearest_exponent(budget),
            self.rounds: trace.force_rounds,
            self.temperature: trace.temperature,
            self.seed: "" if trace.seed is None else str(trace.seed),
            self.top_p: trace.top_p,
            self.answer_cap: trace.answer_cap_tokens,
            self.system_prompt: trace.system_prompt,
            self.profile: "" if trace.profile_is_guess else trace.profile,
        }

    def recognise(self, question: str, options: str, target: str) -> Updates:
        """Options typed below the question move to their own box, and are said to be recognised."""
        stem, parsed, found = take_apart(question or "", options or "", target or "")
        if (options or "").strip() or not parsed:
            return {self.note: gr.skip()}
        return {
            self.question: stem,
            self.options: format_options(parsed),
            self.target: found,
            self.note: f"{len(parsed)} options recognised and moved to their own box; edit them there.",
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


def take_apart(question: str, options: str, target: str) -> tuple[str, dict[str, str], str]:
    """Stem, options and target from the three boxes; options below the question count when their box is empty."""
    if options.strip():
        return question, parse_options(options), target
    parsed = parse_question(question)
    if not parsed.options:
        return question, {}, target
    return parsed.stem, parsed.options, target or parsed.target or ""


def library_explanation(stem: str) -> str:
    """Explanation and reference of a library question, for after the answer; empty for any other question."""
    entry = _library_entry(stem)
    if entry is None:
        return ""
    expected = f"Expected: {entry.expected}\n\n" if entry.expected else ""
    return f"{expected}{entry.explanation}\n\nReference: {entry.reference}"


def _library_entry(stem: str) -> LibraryQuestion | None:
    return next((entry for entry in load_library() if entry.question.strip() == stem.strip()), None)


def _library_choices() -> list[tuple[str, str]]:
    entries = sorted(load_library(), key=lambda e: (e.specialty, e.title))
    kind = {False: "", True: " (open)"}
    return [(f"{e.specialty}: {e.title}{kind[e.is_open]}", e.id) for e in entries]


def _profile_choices(profiles: Profiles) -> list[tuple[str, str]]:
    return [("The one that fits the model", ""), *((f"{p.id}: {p.title}", p.id) for p in profiles)]


def _ticks(low: int, high: int) -> str:
    names = [f"{2**n}" if n < 10 else f"{2 ** (n - 10)}K" for n in range(low, high + 1)]
    return '<div class="m1-ticks" aria-hidden="true">' + "".join(f"<span>{name}</span>" for name in names) + "</div>"


def _nearest_exponent(budget_tokens: int) -> int:
    low, high = BUDGET_EXPONENTS
    return min(high, max(low, round(math.log2(budget_tokens))))


def _seed(text: str | None) -> int | None:
    if not text or not text.strip():
        return None
    try:
        return int(text)
    except ValueError:
        raise ProbeRefused(
            "seed", f"Seed is {text[:40]!r}; enter a whole number from 0 to {MAX_SEED:,}, or leave it empty."
        ) from None


def _whole(value: Any, field: str) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, int):
        raise ProbeRefused(field, f"Force rounds is {value!r}; enter a whole number from 0 to {MAX_FORCE_ROUNDS}.")
    return value
