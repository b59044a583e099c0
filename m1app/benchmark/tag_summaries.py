"""Accuracy of a run by tag."""

from collections.abc import Sequence
from dataclasses import dataclass

from m1app.benchmark.intervals import Proportion, wilson
from storage.benchmarks.records import TagCount


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFilter:
    """Which results to count by tag."""

    model: str = ""
    """Empty takes the run's first."""
    question_set: str = ""
    """Empty takes all sets."""
    force_rounds: int | None = None
    """None takes the run's least."""
    text: str = ""
    """Part of a tag, ignoring case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagSummary:
    """Accuracy on the questions with one tag."""

    tag: str
    """Empty for the questions without a tag."""
    questions: int
    accuracies: tuple[Proportion, ...]
    """At each budget of the run. The interval is Wilson's; for several passes, at the effective number of questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPage:
    """Some tags of a run, those of the most questions first."""

    model: str
    force_rounds: int
    budgets: tuple[int, ...]
    tags: tuple[TagSummary, ...]
    total: int
    """Number of matching tags."""
    is_imported: bool = False
    """Whether the answers come from files."""

    @property
    def label(self) -> str:
        """The model, marked if the run was imported."""
        return f"{self.model} (imported)" if self.is_imported else self.model


def tag_summary(count: TagCount) -> TagSummary:
    """The accuracies of a tag from its counts."""
    return TagSummary(
        tag=count.tag, questions=count.questions, accuracies=tuple(_tag_accuracy(each) for each in count.right)
    )


def _tag_accuracy(right: Sequence[int]) -> Proportion:
    if len(right) == 2:
        return wilson(right[1], sum(right))
    from m1app.benchmark.statistics import clustered_wilson

    return clustered_wilson(right)
