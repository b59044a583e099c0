"""How verdicts of models agree with those of persons. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from storage.open_verdicts.records import Judgement


@dataclass(frozen=True, slots=True)
class VerdictAgreement:
    """Over all answers that a model and a person have judged by the same reference answer."""

    pairs: Mapping[tuple[Judgement, Judgement], int]
    """(model's, person's) verdict -> how often."""

    @property
    def total(self) -> int:
        """Pairs."""
        return sum(self.pairs.values())

    @property
    def agreed(self) -> int:
        """Pairs of equal verdicts."""
        return sum(count for (model, person), count in self.pairs.items() if model == person)

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa (1960) over the three verdicts; None without pairs, or if all verdicts are the same."""
        if not self.total:
            return None
        by_model, by_person = dict.fromkeys(Judgement, 0), dict.fromkeys(Judgement, 0)
        for (model, person), count in self.pairs.items():
            by_model[model] += count
            by_person[person] += count
        by_chance = sum(by_model[each] * by_person[each] for each in Judgement) / self.total**2
        return None if by_chance == 1 else (self.agreed / self.total - by_chance) / (1 - by_chance)
