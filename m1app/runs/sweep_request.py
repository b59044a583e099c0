"""The user's request for a sweep, and checks made before any token is generated."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

from m1app.question.question_text import validate_question
from m1app.runs.errors import SweepRefused
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
from models.thinking.sweep import Cell, grid
from storage.questions.records import Question
from storage.sweeps.records import Sweep

DEFAULT_BUDGETS = (64, 128, 256, 512)
DEFAULT_FORCE_ROUNDS = (0, 1, 2)
MAX_CELLS = 144
MAX_PASSES = 16
SettingsT = TypeVar("SettingsT", bound="SweepSettings")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings(Sampling):
    """A sweep without its question: grid, models and sampling."""

    models: tuple[str, ...] = ()
    """Served models, swept concurrently; empty uses the engine's default."""
    profile: str = ""
    budgets: tuple[int, ...] = DEFAULT_BUDGETS
    force_rounds: tuple[int, ...] = DEFAULT_FORCE_ROUNDS
    passes: int = 1
    """Sampled passes per model, with consecutive seeds; more than 1 requires a temperature above 0."""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The grid, by rounds and then budget."""
        return grid(self.budgets, self.force_rounds)

    def asking(self, question: Question) -> "SweepRequest":
        """Return the sweep of a stored question with these settings."""
        return SweepRequest(
            **{each.name: getattr(self, each.name) for each in fields(SweepSettings)},
            stem=question.stem,
            options=dict(question.options),
            target=question.target,
            source=question.source,
            title=question.title,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest(SweepSettings):
    """One question and its sweep settings; fields shared with a probe mean the same."""

    stem: str
    options: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    source: str = "typed"
    title: str = ""

    def probe(self, model: str, number: int = 0) -> ProbeRequest:
        """The largest cell of a pass, as a probe request."""
        return ProbeRequest(
            stem=self.stem,
            options=self.options,
            target=self.target,
            model=model,
            profile=self.profile,
            thinking_budget_tokens=max(self.budgets),
            force_rounds=max(self.force_rounds),
            **sampling_of(self) | {"seed": None if self.seed is None else self.seed + number},
            source=self.source,
            title=self.title,
        )


def request_of_sweep(sweep: Sweep) -> SweepRequest:
    """Return the request that reproduces a sweep, with the same seeds and wording."""
    return SweepSettings(**{each.name: getattr(sweep, each.name) for each in fields(SweepSettings)}).asking(
        sweep.question
    )


def check_sweep(request: SweepRequest) -> SweepRequest:
    """Return the validated request, with its grid sorted and deduplicated.

    Raises:
        InvalidQuestion: the question, its options or its target are not usable.
        ProbeRefused, SweepRefused: a setting is out of its range.
    """
    checked = check_settings(request)
    validate_question(request.stem, dict(request.options), request.target)
    return checked


def check_settings(settings: SettingsT) -> SettingsT:
    """Return the validated settings, with their grid sorted and deduplicated.

    Raises:
        ProbeRefused, SweepRefused: a setting is out of its range.
    """
    if not settings.budgets:
        raise SweepRefused("budgets", "No thinking budget chosen; choose at least one.")
    if not settings.force_rounds:
        raise SweepRefused("force_rounds", "No number of force rounds chosen; choose at least one, such as 0.")
    for budget in settings.budgets:
        check_whole(budget, "budgets", "A thinking budget", 1, MAX_TOKENS, "tokens")
    for rounds in settings.force_rounds:
        check_whole(rounds, "force_rounds", "A number of force rounds", 0, MAX_FORCE_ROUNDS, "rounds")
    _check_passes(settings)
    if len(settings.cells) > MAX_CELLS:
        raise SweepRefused("budgets", f"The grid has {len(settings.cells)} cells; choose at most {MAX_CELLS}.")
    check_sampling(settings)
    return replace(
        settings,
        budgets=tuple(sorted(set(settings.budgets))),
        force_rounds=tuple(sorted(set(settings.force_rounds))),
        models=tuple(dict.fromkeys(settings.models)),
    )


def _check_passes(settings: SweepSettings) -> None:
    passes, seed = settings.passes, settings.seed
    check_whole(passes, "passes", "Passes", 1, MAX_PASSES, "")
    if passes > 1 and settings.temperature == 0:
        raise SweepRefused(
            "passes", f"{passes} passes at temperature 0 would all be identical; raise it, or choose 1 pass."
        )
    if seed is not None and seed + passes - 1 > MAX_SEED:
        raise SweepRefused("seed", f"Seed {seed:,} leaves no room for {passes} passes; choose a smaller one.")
