"""The app's base error, and the errors whose messages may be shown to users.

AppError
├── access: LoginRefused
├── annotation: AnnotationError
├── backup: BackupError
├── benchmark: BenchmarkRefused, NoStrategies, RunLost
├── engines: EnginesError, TemplateRefused
├── jobs: JobsError, JobRefused
├── knowledge: KnowledgeError
├── privacy: IdentifiersFound, ErasureRefused
├── publishing: PublishRefused, PublishStopped
├── question: QuestionError
├── question_sets: QuestionSetError
├── resampling: ResamplingRefused
├── runs: CutRefused, PassFailed, ProbeRefused, SweepRefused
├── settings: SettingsError
├── strategies: FitRefused, PolicyRefused, StrategyRefused
├── studies: ManifestRefused, PrintingFailed, ReportRefused, StudyError
├── training: TrainingError
└── ui: BadAddress

Each package documents its own tree in its `errors.py`. Errors of `models` and `storage` pass through unchanged.
"""

from models.errors import EngineDropped, EngineError, EngineUnreachable, ModelsError
from storage.errors import StorageError


class AppError(Exception):
    """Base of the app's errors. The message says what was found and what to do, and may be shown to users."""

    may_quote = False
    """True if the message may repeat an engine's words, and so what a person asked."""
    is_logged = False
    """True if it tells of a failure that was logged where it happened."""


FOR_PEOPLE = (AppError, ModelsError, StorageError)
"""Errors whose message may be shown to users; any other error is a bug in the app and is logged."""


def log_words(error: BaseException) -> str:
    """What the log may say about an error: its message, or only its kind if the message may quote a question.

    Engines repeat in their refusals what they were asked.
    """
    is_of_engine = isinstance(error, EngineError) and not isinstance(error, EngineDropped | EngineUnreachable)
    if is_of_engine or (isinstance(error, AppError) and error.may_quote):
        return f"{type(error).__name__} (the engine's words are left out: they may quote a question)"
    return str(error)
