"""The validated request for a benchmark run, and the equivalent command line."""

import shlex
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from m1app.benchmark.errors import BenchmarkRefused
from m1app.question.answers.scoring import STRICT_VERSION
from m1app.runs.errors import ProbeRefused
from m1app.runs.probe_request import check_whole, sampling_of
from m1app.runs.sweep_request import SweepSettings, check_settings
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

    def command_line(self) -> str:
        """The command line that plans and runs the same benchmark."""
        words = ["python", "-m", "m1app", "bench"]
        words += _repeated("--questions", self.question_sets)
        words += ["--budgets", _listed(self.budgets), "--force-rounds", _listed(self.force_rounds)]
        words += _repeated("--model", self.models)
        defaults = BenchmarkRecipe(question_sets=self.question_sets)
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

    def checked(self) -> "BenchmarkRecipe":
        """Return the validated recipe, with its grid sorted and deduplicated.

        Raises:
            BenchmarkRefused: a field is out of range; `field` names it.
        """
        if not self.question_sets:
            raise BenchmarkRefused("question_sets", "No question set chosen; choose at least one.")
        for field in ("name", "profile", "question_sets", "models"):
            _check_text(field, getattr(self, field))
        try:
            sweep = check_settings(self.sweep())
            check_whole(self.in_flight, "in_flight", "Questions in flight", 0, MAX_IN_FLIGHT, "(0 lets the app choose)")
            if self.limit is not None:
                check_whole(self.limit, "limit", "The limit", 1, MAX_LIMIT, "questions per set")
        except ProbeRefused as exc:
            raise BenchmarkRefused(exc.field, str(exc)) from exc
        return self.model_copy(
            update={
                "budgets": sweep.budgets,
                "force_rounds": sweep.force_rounds,
                "question_sets": tuple(dict.fromkeys(self.question_sets)),
                "models": tuple(dict.fromkeys(self.models)),
                "name": self.name.strip(),
            }
        )

    def new_run(self, models: tuple[str, ...], seed: int | None) -> NewBenchmarkRun:
        """Return the run to store, with the resolved models and seed."""
        values = self.model_dump() | {"models": models, "seed": seed}
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
)


def _check_text(field: str, given: str | tuple[str, ...]) -> None:
    """Reject names that no file or database could hold; a command's arguments may have them."""
    for text in (given,) if isinstance(given, str) else given:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise BenchmarkRefused(field, f"{text[:40]!r} is not text in UTF-8; enter another name.") from None


def recipe_of(run: BenchmarkRun) -> BenchmarkRecipe:
    """Return the recipe that reproduces a run, with the same seed."""
    return BenchmarkRecipe(**{name: getattr(run, name) for name in BenchmarkRecipe.model_fields})


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))


def _repeated(option: str, values: Iterable[str]) -> list[str]:
    return [word for value in values for word in (option, value)]
