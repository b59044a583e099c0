"""A fact test as pages and exports read it, running or over: each arm with its answers, texts and tokens. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from m1app.benchmark.intervals import Proportion, wilson
from m1app.fact_tests.design import COMPARED, TITLES, Arm
from m1app.fact_tests.verdict import FactVerdict, judge
from m1app.runs.strategy_snapshots import StrategyRunSnapshot, StrategySnapshot
from m1app.strategies.drivers.ledger import Costs
from m1app.targets import letters_of
from storage.fact_tests.records import FactTest
from storage.strategies.records import StrategyRequest

NAMING: Mapping[str, str] = {
    "letter": "The fact names the letter of the right option",
    "text": "The fact contains the text of the right option",
    "words": "The fact contains most words of the right option",
}


@dataclass(frozen=True, slots=True)
class Answered:
    """One seed of an arm."""

    seed: int
    """As the engine was given it."""
    state: str
    """"open", "answered" or "failed"."""
    letter: str | None
    is_right: bool
    error: str


@dataclass(frozen=True, slots=True)
class ArmReading:
    """One arm, as far as it has come."""

    arm: Arm
    seeds: tuple[Answered, ...]
    right: Proportion
    """Share of the answered seeds that are right, with its Wilson interval."""
    target_probability: float | None
    """Of the right option among the options, right after the insertion; None if it is not known."""
    costs: Costs
    inserted: str
    inserted_tokens: int

    @property
    def title(self) -> str:
        """For people."""
        return TITLES[self.arm]


@dataclass(frozen=True, slots=True)
class PrefixCache:
    """How much of what was sent the engine had computed before: the arms share their beginning."""

    prompt_tokens: int
    """Of all requests of which the engine said it."""
    cached_tokens: int

    @property
    def said(self) -> str:
        """For people."""
        if not self.prompt_tokens:
            return "How much of the prompts came from the prefix cache is not reported by this engine."
        share = self.cached_tokens / self.prompt_tokens
        return f"{self.cached_tokens:,} of {self.prompt_tokens:,} prompt tokens from the prefix cache ({share:.0%})."


@dataclass(frozen=True, slots=True)
class FactReading:
    """A test, as far as it has come."""

    arms: tuple[ArmReading, ...]
    verdict: FactVerdict
    """On the seeds that have been answered in A, B and C."""
    prefix_cache: PrefixCache

    def arm(self, arm: Arm) -> ArmReading:
        """One of its arms; A, B and C are in every test."""
        return next(each for each in self.arms if each.arm is arm)


def reading_of(test: FactTest, run: StrategyRunSnapshot) -> FactReading:
    """Read a test from what its run shows."""
    strategy = run.strategies[0]
    shown: Mapping[str, Any] = strategy.result.picture.get("arms", {})
    arms = tuple(_arm(Arm(arm), shown.get(arm, {}), test, run) for arm in test.insertions)
    compared = [next(each.seeds for each in arms if each.arm is arm) for arm in COMPARED]
    outcomes = [
        (nothing.is_right, fact.is_right, unrelated.is_right)
        for nothing, fact, unrelated in zip(*compared, strict=True)
        if all(each.state == "answered" for each in (nothing, fact, unrelated))
    ]
    requests = strategy.requests
    cache = PrefixCache(sum(each.prompt_reported for each in requests), sum(each.cached_reported for each in requests))
    return FactReading(arms, judge(outcomes), cache)


def _arm(arm: Arm, shown: Mapping[str, Any], test: FactTest, run: StrategyRunSnapshot) -> ArmReading:
    seeds = tuple(
        Answered(run.run.seed + number, each["state"], each["letter"], each["is_right"], each["error"])
        for number, each in enumerate(shown.get("seeds") or [_OPEN] * test.seeds)
    )
    answered = [each for each in seeds if each.state == "answered"]
    targets, looks = letters_of(run.run.question.target), shown.get("looks")
    insertion = test.insertions[arm.value]
    return ArmReading(
        arm,
        seeds,
        wilson(sum(each.is_right for each in answered), len(answered)),
        # Of several right options, it would be the chance to name one of them first.
        looks.get(targets[0]) if looks and len(targets) == 1 else None,
        _costs(_requests(run.strategies[0], arm)),
        insertion["text"],
        len(insertion["token_ids"]),
    )


_OPEN: Mapping[str, Any] = {"state": "open", "letter": None, "is_right": False, "error": ""}


def _requests(strategy: StrategySnapshot, arm: Arm) -> Iterator[StrategyRequest]:
    return (each for each in strategy.requests if each.key.startswith(f"{arm.value}/"))


def _costs(requests: Iterator[StrategyRequest]) -> Costs:
    kept = list(requests)
    return Costs(
        sum(each.generated for each in kept),
        sum(each.injected for each in kept),
        sum(each.prompt_new for each in kept),
        sum(each.prompt_cached for each in kept),
        sum(each.wasted for each in kept),
    )


@dataclass(frozen=True, slots=True)
class Texts:
    """What an arm wrote with one seed, so far."""

    arm: Arm
    thinking: str
    answer: str
    thinking_tokens: int
    answer_tokens: int


def texts_of(run: StrategyRunSnapshot, arms: Sequence[Arm], number: int) -> tuple[Texts, ...]:
    """What each arm wrote with the seed of this number, from 0."""
    strategy = run.strategies[0]
    latest = {each.key: each for each in strategy.requests}

    def of(key: str) -> tuple[str, int]:
        found = latest.get(key)
        if _has_text(found):
            return found.text, found.tokens
        return strategy.texts.get(key, ""), 0

    made = []
    for arm in arms:
        thinking, answer = of(f"{arm.value}/{number}"), of(f"{arm.value}/{number}/answer")
        made.append(Texts(arm, thinking[0], answer[0], thinking[1], answer[1]))
    return tuple(made)


def _has_text(request: StrategyRequest | None) -> TypeGuard[StrategyRequest]:
    return request is not None and bool(request.finish)
