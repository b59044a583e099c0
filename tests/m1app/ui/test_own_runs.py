"""Pages offer to stop, resume, name and delete a run only to whoever would be let: the person who asked, and admins."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from m1app.access.person import Person, acting_as
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.ui.compare.page import ComparePage
from m1app.ui.probe.page import ProbePage
from m1app.ui.strategies.page import StrategiesPage
from storage.database import Database
from storage.people.records import Role
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.sweeps.records import SweepOutcome
from storage.sweeps.repository import SweepRepository
from storage.traces.records import TraceOutcome, TraceState
from tests.m1app.runs.stored_strategies import store_strategy_run
from tests.storage.samples import a_sweep, begin, finish, think

pytestmark = [pytest.mark.usefixtures("no_settings")]

ADA = Person("a" * 32, Role.ADMIN, "Ada")
EVE = Person("e" * 32, Role.ANNOTATOR, "Eve")
BEN = Person("b" * 32, Role.REVIEWER, "Ben")
VIC = Person("f" * 32, Role.VIEWER, "Vic")
MAY_CHANGE = {EVE: True, ADA: True, BEN: False, VIC: False}
"""Who may change what Eve has asked for."""


def _trace(database: Database) -> str:
    trace = begin(database, NewQuestion(stem="Which nerve?"), asked_by=EVE.id)
    finish(database, trace, think("x"), outcome=TraceOutcome(state=TraceState.STOPPED))
    return trace.id


def _sweep(database: Database) -> str:
    with database.session() as session:
        asked = QuestionRepository(session).upsert(NewQuestion(stem="Which nerve?"))
        sweeps = SweepRepository(session)
        sweep = sweeps.add(a_sweep(asked.id, asked_by=EVE.id))
        sweeps.save(
            sweep.id, SweepOutcome(state=TraceState.STOPPED, tokens_generated=0, tokens_if_separate=0), "host:1"
        )
        return sweep.id


def _strategy_run(database: Database) -> str:
    return store_strategy_run(database, state=TraceState.STOPPED, asked_by=EVE.id)


PAGES: dict[type[Any], Callable[[Database], str]] = {
    ProbePage: _trace,
    ComparePage: _sweep,
    StrategiesPage: _strategy_run,
}


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    made = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9"))
    yield made
    await made.aclose()


def _offered(updates: dict[Any, Any]) -> dict[str, bool]:
    """What can be pressed, by the button's words."""
    buttons = {each: update for each, update in updates.items() if isinstance(each, gr.Button)}
    return {
        str(each.value): bool(update.get("interactive", True) and update.get("visible", True))
        for each, update in buttons.items()
    }


@pytest.mark.parametrize("made", PAGES, ids=lambda page: page.__name__)
async def test_a_run_can_be_changed_by_whoever_would_be_let(services: Services, made: type[Any]) -> None:
    run_id = PAGES[made](services.database)
    with gr.Blocks() as demo:
        page = made(demo, services)
    for person, may_change in MAY_CHANGE.items():
        with acting_as(person):
            opened = _offered(await page._opened(run_id))
            over = await page._on_over(run_id)
            strip = await page._history._on_shown(run_id)
        assert opened["Stop"] is may_change, person.name
        assert opened.get("Answer now", may_change) is may_change
        assert _offered(over).get("Resume", may_change) is may_change
        assert _offered(over)["Run again"] is (person is not VIC)
        assert strip["may_change"] is may_change
        (row,) = over[page._history.list]["rows"]
        assert (row["id"], row["may_change"]) == (run_id, may_change)
