"""Where an answer chooses options, and where it rejects them.

A claim is a mention that a statement, a label, a box or its place makes the answer. What is said of another case, by
others, earlier, or with a doubt makes none.
"""

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from m1app.question.answers.mention import Mention


class How(StrEnum):
    """The basis of an extracted letter, or of its absence."""

    BOXED = "boxed"
    FIELD = "field"
    """In a tag or a JSON field."""
    STATED = "stated"
    """Stated in a sentence or label: "the answer is C", "Answer: C", "option C is correct"."""
    MARKED = "marked"
    """In bold, by itself."""
    LINE = "line"
    """Alone: the entire answer, its first or last line, the end of its last sentence."""
    NAMED = "named"
    """The text of the only option that the answer names."""
    AMBIGUOUS = "ambiguous"
    """Several options, none of which corrects the others; or an option's text is another one's letter."""
    UNCLEAR_SET = "unclear_set"
    """Of a question with several right options: options are named, but not surely all that are meant."""
    UNSETTLED = "unsettled"
    """Only with a doubt, for another case, as what others say, or taken back."""
    NOT_AN_OPTION = "not_an_option"
    """A letter or a box that is not one of the options."""
    NO_ANSWER = "no_answer"
    OPEN_QUESTION = "open_question"
    """The question has no options."""


class Strength(IntEnum):
    """How firmly a claim chooses."""

    NAMED = 0
    ALONE = 1
    STATED = 2
    FINAL = 3


class Stance(StrEnum):
    """What is said of a mentioned option."""

    PLAIN = "plain"
    SOFT = "soft"
    """In some case; it counts unless another option is named for another case."""
    VOID = "void"
    """In another case, by others, earlier, or with a doubt."""
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Claim:
    """A place where the answer chooses options."""

    mention: Mention
    letters: frozenset[str]
    how: How
    strength: Strength
    rule: str
    first: int
    """The first token of the words it rests on."""
    end: int
    """The token after them."""
    is_final: bool = False
    """Replaces all before: "final answer"."""
    is_soft: bool = False
    is_hypothetical: bool = False
    """ "Would be": counts if no other option is claimed."""
    is_confirmed: bool = False
    """Rests on "is correct" alone, which chooses nothing where the question asks for what is false."""


@dataclass(slots=True)
class Claims:
    """What an answer says of options, in order."""

    chosen: list[Claim] = field(default_factory=list)
    rejected: list[Mention] = field(default_factory=list)
    void: list[Claim] = field(default_factory=list)
    """Would be claims, but for their case or a doubt."""
    listed: list[Claim] = field(default_factory=list)
    """Lines of a list of options: they count if nothing else does."""
    unread: Claim | None = None
    """The last box, tag or field that names no option."""
