"""What a fine-tuning comes to, before it starts."""

from dataclasses import dataclass

from m1app.training.base_model import BaseModel
from m1app.training.curation_steps import StepReport
from m1app.training.estimate import Estimate
from m1app.training.machine import Machine
from m1app.training.recipe import TrainingRecipe
from m1app.training.rendered_rows import SplitRows
from m1app.training.rendering import RenderedSample

_CHARACTERS_PER_TOKEN = 4.5
"""Of plain English, and more: what is too long by this is too long."""


@dataclass(frozen=True, slots=True)
class FineTuningPlan:
    """What a recipe comes to on this machine."""

    recipe: TrainingRecipe
    base: BaseModel
    profile: str
    """Id of the profile that the new model will think by."""
    data: str
    """NAME:vN, or the file's name."""
    data_sha256: str
    train_samples: int
    evaluation_samples: int
    preview: tuple[RenderedSample, ...]
    """The first samples as they are learnt from."""
    reports: tuple[StepReport, ...]
    """What was left out, by curation of a file and by rendering."""
    estimate: Estimate
    machine: Machine
    command_line: str
    environment: str
    """See `FineTuningService.environment_state`."""
    notes: tuple[str, ...]
    """What to know before it starts, such as what it costs a running engine."""


def notes_on(recipe: TrainingRecipe, machine: Machine, rows: SplitRows) -> tuple[str, ...]:
    """What a person should know before it starts, a sentence or two each."""
    notes = []
    if recipe.precision == "fp32":
        threads = recipe.threads or max(1, machine.cores // 2)
        notes.append(
            f"It trains on the CPU with {threads} of {machine.cores} cores at niceness {recipe.niceness}. An engine on "
            "the same cores answers several times slower meanwhile, and the training itself waits while it answers."
        )
    lengths = [len(each.prompt) + len(each.completion) for each in (*rows.train, *rows.evaluation)]
    too_long = sum(length / _CHARACTERS_PER_TOKEN > recipe.block_size for length in lengths)
    if too_long:
        notes.append(
            f"At least {too_long:,} of {len(lengths):,} samples are longer than {recipe.block_size:,} tokens and will "
            "be left out; a larger block_size takes them in."
        )
    if recipe.evaluation_share and len(rows.evaluation) < 8:
        notes.append(f"Held out: {len(rows.evaluation)}. The loss on so few says little.")
    return tuple(notes)
