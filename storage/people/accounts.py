"""Accounts and their sessions."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from uuid import uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from storage.columns import check_storable, replace_unstorable
from storage.errors import InvalidRecord, RecordNotFound
from storage.people.records import Account, AccountOrigin, LoginSession, Role
from storage.people.tables import MAX_KEY_CHARACTERS, AccountRow, LoginSessionRow
from storage.questions.repository import utc_now

_FIELDS = [column.name for column in fields(Account)]
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U00016fe4\U0001d159\U000e0100-\U000e01ef]"
)
"""Fillers, blanks and variation selectors: what shows nothing and is in no category of its own, as formats (Cf) are."""
_ADMINS = (
    select(AccountRow.id)
    .where(AccountRow.role == Role.ADMIN, AccountRow.is_disabled.is_(False))
    .order_by(AccountRow.id)
)
"""Administrators who can log in, in the order in which they are locked."""


class AccountRepository:
    """Accounts in the session's database."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(
        self,
        name: str,
        role: Role,
        *,
        password_hash: str = "",
        origin: AccountOrigin = AccountOrigin.PASSWORD,
        subject: str = "",
    ) -> Account:
        """Create an account.

        Args:
            name: as shown.
            role: what it may do.
            password_hash: Argon2; empty when another service confirms who the person is.
            origin: who confirms it.
            subject: that service's identifier for the person.

        Raises:
            InvalidRecord: the name is blank, too long or cannot be stored, or another account has it.
        """
        _check_name(name)
        if self.find(name) is not None:
            raise InvalidRecord(f"There is already an account named {name!r}. Choose another name.")
        row = AccountRow(
            id=uuid4().hex,
            name=name,
            name_key=name_key(name),
            role=role,
            origin=origin,
            subject=subject,
            password_hash=password_hash,
            is_disabled=False,
            created_at=self._now(),
            last_seen_at=None,
        )
        self._session.add(row)
        self._session.flush()
        return _as_account(row)

    def all(self) -> tuple[Account, ...]:
        """Every account, by name."""
        return tuple(map(_as_account, self._session.scalars(select(AccountRow).order_by(AccountRow.name_key))))

    def count(self) -> int:
        """Number of accounts."""
        return self._session.scalar(select(func.count()).select_from(AccountRow)) or 0

    def find(self, name: str) -> Account | None:
        """The account with this name, ignoring case and what cannot be seen; None if there is none."""
        text = replace_unstorable(name)
        # An older account may have a name whose key would be another's now: written out, it means this account.
        is_same = AccountRow.name == text
        query = select(AccountRow).where((AccountRow.name_key == name_key(text)) | is_same).order_by(is_same.desc())
        row = self._session.scalar(query.limit(1))
        return None if row is None else _as_account(row)

    def get(self, name: str) -> Account:
        """The account with this name, ignoring case; raises RecordNotFound."""
        found = self.find(name)
        if found is None:
            raise RecordNotFound(f"There is no account named {name[:80]!r}. See the list of accounts for their names.")
        return found

    def by_id(self, account_id: str) -> Account | None:
        """The account with this id; None if there is none."""
        row = self._session.get(AccountRow, account_id)
        return None if row is None else _as_account(row)

    def by_subject(self, origin: AccountOrigin, subject: str) -> Account | None:
        """The account of a provider's person; None if there is none."""
        query = select(AccountRow).where(AccountRow.origin == origin, AccountRow.subject == subject)
        row = self._session.scalar(query)
        return None if row is None else _as_account(row)

    def password_hash(self, account_id: str) -> str:
        """The Argon2 hash; empty if no password opens the account."""
        return self._session.scalar(select(AccountRow.password_hash).where(AccountRow.id == account_id)) or ""

    def change(
        self,
        account_id: str,
        *,
        role: Role | None = None,
        password_hash: str | None = None,
        is_disabled: bool | None = None,
    ) -> Account:
        """Change an account; None leaves a value as it is.

        Raises:
            RecordNotFound: no such account.
            InvalidRecord: no administrator who can log in would be left.
        """
        row = self._locked(account_id)
        if row is None:
            raise RecordNotFound("This account no longer exists. Reload the list of accounts.")
        was_admin = row.role is Role.ADMIN and not row.is_disabled
        row.role = row.role if role is None else role
        row.password_hash = row.password_hash if password_hash is None else password_hash
        row.is_disabled = row.is_disabled if is_disabled is None else is_disabled
        self._session.flush()
        if was_admin and self._session.scalar(_ADMINS.limit(1)) is None:
            raise InvalidRecord("This is the last administrator who can log in. Make another account an admin first.")
        return _as_account(row)

    def is_current(self, account_id: str, password_hash: str) -> bool:
        """Whether the account is enabled and has this hash (empty for none); so it stays until the transaction ends."""
        row = self._locked(account_id)
        return row is not None and not row.is_disabled and row.password_hash == password_hash

    def _locked(self, account_id: str) -> AccountRow | None:
        """The present row, which nobody else changes before the transaction ends."""
        # Of two admins who demote each other at once, one waits here for the other.
        self._session.execute(_ADMINS.with_for_update())
        if not account_id.isalnum():
            return None
        return self._session.get(AccountRow, account_id, populate_existing=True, with_for_update=True)

    def saw(self, account_id: str) -> None:
        """Note that the person has logged in."""
        self._session.execute(update(AccountRow).where(AccountRow.id == account_id).values(last_seen_at=self._now()))


class LoginSessionRepository:
    """Sessions in the session's database; only hashes of their tokens are stored."""

    def __init__(self, session: Session, now: Callable[[], datetime] = utc_now) -> None:
        self._session = session
        self._now = now

    def add(self, token_sha256: str, account_id: str | None) -> None:
        """Start a session."""
        moment = self._now()
        row = LoginSessionRow(token_sha256=token_sha256, account_id=account_id, started_at=moment, last_used_at=moment)
        self._session.add(row)
        self._session.flush()

    def find(self, token_sha256: str) -> tuple[LoginSession, Account | None] | None:
        """A session with its account; None if there is none."""
        query = (
            select(LoginSessionRow, AccountRow)
            .join(AccountRow, AccountRow.id == LoginSessionRow.account_id, isouter=True)
            .where(LoginSessionRow.token_sha256 == token_sha256)
        )
        found = self._session.execute(query).one_or_none()
        if found is None:
            return None
        row, account = found
        session = LoginSession(account_id=row.account_id, started_at=row.started_at, last_used_at=row.last_used_at)
        return session, None if account is None else _as_account(account)

    def touch(self, token_sha256: str) -> None:
        """Note that a session is in use."""
        row = LoginSessionRow
        self._session.execute(update(row).where(row.token_sha256 == token_sha256).values(last_used_at=self._now()))

    def delete(self, token_sha256: str) -> None:
        """End a session; unknown ones are ignored."""
        self._session.execute(delete(LoginSessionRow).where(LoginSessionRow.token_sha256 == token_sha256))

    def delete_of(self, account_id: str | None, *, but: str = "") -> None:
        """End all sessions of an account, or those without one; `but` is the hash of one to keep."""
        row = LoginSessionRow
        self._session.execute(delete(row).where(row.account_id == account_id, row.token_sha256 != but))

    def delete_expired(self, started_before: datetime, used_before: datetime, started_after: datetime) -> None:
        """End sessions that are too old, unused for too long, or from the future."""
        row = LoginSessionRow
        is_over = (
            (row.started_at < started_before) | (row.last_used_at < used_before) | (row.started_at > started_after)
        )
        self._session.execute(delete(row).where(is_over))


def _check_name(name: str) -> None:
    try:
        check_storable(name, "the account's name")
    except ValueError as exc:
        raise InvalidRecord(f"{exc}.") from exc
    if not without_invisible(name).strip() or len(name_key(name)) > MAX_KEY_CHARACTERS:
        raise InvalidRecord("The account's name is blank or too long. Use a name of 1 to 80 ordinary characters.")


def name_key(name: str) -> str:
    """What is equal in two names that count as the same."""
    visible = without_invisible(unicodedata.normalize("NFKC", name))
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())


def without_invisible(text: str) -> str:
    """`text` without characters that show nothing, spaces excepted."""
    return "".join(each for each in _INVISIBLE.sub("", text) if unicodedata.category(each) != "Cf")


def _as_account(row: AccountRow) -> Account:
    return Account(**{name: getattr(row, name) for name in _FIELDS})
