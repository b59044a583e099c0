"""Permissions: what each role may do, and that every service asks."""

import asyncio
import inspect
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from m1app.access.errors import AccessRefused, NotLoggedIn
from m1app.access.person import (
    NEEDS,
    NOBODY,
    Permission,
    Person,
    acting_as,
    current_person,
    needs,
    require,
)
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from storage.people.records import Role

ROLES = {
    Permission.READ: {*Role},
    Permission.ASK: {Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN},
    Permission.ANNOTATE: {Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN},
    Permission.REVIEW: {Role.REVIEWER, Role.ADMIN},
    Permission.MANAGE: {Role.ADMIN},
}
BY_THE_APP_ITSELF = {
    "identifiers": {"findings", "require", "blocked"},
    "retention": {"run_upkeep"},
    "access": {"prepare", "has_accounts", "person", "log_in", "log_in_by_link", "log_in_confirmed", "log_out"}
    | {"forget", "run_upkeep"},
    "trash": {"remove_expired", "run_upkeep"},
    "engines": {"start", "wait_ready", "engine", "prepare", "models", "choice_of", "name_of", "match_profile"}
    | {"status", "catalog", "aclose", "for_question", "is_default", "is_loaded", "named", "speculation"},
    "engine_watch": {"latest", "aclose"},
    "probe": {"mark_interrupted", "aclose"},
    "batches": {"aclose"},
    "sweeps": {"mark_interrupted", "aclose", "finished", "stop_all", "estimate", "waits_to_be_saved"},
    "strategies": {"mark_interrupted", "aclose", "finished", "stop_all", "waits_to_be_saved"},
    "jobs": {"run_scheduler", "aclose", "remove_files"},
    "benchmarks": {"mark_interrupted", "aclose"},
    "question_sets": {"remove_leftovers"},
    "corpora": {"remove_leftovers"},
    "corpus_vectors": {"aclose"},
    "backups": {"make", "found", "remove_old", "remove_leftovers"},
    "home_use": {"close"},
}
"""Methods that the app calls for nobody in particular, by service; those of engines and sweeps' cost tell nothing that
is stored."""


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    settings = Settings(home=tmp_path_factory.mktemp("home"), engine_url="http://127.0.0.1:9", cpu_jobs=0)
    made = build_services(settings)
    yield made
    asyncio.run(made.aclose())


@pytest.mark.parametrize("permission", Permission)
@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_this(role: Role, permission: Permission) -> None:
    with acting_as(Person("a" * 32, role, "Ann")):
        if role in ROLES[permission]:
            assert require(permission).role is role
        else:
            with pytest.raises(AccessRefused, match=f"Your role \\({role}\\)"):
                require(permission)


@pytest.mark.parametrize("permission", Permission)
def test_nobody_may_do_nothing(permission: Permission) -> None:
    with acting_as(NOBODY), pytest.raises(NotLoggedIn, match="Log in"):
        require(permission)


def test_without_an_account_the_message_names_the_link() -> None:
    with acting_as(Person("local", Role.REVIEWER)), pytest.raises(AccessRefused, match="Open the link"):
        require(Permission.MANAGE)


async def test_tasks_and_threads_work_for_whoever_started_them() -> None:
    async def later() -> Person:
        await asyncio.sleep(0.01)
        return await asyncio.to_thread(current_person)

    ann, ben = Person("1", Role.VIEWER, "Ann"), Person("2", Role.ADMIN, "Ben")
    with acting_as(ann):
        first = asyncio.create_task(later())
    with acting_as(ben):
        second = asyncio.create_task(later())
    assert await asyncio.gather(first, second) == [ann, ben]


async def test_what_needs_a_permission_is_not_even_begun_without_it() -> None:
    begun: list[str] = []

    @needs(Permission.ASK)
    async def awaited() -> None:
        begun.append("awaited")

    @needs(Permission.ASK)
    def plain() -> None:
        begun.append("plain")

    with acting_as(Person("1", Role.VIEWER, "Ann")):
        with pytest.raises(AccessRefused):
            await awaited()
        with pytest.raises(AccessRefused):
            plain()
    assert begun == []


def test_every_public_method_of_a_service_says_what_it_needs(services: Services) -> None:
    """A new method without `@needs` fails here, until it is decorated, or listed as the app's own."""
    forgotten = []
    for field in fields(services):
        service = getattr(services, field.name)
        if not type(service).__module__.startswith("m1app.") or isinstance(service, Settings):
            continue
        for name in dir(service):
            if name.startswith("_") or isinstance(getattr(type(service), name, None), property):
                continue
            method = getattr(service, name)
            is_own = name in BY_THE_APP_ITSELF.get(field.name, ())
            if inspect.isroutine(method) and not is_own and not hasattr(method, NEEDS):
                forgotten.append(f"{field.name}.{name}")
    assert forgotten == []


def test_what_belongs_to_the_app_itself_is_still_there(services: Services) -> None:
    for field, names in BY_THE_APP_ITSELF.items():
        assert {name for name in names if not hasattr(getattr(services, field), name)} == set()


def test_accounts_and_the_audit_log_say_what_they_need(services: Services) -> None:
    own = {"ensure_first", "count", "aclose"}
    for service in (services.access.accounts, services.access.audit):
        names = [name for name in vars(type(service)) if not name.startswith("_") and name not in own]
        assert [name for name in names if not hasattr(getattr(service, name), NEEDS)] == []


def test_a_home_is_made(tmp_path: Path) -> None:
    """Building the services acts for nobody: it must not need a permission."""
    with acting_as(NOBODY):
        made = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9", admin_password="correct horse"))
    assert made.access.accounts.count() == 1
    asyncio.run(made.aclose())
