"""Errors of training data, recipes and trainings.

TrainingError
├── InvalidTrainingData    a file of samples cannot be read
├── TooLittleData          curation leaves too few samples to train on
├── NoChatTemplate         the base model cannot render a prompt
├── DataSetRefused         a data set's name cannot be used, or its files are damaged
├── DataSetNotFound        no data set has that name or version
├── RecipeRefused          a recipe contradicts itself or the machine; `field` names it
└── TrainingFailed         the training process cannot continue

Every message says what was found and what to do about it.
"""

from m1app.errors import AppError


class TrainingError(AppError):
    """Base of every error of this package; its text may be shown to users."""


class InvalidTrainingData(TrainingError):
    """A file of samples cannot be read; the message names file, row and column."""


class TooLittleData(TrainingError):
    """Curation leaves too few samples; the message says which step dropped how many."""


class NoChatTemplate(TrainingError):
    """The profile leaves the prompt to the base model, which has no usable chat template."""


class DataSetRefused(TrainingError):
    """A data set's name cannot be used, or its files were changed or damaged."""


class DataSetNotFound(TrainingError):
    """No data set has that name or version; the message lists the available ones."""


class RecipeRefused(TrainingError):
    """A recipe contradicts itself or does not fit the machine."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class TrainingFailed(TrainingError):
    """The training process cannot continue; the message says why."""
