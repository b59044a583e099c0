"""The questions that checkpoints are asked: drawn from a question set, and refused if they are trained on."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m1app.training.curation_steps import comparable_text, drop_overlap
from m1app.training.errors import RecipeRefused, TrainingFailed
from m1app.training.recipe import TrainingRecipe
from m1app.training.samples import TrainingSample
from m1app.wording import counted
from storage.database import Database, Session
from storage.errors import RecordNotFound
from storage.question_sets.repository import QuestionSetRepository

_LEAST_PROMPT_TOKENS = 64
"""Tokens of a short question with its wording."""


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question with options and a target."""

    stem: str
    options: Mapping[str, str]
    """Letter -> text."""
    target: str
    """Letter of the right option, or of all right ones, as "A, C"."""


class AccuracyQuestions:
    """Draws from the question sets here."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def draw(self, recipe: TrainingRecipe) -> tuple[AskedQuestion, ...]:
        """Draw the recipe's questions, in the order of the set; empty if it names no set. Blocks.

        Questions without options or without a target are left out: a person or a model would have to judge the answers.

        Raises:
            RecipeRefused: there is no such set, or it has no question with options and a target.
            StorageError: the database cannot be read.
        """
        if not recipe.accuracy_set:
            return ()

        def read(session: Session) -> tuple[AskedQuestion, ...]:
            sets = QuestionSetRepository(session)
            questions = sets.questions(sets.get(recipe.accuracy_set).id)
            return tuple(AskedQuestion(q.stem, dict(q.options), q.target) for q in questions if q.options and q.target)

        try:
            with self._database.session(is_read_only=True) as session:
                found = read(session)
        except RecordNotFound as exc:
            raise RecipeRefused("accuracy_set", str(exc)) from exc
        if not found:
            raise RecipeRefused(
                "accuracy_set",
                f"The set {recipe.accuracy_set} has no question with options and a target, so no answer can be scored. "
                "Choose another.",
            )
        count = min(recipe.accuracy_questions, len(found))
        return tuple(
            found[index] for index in sorted(random.Random(recipe.accuracy_seed).sample(range(len(found)), count))
        )


def check_unlearned(asked: Sequence[AskedQuestion], samples: Sequence[TrainingSample], name: str) -> None:
    """Refuse to ask what is trained on, as the curation step overlap finds it.

    Args:
        asked: the drawn questions.
        samples: the data to train on, those that are held out included.
        name: of the set.

    Raises:
        RecipeRefused: the data have one of the questions.
    """
    if not asked:
        return
    texts = [comparable_text(each.stem, each.options) for each in asked]
    report = drop_overlap(samples, {name: texts}).report
    dropped = report.before - report.kept
    if dropped:
        raise RecipeRefused(
            "accuracy_set",
            f"{counted(dropped, 'sample')} of the data {'overlaps' if dropped == 1 else 'overlap'} with questions "
            f"drawn from {name}, such as {report.examples[0]}. Accuracy on them would show what was memorised. Build "
            "the data again, which drops samples that overlap with imported sets, or choose another set.",
        )


def check_context(recipe: TrainingRecipe, context_length: int) -> None:
    """Refuse budgets that no question would fit beside; raises RecipeRefused."""
    needed = recipe.accuracy_budget_tokens + recipe.accuracy_answer_tokens + _LEAST_PROMPT_TOKENS
    if recipe.accuracy_set and needed > context_length:
        raise RecipeRefused(
            "accuracy_budget_tokens",
            f"A question with {recipe.accuracy_budget_tokens:,} tokens of thinking and up to "
            f"{recipe.accuracy_answer_tokens:,} of answer does not fit in the context of {context_length:,} tokens. "
            "Lower accuracy_budget_tokens or accuracy_answer_tokens.",
        )


def read_questions(path: Path) -> tuple[AskedQuestion, ...]:
    """Read the questions of a training's folder; raises TrainingFailed."""
    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        return tuple(AskedQuestion(str(row["stem"]), dict(row["options"]), str(row["target"])) for row in rows)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise TrainingFailed(f"{path} cannot be read ({exc}); start the fine-tuning again.") from exc
