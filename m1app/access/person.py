"""The person on whose behalf the code runs, and what they may do.

Every public method of a service says what it needs with `@needs(...)`, so that pages, commands and routes cannot forget
it. Whoever lets a person in (the web application for each request and event, the command line once) says who it is;
until then it is nobody.
"""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from m1app.access.errors import AccessRefused, NotLoggedIn
from storage.people.records import AccountOrigin, Role

NEEDS = "m1_needs"
"""Attribute of a function: the `Permission` it needs."""
_F = TypeVar("_F", bound=Callable[..., Any])


class Permission(StrEnum):
    """What a person may do."""

    READ = "read"
    """See traces, curves, cases and question sets."""
    ASK = "ask"
    """Run probes and sweeps, and delete one's own."""
    ANNOTATE = "annotate"
    """Mark cases, and agree with or dispute others' marks."""
    REVIEW = "review"
    """Decide disputes; import and export annotations."""
    MANAGE = "manage"
    """Jobs, question sets, engines and accounts; rename and delete what others made."""


PERMISSIONS = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.ANNOTATOR: frozenset({Permission.READ, Permission.ASK, Permission.ANNOTATE}),
    Role.REVIEWER: frozenset(Permission) - {Permission.MANAGE},
    Role.ADMIN: frozenset(Permission),
}
"""What each role may do."""


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever the code runs for."""

    id: str
    """The account's id; without one, "local" or "command line"; empty for nobody."""
    role: Role | None
    """None for nobody."""
    name: str = ""
    """The account's name; empty without an account."""
    address: str = ""
    """The client's network address; empty for commands."""
    origin: AccountOrigin | None = None
    """Where the account's login is confirmed; None without an account."""

    @property
    def account_id(self) -> str:
        """Id of the account; empty without one."""
        return self.id if self.name else ""

    def may(self, permission: Permission) -> bool:
        """Whether the person has a permission."""
        return self.role is not None and permission in PERMISSIONS[self.role]


NOBODY = Person("", None)
THE_APP = Person("the app", None)
"""What the app does by itself."""
COMMAND_LINE = Person("command line", Role.ADMIN)
"""Whoever can run a command in the app's home can read and change all of it anyway."""

_acting: ContextVar[Person | None] = ContextVar("m1_person", default=None)
_of_process = NOBODY


def current_person() -> Person:
    """Who the code runs for."""
    acting = _acting.get()
    return _of_process if acting is None else acting


@contextmanager
def acting_as(person: Person) -> Iterator[None]:
    """Run the block, and the tasks and threads it starts, for `person`."""
    token = _acting.set(person)
    try:
        yield
    finally:
        _acting.reset(token)


def run_process_as(person: Person) -> None:
    """Run all of this process for `person`: commands and workers, not the pages."""
    global _of_process
    _of_process = person


def require(permission: Permission) -> Person:
    """Return the current person if they have the permission; raises AccessRefused."""
    person = current_person()
    if person.role is None:
        raise NotLoggedIn("You are logged out. Log in, then try again; your input is kept.")
    if not person.may(permission):
        raise AccessRefused(_refusal(person, permission))
    return person


def needs(permission: Permission) -> Callable[[_F], _F]:
    """Require `permission` on every call of the decorated function or method."""

    def decorate(function: _F) -> _F:
        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            require(permission)
            return function(*args, **kwargs)

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            require(permission)
            return await function(*args, **kwargs)

        made: Any = awaited if inspect.iscoroutinefunction(function) else plain
        setattr(made, NEEDS, permission)
        return made  # type: ignore[no-any-return]

    return decorate


def _refusal(person: Person, permission: Permission) -> str:
    if not person.name:
        return "Only an admin can do this. Open the link that the app printed when it started, then try again."
    least = next(role for role in Role if permission in PERMISSIONS[role])
    return (
        f"Your role ({person.role}) does not allow this; it requires the {least.value} role. Ask an admin to change "
        "your role."
    )
