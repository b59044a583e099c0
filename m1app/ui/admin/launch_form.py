"""The form that launches a benchmark, and its conversion to a `BenchmarkRecipe` and back."""

import re
from collections.abc import Sequence
from typing import Any

import gradio as gr
from pydantic import ValidationError

from m1app.benchmark.errors import BenchmarkRefused
from m1app.benchmark.recipe import DEFAULT_BUDGETS, BenchmarkRecipe
from m1app.jobs.service import MAX_PRIORITY
from m1app.runs.errors import ProbeRefused
from m1app.runs.probe_request import MAX_FORCE_ROUNDS
from m1app.runs.sweep_request import MAX_PASSES
from m1app.strategies.catalogue import choose
from m1app.strategies.kinds import BY_POLICY, KINDS
from m1app.ui.admin.problems import ProblemPlaces
from m1app.ui.question.advanced_form import AdvancedForm
from m1app.ui.question.form_values import BUDGET_CHIPS, read_budgets, read_whole
from m1app.ui.shell.events import Updates
from models.profiles import Profiles

_ANSWER_CAP_TOKENS = 256
# A policy has to be named.
_NAMES = tuple(kind.name for kind in KINDS if kind.name != BY_POLICY)
ITSELF = ("The model that answers", "")
_PLACES = {
    "question_sets": ("question_sets",),
    "models": ("models", "model"),
    "judge": ("judge",),
    "limit": ("limit", "name"),
    "budgets": ("budgets", "thinking_budget"),
    "force_rounds": ("force_rounds",),
    "knobs": ("passes", "temperature", "seed", "in_flight"),
    "strategies": ("strategies", "strategy_budget", "strategy_budget_tokens"),
    "advanced": ("top_p", "answer_cap", "answer_cap_tokens", "profile", "system_prompt"),
    "turn": ("priority", "executor"),
}
"""Where problems are shown: place and fields covered."""


class LaunchForm:
    """The components of the form. `inputs` and `read` have the same order."""

    def __init__(self, profiles: Profiles, has_ray: bool) -> None:
        """Args:
        profiles: the available profiles.
        has_ray: whether jobs can also run on a Ray cluster.
        """
        self._problems = ProblemPlaces()
        with gr.Row():
            with gr.Column(scale=6, min_width=300):
                self._build_subject()
            with gr.Column(scale=6, min_width=300):
                self._build_grid()
        with gr.Row():
            with gr.Column(scale=6, min_width=300):
                self._build_knobs()
            with gr.Column(scale=6, min_width=300):
                self._build_turn(has_ray)
        self._build_strategies()
        self.advanced = AdvancedForm(profiles, "admin-", _ANSWER_CAP_TOKENS)
        self.asks_probabilities = gr.Checkbox(
            True,
            label="Option probabilities",
            info="Ask how probable each option is at each cut. Costs one extra request per answer.",
            elem_id="admin-option-probabilities",
        )
        self._problems.add("advanced")

    def _build_subject(self) -> None:
        self.question_sets = gr.Dropdown(
            [], label="Question sets", multiselect=True, elem_id="admin-question-sets", value=[]
        )
        self._problems.add("question_sets")
        self.models = gr.Dropdown(
            [],
            label="Models",
            info="Each model answers every question. Leave empty for the engine's default.",
            multiselect=True,
            allow_custom_value=True,
            elem_id="admin-models",
        )
        self._problems.add("models")
        self.judge = gr.Dropdown(
            [ITSELF],
            value="",
            label="Judge",
            info="Judges answers to open questions against their reference answers.",
            allow_custom_value=True,
            visible=False,
            elem_id="admin-judge",
        )
        self._problems.add("judge")
        with gr.Row():
            self.name = gr.Textbox(
                label="Name", placeholder="Default: sets and models", max_lines=1, scale=3, elem_id="admin-name"
            )
            self.limit = gr.Textbox(
                label="Limit per set",
                info="The first N questions of each set.",
                placeholder="all",
                max_lines=1,
                min_width=90,
                elem_id="admin-limit",
            )
        self._problems.add("limit")

    def _build_grid(self) -> None:
        self.budgets = gr.CheckboxGroup(
            [(f"{budget:,}", budget) for budget in BUDGET_CHIPS],
            value=list(DEFAULT_BUDGETS),
            label="Thinking budgets (tokens)",
            info="The model answers after each. One thinking pass, up to the largest budget, serves them all.",
            elem_id="admin-budgets",
            elem_classes="m1-chips",
        )
        self.own_budgets = gr.Textbox(
            label="Custom budgets",
            info="Additional budgets, separated by spaces.",
            placeholder="For example 100 300 3000",
            max_lines=1,
            elem_id="admin-own-budgets",
        )
        self._problems.add("budgets")
        self.rounds = gr.CheckboxGroup(
            list(range(MAX_FORCE_ROUNDS + 1)),
            value=[0],
            label="Force rounds",
            info="How often “Wait” is inserted when the model wants to stop thinking.",
            elem_id="admin-rounds",
            elem_classes="m1-chips",
        )
        self._problems.add("force_rounds")

    def _build_knobs(self) -> None:
        with gr.Row():
            self.passes = gr.Number(
                1,
                label="Passes",
                info="Repetitions with different seeds, at a temperature above 0.",
                precision=0,
                min_width=80,
                elem_id="admin-passes",
            )
            self.temperature = gr.Number(
                0,
                label="Temperature",
                info="0 always takes the likeliest token.",
                step=0.05,
                min_width=80,
                elem_id="admin-temperature",
            )
            self.seed = gr.Textbox(
                label="Seed",
                info="The same seed repeats a run.",
                placeholder="random",
                max_lines=1,
                min_width=80,
                elem_id="admin-seed",
            )
        self._problems.add("knobs")

    def _build_turn(self, has_ray: bool) -> None:
        with gr.Row():
            self.in_flight = gr.Textbox(
                label="In flight",
                info="Questions asked at the same time.",
                placeholder="default",
                max_lines=1,
                min_width=80,
                elem_id="admin-in-flight",
            )
            self.priority = gr.Number(
                0,
                label="Priority",
                info="Among queued jobs, the highest priority starts first.",
                precision=0,
                min_width=80,
                elem_id="admin-priority",
            )
            places = [("This machine", "local"), *([("Ray", "ray")] if has_ray else [])]
            self.executor = gr.Dropdown(
                places, value="local", label="Where", min_width=120, visible=has_ray, elem_id="admin-executor"
            )
        self._problems.add("turn")

    def _build_strategies(self) -> None:
        with gr.Row():
            self.strategies = gr.Dropdown(
                [(choice.title, choice.text) for choice in map(choose, _NAMES)],
                label="Strategies",
                info="Other ways to spend tokens, compared on the same questions. Choose some, or write your own, such "
                "as vote:k=4. They need a temperature above 0, and raise the passes to as many as they draw on.",
                multiselect=True,
                allow_custom_value=True,
                scale=5,
                elem_id="admin-strategies",
            )
            self.strategy_budget = gr.Textbox(
                label="Strategy budget",
                info="Maximum tokens per question for each strategy.",
                placeholder="all its passes",
                max_lines=1,
                min_width=120,
                elem_id="admin-strategy-budget",
            )
        self._problems.add("strategies")

    @property
    def inputs(self) -> list[Any]:
        """Components whose values `read` takes."""
        subject = [self.question_sets, self.models, self.judge, self.name, self.limit]
        grid = [self.budgets, self.own_budgets, self.rounds]
        return [
            *subject,
            *grid,
            self.passes,
            self.temperature,
            self.seed,
            self.in_flight,
            self.asks_probabilities,
            self.strategies,
            self.strategy_budget,
            *self.advanced.inputs,
        ]

    @property
    def turn(self) -> list[gr.components.Component]:
        """Components whose values `read_turn` takes."""
        return [self.priority, self.executor]

    @property
    def problems(self) -> list[gr.components.Component]:
        """Where problems are shown."""
        return self._problems.components

    def read(self, values: Sequence[Any]) -> BenchmarkRecipe:
        """Return the form's recipe; raises ProbeRefused, whose field names the problem."""
        sets, models, judge, name, limit, budgets, own, rounds, *settings = values
        passes, temperature, seed, in_flight, asks_probabilities, strategies, strategy_budget, *rest = settings
        try:
            recipe = BenchmarkRecipe(
                name=(name or "").strip(),
                question_sets=tuple(sets or ()),
                models=tuple(models or ()),
                judge=(judge or "").strip(),
                budgets=(*map(int, budgets or ()), *read_budgets(own)),
                force_rounds=tuple(map(int, rounds or ())),
                passes=read_whole(passes, "passes", "Passes", 1, MAX_PASSES),
                **self.advanced.read(temperature, seed, rest),
                limit=_read_number(limit, "limit", "Limit per set"),
                in_flight=_read_number(in_flight, "in_flight", "In flight") or 0,
                asks_probabilities=bool(asks_probabilities),
                strategies=tuple(strategies or ()),
                strategy_budget_tokens=_read_number(strategy_budget, "strategy_budget", "Strategy budget"),
            )
        except ValidationError as exc:
            raise _refusal(exc) from exc
        return recipe.checked()

    def read_turn(self, priority: Any, executor: Any) -> tuple[int, str]:
        """Return priority and executor; raises ProbeRefused for an invalid priority."""
        number = read_whole(priority or 0, "priority", "Priority", -MAX_PRIORITY, MAX_PRIORITY)
        return number, str(executor or "local")

    def fill_with(self, recipe: BenchmarkRecipe) -> Updates:
        """Fill the form with a recipe."""
        return {
            self.question_sets: list(recipe.question_sets),
            self.models: list(recipe.models),
            self.judge: recipe.judge,
            self.name: recipe.name,
            self.limit: "" if recipe.limit is None else str(recipe.limit),
            self.budgets: [budget for budget in recipe.budgets if budget in BUDGET_CHIPS],
            self.own_budgets: " ".join(str(budget) for budget in recipe.budgets if budget not in BUDGET_CHIPS),
            self.rounds: list(recipe.force_rounds),
            self.passes: recipe.passes,
            self.temperature: recipe.temperature,
            self.seed: "" if recipe.seed is None else str(recipe.seed),
            self.in_flight: str(recipe.in_flight) if recipe.in_flight else "",
            self.asks_probabilities: recipe.asks_probabilities,
            self.strategies: list(recipe.strategies),
            self.strategy_budget: "" if recipe.strategy_budget_tokens is None else str(recipe.strategy_budget_tokens),
            self.advanced.top_p: recipe.top_p,
            self.advanced.answer_cap: recipe.answer_cap_tokens,
            self.advanced.profile: recipe.profile,
            self.advanced.system_prompt: recipe.system_prompt or "",
        }

    def offer_judge(self, served: Sequence[str], *, has_open_questions: bool) -> Updates:
        """Offer a judge where there is something to judge.

        Args:
            served: names of models.
            has_open_questions: whether the chosen sets have any.
        """
        if not has_open_questions:
            return {self.judge: gr.update(visible=False, value="")}
        return {self.judge: gr.update(visible=True, choices=[ITSELF, *((name, name) for name in served)])}

    def show_problem(self, error: Exception | None, message: str = "") -> Updates:
        """Show a problem at its field and clear all others.

        Args:
            error: names the field, if it is one of the form's; None clears all.
            message: what is shown.
        """
        place = place_of(error.field) if isinstance(error, ProbeRefused) else ""
        return self._problems.show(place, message)

    def place_id(self, error: Exception) -> str:
        """Id of the element at the field that an error names; empty if it names none."""
        return self._problems.element_of(place_of(error.field)) if isinstance(error, ProbeRefused) else ""


def place_of(field: str) -> str:
    """Where a field's problem is shown; empty for a field that is not in the form."""
    return next((place for place, fields in _PLACES.items() if field in fields), "")


def _read_number(text: str | None, field: str, name: str) -> int | None:
    """Parse the whole number in a box, None if empty; raises BenchmarkRefused for anything else."""
    written = (text or "").strip()
    if not written:
        return None
    if not re.fullmatch(r"[0-9]{1,9}", written):
        raise BenchmarkRefused(field, f"{name} is {written[:40]!r}; enter a whole number, or leave it empty.")
    return int(written)


def _refusal(error: ValidationError) -> BenchmarkRefused:
    """The first problem with values of the wrong type, which a box can contain."""
    first = error.errors()[0]
    field = str(first["loc"][0]) if first["loc"] else ""
    name = field.replace("_", " ").capitalize() or "A field"
    found = "empty" if first["input"] is None else repr(first["input"])
    return BenchmarkRefused(field, f"{name} is {found}; enter a number.")
