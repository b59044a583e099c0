"""Measures the speed of earlier fine-tunings of a base here, to estimate how long the next one takes."""

import asyncio
from dataclasses import dataclass

from m1app.jobs.service import JobService
from m1app.training.recipe import TrainingRecipe
from m1app.training.service import FineTuningService
from storage.jobs.records import Job, JobKind

_LOOKED_AT = 100
_MUST_AGREE = ("base", "objective", "method", "precision", "block_size")
"""Recipe fields that must match for paces to be comparable."""
_OLD_VALUES: dict[str, object] = {"objective": "sft"}
"""Of fields that the recipes of older jobs do not have."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A measured pace."""

    samples_per_second: float
    job_name: str


async def measured_pace(jobs: JobService, fine_tuning: FineTuningService, recipe: TrainingRecipe) -> Pace | None:
    """Return the pace of the newest fine-tuning with a similar recipe; None if there is none.

    Raises:
        StorageError: the database cannot be read.
    """
    for job in await jobs.recent(limit=_LOOKED_AT):
        if _is_alike(job, recipe):
            events = await asyncio.to_thread(fine_tuning.read_progress, job.id)
            rates = [each.get("samples_per_second") for each in events if each["event"] == "log"]
            if rates and rates[-1]:
                return Pace(float(rates[-1]), job.name)
    return None


def _is_alike(job: Job, recipe: TrainingRecipe) -> bool:
    wanted = recipe.model_dump(mode="json")
    ran = _OLD_VALUES | dict(job.recipe)
    return job.kind is JobKind.FINE_TUNING and all(ran.get(name) == wanted[name] for name in _MUST_AGREE)
