"""Branches: stored, read as trees, and gone with their traces."""

import pytest

from storage.branches.repository import BranchRepository
from storage.database import Database
from storage.erasure.repository import ErasureRepository
from storage.errors import InvalidRecord
from storage.traces.listing import TraceFilter
from storage.traces.records import Trace
from storage.traces.repository import TraceRepository
from storage.trash.records import TrashKind
from tests.storage.branches.samples import store_branch
from tests.storage.samples import begin, discard, finish, purge, think


@pytest.fixture
def parent(database: Database) -> Trace:
    trace = begin(database)
    finish(database, trace, think("It is gout, and gout alone, says the knee, says the toe."))
    with database.session() as session:
        return TraceRepository(session).get(trace.id)


def test_a_branch_says_where_it_comes_from(database: Database, parent: Trace) -> None:
    branch = store_branch(database, parent, "It is scurvy.", kept=10)
    with database.session() as session:
        found = BranchRepository(session).find(branch.id)
        assert BranchRepository(session).find(parent.id) is None
        assert BranchRepository(session).find("'; drop") is None
    assert found is not None
    assert (found.trace_id, found.parent_id, found.kept_characters) == (branch.id, parent.id, 10)
    assert (found.written, found.replaced) == ("It is scurvy.", parent.thinking_text[10:19])


def test_a_list_of_traces_tells_branches(database: Database, parent: Trace) -> None:
    branch = store_branch(database, parent, "It is scurvy.", kept=10)
    with database.session() as session:
        listed = TraceRepository(session).list(TraceFilter()).items
    assert {each.id: each.is_branch for each in listed} == {parent.id: False, branch.id: True}


def test_what_cannot_be_stored_is_refused(database: Database, parent: Trace) -> None:
    with pytest.raises(InvalidRecord, match="the edited text"):
        store_branch(database, parent, "a\x00b")


def test_a_branch_outlives_its_parent_in_the_trash_and_after_it(database: Database, parent: Trace) -> None:
    branch = store_branch(database, parent, "It is scurvy.")
    deletion = discard(database, TrashKind.TRACE, parent.id)
    with database.session() as session:
        assert [each.trace_id for each in BranchRepository(session).tree(branch.id)] == [branch.id]
        assert BranchRepository(session).tree(parent.id) == ()
    purge(database, deletion)
    with database.session() as session:
        found = BranchRepository(session).find(branch.id)
        assert found is not None and found.parent_id is None


def test_erasing_a_trace_erases_the_branches_that_begin_with_its_thinking(database: Database, parent: Trace) -> None:
    first = store_branch(database, parent, "It is scurvy.")
    second = store_branch(database, first, "It is rickets.")
    with database.session() as session:
        erasure = ErasureRepository(session)
        extent = erasure.of_trace(parent.id)
        assert set(extent.traces) == {parent.id, first.id, second.id}
        assert set(ErasureRepository(session).of_trace(second.id).traces) == {second.id}
        erasure.erase(extent)
    with database.session() as session:
        assert not any(TraceRepository(session).exists(each) for each in (parent.id, first.id, second.id))
        assert BranchRepository(session).find(second.id) is None
