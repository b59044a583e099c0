"""Who may name traces and sweeps, what is audited, and what runs now in any process."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from m1app.access.errors import AccessRefused
from m1app.access.person import Person, acting_as
from m1app.bootstrap import Services, build_services
from m1app.runs.errors import ProbeRefused
from m1app.runs.owners import STALE_SECONDS, this_process
from m1app.settings import Settings
from storage.naming import Naming
from storage.people.records import Role
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository, utc_now
from storage.sweeps.repository import SweepRepository
from storage.traces.listing import TraceFilter
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, begin, finish, progress, think

pytestmark = [pytest.mark.usefixtures("no_settings")]

ADA = Person("a" * 32, Role.ADMIN, "Ada")
EVE = Person("e" * 32, Role.ANNOTATOR, "Eve")
VIC = Person("f" * 32, Role.VIEWER, "Vic")
NAMING = Naming("Wrist drop", ("teaching", "neuro"))


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    made = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9"))
    with acting_as(ADA):
        yield made
    await made.aclose()


def trace_of(services: Services, person: Person) -> str:
    trace = begin(services.database, NewQuestion(stem="Which nerve?"), asked_by=person.id)
    finish(services.database, trace, think("x"))
    return trace.id


def sweep_of(services: Services, person: Person, owner: str = "host:1") -> str:
    with services.database.session() as session:
        asked = QuestionRepository(session).upsert(NewQuestion(stem="Which nerve?"))
        return SweepRepository(session).add(a_sweep(asked.id, asked_by=person.id, owner=owner)).id


async def test_whoever_asked_names_a_run_and_nobody_else_but_an_admin(services: Services) -> None:
    traces = [trace_of(services, EVE), trace_of(services, ADA)]
    sweeps = [sweep_of(services, EVE), sweep_of(services, ADA)]
    with acting_as(EVE):
        await services.probe.set_naming(traces[0], NAMING)
        await services.sweeps.set_naming(sweeps[0], NAMING)
        with pytest.raises(AccessRefused):
            await services.probe.set_naming(traces[1], NAMING)
        with pytest.raises(AccessRefused):
            await services.sweeps.set_naming(sweeps[1], NAMING)
    with acting_as(VIC), pytest.raises(AccessRefused):
        await services.probe.set_naming(traces[0], NAMING)
    await services.probe.set_naming(traces[0], Naming("By an admin"))
    assert (await services.probe.get(traces[0])).name == "By an admin"
    assert (await services.sweeps.get(sweeps[0])).sweep.tags == NAMING.tags
    entries = await services.access.audit.after(0)
    assert [(each.action, each.subject, each.person, each.details) for each in entries] == [
        ("trace.name", traces[0], EVE.id, {"tags": 2}),
        ("sweep.name", sweeps[0], EVE.id, {"tags": 2}),
        ("trace.name", traces[0], ADA.id, {"tags": 0}),
    ]


async def test_a_pass_is_named_through_its_sweep(services: Services) -> None:
    sweep_id = sweep_of(services, ADA)
    with services.database.session() as session:
        question_id = SweepRepository(session).get(sweep_id).sweep.question_id
        one = TraceRepository(session).add(a_trace(question_id, sweep_id=sweep_id, asked_by=ADA.id))
    with pytest.raises(ProbeRefused, match="Name the sweep"):
        await services.probe.set_naming(one.id, NAMING)


async def test_what_runs_in_another_process_is_listed_with_its_progress(services: Services) -> None:
    elsewhere = "another-machine:7"
    trace = begin(services.database, NewQuestion(stem="Which nerve?"), owner=elsewhere)
    begin(
        services.database,
        NewQuestion(stem="Ended with its process"),
        owner=this_process().rpartition(":")[0] + ":999999",
    )
    sweep_id = sweep_of(services, ADA, elsewhere)
    with services.database.session() as session:
        TraceRepository(session).save_all(progress(trace.id, think("some", token_count=40), tokens=40))
        question_id = SweepRepository(session).get(sweep_id).sweep.question_id
        one = TraceRepository(session).add(a_trace(question_id, sweep_id=sweep_id, owner=elsewhere))
        TraceRepository(session).add_checkpoint(a_checkpoint(one.id, cells=((64, 0), (128, 0))))
        TraceRepository(session).add_checkpoint(a_checkpoint(one.id, error="failed"))
    (running,) = await services.probe.running_now(TraceFilter())
    assert (running.id, running.thinking_tokens, running.state) == (trace.id, 40, TraceState.RUNNING)
    (sweep,) = await services.sweeps.running_now()
    assert (sweep.sweep.id, sweep.cells_answered, sweep.sweep.cells) == (sweep_id, 2, 8)
    assert await services.probe.running_now(TraceFilter(text="elsewhere")) == ()
    page = await services.probe.history(TraceFilter(state=TraceState.INTERRUPTED), 5)
    assert [each.stem for each in page.items] == ["Ended with its process"]


async def test_what_gives_no_sign_of_life_is_interrupted(services: Services) -> None:
    long_ago = utc_now() - timedelta(seconds=STALE_SECONDS + 60)
    with services.database.session() as session:
        asked = QuestionRepository(session).upsert(NewQuestion(stem="Which nerve?"))
        quiet = TraceRepository(session, now=lambda: long_ago).add(a_trace(asked.id, owner="another-machine:7"))
        SweepRepository(session, now=lambda: long_ago).add(a_sweep(asked.id, owner="another-machine:7"))
    assert await services.probe.running_now(TraceFilter()) == ()
    assert await services.sweeps.running_now() == ()
    assert (await services.probe.get(quiet.id)).state is TraceState.INTERRUPTED
