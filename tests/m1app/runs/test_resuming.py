"""Who may have a run go on that has ended, and that only one process does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from m1app.access.errors import AccessRefused
from m1app.access.person import Person, acting_as
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from models.engine.endpoint import Endpoint
from models.errors import EngineUnreachable
from storage.people.records import Role
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.strategies.records import StrategyRunState
from storage.strategies.repository import StrategyRepository
from storage.sweeps.records import SweepOutcome
from storage.sweeps.repository import SweepRepository
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository
from tests.m1app.conftest import MakeServices
from tests.m1app.runs.test_sweeps import RIGHT, answering, follow, request
from tests.models.engine.scripted_server import Script, serving, stream
from tests.storage.samples import a_strategy_run, a_sweep, a_trace

ADA = Person("a" * 32, Role.ADMIN, "Ada")
EVE = Person("e" * 32, Role.ANNOTATOR, "Eve")
BOB = Person("b" * 32, Role.REVIEWER, "Bob")
STOPPED = TraceState.STOPPED


@pytest.fixture
async def services(tmp_path: Path, no_settings: None) -> AsyncIterator[Services]:
    made = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9"))
    yield made
    await made.aclose()


def stopped_runs(services: Services, person: Person) -> tuple[str, str]:
    """Ids of a sweep and of a run of strategies that a person has stopped."""
    with services.database.session() as session:
        asked = QuestionRepository(session).upsert(NewQuestion(stem="Which nerve?", options={"A": "a", "B": "b"}))
        sweep = SweepRepository(session).add(a_sweep(asked.id, asked_by=person.id))
        TraceRepository(session).add(a_trace(asked.id, sweep_id=sweep.id))
        SweepRepository(session).save(sweep.id, SweepOutcome(state=STOPPED), "host:1")
        run = StrategyRepository(session).add(a_strategy_run(asked.id, asked_by=person.id))
        StrategyRepository(session).save(run.id, StrategyRunState(state=STOPPED), "host:1")
    return sweep.id, run.id


async def test_whoever_asked_has_a_run_go_on_and_nobody_else_but_an_admin(services: Services) -> None:
    sweep_id, run_id = stopped_runs(services, EVE)
    with acting_as(BOB):
        with pytest.raises(AccessRefused):
            await services.sweeps.resume(sweep_id)
        with pytest.raises(AccessRefused):
            await services.strategies.resume(run_id)
    for person in (EVE, ADA):
        with acting_as(person):
            # They may; but the engine is not there.
            with pytest.raises(EngineUnreachable):
                await services.sweeps.resume(sweep_id)
            with pytest.raises(EngineUnreachable):
                await services.strategies.resume(run_id)
    with services.database.session(is_read_only=True) as session:
        assert SweepRepository(session).get(sweep_id).sweep.state is STOPPED
        assert StrategyRepository(session).get(run_id).state is STOPPED


async def test_of_two_processes_that_have_a_sweep_go_on_one_succeeds(make_services: MakeServices) -> None:
    with serving(Script(answering(lambda _: stream(is_whole=False)))) as script:
        several = [make_services(Endpoint(script.url)) for _ in range(2)]
        begun = await several[0].sweeps.start(request(profile="plain-chatml", force_rounds=(0,)))
        assert (await follow(several[0], begun.sweep.id))[-1].sweep.state is TraceState.FAILED
        script.completion = answering(lambda _: RIGHT)
        asked = await asyncio.gather(*(each.sweeps.resume(begun.sweep.id) for each in several), return_exceptions=True)
        assert sorted(type(each).__name__ for each in asked) == ["AppError", "SweepSnapshot"]
        assert "another process" in next(str(each) for each in asked if isinstance(each, Exception))
        winner = next(one for one, said in zip(several, asked, strict=True) if not isinstance(said, Exception))
        over = (await follow(winner, begun.sweep.id))[-1]
    assert over.sweep.state is TraceState.COMPLETED
    assert [kept.text for kept in over.passes[0].checkpoints] == [" B"] * 3
