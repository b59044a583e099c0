"""The validated request for a benchmark run, and the equivalent command line."""

import shlex
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from m1app.benchmark.errors import BenchmarkRefused
from m1app.benchmark.strategy_plan import default_budget, of_one_pass, passes_needed, refusal
from m1app.question.answers.scoring import STRICT_VERSION
from m1app.runs.errors import ProbeRefused
from m1app.runs.probe_request import MAX_TOKENS, check_whole, sampling_of
from m1app.runs.strategy_request import StrategySettings, check_strategy_settings
from m1app.runs.sweep_request import MAX_PASSES, SweepSettings, check_settings
from m1app.strategies.catalogue import Choice, parse
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.protocol import Task
from m1app.wording import counted
from storage.benchmarks.records import BenchmarkRun, NewBenchmarkRun

DEFAULT_BUDGETS = (128, 256, 512, 1024, 2048)
MAX_IN_FLIGHT = 1024
MAX_LIMIT = 1_000_000


class BenchmarkRecipe(BaseModel):
    """Question sets, models and a grid; settings shared with a sweep mean the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = ""
    """Empty derives the name from sets and models."""
    question_sets: tuple[str, ...]
    """Names of the sets."""
    models: tuple[str, ...] = ()
    """Served models; empty uses the engine's default."""
    budgets: tuple[int, ...] = DEFAULT_BUDGETS
    force_rounds: tuple[int, ...] = (0,)
    passes: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    answer_cap_tokens: int = 256
    system_prompt: str | None = None
    asks_probabilities: bool = True
    profile: str = ""
    limit: int | None = None
    """Most questions per set; None takes all."""
    in_flight: int = 0
    """Questions asked concurrently; 0 uses the engine's capacity."""
    strategies: tuple[str, ...] = ()
    """Strategies that every question is answered by too, written as in `catalogue.parse`: "vote:k=8"."""
    strategy_budget_tokens: int | None = None
    """Most tokens that each strategy may generate for a question; None lets each ask all its passes."""
    judge: str = ""
    """The served model that judges answers to open questions; empty for the model that answers."""

    @property
    def choices(self) -> tuple[Choice, ...]:
        """The strategies; raises StrategyRefused for one that does not exist."""
        return parse(",".join(self.strategies)) if self.strategies else ()

    @property
    def strategy_tokens(self) -> int | None:
        """Most tokens that each strategy of a checked recipe may generate for a question; None without strategies."""
        if not self.strategies:
            return None
        derived = default_budget(self.choices, max(self.budgets), self.answer_cap_tokens)
        return self.strategy_budget_tokens or min(derived, MAX_TOKENS)

    def command_line(self) -> str:
        """The command line that plans and runs the same benchmark."""
        words = ["python", "-m", "m1app", "bench"]
        words += _repeated("--questions", self.question_sets)
        words += ["--budgets", _listed(self.budgets), "--force-rounds", _listed(self.force_rounds)]
        words += _repeated("--model", self.models)
        defaults = BenchmarkRecipe(question_sets=self.question_sets)
        words += ["--strategies", ",".join(self.strategies)] if self.strategies else []
        words += [] if self.asks_probabilities else ["--no-option-probabilities"]
        for option, field in _OPTIONS:
            value = getattr(self, field)
            if value != getattr(defaults, field):
                words += [option, str(value)]
        return shlex.join(words)

    def sweep(self, model: str = "") -> SweepSettings:
        """Sweep settings for each question."""
        return SweepSettings(
            models=(model,) if model else (),
            profile=self.profile,
            budgets=self.budgets,
            force_rounds=self.force_rounds,
            passes=self.passes,
            **sampling_of(self),
        )

    def of_strategies(self, choices: Iterable[str], model: str = "", seed: int | None = None) -> StrategySettings:
        """Settings of a run of strategies for each question.

        Args:
            choices: some of the strategies.
            model: the model that answers; empty for the engine's default.
            seed: of the first pass; None draws one.
        """
        return StrategySettings(
            choices=tuple(choices),
            model=model,
            profile=self.profile,
            budget_tokens=self.strategy_tokens or 1,
            thinking_tokens=max(self.budgets),
            **sampling_of(self) | {"seed": seed},
        )

    def checked(self) -> "BenchmarkRecipe":
        """Return the validated recipe, with its grid sorted and deduplicated.

        Strategies raise the passes to as many as they draw on.

        Raises:
            BenchmarkRefused: a field is out of range; `field` names it.
        """
        if not self.question_sets:
            raise BenchmarkRefused("question_sets", "No question set chosen; choose at least one.")
        for field in ("name", "profile", "question_sets", "models", "judge"):
            _check_text(field, getattr(self, field))
        try:
            changed = self._with_passes_of_strategies()
            sweep = check_settings(changed.sweep())
            changed._check_strategies()
            check_whole(self.in_flight, "in_flight", "Questions in flight", 0, MAX_IN_FLIGHT, "(0 lets the app choose)")
            if self.limit is not None:
                check_whole(self.limit, "limit", "The limit", 1, MAX_LIMIT, "questions per set")
        except ProbeRefused as exc:
            raise BenchmarkRefused(exc.field, str(exc)) from exc
        return changed.model_copy(
            update={
                "budgets": sweep.budgets,
                "force_rounds": sweep.force_rounds,
                "question_sets": tuple(dict.fromkeys(self.question_sets)),
                "models": tuple(dict.fromkeys(self.models)),
                "name": self.name.strip(),
            }
        )

    def _with_passes_of_strategies(self) -> "BenchmarkRecipe":
        if not self.strategies:
            return self.model_copy(update={"strategy_budget_tokens": None})
        if self.temperature == 0:
            raise BenchmarkRefused(
                "temperature",
                "Strategies choose among different passes, but at temperature 0 all passes are identical. Choose a "
                "temperature above 0, such as 0.6.",
            )
        try:
            choices = self.choices
        except StrategyRefused as exc:
            raise BenchmarkRefused("strategies", str(exc)) from exc
        needed = passes_needed(choices)
        if needed > MAX_PASSES:
            longest = max((each for each in choices if each.kind.from_run), key=lambda each: each.passes)
            raise BenchmarkRefused(
                "strategies",
                f"{longest.text} draws on {needed:,} passes of a question, and a run samples at most {MAX_PASSES}. "
                f"Choose at most {MAX_PASSES}.",
            )
        written = tuple(each.text for each in choices)
        return self.model_copy(update={"strategies": written, "passes": max(self.passes, needed)})

    def _check_strategies(self) -> None:
        """Refuse what no strategy of the run could be asked with; the grid is valid."""
        if not self.strategies:
            return
        for choice in self.choices:
            if choice.force_rounds not in self.force_rounds:
                rounds = choice.force_rounds
                how = f"with {counted(rounds, 'forced round')}" if rounds else "without forced rounds"
                why = f"{choice.text} draws on passes {how}; add {rounds} to the force rounds."
                raise BenchmarkRefused("force_rounds", why)
        if not self.asks_probabilities:
            raise BenchmarkRefused(
                "strategies",
                "Strategies need the probabilities of the options, which also break ties; turn them on.",
            )
        if self.strategy_budget_tokens is not None:
            check_whole(self.strategy_budget_tokens, "strategy_budget", "The budget", 1, MAX_TOKENS, "tokens")
        least = max(of_one_pass(each, max(self.budgets), self.answer_cap_tokens) for each in self.choices)
        if (self.strategy_tokens or 0) < least:
            raise BenchmarkRefused(
                "strategy_budget",
                f"A budget of {self.strategy_tokens:,} tokens is too small for one pass of {max(self.budgets):,} "
                f"thinking tokens and its answer. Allow at least {least:,}, or choose smaller thinking budgets.",
            )
        settings = self.of_strategies(self.strategies, seed=self.seed)
        check_strategy_settings(settings)
        sample = Task(
            stem="",
            options=dict.fromkeys("AB", ""),
            prompt="",
            budget_tokens=settings.budget_tokens,
            answer_cap_tokens=settings.answer_cap_tokens,
            thinking_tokens=settings.thinking_tokens,
        )
        if why := refusal(self.choices, sample):
            raise BenchmarkRefused("strategy_budget", why)

    def new_run(self, models: tuple[str, ...], seed: int | None) -> NewBenchmarkRun:
        """Return the run to store, with the resolved models and seed."""
        values = self.model_dump() | {"models": models, "seed": seed}
        values["strategy_budget_tokens"] = self.strategy_tokens
        values["strict_version"] = STRICT_VERSION
        values["name"] = self.name or f"{', '.join(self.question_sets)}: {', '.join(models)}"
        return NewBenchmarkRun(**values)


_OPTIONS = (
    ("--name", "name"),
    ("--limit", "limit"),
    ("--passes", "passes"),
    ("--temperature", "temperature"),
    ("--top-p", "top_p"),
    ("--seed", "seed"),
    ("--answer-cap", "answer_cap_tokens"),
    ("--system-prompt", "system_prompt"),
    ("--profile", "profile"),
    ("--in-flight", "in_flight"),
    ("--strategy-budget", "strategy_budget_tokens"),
    ("--judge", "judge"),
)


def _check_text(field: str, given: str | tuple[str, ...]) -> None:
    """Reject names that no file or database could hold; a command's arguments may have them."""
    for text in (given,) if isinstance(given, str) else given:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BenchmarkRefused(field, f"{text[:40]!r} is not valid UTF-8 text; enter another name.") from None


def recipe_of(run: BenchmarkRun) -> BenchmarkRecipe:
    """Return the recipe that reproduces a run, with the same seed."""
    return BenchmarkRecipe(**{name: getattr(run, name) for name in BenchmarkRecipe.model_fields})


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def _repeated(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
