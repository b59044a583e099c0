"""The tables of accounts, sessions and the audit log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from storage.base import Base, Id
from storage.columns import PersonText
from storage.people.records import AccountOrigin, Role

MAX_KEY_CHARACTERS = 400


class AccountRow(Base):
    """An account."""

    __tablename__ = "account"
    __table_args__ = (
        # One account for each person of a provider; those with a password have no subject.
        Index(
            None,
            "origin",
            "subject",
            unique=True,
            sqlite_where=text("subject <> ''"),
            postgresql_where=text("subject <> ''"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(PersonText("the account's name"))
    name_key: Mapped[str] = mapped_column(String(MAX_KEY_CHARACTERS), unique=True)
    """The name without differences of case and of Unicode form."""
    role: Mapped[Role]
    origin: Mapped[AccountOrigin]
    subject: Mapped[str]
    password_hash: Mapped[str]
    """Argon2, or empty: then no password opens it."""
    is_disabled: Mapped[bool]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]


class LoginSessionRow(Base):
    """A session of a browser."""

    __tablename__ = "login_session"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    account_id: Mapped[str | None] = mapped_column(Id, ForeignKey("account.id", ondelete="CASCADE"), index=True)
    started_at: Mapped[datetime]
    last_used_at: Mapped[datetime] = mapped_column(index=True)


class AuditEntryRow(Base):
    """An entry of the audit log; never changed."""

    __tablename__ = "audit_entry"
    __table_args__ = (Index(None, "subject", "number"), Index(None, "person", "number"))

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    made_at: Mapped[datetime] = mapped_column(index=True)
    person: Mapped[str]
    action: Mapped[str]
    subject: Mapped[str]
    details: Mapped[Mapping[str, Any]]
    address: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
