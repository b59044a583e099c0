"""The user's request to run strategies on a question, and checks made before any token is generated."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from m1app.question.question_text import validate_question
from m1app.runs.errors import ProbeRefused
from m1app.runs.probe_request import (
    MAX_FORCE_ROUNDS,
    MAX_SEED,
    MAX_TOKENS,
    ProbeRequest,
    Sampling,
    check_sampling,
    check_whole,
    sampling_of,
)
from m1app.strategies.catalogue import Choice, no_sets, parse
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.protocol import Task
from m1app.targets import has_several
from storage.strategies.records import StrategyRun

DEFAULT_BUDGET_TOKENS = 2_048
DEFAULT_TEMPERATURE = 0.6
MAX_STRATEGIES = 24
_MOST_SEEDS = 10_000
"""Seeds that a strategy may count on from the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategySettings(Sampling):
    """What strategies are run with, without the question."""

    choices: tuple[str, ...] = ()
    """As they are written, such as "vote:k=8"."""
    model: str = ""
    profile: str = ""
    budget_tokens: int = DEFAULT_BUDGET_TOKENS
    """Most tokens that each strategy may generate."""
    thinking_tokens: int | None = None
    """Thinking budget of each pass; None shares the budget among a strategy's passes."""
    force_rounds: int = 0
    temperature: float = DEFAULT_TEMPERATURE
    answer_cap_tokens: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyRunRequest(StrategySettings):
    """One question and the strategies to run on it."""

    stem: str
    options: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    source: str = "typed"
    title: str = ""

    @property
    def probe(self) -> ProbeRequest:
        """The question as a probe asks it, with the smallest thinking budget."""
        return ProbeRequest(
            stem=self.stem,
            options=self.options,
            target=self.target,
            model=self.model,
            profile=self.profile,
            thinking_budget_tokens=self.thinking_tokens or 1,
            force_rounds=self.force_rounds,
            **sampling_of(self),
            source=self.source,
            title=self.title,
        )

    def task(self, prompt: str, seed: int, most_thinking_tokens: int) -> Task:
        """What each strategy is given.

        Args:
            prompt: the question as the model is asked it.
            seed: of the first pass.
            most_thinking_tokens: that fit the model's context.
        """
        return Task(
            stem=self.stem,
            options=dict(self.options),
            prompt=prompt,
            budget_tokens=self.budget_tokens,
            answer_cap_tokens=self.answer_cap_tokens,
            thinking_tokens=self.thinking_tokens,
            force_rounds=self.force_rounds,
            temperature=self.temperature,
            seed=seed,
            most_thinking_tokens=most_thinking_tokens,
            are_several=has_several(self.target),
        )


def request_of_run(run: StrategyRun) -> StrategyRunRequest:
    """Return the request that reproduces a run, with the same seeds and wording."""
    return StrategyRunRequest(
        choices=run.choices,
        model=run.model,
        profile=run.profile,
        budget_tokens=run.budget_tokens,
        thinking_tokens=run.thinking_tokens,
        force_rounds=run.force_rounds,
        **sampling_of(run),
        stem=run.question.stem,
        options=dict(run.question.options),
        target=run.question.target,
        source=run.question.source,
        title=run.question.title,
    )


def check_strategies(request: StrategyRunRequest) -> tuple[Choice, ...]:
    """Return the strategies of a valid request.

    Raises:
        InvalidQuestion: the question, its options or its target are not usable.
        ProbeRefused: a setting is out of range, or a strategy cannot answer such a question; `field` names it.
    """
    validate_question(request.stem, dict(request.options), request.target)
    choices = check_strategy_settings(request)
    if has_several(request.target) and (why := no_sets(choices)):
        raise ProbeRefused("strategies", why)
    return choices


def check_strategy_settings(settings: StrategySettings) -> tuple[Choice, ...]:
    """Return the strategies of valid settings; raises ProbeRefused naming the field."""
    check_whole(settings.budget_tokens, "budget", "Token budget", 1, MAX_TOKENS, "tokens")
    if settings.thinking_tokens is not None:
        check_whole(settings.thinking_tokens, "thinking_budget", "Thinking budget", 1, MAX_TOKENS, "tokens")
    check_whole(settings.force_rounds, "force_rounds", "Force rounds", 0, MAX_FORCE_ROUNDS, "rounds")
    check_sampling(settings)
    if settings.seed is not None and settings.seed > MAX_SEED - _MOST_SEEDS:
        raise ProbeRefused("seed", f"Seed {settings.seed:,} leaves no room for further passes; choose a smaller one.")
    if settings.temperature == 0:
        raise ProbeRefused(
            "temperature",
            "At temperature 0, all passes of a strategy would be identical. Choose a temperature above 0.",
        )
    if not settings.choices:
        raise ProbeRefused("strategies", "Choose at least one strategy.")
    try:
        choices = parse(",".join(settings.choices))
    except StrategyRefused as exc:
        raise ProbeRefused("strategies", str(exc)) from exc
    if len(choices) > MAX_STRATEGIES:
        raise ProbeRefused("strategies", f"{len(choices)} strategies were chosen; choose at most {MAX_STRATEGIES}.")
    return choices
