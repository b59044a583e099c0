"""The validated request for a job of fact tests, and the equivalent command line."""

import shlex
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from m1app.fact_tests.design import LEAST_SEEDS, MOST_SEEDS
from m1app.fact_tests.errors import FactTestRefused
from m1app.wording import counted

MOST_FACTS = 1_000
"""Facts of one job."""
_Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-z]{1,64}$")]


class FactTestsRecipe(BaseModel):
    """Tests of the corrected facts of several annotations, one after the other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    annotations: Annotated[tuple[_Id, ...], Field(min_length=1, max_length=MOST_FACTS)]
    """Ids, in the order of the tests."""
    seeds: Annotated[int, Field(strict=True, ge=LEAST_SEEDS, le=MOST_SEEDS)] = LEAST_SEEDS
    """Of each arm."""
    has_prompt_arm: bool = True
    """Whether arm D is asked."""

    @classmethod
    def parse(cls, value: Mapping[str, Any]) -> Self:
        """Read a recipe; raises FactTestRefused."""
        try:
            return cls.model_validate(dict(value))
        except ValidationError as exc:
            first = exc.errors()[0]
            field = str(first["loc"][0]) if first["loc"] else "case"
            if field == "seeds":
                raise FactTestRefused(
                    "seeds", f"The number of seeds must be a whole number from {LEAST_SEEDS} to {MOST_SEEDS}."
                ) from exc
            raise FactTestRefused(
                "case", f"A job tests 1 to {MOST_FACTS:,} facts, named by the ids of their annotations."
            ) from exc

    @property
    def name(self) -> str:
        """Of the job."""
        return f"Fact tests of {counted(len(self.annotations), 'annotation')}"

    def command_line(self) -> str:
        """The command that does the same."""
        words = ["python", "-m", "m1app", "fact-test", *self.annotations, "--seeds", str(self.seeds)]
        return shlex.join(words if self.has_prompt_arm else [*words, "--no-prompt-arm"])
