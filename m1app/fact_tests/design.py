"""What a fact test asks: the arms, what each inserts, and what all have in common. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from m1app.strategies.protocol import Beginning, Chat
from models.engine.protocol import TokenIds

LEAST_SEEDS, MOST_SEEDS = 5, 20


class Arm(StrEnum):
    """One way in which the thinking goes on after the cut."""

    NOTHING = "A"
    """Nothing is inserted."""
    FACT = "B"
    """The corrected fact is inserted."""
    UNRELATED = "C"
    """A true fact of about the same length, which has nothing to do with the question, is inserted."""
    PROMPT = "D"
    """The corrected fact is in the prompt; the thinking before the cut is the same."""
    WRONG = "E"
    """A wrong fact is inserted."""


COMPARED = (Arm.NOTHING, Arm.FACT, Arm.UNRELATED)
"""Arms that every test has: the verdict rests on them."""

TITLES: Mapping[Arm, str] = {
    Arm.NOTHING: "Nothing inserted",
    Arm.FACT: "The corrected fact",
    Arm.UNRELATED: "An unrelated true fact",
    Arm.PROMPT: "The fact in the prompt",
    Arm.WRONG: "A wrong fact",
}


@dataclass(frozen=True, slots=True)
class Insertion:
    """What an arm inserts after the cut."""

    text: str = ""
    """With the space that joins it to what comes before."""
    token_ids: TokenIds = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A fact test, ready to be asked: everything that needed an engine is known."""

    kept_ids: TokenIds = field(repr=False)
    """The thinking up to the cut."""
    text_before: str = field(repr=False)
    """The end of its text."""
    insertions: Mapping[Arm, Insertion]
    """Of each arm of the test, in order."""
    prompt: str = field(repr=False)
    """The user's turn of arm D: the question with the fact."""
    target: str
    seeds: int
    """Of each arm, 5 to 20; the same in all."""
    first_seed: int
    thinking_tokens: int
    """Most tokens that each arm may generate as thinking after its insertion, at least 1."""
    force_rounds: int
    """That are left after the cut."""
    temperature: float
    answer_cap_tokens: int

    @property
    def arms(self) -> tuple[Arm, ...]:
        """The arms of the test, in order."""
        return tuple(self.insertions)

    def beginning(self, arm: Arm) -> Beginning:
        """What the thinkings of an arm go on from."""
        insertion = self.insertions[arm]
        return Beginning(
            kept_ids=self.kept_ids,
            inserted_ids=insertion.token_ids,
            text=insertion.text or self.text_before,
            chat=Chat(self.prompt) if arm is Arm.PROMPT else None,
        )


def as_insertion(fact: str, text_before: str) -> str:
    """A fact as one or more whole sentences that follow a text, joined by a space where none is."""
    sentence = " ".join(fact.split())
    if sentence and sentence[-1] not in ".!?。！？":
        sentence += "."
    return sentence if not text_before or text_before[-1].isspace() else f" {sentence}"
