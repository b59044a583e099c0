"""Who a request comes from: an account's session, a proxy's word, or the person at this machine.

Without accounts the app serves this machine only, and its pages are open: whoever opens them may ask and annotate.
The link printed at the start adds what only an admin may do. With accounts, everybody logs in.

A session is a random token that ends after a time, and sooner without use; only its hash is stored, so that a copy of
the database opens nothing. HTTP, cookies and pages are in `m1app.ui.login`.
"""

import asyncio
import hashlib
import hmac
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from m1app.access.accounts import AccountService, provided_account
from m1app.access.attempts import AttemptLimit, attempt_key
from m1app.access.audit import AuditService, record, suppress_unwritten
from m1app.access.errors import LoginRefused
from m1app.access.passwords import Passwords
from m1app.access.person import NOBODY, Person, acting_as
from m1app.background import Rounds, start_task
from m1app.settings import Settings, is_this_machine
from storage.columns import replace_unstorable
from storage.database import Database, Session
from storage.errors import DatabaseCorrupt
from storage.people.accounts import AccountRepository, LoginSessionRepository
from storage.people.records import Account, AccountOrigin, LoginSession, Role

LOCAL = "local"
NO_ACCOUNT = "You have no account in this app, or it is disabled. Ask an admin."
"""For somebody whom another service has confirmed."""
_KNOWN_SECONDS = 3.0
"""How long another process's change of an account or session may go unnoticed."""
_TOUCH_SECONDS = 60.0
_VISIT_SECONDS = 3600.0
"""A person whom the proxy names is noted as there once in this time."""
_CLOCKS_DIFFER = timedelta(minutes=5)
"""A session that started later than this from now is from a clock that was wrong, and would last too long."""
_REMEMBERED = 5000
_UPKEEP_SECONDS = 3600.0
_T = TypeVar("_T")


class Access:
    """Persons, their sessions and failed attempts."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        settings: how long sessions last, and whether only this machine can reach the pages.
        database: migrated.
        now: the present, in UTC.
        clock: monotonic seconds.
        """
        self._clock = clock
        self._settings = settings
        self._database = database
        self._now = now
        self._limit = AttemptLimit()
        self._passwords = Passwords()
        self._known: OrderedDict[str, tuple[float, Person]] = OrderedDict()
        self._touched: OrderedDict[str, float] = OrderedDict()
        self._unstored: OrderedDict[str, LoginSession] = OrderedDict()
        """Sessions that began while the database was damaged, by their tokens' hashes."""
        self._ended: OrderedDict[str, None] = OrderedDict()
        """Hashes of tokens that were logged out: nothing is admitted by them, whatever the database holds."""
        self._visited: OrderedDict[str, float] = OrderedDict()
        """When people whom the proxy names were last noted."""
        self._counted = (-math.inf, 0)
        self._creating = asyncio.Lock()
        self.accounts = AccountService(database, self._passwords, self._limit, clock)
        self.audit = AuditService(database)
        self.link_key = secrets.token_urlsafe(24)
        """What the link printed at the start contains."""

    def prepare(self) -> None:
        """Create or update the first account if a password is set; blocks. Raises StorageError, AccountRefused."""
        if password := self._settings.admin_password.get_secret_value():
            self.accounts.ensure_first(password)

    async def has_accounts(self) -> bool:
        """Whether people log in; else only this machine is served, without a login."""
        counted_at, count = self._counted
        if self._clock() - counted_at > _KNOWN_SECONDS:
            count = await self._database.read(lambda s: AccountRepository(s).count())
            self._counted = (self._clock(), count)
        return count > 0

    async def person(self, token: str, address: str, user: str = "", *, is_active: bool = False) -> Person:
        """Who a request comes from.

        Args:
            token: the session's token; may be empty.
            address: the client's address; behind a proxy, as reported by the proxy.
            user: the name that a trusted proxy gives; empty without one.
            is_active: whether the person did something, so that the session is in use.
        """
        if user:
            return await self._person_of_proxy(user, address)
        if token:
            found = await self._person_of_session(digest_of(token), address)
            if found is not NOBODY:
                if is_active:
                    self._touch(digest_of(token))
                return found
        if self._settings.is_for_this_machine and is_this_machine(address) and not await self.has_accounts():
            return Person(LOCAL, Role.REVIEWER, address=address)
        return NOBODY

    async def log_in(self, name: str, password: str, address: str) -> str:
        """Start a session and return its token; raises LoginRefused."""
        # A name that cannot be stored is nobody's.
        name = replace_unstorable(name.strip())
        key, now = attempt_key(name), self._clock()
        self._limit.check(key, address, now)
        self._limit.add(key, address, now)
        account, hashed = await self._database.read(lambda s: _login_of(s, name))
        is_right = await self._passwords.is_right(hashed, password)
        if account is None or account.is_disabled or not is_right:
            await self._note_refusal(account, address)
            raise LoginRefused("Wrong name or password.")
        self._limit.forgive(key, address)
        return await self._start_session(account.id, address, hashed)

    async def log_in_by_link(self, key: str, address: str) -> str:
        """Start the session of the admin at this machine; raises LoginRefused if the link is not the last one."""
        if await self.has_accounts():
            raise LoginRefused("This app now has accounts. Log in with yours.")
        # Without a limit: nobody guesses this key, and any website can send wrong ones through the admin's browser.
        if not hmac.compare_digest(key.encode(errors="replace"), self.link_key.encode()):
            raise LoginRefused("This link is no longer valid. Use the one that the app printed when it last started.")
        return await self._start_session(None, address)

    async def log_in_confirmed(self, origin: AccountOrigin, subject: str, names: Sequence[str], address: str) -> str:
        """Start the session of somebody whom another service has confirmed; raises LoginRefused without an account.

        Args:
            origin: the service.
            subject: its identifier for the person.
            names: what the person may be called, the best first.
            address: the client's address.
        """
        account = await self._provided_account(origin, subject, names)
        if account is None or account.is_disabled:
            await self._note_refusal(account, address)
            raise LoginRefused(NO_ACCOUNT)
        self._counted = (-math.inf, 0)
        return await self._start_session(account.id, address)

    async def log_out(self, token: str, address: str) -> None:
        """End a session, even while the database takes no changes; unknown tokens are ignored."""
        digest = digest_of(token)
        _remember(self._ended, digest, None)
        self._unstored.pop(digest, None)

        def store(session: Session) -> None:
            found = LoginSessionRepository(session).find(digest)
            LoginSessionRepository(session).delete(digest)
            if found is not None:
                _record_as(Person(found[0].account_id or LOCAL, None, address=address), session, "logout")

        with suppress_unwritten("the end of a session"):
            await self._database.write(store)

    def forget(self) -> None:
        """Look accounts and sessions up again: they were changed."""
        self._known.clear()
        self._counted = (-math.inf, 0)

    async def run_upkeep(self) -> None:
        """Remove sessions that have ended, once an hour until cancelled."""
        rounds = Rounds("sessions", _UPKEEP_SECONDS)
        while True:
            with rounds.round():
                ended = tuple(self._ended)
                await self._database.write(partial(_delete_ended, ends=self._ends(self._now()), ended=ended))
            await asyncio.sleep(rounds.pause_seconds)

    async def _start_session(self, account_id: str | None, address: str, password_hash: str = "") -> str:
        """The token; raises LoginRefused if the account was disabled, or its hash changed, since it was looked up."""
        token = secrets.token_urlsafe(32)

        def store(session: Session) -> bool:
            accounts = AccountRepository(session)
            if account_id is not None and not accounts.is_current(account_id, password_hash):
                _record_as(Person(account_id, None, address=address), session, "login.refuse")
                return False
            LoginSessionRepository(session).add(digest_of(token), account_id)
            _store_login(session, account_id, address)
            return True

        try:
            if not await self._database.write(store):
                raise LoginRefused("The account was changed while you logged in. Log in again.")
        except DatabaseCorrupt:
            # Somebody must see what happened: until a restart, this session is only here.
            moment = self._now()
            _remember(
                self._unstored,
                digest_of(token),
                LoginSession(account_id=account_id, started_at=moment, last_used_at=moment),
            )
        return token

    async def _note_refusal(self, account: Account | None, address: str) -> None:
        person = Person(account.id if account else "nobody", None, address=address)
        with suppress_unwritten("a refused login"):
            await self._database.write(lambda s: _record_as(person, s, "login.refuse"))

    async def _person_of_session(self, digest: str, address: str) -> Person:
        if digest in self._ended:
            return NOBODY
        known = self._known.get(digest)
        if known is None or self._clock() - known[0] > _KNOWN_SECONDS:
            found = await self._database.read(partial(_session_of, digest=digest, unstored=self._unstored.get(digest)))
            person = NOBODY if found is None else await self._of_session(*found)
            known = (self._clock(), person)
            _remember(self._known, digest, known)
        person = known[1]
        return NOBODY if person.role is None else replace(person, address=address)

    async def _of_session(self, session: LoginSession, account: Account | None) -> Person:
        started, used, latest = self._ends(self._now())
        if not started <= session.started_at <= latest or session.last_used_at < used:
            return NOBODY
        if session.account_id is None:
            is_open = self._settings.is_for_this_machine and not await self.has_accounts()
            return Person(LOCAL, Role.ADMIN) if is_open else NOBODY
        return NOBODY if account is None or account.is_disabled else _person_of(account)

    async def _person_of_proxy(self, user: str, address: str) -> Person:
        key = f"proxy {user}"
        known = self._known.get(key)
        if known is None or self._clock() - known[0] > _KNOWN_SECONDS:
            account = await self._provided_account(AccountOrigin.PROXY, user, [user])
            known = (self._clock(), NOBODY if account is None or account.is_disabled else _person_of(account))
            _remember(self._known, key, known)
            self._note_visit(user, account, address)
        person = known[1]
        return NOBODY if person.role is None else replace(person, address=address)

    async def _provided_account(self, origin: AccountOrigin, subject: str, names: Sequence[str]) -> Account | None:
        found = await self._database.read(lambda s: AccountRepository(s).by_subject(origin, subject))
        role = self._settings.new_account_role
        if found is not None or role is None:
            return found
        # A first page sends several requests at once, and all of them are the same person's.
        async with self._creating:
            return await self._database.write(lambda s: provided_account(s, origin, subject, names, role))

    def _note_visit(self, user: str, account: Account | None, address: str) -> None:
        now = self._clock()
        if now - self._visited.get(user, -math.inf) < _VISIT_SECONDS:
            return
        _remember(self._visited, user, now)
        if account is None or account.is_disabled:
            start_task(self._note_refusal(account, address), "refused visit")
        else:
            start_task(self._write_visit(account.id, address), "visit")

    async def _write_visit(self, account_id: str, address: str) -> None:
        with suppress_unwritten("the visit of a person whom the proxy named"):
            await self._database.write(lambda s: _store_login(s, account_id, address))

    def _touch(self, digest: str) -> None:
        now = self._clock()
        if now - self._touched.get(digest, -math.inf) < _TOUCH_SECONDS:
            return
        _remember(self._touched, digest, now)
        # Reading does not wait for whoever writes.
        start_task(self._write_touch(digest), "use of a session")

    async def _write_touch(self, digest: str) -> None:
        with suppress_unwritten("the use of a session"):
            await self._database.write(lambda s: LoginSessionRepository(s).touch(digest))

    def _ends(self, moment: datetime) -> tuple[datetime, datetime, datetime]:
        """Sessions end that started, or were last used, before the first two times, or started after the third."""
        longest = timedelta(hours=self._settings.session_hours)
        return moment - longest, moment - timedelta(minutes=self._settings.idle_minutes), moment + _CLOCKS_DIFFER


def _delete_ended(session: Session, ends: tuple[datetime, datetime, datetime], ended: Sequence[str]) -> None:
    sessions = LoginSessionRepository(session)
    sessions.delete_expired(*ends)
    for digest in ended:
        sessions.delete(digest)


def _store_login(session: Session, account_id: str | None, address: str) -> None:
    if account_id is not None:
        AccountRepository(session).saw(account_id)
    _record_as(Person(account_id or LOCAL, None, address=address), session, "login")


def _session_of(
    session: Session, digest: str, unstored: LoginSession | None
) -> tuple[LoginSession, Account | None] | None:
    if unstored is None:
        return LoginSessionRepository(session).find(digest)
    account_id = unstored.account_id
    return unstored, None if account_id is None else AccountRepository(session).by_id(account_id)


def _login_of(session: Session, name: str) -> tuple[Account | None, str]:
    accounts = AccountRepository(session)
    account = accounts.find(name)
    has_password = account is not None and account.origin is AccountOrigin.PASSWORD
    return account, accounts.password_hash(account.id) if account and has_password else ""


def _record_as(person: Person, session: Session, action: str) -> None:
    with acting_as(person):
        record(session, action)


def _person_of(account: Account) -> Person:
    return Person(account.id, account.role, account.name, origin=account.origin)


def _remember(table: "OrderedDict[str, _T]", key: str, value: _T) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > _REMEMBERED:
        table.popitem(last=False)


def digest_of(token: str) -> str:
    """What is stored of a session's token: SHA-256 (hex)."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
