"""Accounts, sessions and audit entries, as plain values: standard library only, no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Role(StrEnum):
    """What an account may do; each role may do all that the one before it may."""

    VIEWER = "viewer"
    """Reads traces, curves and question sets."""
    ANNOTATOR = "annotator"
    """Asks the model, and annotates."""
    REVIEWER = "reviewer"
    """Decides disputes, imports annotations and exports them."""
    ADMIN = "admin"
    """Starts jobs, deletes, manages question sets, engines and accounts."""


class AccountOrigin(StrEnum):
    """Who confirms that a person is who they say."""

    PASSWORD = "password"
    """This app, by a password."""
    OIDC = "oidc"
    """An OpenID Connect provider."""
    PROXY = "proxy"
    """The proxy in front of the app, by a header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person who may log in."""

    id: str
    """UUID 4 as 32 hexadecimal digits."""
    name: str
    """As shown; unique, ignoring case."""
    role: Role
    origin: AccountOrigin
    subject: str
    """The provider's identifier for the person; empty for passwords."""
    is_disabled: bool
    created_at: datetime
    """Aware, UTC."""
    last_seen_at: datetime | None
    """Aware, UTC; None before the first login."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSession:
    """A browser that is logged in."""

    account_id: str | None
    """None for the administrator of an app without accounts, who came by the link that the start prints."""
    started_at: datetime
    """Aware, UTC."""
    last_used_at: datetime
    """Aware, UTC; updated about once a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAuditEntry:
    """What somebody did."""

    person: str
    """The account's id; for a person without one, what they are instead, such as "local" or "command line"."""
    action: str
    """A verb and its object, such as "run.delete"."""
    subject: str
    """Id of what it was done to; may be empty."""
    details: Mapping[str, str | int | bool]
    """Further ids and numbers; no text that somebody wrote."""
    address: str
    """The client's network address; empty for commands."""
    made_at: datetime
    """When they did it; aware. An entry that had to wait has a smaller one than its predecessor may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry(NewAuditEntry):
    """A stored entry."""

    number: int
    """Counts up from 1 without gaps, in the order of writing."""
    sha256: str
    """Hash of this entry and of the one before it."""
