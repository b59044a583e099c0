"""Corrections of questions that are evaluated here: left out as they are, since scores on them would show what was
memorised. What can be learned is the corrected fact alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m1app.training.curation_steps import SHOWN_EXAMPLES, StepReport, drop_overlap, shown
from m1app.training.samples import TrainingSample
from m1app.wording import counted


@dataclass(frozen=True, slots=True)
class EvaluatedCorrections:
    """Corrections whose question an evaluation set has, and what can be learned from them."""

    corrections: tuple[TrainingSample, ...]
    facts: tuple[TrainingSample, ...]
    """Of those whose correction replaces a marked text."""


def evaluated_corrections(
    corrected: Sequence[TrainingSample], facts: Sequence[TrainingSample], evaluation: Mapping[str, Sequence[str]]
) -> EvaluatedCorrections:
    """Find the corrections that the step overlap drops.

    Args:
        corrected: corrections as samples.
        facts: the fact of each alone, in the same order; without an answer where there is none.
        evaluation: as in `curate`.
    """
    kept = set(map(id, drop_overlap(corrected, evaluation).samples))
    dropped = [index for index, each in enumerate(corrected) if id(each) not in kept]
    return EvaluatedCorrections(
        tuple(corrected[index] for index in dropped), tuple(facts[index] for index in dropped if facts[index].answer)
    )


def evaluated_report(found: EvaluatedCorrections, samples: int, *, is_used: bool) -> StepReport:
    """What is said of them before the other steps.

    Args:
        found: the corrections.
        samples: samples before curation.
        is_used: whether their facts are among the samples.
    """
    count, facts = counted(len(found.corrections), "correction"), counted(len(found.facts), "corrected fact")
    advice = (
        f"{facts} of them teach without the question"
        if is_used
        else f"their {facts} can be learned without the question (facts alone), or half of a set (split it)"
    )
    return StepReport(
        "corrections",
        f"{count} on evaluation questions will be dropped as overlap; {advice}",
        samples,
        samples,
        tuple(shown(each.question) for each in found.corrections[:SHOWN_EXAMPLES]),
    )
