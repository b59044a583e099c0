"""Errors of annotations, the taxonomy and annotation files.

AppError
└── AnnotationError
    ├── AnnotationRefused    an annotation cannot be saved; `field` names the problem
    ├── SelectorError        a mark does not match the text
    ├── LabelsError          a file of labels cannot be used
    ├── ImportRefused        a file of annotations cannot be imported; the message names the line
    ├── ImportBrokenOff      a part of a file of annotations was imported
    └── AnnotationConflict   the annotation was changed by someone else since it was opened

Every message says what was found and what to do about it.
"""

from m1app.errors import AppError
from m1app.wording import counted
from storage.annotations.records import Annotation


class AnnotationError(AppError):
    """Base of this package's errors; its text may be shown to users."""


class AnnotationRefused(AnnotationError):
    """An annotation cannot be saved."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class SelectorError(AnnotationError):
    """A mark does not match the text."""


class LabelsError(AnnotationError):
    """A file of labels cannot be used."""


class ImportRefused(AnnotationError):
    """A file of annotations cannot be imported; nothing was imported."""


class ImportBrokenOff(AnnotationError):
    """Only a part of a file of annotations was imported."""

    def __init__(self, added: int, cause: Exception) -> None:
        super().__init__(
            f"The import stopped after {counted(added, 'annotation')}. {cause} Then import the file again; "
            "annotations that were imported count as already present."
        )


class AnnotationConflict(AnnotationError):
    """The annotation was changed by someone else since it was opened."""

    def __init__(self, current: Annotation, changes: tuple[str, ...]) -> None:
        what = ", ".join(name.replace("_", " ") for name in changes) or "its state"
        super().__init__(
            f"{current.annotator}'s annotation was changed in the meantime ({what}). "
            "Review the current version, then keep yours or use the saved version."
        )
        self.current = current
        self.changes = changes
