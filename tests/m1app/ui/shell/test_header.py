"""The header: what it says of engines that run, start, fail or are far away."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from m1app.access.person import Person, acting_as
from m1app.bootstrap import Services
from m1app.engines.own_engine import EngineState, EngineStatus
from m1app.engines.watch import EngineReading
from m1app.settings import EngineChoice, Settings
from m1app.ui.shell.header import PageHeader, header_value
from models.engine.endpoint import Endpoint
from models.engine.protocol import EngineInfo, EngineKind
from models.profiles import ProfileMatch, load_profiles
from storage.people.records import AccountOrigin, Role
from tests.m1app.conftest import MakeServices
from tests.models.engine.scripted_server import Script, serving, stream

ADMIN, LOCAL = Person("local", Role.ADMIN), Person("local", Role.REVIEWER)
INFO = EngineInfo(EngineKind.LLAMA_CPP, "b1", "smollm2-135m", 8192, 4)


@dataclass
class ScriptedEngines:
    """An engine in a state that a real one passes through too quickly to be looked at."""

    choice: EngineChoice
    state: EngineState
    message: str = ""
    is_guess: bool = False
    hardware: str = ""

    @property
    def is_demo(self) -> bool:
        return self.choice is EngineChoice.EMBEDDED

    def status(self) -> EngineStatus:
        return EngineStatus(self.choice, self.state, self.message, "smollm2-135m")

    def match_profile(self, model: str, info: EngineInfo) -> ProfileMatch:
        return ProfileMatch(load_profiles().get("plain-chatml"), self.is_guess)

    def log_tail(self, lines: int) -> str:
        return "llama.cpp: loaded"


@dataclass(frozen=True)
class ScriptedRuns:
    running: int = 0
    tokens_per_second: float = 0.0


@dataclass
class ScriptedServices:
    settings: Settings
    engines: ScriptedEngines
    probe: ScriptedRuns
    sweeps: ScriptedRuns
    strategies: ScriptedRuns
    jobs: ScriptedRuns
    database: "ScriptedDatabase"


@dataclass(frozen=True)
class ScriptedDatabase:
    damage: str = ""


def shown(
    choice: EngineChoice = EngineChoice.EMBEDDED,
    state: EngineState = EngineState.READY,
    *,
    info: EngineInfo | None = INFO,
    problem: str = "",
    age: float = 0.0,
    running: int = 0,
    rate: float = 0.0,
    sweeps: ScriptedRuns = ScriptedRuns(),
    strategies: ScriptedRuns = ScriptedRuns(),
    jobs: int = 0,
    damage: str = "",
    **engine: Any,
) -> dict[str, Any]:
    settings = Settings(home=Path("unused"))
    engines, probe = ScriptedEngines(choice, state, **engine), ScriptedRuns(running, rate)
    services = ScriptedServices(
        settings, engines, probe, sweeps, strategies, ScriptedRuns(jobs), ScriptedDatabase(damage)
    )
    return header_value(cast(Services, services), EngineReading(info, problem=problem, age_seconds=age))


def test_a_ready_engine_says_what_it_is() -> None:
    value = shown()
    assert (value["state"], value["label"]) == ("ready", "Embedded engine: smollm2-135m, ready")
    assert (value["message"], value["work"]) == ("Ready.", "Idle")
    assert value["facts"] == [
        ("Engine", "Embedded engine"),
        ("Server", "llama.cpp b1"),
        ("Model", "smollm2-135m"),
        ("Context", "8,192 tokens"),
        ("Parallel", "4 requests"),
        ("Profile", "plain-chatml"),
    ]


@pytest.mark.parametrize("choice", list(EngineChoice))
@pytest.mark.parametrize("state", list(EngineState))
def test_every_engine_and_state_has_a_label(choice: EngineChoice, state: EngineState) -> None:
    value = shown(choice, state, info=None, problem="No engine is responding.")
    assert value["label"].endswith("failed" if state is EngineState.READY else state.value)
    assert value["facts"] == [("Engine", value["label"].split(":")[0])]


def test_an_engine_that_loads_says_how_far_it_is() -> None:
    value = shown(state=EngineState.DOWNLOADING, info=None, problem="not asked", message="Weights: 40 of 98 MB")
    assert (value["state"], value["message"]) == ("downloading weights", "Weights: 40 of 98 MB")


def test_a_remote_engine_that_does_not_answer_has_failed_and_says_why() -> None:
    value = shown(EngineChoice.REMOTE, info=None, problem="No engine is responding.", message="http://gpu:8000")
    assert (value["state"], value["message"]) == ("failed", "No engine is responding.")
    assert value["label"] == "Remote engine: smollm2-135m, failed"


def test_an_engine_that_has_not_answered_for_long_is_said_to_be_silent() -> None:
    assert shown(age=2.0)["message"] == "Ready."
    assert shown(age=95.0)["message"] == "The engine last answered 2 min ago."


def test_a_damaged_database_is_said_on_every_page() -> None:
    assert shown()["damage"] == ""
    assert shown(damage="It is only read now.")["damage"] == "It is only read now."


def test_a_guessed_profile_is_said_to_be_one() -> None:
    assert shown(is_guess=True)["facts"][-1] == ("Profile", "plain-chatml (a guess: no profile matches this model)")


def test_where_the_engine_runs_is_said() -> None:
    assert ("Runs on", "CPU, 4 threads") in shown(hardware="CPU, 4 threads")["facts"]


def test_what_an_engine_does_not_tell_is_left_out() -> None:
    names = [name for name, _ in shown(info=EngineInfo(EngineKind.OTHER, "", "m", 10))["facts"]]
    assert "Parallel" not in names


def test_work_counts_runs_and_their_tokens() -> None:
    assert shown(running=3, rate=123.4)["work"] == "3 running, 123 tokens/s"
    assert shown(running=3, rate=123.4, sweeps=ScriptedRuns(2, 40.0), strategies=ScriptedRuns(1, 10.0))["work"] == (
        "6 running, 173 tokens/s"
    )


def test_who_is_logged_in_is_named() -> None:
    with acting_as(Person("1", Role.VIEWER, "Ann")):
        assert shown()["person"] == "Ann (viewer)"
    with acting_as(LOCAL):
        assert shown()["person"] == ""


@pytest.mark.parametrize(
    ("origin", "has_password", "has_session"),
    [(AccountOrigin.PASSWORD, True, True), (AccountOrigin.OIDC, False, True), (AccountOrigin.PROXY, False, False)],
)
def test_only_what_works_for_the_person_is_offered(
    origin: AccountOrigin, has_password: bool, has_session: bool
) -> None:
    with acting_as(Person("1", Role.VIEWER, "Ann", origin=origin)):
        value = shown()
    assert (value["has_password"], value["has_session"]) == (has_password, has_session)


def test_work_counts_jobs() -> None:
    assert shown(jobs=1)["work"] == "1 job"
    assert shown(running=1, rate=9.0, jobs=2)["work"] == "1 running, 9 tokens/s, 2 jobs"


@pytest.mark.parametrize(("choice", "is_demo"), [(EngineChoice.EMBEDDED, True), (EngineChoice.REMOTE, False)])
def test_only_the_demo_model_is_said_to_know_no_medicine(choice: EngineChoice, is_demo: bool) -> None:
    assert ("knows no medicine" in shown(choice)["demo"]) is is_demo


@pytest.mark.parametrize(
    ("choice", "person", "can_restart", "log"),
    [
        (EngineChoice.EMBEDDED, ADMIN, True, "llama.cpp: loaded"),
        (EngineChoice.VLLM, ADMIN, True, "llama.cpp: loaded"),
        (EngineChoice.REMOTE, ADMIN, False, "llama.cpp: loaded"),
        (EngineChoice.EMBEDDED, LOCAL, False, ""),
    ],
)
def test_only_an_admin_may_restart_the_engine_and_read_its_log(
    choice: EngineChoice, person: Person, can_restart: bool, log: str
) -> None:
    with acting_as(person):
        value = shown(choice)
    assert (value["can_restart"], value["log"]) == (can_restart, log)


@pytest.mark.parametrize(
    ("state", "person", "can_stop", "restart"),
    [
        (EngineState.READY, ADMIN, True, "Restart engine"),
        (EngineState.FAILED, ADMIN, True, "Restart engine"),
        (EngineState.STOPPED, ADMIN, False, "Start engine"),
        (EngineState.READY, LOCAL, False, "Restart engine"),
    ],
)
def test_engine_that_runs_can_be_stopped_and_a_stopped_one_started(
    state: EngineState, person: Person, can_stop: bool, restart: str
) -> None:
    with acting_as(person):
        value = shown(state=state)
    assert (value["can_stop"], value["restart"]) == (can_stop, restart)


async def test_open_tabs_share_what_the_engine_says(make_services: MakeServices) -> None:
    with serving(Script(stream())) as script:
        services = make_services(Endpoint(script.url, ""))
        header = PageHeader(services)
        first = await asyncio.gather(*(header.tick([], None, None) for _ in range(40)))
        assert {tuple(served) for _, served, _ in first} == {("scripted",)}
        for _ in range(5):
            await asyncio.gather(*(header.tick(["scripted"], None, None) for _ in range(40)))
        asked = [path for path, _ in script.requests].count("/v1/models")
        assert asked <= 6  # 240 ticks; before they were shared, each of them asked
