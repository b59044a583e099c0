"""Accounts: made, changed and disabled by an admin or a command; everybody may change their own password."""

import asyncio
import itertools
import re
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence

from m1app.access.attempts import AttemptLimit, attempt_key
from m1app.access.audit import record, suppress_unwritten
from m1app.access.errors import AccountRefused
from m1app.access.passwords import Passwords
from m1app.access.person import Permission, current_person, needs
from storage.annotations.names import NameRepository
from storage.database import Database, Session
from storage.people.accounts import AccountRepository, LoginSessionRepository, name_key, without_invisible
from storage.people.records import Account, AccountOrigin, Role

MAX_NAME_CHARACTERS = 80
FIRST_ACCOUNT = "admin"
HASHED = "$argon2"
_LOOKALIKES = {"Latin", "Cyrillic", "Greek"}


class AccountService:
    """The app's accounts. Every method may raise `storage.errors.StorageError`."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        limit: AttemptLimit | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        database: migrated.
        passwords: hashes and verifies.
        limit: counts wrong passwords, together with those of logins; None makes one.
        clock: monotonic seconds.
        """
        self._database = database
        self._passwords = passwords
        self._limit = limit or AttemptLimit()
        self._clock = clock

    @needs(Permission.MANAGE)
    async def all(self) -> Sequence[Account]:
        """Every account, by name."""
        return await self._database.read(lambda s: AccountRepository(s).all())

    @needs(Permission.MANAGE)
    async def add(self, name: str, role: Role, password: str) -> Account:
        """Create an account with a password.

        Raises:
            AccountRefused: the name or password cannot be used.
            InvalidRecord: the name is taken.
        """
        checked = check_name(name)
        hashed = await asyncio.to_thread(self._passwords.hash, password)

        def store(session: Session) -> Account:
            if role is not Role.ADMIN and not AccountRepository(session).count():
                raise AccountRefused("The first account must be an admin; create that one first.")
            made = AccountRepository(session).add(checked, role, password_hash=hashed)
            record(session, "account.add", made.id, role=role.value)
            return made

        return await self._database.write(store)

    @needs(Permission.MANAGE)
    async def set_role(self, name: str, role: Role) -> Account:
        """Change what an account may do. Raises RecordNotFound; InvalidRecord if no admin would be left."""
        return await self._change(name, "account.role", role=role)

    @needs(Permission.MANAGE)
    async def set_password(self, name: str, password: str) -> Account:
        """Give somebody else's account another password and end its sessions. Raises RecordNotFound, AccountRefused."""
        hashed = await asyncio.to_thread(self._passwords.hash, password)
        return await self._change(name, "account.password", password_hash=hashed)

    @needs(Permission.MANAGE)
    async def set_disabled(self, name: str, is_disabled: bool) -> Account:
        """Disable an account and end its sessions, or enable it again. Raises RecordNotFound, InvalidRecord."""
        return await self._change(name, "account.disable" if is_disabled else "account.enable", is_disabled=is_disabled)

    @needs(Permission.READ)
    async def change_own_password(self, old: str, new: str, token_sha256: str) -> None:
        """Change the current person's password; their other sessions end.

        Args:
            old: the present password.
            new: the new one.
            token_sha256: the session to keep.

        Raises:
            AccountRefused: the present password is wrong or was changed meanwhile, or the new one cannot be used.
            LoginRefused: too many wrong passwords were tried, or too many are being verified.
        """
        account_id = current_person().account_id
        hashed = await self._database.read(lambda s: AccountRepository(s).password_hash(account_id))
        if not hashed:
            raise AccountRefused("This account has no password in this app. Change it where you log in.")
        await self._check_own(hashed, old)
        made = await asyncio.to_thread(self._passwords.hash, new)

        def store(session: Session) -> None:
            accounts = AccountRepository(session)
            if not accounts.is_current(account_id, hashed):
                raise AccountRefused(
                    "The account was changed in the meantime, so its password was not changed. Log in again."
                )
            accounts.change(account_id, password_hash=made)
            LoginSessionRepository(session).delete_of(account_id, but=token_sha256)
            record(session, "account.password", account_id)

        await self._database.write(store)

    async def _check_own(self, hashed: str, password: str) -> None:
        person, now = current_person(), self._clock()
        key = attempt_key(person.name)
        self._limit.check(key, person.address, now)
        self._limit.add(key, person.address, now)
        if not await self._passwords.is_right(hashed, password):
            with suppress_unwritten("a wrong present password"):
                await self._database.write(lambda s: record(s, "account.password_refuse", person.account_id))
            raise AccountRefused("The current password is wrong.")
        self._limit.forgive(key, person.address)

    def count(self) -> int:
        """Number of accounts; blocks."""
        return self._database.read_now(lambda s: AccountRepository(s).count())

    def ensure_first(self, password: str) -> None:
        """Create the account `admin`, or enable it as admin with this password (or Argon2 hash); blocks.

        For the start of the app. Raises AccountRefused if `admin` is somebody who logs in elsewhere.
        """
        self._database.write_now(lambda s: self._store_first(s, password))

    def _store_first(self, session: Session, password: str) -> None:
        accounts = AccountRepository(session)
        found = accounts.find(FIRST_ACCOUNT)
        if found is None:
            made = accounts.add(FIRST_ACCOUNT, Role.ADMIN, password_hash=self._hash_of(password))
            record(session, "account.add", made.id, role=Role.ADMIN.value)
            return
        _check_first(found)
        known = accounts.password_hash(found.id)
        if known != password and not self._passwords.is_right_now(known, password):
            accounts.change(found.id, password_hash=self._hash_of(password))
            LoginSessionRepository(session).delete_of(found.id)
            record(session, "account.password", found.id)
        if found.role is not Role.ADMIN:
            accounts.change(found.id, role=Role.ADMIN)
            record(session, "account.role", found.id, role=Role.ADMIN.value)
        if found.is_disabled:
            accounts.change(found.id, is_disabled=False)
            record(session, "account.enable", found.id)

    def _hash_of(self, password: str) -> str:
        return password if password.startswith(HASHED) else self._passwords.hash(password)

    async def _change(
        self,
        name: str,
        action: str,
        *,
        role: Role | None = None,
        password_hash: str | None = None,
        is_disabled: bool | None = None,
    ) -> Account:
        def store(session: Session) -> Account:
            accounts = AccountRepository(session)
            account = accounts.get(name)
            _check_change(account, role, password_hash, is_disabled)
            changed = accounts.change(account.id, role=role, password_hash=password_hash, is_disabled=is_disabled)
            if role is None:
                LoginSessionRepository(session).delete_of(changed.id)
            record(session, action, changed.id, **({"role": role.value} if role else {}))
            return changed

        return await self._database.write(store)


def _check_first(account: Account) -> None:
    if account.origin is not AccountOrigin.PASSWORD:
        raise AccountRefused(
            f"M1_ADMIN_PASSWORD is the password of the account {FIRST_ACCOUNT}, but {account.name!r} is a person who "
            f"logs in elsewhere ({account.origin}). Unset M1_ADMIN_PASSWORD, and make an admin with `m1app users add "
            "NAME --role admin`."
        )


def _check_change(account: Account, role: Role | None, password_hash: str | None, is_disabled: bool | None) -> None:
    is_own = account.id == current_person().account_id
    if is_own and (is_disabled or role not in (None, Role.ADMIN)):
        raise AccountRefused("This is your own account. Ask another admin to disable it or to change its role.")
    if is_own and password_hash is not None:
        raise AccountRefused("This is your own account. Change its password under your name in the header.")
    if password_hash is not None and account.origin is not AccountOrigin.PASSWORD:
        raise AccountRefused(f"{account.name} logs in elsewhere ({account.origin}) and has no password here.")


def check_name(name: str) -> str:
    """Return the name with single spaces.

    Raises:
        AccountRefused: it is empty or too long, or could be taken for another one: it has invisible characters, or a
            word of letters that look the same in different alphabets.
    """
    spaced = " ".join(name.split())
    is_visible = spaced.isprintable() and without_invisible(spaced) == spaced
    if not spaced or len(spaced) > MAX_NAME_CHARACTERS or not is_visible:
        raise AccountRefused(f"Use a name of 1 to {MAX_NAME_CHARACTERS} visible characters.")
    for word in re.split(r"[\s-]+", unicodedata.normalize("NFKC", spaced)):
        if len(mixed := sorted(_alphabets(word))) > 1:
            raise AccountRefused(
                f"A word of this name mixes {' and '.join(mixed)} letters, which can look the same. Use one alphabet "
                "in each word."
            )
    return spaced


def _alphabets(word: str) -> set[str]:
    """Which of the alphabets that share the look of some letters a word uses."""
    return {unicodedata.name(each, "").partition(" ")[0].capitalize() for each in word if each.isalpha()} & _LOOKALIKES


def provided_account(
    session: Session, origin: AccountOrigin, subject: str, names: Sequence[str], role: Role | None
) -> Account | None:
    """The account of a person whom another service has confirmed; created at their first visit.

    Args:
        session: the transaction.
        origin: the service.
        subject: its identifier for the person.
        names: what the person may be called, the best first; a name that is taken, or that somebody annotated under,
            gets the identifier or a number.
        role: role of new accounts; None creates none.
    """
    accounts = AccountRepository(session)
    found = accounts.by_subject(origin, subject)
    if found is not None or role is None:
        return found
    taken = _names_in_use(session)
    free = next(each for each in _possible_names(names, subject) if name_key(each) not in taken)
    made = accounts.add(free, role, origin=origin, subject=subject)
    record(session, "account.add", made.id, role=role.value, origin=origin.value)
    return made


def _names_in_use(session: Session) -> set[str]:
    """Keys of names that nobody may choose: work belongs to them, or the role of admin might."""
    accounts = (each.name for each in AccountRepository(session).all())
    annotators = (each.name for each in NameRepository(session).all())
    return {name_key(each) for each in (FIRST_ACCOUNT, *accounts, *annotators)}


def _possible_names(names: Sequence[str], subject: str) -> Iterator[str]:
    """Names for an account, in the order in which they are tried; without an end."""
    shown = next(filter(None, map(_visible, (*names, subject))), "person")
    yield shown
    yield f"{shown[:36]} ({_visible(subject)[:36]})"
    yield from (f"{shown[:60]} ({number})" for number in itertools.count(2))


def _visible(name: str) -> str:
    """A name from elsewhere as `check_name` accepts it; empty if nothing is left."""
    visible = without_invisible(unicodedata.normalize("NFKC", name))
    kept = (each if each.isprintable() else " " for each in visible)
    return " ".join("".join(kept).split())[:MAX_NAME_CHARACTERS].strip()
