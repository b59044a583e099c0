"""The validated request for a job that asks a model about samples, and the equivalent command line."""

import shlex
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from m1app.training.data_sets import check_name, parse_reference
from m1app.training.errors import DataJobRefused, DataSetNotFound, DataSetRefused

QUESTIONS = "questions:"
"""Begins a source that is a question set: "questions:MedQA"."""
MAX_SAMPLES = 200_000


class DataAction(StrEnum):
    """What a model is asked for."""

    TAG = "tag"
    """The domain of each question."""
    DISTILL = "distill"
    """A reasoning and an answer to each question."""


class DataJobRecipe(BaseModel):
    """What to ask about which samples."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    action: DataAction
    source: Annotated[str, Field(min_length=1, max_length=300)]
    """A version of a data set, "NAME:vN", or a question set, "questions:SET"."""
    model: Annotated[str, Field(max_length=300)] = ""
    """A served model; empty for the app's own."""
    name: Annotated[str, Field(max_length=64)] = ""
    """Of the data set to make when distilling; tags make the next version of their source, or become the questions'."""
    thinking_tokens: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] = 4_096
    """Most tokens of a distilled reasoning."""
    answer_tokens: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 1_024
    """Most tokens of a distilled answer."""
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] = 0
    limit: Annotated[int, Field(strict=True, ge=1, le=MAX_SAMPLES)] | None = None
    """The first so many samples; None for all."""

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if self.action is DataAction.DISTILL and not self.name:
            raise ValueError("a name for the new data set is missing")
        return self

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """Read a recipe; raises DataJobRefused."""
        try:
            recipe = cls.model_validate(dict(value))
            if recipe.name:
                check_name(recipe.name)
            if not recipe.source.startswith(QUESTIONS):
                parse_reference(recipe.source)
        except ValidationError as exc:
            wrong = exc.errors()[0]
            place = ".".join(map(str, wrong["loc"])) or "request"
            said = wrong["msg"].removeprefix("Value error, ")
            raise DataJobRefused(f"The job cannot be started: {place}: {said}.") from exc
        except (DataSetNotFound, DataSetRefused) as exc:
            raise DataJobRefused(str(exc)) from exc
        return recipe

    @property
    def job_name(self) -> str:
        """Of the job."""
        if self.action is DataAction.TAG:
            return f"Domains of {self.source}"
        return f"{self.name}, distilled from {self.source}"

    def command_line(self) -> str:
        """The command that does the same."""
        words = ["python", "-m", "m1app", "dataset", self.action.value, self.source]
        words += ["--model", self.model] if self.model else []
        if self.action is DataAction.DISTILL:
            words += ["--name", self.name, "--thinking", str(self.thinking_tokens), "--answer", str(self.answer_tokens)]
            words += ["--temperature", f"{self.temperature:g}"] if self.temperature else []
        words += ["--seed", str(self.seed)] if self.seed else []
        words += ["--limit", str(self.limit)] if self.limit else []
        return shlex.join(words)
