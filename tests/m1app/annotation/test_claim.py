"""Claiming what was annotated under a typed name for an account."""

import pytest

from m1app.access.accounts import AccountService
from m1app.access.audit import AuditService
from m1app.access.errors import AccessRefused
from m1app.access.passwords import Passwords
from m1app.access.person import Person, acting_as
from m1app.annotation.errors import AnnotationRefused
from m1app.annotation.service import AnnotationService
from storage.annotations.names import NamedWork
from storage.database import Database
from storage.errors import RecordNotFound
from storage.people.accounts import AccountRepository
from storage.people.records import Account, Role
from tests.m1app.annotation.cases import note, stored_sweep, stored_trace


@pytest.fixture
def account(database: Database) -> Account:
    return database.write_now(lambda s: AccountRepository(s).add("Dr Ada Lovelace", Role.ANNOTATOR))


def acting(account: Account) -> Person:
    return Person(account.id, account.role, account.name)


async def test_marks_reviews_and_assessments_move_with_their_history(
    service: AnnotationService, database: Database, account: Account
) -> None:
    _, first_case, second_case = stored_sweep(database)
    own = await service.save(first_case, "ada", note())
    await service.submit(first_case, "ada")
    other = await service.save(second_case, "Eve", note())
    await service.submit(second_case, "Eve")
    await service.submit(second_case, "ada")
    await service.agree(other.id, "ada")
    assert await service.old_names() == (NamedWork("Eve", 1, 1), NamedWork("ada", 2, 1))

    moved = await service.claim("ada", "dr ada lovelace")

    assert (moved.cases, moved.annotations, moved.revisions) == (2, 1, 3)
    assert [each.name for each in await service.old_names()] == ["Eve"]
    view = await service.open(first_case, account.name)
    assert [each.id for each in view.own] == [own.id]
    assert view.assessment is not None
    assert view.assessment.is_submitted
    history = await service.history(own.id, account.name)
    assert {each.made_by for each in history} == {account.name}
    assert {each.document["annotator"] for each in history} == {account.name}
    reviewed = await service.open(second_case, account.name)
    assert [each.agreed_by for each in reviewed.others] == [(account.name,)]
    last = (await service.history(other.id, account.name))[-1]
    assert (last.made_by, last.document["annotator"], last.document["agreed_by"]) == (
        account.name,
        "Eve",
        [account.name],
    )


async def test_the_audit_log_has_ids_and_counts_and_no_name(
    service: AnnotationService, database: Database, account: Account
) -> None:
    await service.save(stored_trace(database), "ada", note())
    await service.claim("ada", account.name)
    (entry,) = await AuditService(database).page(filters={"action": "annotation.claim"})
    assert (entry.subject, entry.details) == (account.id, {"cases": 1, "annotations": 1, "revisions": 1})


async def test_two_who_worked_on_one_case_do_not_become_one(
    service: AnnotationService, database: Database, account: Account
) -> None:
    shared, alone = stored_trace(database), stored_sweep(database)[1]
    await service.save(shared, "ada", note())
    await service.save(alone, "ada", note())
    with acting_as(acting(account)):
        await service.save(shared, "", note())
    with pytest.raises(AnnotationRefused, match=f"have worked on 1 case, such as {shared}") as refused:
        await service.claim("ada", account.name)
    assert refused.value.field == "annotator"
    # All or nothing: the case that only one has worked on stays too.
    assert [each.annotator for each in (await service.open(alone, "ada")).own] == ["ada"]


@pytest.mark.parametrize("work", ["withdrawn", "submitted", "draft", "rejected"])
async def test_any_work_of_the_account_counts(
    service: AnnotationService, database: Database, account: Account, work: str
) -> None:
    case_id = stored_trace(database)
    await service.save(case_id, "ada", note())
    with acting_as(acting(account)):
        if work == "withdrawn":
            made = await service.save(case_id, "", note())
            await service.withdraw(made.id, "", made.revision)
        elif work == "submitted":
            await service.submit(case_id, "")
        elif work == "draft":
            await service.save_draft(case_id, "", {"comment": "half"}, 1.0)
        else:
            await service.reject_suggestion(case_id, "", "a key")
    with pytest.raises(AnnotationRefused, match="cannot become one"):
        await service.claim("ada", account.name)


async def test_an_account_that_only_opened_the_case_gives_way(
    service: AnnotationService, database: Database, account: Account
) -> None:
    case_id = stored_trace(database)
    made = await service.save(case_id, "ada", note())
    await service.save_draft(case_id, "ada", {}, 4.0)
    with acting_as(acting(account)):
        await service.save_draft(case_id, "", {}, 2.0)
    await service.claim("ada", account.name)
    view = await service.open(case_id, account.name)
    assert [each.id for each in view.own] == [made.id]
    assert view.assessment is not None
    assert view.assessment.seconds_spent == 6.0


async def test_what_cannot_be_claimed_is_refused(
    service: AnnotationService, database: Database, account: Account
) -> None:
    await AccountService(database, Passwords()).add("Root", Role.ADMIN, "correct horse")
    with pytest.raises(RecordNotFound, match="no account named"):
        await service.claim("ada", "Nobody")
    with pytest.raises(RecordNotFound, match="Nothing was annotated"):
        await service.claim("ada", account.name)
    case_id = stored_trace(database)
    with acting_as(acting(account)):
        await service.save(case_id, "", note())
    with pytest.raises(AnnotationRefused, match="is an account, so nobody else can claim"):
        await service.claim(account.name, "Root")
    with acting_as(acting(account)), pytest.raises(AccessRefused, match="requires the admin role"):
        await service.claim("ada", account.name)
