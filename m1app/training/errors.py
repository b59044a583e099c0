"""Errors of training data, recipes and trainings.

TrainingError
├── InvalidTrainingData    a file of samples cannot be read
├── TooLittleData          curation leaves too few samples to train on
├── NoChatTemplate         the base model cannot render a prompt
├── DataSetRefused         a data set's name cannot be used, or its files are damaged
├── DataSetNotFound        no data set has that name or version
├── ChangeRefused          a change of a sample cannot be made; `field` names its box
├── DataJobRefused         a job that asks a model about samples cannot be started
├── DataJobFailed          such a job cannot go on now; its replies are kept
├── PruningRefused         the reasoning cannot be pruned now, or not with this model
├── PruningStopped         pruning ended before its last sample; what was probed is kept
├── RecipeRefused          a recipe contradicts itself or the machine; `field` names it
├── CheckpointNotServed    a checkpoint cannot be asked; the training goes on
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


class ChangeRefused(TrainingError):
    """A change of a sample cannot be made; `field` is its box, `may_keep` whether a person may insist on it."""

    def __init__(self, message: str, field: str = "", *, may_keep: bool = False) -> None:
        super().__init__(message)
        self.field = field
        self.may_keep = may_keep


class DataJobRefused(TrainingError):
    """A job that asks a model about samples cannot be started as asked; nothing was asked."""


class DataJobFailed(TrainingError):
    """A job that asks a model about samples cannot go on now; its replies so far are kept for the next attempt."""


class PruningRefused(TrainingError):
    """The reasoning cannot be pruned now, or not with this model; nothing was asked of an engine."""


class PruningStopped(TrainingError):
    """Pruning was stopped, or its engine failed; the message says how far it came. What was probed is kept."""


class RecipeRefused(TrainingError):
    """A recipe contradicts itself or does not fit the machine."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class CheckpointNotServed(TrainingError):
    """A checkpoint's weights cannot be served, so that its accuracy stays unknown; the message says why."""


class TrainingFailed(TrainingError):
    """The training process cannot continue; the message says why."""


class DataTooLong(TrainingFailed):
    """Too few samples fit into a block; resuming would find the same."""
