"""The app's base error, and the errors whose messages may be shown to users.

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

Each package documents its own tree in its `errors.py`. Errors of `models` and `storage` pass through unchanged.
"""

from models.errors import ModelsError
from storage.errors import StorageError


class AppError(Exception):
    """Base of the app's errors. The message says what was found and what to do, and may be shown to users."""


FOR_PEOPLE = (AppError, ModelsError, StorageError)
"""Errors whose message may be shown to users; any other error is a bug in the app and is logged."""
