"""Whether the questions of a study were learned from: by its models that were fine-tuned here, or in data sets here.

Models from elsewhere cannot be checked, which is said. It takes at most `MOST_SECONDS`; what was not compared by then
is named.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from m1app.errors import AppError
from m1app.knowledge.set_overlap import SET_OVERLAPS
from m1app.question_sets.service import QuestionSetService
from m1app.studies.start_facts import TrainingCheck
from m1app.studies.study_file import StudyModel
from m1app.training.learned_questions import LearnedData, LearnedQuestions
from storage.question_sets.records import QuestionSet

MOST_SECONDS = 60.0
"""Of all comparisons of a study; whoever starts it waits."""


@dataclass(frozen=True, slots=True)
class PlayedRole:
    """A role, and what is known of the model that plays it."""

    role: StudyModel
    served: str
    model_id: str
    """In the catalog."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Something that is to be compared, or why it cannot be."""

    check: TrainingCheck
    data: LearnedData | None = None


class TrainingChecks:
    """Compares sets with what was learned from."""

    def __init__(
        self, question_sets: QuestionSetService, learned: LearnedQuestions, most_seconds: float = MOST_SECONDS
    ) -> None:
        self._question_sets = question_sets
        self._learned = learned
        self._most_seconds = most_seconds

    async def of(self, roles: Sequence[PlayedRole], sets: Mapping[str, QuestionSet]) -> tuple[TrainingCheck, ...]:
        """What the sets share with what the models have learned from, first, and with the data sets here.

        Args:
            roles: those that are played.
            sets: by the study's names.
        """
        until = time.monotonic() + self._most_seconds
        try:
            wanted = await asyncio.to_thread(self._wanted, roles)
        except (AppError, OSError) as exc:
            return (TrainingCheck(note=f"Fine-tuning data were not compared: {exc}"),)
        compared: dict[str, TrainingCheck] = {}
        found = []
        for each in wanted:
            if each.data is None:
                found.append(each.check)
                continue
            if each.data.name not in compared:
                compared[each.data.name] = await self._compared(each.data, sets, until - time.monotonic())
            result = compared[each.data.name]
            found.append(each.check.model_copy(update={"note": result.note, "shared": result.shared}))
        return tuple(found)

    def _wanted(self, roles: Sequence[PlayedRole]) -> list[_Wanted]:
        learned = [each for played in roles for each in self._of_role(played)]
        names = {each.check.data for each in learned}
        here = [_Wanted(TrainingCheck(data=each.name), each) for each in self._learned.data_sets()]
        return [*learned, *(each for each in here if each.check.data not in names)]

    def _of_role(self, played: PlayedRole) -> list[_Wanted]:
        role, lessons = played.role.role, self._learned.lessons(played.model_id)
        found = [
            _Wanted(
                TrainingCheck(
                    role=role,
                    model=played.served if place == 0 else lesson.model_id,
                    data=lesson.data_name,
                    note="" if lesson.data else "Its data are no longer here, so they cannot be compared.",
                ),
                lesson.data,
            )
            for place, lesson in enumerate(lessons)
        ]
        first = lessons[-1].base_id if lessons else played.served
        return [*found, _Wanted(TrainingCheck(role=role, model=first, note=_unknown(played, is_base=bool(lessons))))]

    async def _compared(self, data: LearnedData, sets: Mapping[str, QuestionSet], seconds: float) -> TrainingCheck:
        names = {each.name: name for name, each in sets.items()}
        ids = list(dict.fromkeys(each.id for each in sets.values()))
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                found = await self._question_sets.overlaps_with(ids, data.name, data.batches(), SET_OVERLAPS)
        except TimeoutError:
            return TrainingCheck(
                note=f"Not compared within the {self._most_seconds:g} seconds that starting a study may take for this: "
                "compare it on the Admin page."
            )
        except (AppError, OSError, ValueError) as exc:
            return TrainingCheck(note=f"Not compared: {exc}")
        return TrainingCheck(shared={names[each.first]: each.count for each in found if each.first in names})


def _unknown(played: PlayedRole, *, is_base: bool) -> str:
    """Why nothing can be said of a model from elsewhere."""
    about = " ".join(played.role.about.split())
    says = f" The study says of it: {about}" if played.role.hub and about and not is_base else ""
    what = "What it had learned before" if is_base else "What it has learned"
    return f"Trained elsewhere. {what} is not here, so it cannot be compared.{says}"
