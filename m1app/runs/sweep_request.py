"""What a person asks for in one sweep, and what is refused before any token is generated."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from m1app.runs.errors import SweepRefused
from m1app.runs.probe_request import MAX_FORCE_ROUNDS, MAX_SEED, ProbeRequest, check_request, check_whole
from models.thinking.sweep import Cell, grid
from storage.sweeps.records import Sweep

DEFAULT_BUDGETS = (64, 128, 256, 512)
DEFAULT_FORCE_ROUNDS = (0, 1, 2)
MAX_CELLS = 144
MAX_PASSES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepRequest:
    """One question, a grid and the knobs; fields that a probe has too mean the same."""

    stem: str
    options: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    models: tuple[str, ...] = ()
    """Served models, each swept at once; empty means the engine's default."""
    profile: str = ""
    budgets: tuple[int, ...] = DEFAULT_BUDGETS
    force_rounds: tuple[int, ...] = DEFAULT_FORCE_ROUNDS
    passes: int = 1
    """Sampled passes of each model, with seeds that count up; more than 1 needs a temperature above 0."""
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    answer_cap_tokens: int = 256
    system_prompt: str | None = None
    source: str = "typed"
    title: str = ""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The grid, by rounds and then budget."""
        return grid(self.budgets, self.force_rounds)

    def probe(self, model: str, number: int = 0) -> ProbeRequest:
        """The largest cell of one pass as a probe."""
        return ProbeRequest(
            stem=self.stem,
            options=self.options,
            target=self.target,
            model=model,
            profile=self.profile,
            thinking_budget_tokens=max(self.budgets),
            force_rounds=max(self.force_rounds),
            temperature=self.temperature,
            top_p=self.top_p,
            seed=None if self.seed is None else self.seed + number,
            answer_cap_tokens=self.answer_cap_tokens,
            system_prompt=self.system_prompt,
            source=self.source,
            title=self.title,
        )


def request_of_sweep(sweep: Sweep) -> SweepRequest:
    """The request that makes a sweep again, with the same seeds and wording."""
    return SweepRequest(
        stem=sweep.question.stem,
        options=dict(sweep.question.options),
        target=sweep.question.target,
        models=sweep.models,
        profile=sweep.profile,
        budgets=sweep.budgets,
        force_rounds=sweep.force_rounds,
        passes=sweep.passes,
        temperature=sweep.temperature,
        top_p=sweep.top_p,
        seed=sweep.seed,
        answer_cap_tokens=sweep.answer_cap_tokens,
        system_prompt=sweep.system_prompt,
        source=sweep.question.source,
        title=sweep.question.title,
    )


def check_sweep(request: SweepRequest) -> SweepRequest:
    """The request with its grid in order and without repetition.

    Raises:
        InvalidQuestion: the question, its options or its target are not usable.
        ProbeRefused, SweepRefused: a knob is out of its range.
    """
    if not request.budgets:
        raise SweepRefused("budgets", "No thinking budget is chosen; choose at least one.")
    if not request.force_rounds:
        raise SweepRefused("force_rounds", "No number of force rounds is chosen; choose at least one, such as 0.")
    for budget in request.budgets:
        check_whole(budget, "budgets", "A thinking budget", 1, None, "tokens")
    for rounds in request.force_rounds:
        check_whole(rounds, "force_rounds", "A number of force rounds", 0, MAX_FORCE_ROUNDS, "rounds")
    check_whole(request.passes, "passes", "Passes", 1, MAX_PASSES, "")
    if request.passes > 1 and request.temperature == 0:
        raise SweepRefused(
            "passes", f"{request.passes} passes at temperature 0 would all be equal; raise it, or choose 1 pass."
        )
    if request.seed is not None and request.seed + request.passes - 1 > MAX_SEED:
        raise SweepRefused("seed", f"Seed {request.seed:,} leaves no room for {request.passes} passes; choose less.")
    if len(request.cells) > MAX_CELLS:
        raise SweepRefused("budgets", f"The grid has {len(request.cells)} cells; choose at most {MAX_CELLS}.")
    check_request(request.probe(""))
    return replace(
        request,
        budgets=tuple(sorted(set(request.budgets))),
        force_rounds=tuple(sorted(set(request.force_rounds))),
        models=tuple(dict.fromkeys(request.models)),
    )
