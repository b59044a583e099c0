"""Annotators are double blind: a fact test of somebody's unsubmitted mark is read by its author and reviewers only."""

from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from m1app.access.person import Person, acting_as
from m1app.bootstrap import Services, build_services
from m1app.fact_tests.errors import FactTestRefused
from m1app.settings import Settings
from m1app.ui.strategies.downloads import add_strategy_downloads
from storage.annotations.cases import CaseRepository
from storage.annotations.records import Origin
from storage.annotations.repository import AnnotationRepository
from storage.people.records import Role
from tests.m1app.annotation.cases import note
from tests.storage.fact_tests.samples import store_fact_test
from tests.storage.samples import begin, finish, think

AUTHOR, OTHER = "Dr A", "Dr B"


@pytest.fixture
def services(tmp_path) -> Iterator[Services]:
    made = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9", cpu_jobs=0))
    yield made
    made.database.dispose()


@pytest.fixture
def hidden(services: Services) -> str:
    """The run of a test of a fact that Dr A has not submitted."""
    trace = begin(services.database)
    finish(services.database, trace, think("It is gout."))
    with services.database.session() as session:
        case = CaseRepository(session).get(trace.id)
        annotation = AnnotationRepository(session).add(case, AUTHOR, note("bias", comment="No."), Origin.PERSON, 1)
    return store_fact_test(services.database, trace, annotation_id=annotation.id)


@pytest.mark.parametrize(("name", "role"), [(AUTHOR, Role.ANNOTATOR), ("Dr R", Role.REVIEWER)])
async def test_its_author_and_reviewers_read_it(services: Services, hidden: str, name: str, role: Role) -> None:
    with acting_as(Person("1", role, name)):
        assert (await services.fact_tests.get(hidden)).test.run_id == hidden
        await services.fact_tests.require_readable(hidden)


async def test_another_annotator_reads_it_neither_as_a_fact_test_nor_as_the_strategy_run_that_it_is(
    services: Services, hidden: str
) -> None:
    app = FastAPI()
    add_strategy_downloads(app, services)
    with acting_as(Person("2", Role.ANNOTATOR, OTHER)):
        for read in (services.fact_tests.get, services.fact_tests.require_readable):
            with pytest.raises(FactTestRefused, match="Submit yours first"):
                await read(hidden)
        assert await services.fact_tests.recent() == ()
        client = TestClient(app)
        for path in (".json", ".csv", ".md", "/0/0"):
            answer = client.get(f"/strategy-runs/{hidden}{path}")
            assert (answer.status_code, "Submit yours first" in answer.text) == (403, True), path


async def test_other_strategy_runs_are_not_fact_tests(services: Services) -> None:
    with acting_as(Person("2", Role.ANNOTATOR, OTHER)):
        await services.fact_tests.require_readable("0" * 32)
