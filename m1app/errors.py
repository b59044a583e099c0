"""The app's base error, and the errors whose message a person may read.

AppError
├── access: LoginRefused
├── annotation: AnnotationError
├── benchmark: BenchmarkRefused, RunLost
├── jobs: JobsError, JobRefused
├── question: QuestionError
├── question_sets: QuestionSetError
├── runs: ProbeRefused, SweepRefused
├── settings: SettingsError
├── training: TrainingError
└── ui: BadAddress

Each room draws its own tree in its `errors.py`. Errors of `models` and `storage` pass through as they are.
"""

from models.errors import ModelsError
from storage.errors import StorageError


class AppError(Exception):
    """Base of the app's errors. The message says what was found and what to do, and may be shown to a person."""


FOR_PEOPLE = (AppError, ModelsError, StorageError)
"""Errors whose message a person may read; every other error is a fault of the app and goes to the log."""
