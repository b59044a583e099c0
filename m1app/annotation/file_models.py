"""The lines of exported annotations as they are checked on the way in: nothing that no form could make gets through.

What depends on the case or the taxonomy is checked later, in `import_entries.py`.
"""

from datetime import UTC
from typing import Annotated, Any, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from m1app.annotation.errors import AnnotationRefused
from m1app.annotation.form_values import MAX_EVIDENCE, MAX_NAME_CHARACTERS, MAX_TEXT_CHARACTERS, evidence_value
from storage.annotations.documents import from_document
from storage.annotations.records import (
    Annotation,
    AnnotationAction,
    AnnotationState,
    Confidence,
    EvidenceKind,
    Origin,
    Part,
)
from storage.columns import check_storable

_MAX_ENTRIES = 10_000
_MAX_INTEGER = 2**31 - 1

_STORABLE = AfterValidator(lambda text: check_storable(text, "it"))
Text = Annotated[str, _STORABLE]
LongText = Annotated[str, Field(max_length=MAX_TEXT_CHARACTERS), _STORABLE]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARACTERS), _STORABLE]
_Source = Annotated[str, Field(min_length=1, max_length=MAX_TEXT_CHARACTERS), _STORABLE]
_Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
_Count = Annotated[int, Field(ge=0, le=_MAX_INTEGER)]
_Number = Annotated[int, Field(ge=1, le=_MAX_INTEGER)]
_Moment = Annotated[AwareDatetime, AfterValidator(lambda moment: moment.astimezone(UTC))]


class StrictModel(BaseModel):
    """Takes no other fields, and no values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _Selector(StrictModel):
    start: _Count
    end: _Count
    exact: Text
    prefix: Text
    suffix: Text
    text_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class _Evidence(StrictModel):
    kind: EvidenceKind
    value: _Source

    @model_validator(mode="after")
    def _is_as_stored(self) -> Self:
        try:
            is_stored = evidence_value(self.kind, self.value) == self.value
        except AnnotationRefused:
            is_stored = False
        if not is_stored:
            raise ValueError(f"the value is not a {self.kind.value.upper()}")
        return self


class AnnotationDocument(StrictModel):
    """An annotation as JSON values, as `storage.annotations.documents.as_document` makes it."""

    part: Part
    selector: _Selector | None
    labels: Annotated[tuple[Text, ...], Field(max_length=_MAX_ENTRIES)]
    severity: Text
    comment: LongText
    corrected_fact: LongText
    evidence: Annotated[tuple[_Evidence, ...], Field(max_length=MAX_EVIDENCE)]
    confidence: Confidence | None
    is_omission: bool
    changed_answer: bool | None
    id: _Id
    case_id: Text
    trace_id: Text
    checkpoint_id: Text | None
    annotator: Name
    state: AnnotationState
    is_upheld: bool | None
    agreed_by: Annotated[tuple[Name, ...], Field(max_length=_MAX_ENTRIES)]
    origin: Origin
    taxonomy_version: _Count
    revision: _Number
    created_at: _Moment
    updated_at: _Moment

    @model_validator(mode="after")
    def _is_decided_if_adjudicated(self) -> Self:
        is_adjudicated = self.state is AnnotationState.ADJUDICATED
        # A withdrawn one may have been decided before.
        if self.state is not AnnotationState.WITHDRAWN and is_adjudicated != (self.is_upheld is not None):
            raise ValueError(f"is_upheld does not go with the state {self.state.value}")
        return self

    def as_annotation(self) -> Annotation:
        """Return the annotation."""
        return from_document(self.model_dump(mode="json"))


class _Revision(StrictModel):
    revision: _Number
    made_at: _Moment
    made_by: Name
    action: AnnotationAction
    reason: Text
    document: AnnotationDocument


class ExportedLine(StrictModel):
    """A line of an export. What it says to other programs repeats what is under m1:annotation."""

    context: Any = Field(default=None, alias="@context")
    id: Any = None
    type: Any = None
    motivation: Any = None
    creator: Any = None
    created: Any = None
    modified: Any = None
    body: Any = None
    target: Any = None
    annotation: AnnotationDocument = Field(alias="m1:annotation")
    history: tuple[_Revision, ...] = Field(alias="m1:history")

    @model_validator(mode="after")
    def _has_its_own_history(self) -> Self:
        numbers = [each.revision for each in self.history]
        if numbers != sorted(set(numbers)) or max(numbers, default=0) > self.annotation.revision:
            raise ValueError("the revisions of m1:history are not in order, or go beyond that of the annotation")
        if any(each.document.revision != each.revision for each in self.history):
            raise ValueError("a document of m1:history is of another revision")
        if any(_subject(each.document) != _subject(self.annotation) for each in self.history):
            raise ValueError("a document of m1:history is of another annotation")
        return self


def _subject(document: AnnotationDocument) -> tuple[str, str, str, str | None]:
    return document.id, document.case_id, document.trace_id, document.checkpoint_id
