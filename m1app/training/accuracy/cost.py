"""What asking checkpoints costs, in words for the plan."""

from m1app.benchmark.descriptions import caution
from m1app.benchmark.intervals import wilson
from m1app.training.recipe import TrainingRecipe
from m1app.wording import counted, points


def checkpoints_of(recipe: TrainingRecipe, steps: int) -> int:
    """How many checkpoints a training of so many steps saves; the last step is always saved."""
    return -(-steps // recipe.save_every_steps)


def tokens_at_most(recipe: TrainingRecipe, questions: int, steps: int) -> int:
    """Most tokens that asking the base and every checkpoint generates."""
    each = recipe.accuracy_budget_tokens + recipe.accuracy_answer_tokens
    return questions * (checkpoints_of(recipe, steps) + 1) * each


def accuracy_notes(recipe: TrainingRecipe, questions: int, steps: int) -> tuple[str, ...]:
    """Notes for a plan; none if nothing is asked.

    Args:
        recipe: the recipe.
        questions: how many were drawn.
        steps: of the training.
    """
    if not questions:
        return ()
    checkpoints = checkpoints_of(recipe, steps)
    said = (
        f"The base model and {counted(checkpoints, 'checkpoint')} are asked {counted(questions, 'question')} of "
        f"{recipe.accuracy_set}: at most {tokens_at_most(recipe, questions, steps):,} tokens, {_where(recipe)}."
    )
    careful = caution(questions)
    notes = [f"{said} {careful}" if careful else said]
    if recipe.best_by == "accuracy":
        half = wilson(questions / 2, questions)
        notes.append(
            f"The checkpoint with the highest accuracy becomes the model. With {counted(questions, 'question')}, an "
            f"accuracy near 50% is known to ±{points((half.high - half.low) / 2).lstrip('+')} points (95%): among "
            "checkpoints that differ by less, the choice is largely chance, and the winner's accuracy is optimistic."
        )
    return tuple(notes)


def _where(recipe: TrainingRecipe) -> str:
    """Where checkpoints are asked, and whether the training waits."""
    if recipe.accuracy_server:
        return f"by the vLLM at {recipe.accuracy_server}, which loads their LoRAs. No training step waits for it"
    where = "on the CPU of the training machine, by a separate engine"
    if recipe.precision == "bf16":
        return f"{where}. No training step waits for it"
    return f"{where}. It shares the cores with the training, which is several times slower during this time"
