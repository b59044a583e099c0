"""Puts things into the trash, for every feature that deletes."""

from m1app.access.audit import record
from m1app.access.person import current_person
from storage.database import Session
from storage.trash.records import Deletion, TrashKind
from storage.trash.repository import TrashRepository


def discard(session: Session, kind: TrashKind, subject_id: str) -> Deletion:
    """Move something to the trash for the current person, in the transaction that has checked that it may go.

    Raises:
        RecordNotFound: no such record.
        InvalidRecord: it is an annotated trace.
    """
    deletion = TrashRepository(session).discard(kind, subject_id, current_person().id)
    record(session, f"{kind.value}.delete", subject_id)
    return deletion
