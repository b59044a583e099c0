"""Policies: which strategy to use for a question, by the entropy of a pilot pass. A JSON file that people exchange.

`compute_optimal` makes them from stored passes. A file comes from outside: it is bounded and checked, and names only
strategies of this app. Pure.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from m1app.strategies.catalogue import parse
from m1app.strategies.errors import PolicyRefused, StrategyRefused
from m1app.strategies.kinds import BY_POLICY
from m1app.strategies.protocol import Chosen, most_generated
from m1app.wording import percent_with_interval

MOST_BINS = 16
MOST_BYTES = 64_000
"""Of a policy's file."""
_MOST_TOKENS = 1_000_000
_MOST_ERRORS_NAMED = 3

Share = Annotated[float, Field(ge=0, le=1)]
Tokens = Annotated[int, Field(ge=1, le=_MOST_TOKENS)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)


class Expected(_Checked):
    """An accuracy that may be expected of new questions of the kind, 0-1, with its 95% interval."""

    accuracy: Share
    low: Share
    high: Share


class Bin(_Checked):
    """Questions of like difficulty, and what to do with them."""

    below_bits: Annotated[float, Field(ge=0, le=64)] | None
    """Upper border of the entropy, not included; None for the last bin."""
    choice: Annotated[str, Field(min_length=1, max_length=200)]
    """A strategy as it is written: "vote:k=4"."""
    thinking_tokens: Tokens
    """Thinking budget of each of its passes."""
    mean_tokens: Annotated[float, Field(ge=0, le=_MOST_TOKENS)]
    """What it generates for the mean question, the pilot included."""
    expected: Expected
    questions: Count
    """Of the run, in this bin."""


class Policy(_Checked):
    """Which strategy to use for a question; implements `protocol.Chooser`."""

    version: Literal[1] = 1
    model: Annotated[str, Field(max_length=400)] = ""
    """The app's name for the model that it was made for; empty if that is not known. Another's entropies mean something
    else."""
    made_from: Annotated[str, Field(min_length=1, max_length=200)]
    """The run whose passes it was chosen from, for people."""
    questions: Count
    """Of that run."""
    pilot_tokens: Tokens
    """Thinking budget of the pilot pass, or passes."""
    pilot_passes: Annotated[int, Field(ge=1, le=128)] = 1
    budget_tokens: Tokens
    """Tokens for the mean question that it was chosen within."""
    expected: Expected
    """Of all questions: chosen on one half of them, evaluated on the other, many times."""
    bins: Annotated[tuple[Bin, ...], Field(min_length=1, max_length=MOST_BINS)]
    """By entropy, ascending."""

    @model_validator(mode="after")
    def _check_bins(self) -> Self:
        borders = [each.below_bits for each in self.bins]
        inner = [each for each in borders[:-1] if each is not None]
        if borders[-1] is not None or len(inner) < len(borders) - 1:
            raise ValueError("all bins but the last need an upper border, and the last has none")
        if any(after <= before for before, after in pairwise(inner)):
            raise ValueError("the borders of the bins have to ascend")
        for each in self.bins:
            try:
                choices = parse(each.choice)
            except StrategyRefused as exc:
                raise ValueError(str(exc)) from exc
            if len(choices) > 1:
                raise ValueError(f"{each.choice!r} names more than one strategy")
            if choices[0].kind.name == BY_POLICY:
                raise ValueError("a policy cannot choose a policy")
        return self

    @classmethod
    def from_json(cls, content: bytes) -> Self:
        """Read a file; raises PolicyRefused naming what is wrong with it."""
        if len(content) > MOST_BYTES:
            raise PolicyRefused(f"The policy has {len(content):,} bytes; a policy has at most {MOST_BYTES:,}.")
        try:
            return cls.model_validate_json(content)
        except ValidationError as exc:
            raise PolicyRefused(f"This policy cannot be used. {_named(exc)}") from exc

    def to_json(self) -> bytes:
        """The file."""
        return self.model_dump_json(indent=2).encode() + b"\n"

    def choose(self, entropy: float) -> Chosen:
        """The strategy for a question.

        Args:
            entropy: of the pilot, in bits, see `estimators.entropy_of`.

        Raises:
            ValueError: it is no entropy.
        """
        if not (math.isfinite(entropy) and entropy >= 0):
            raise ValueError(f"{entropy} is no entropy")
        place = next(i for i, each in enumerate(self.bins) if each.below_bits is None or entropy < each.below_bits)
        found = self.bins[place]
        (strategy,) = parse(found.choice)
        expected = percent_with_interval(found.expected.accuracy, found.expected.low, found.expected.high)
        why = (
            f"Pilot entropy {entropy:.2f} bits: {self._range(place)}, so {strategy.title} with "
            f"{found.thinking_tokens:,} thinking tokens per pass; expected accuracy {expected} from {self.made_from}, "
            f"{found.questions:,} questions."
        )
        return Chosen(found.choice, found.thinking_tokens, why)

    def _range(self, place: int) -> str:
        low = self.bins[place - 1].below_bits if place else None
        high = self.bins[place].below_bits
        if low is None and high is None:
            return "all questions are treated alike"
        if low is None:
            return f"below {high:.2f}"
        return f"{low:.2f} or more" if high is None else f"between {low:.2f} and {high:.2f}"

    def most_tokens(self, answer_cap_tokens: int) -> int:
        """The most that it can cost: the pilot, and every pass of the most expensive bin.

        Args:
            answer_cap_tokens: of each pass.
        """
        pilot = self.pilot_passes * most_generated(thinking=self.pilot_tokens, answer=answer_cap_tokens, looks=1)
        return pilot + max(
            parse(each.choice)[0].passes
            * most_generated(thinking=each.thinking_tokens, answer=answer_cap_tokens, looks=1)
            for each in self.bins
        )


def _named(error: ValidationError) -> str:
    """The first things that are wrong, for people."""
    found = error.errors(include_url=False, include_input=False)
    lines = [_line(each["loc"], each["type"], each["msg"]) for each in found[:_MOST_ERRORS_NAMED]]
    more = f" And {len(found) - _MOST_ERRORS_NAMED:,} more." if len(found) > _MOST_ERRORS_NAMED else ""
    return " ".join(lines) + more


def _line(place: Sequence[object], kind: str, message: str) -> str:
    if place == ("version",):
        return "Its version is not 1, the version that this app reads."
    where = ".".join(str(part)[:60] for part in place)
    message = message.removeprefix("Value error, ")[:300].rstrip(".")
    if kind == "json_invalid":
        return "It is not JSON."
    return f"{where}: {message}." if where else f"{message[:1].upper()}{message[1:]}."
