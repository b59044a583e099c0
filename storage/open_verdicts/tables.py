"""The table of verdicts on answers to open questions."""

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, Id
from storage.columns import PersonText, word_of
from storage.open_verdicts.records import Judgement


class OpenVerdictRow(Base):
    """A verdict of one model or one person on one answer."""

    __tablename__ = "open_verdict"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    trace_id: Mapped[str] = mapped_column(Id, ForeignKey("trace.id", ondelete="CASCADE"), index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(Id, ForeignKey("checkpoint.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    judgement: Mapped[Judgement] = mapped_column(word_of(Judgement))
    is_person: Mapped[bool]
    judged_by: Mapped[str]
    reference: Mapped[str] = mapped_column(PersonText("the reference answer"))
    reason: Mapped[str]
