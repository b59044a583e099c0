"""What the sections about vLLM and servers show."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from m1app.engines.managed_vllm import VllmPlan
from m1app.engines.server_list import ServerView
from m1app.engines.server_place import ServerPlace
from m1app.engines.vllm_service import VllmView
from m1app.ui.admin.servers_section import server_value
from m1app.ui.admin.vllm_section import vllm_value
from models.engine.probing import Abilities
from models.engine.protocol import EngineInfo, EngineKind
from models.servers.managed_server import ServerState
from models.servers.vllm_fit import Fit
from models.servers.vllm_options import VllmOptions
from models.servers.vllm_server import VllmLaunch

FIT = Fit((), 15 << 30, 2 << 30, 32768)
PLAN = VllmPlan(VllmLaunch(Path("python"), "org/m", "m"), "vllm", FIT, "", "2 × NVIDIA H100", is_refused=False)
VIEW = VllmView(
    options=VllmOptions(model="m"),
    fixed={},
    models=("m",),
    more_arguments="",
    is_engine=False,
    state=ServerState.STOPPED,
    message="",
    loading="",
    name="",
    command="python -m vllm",
    problem="",
    plan=PLAN,
    hardware=PLAN.hardware,
    pid=None,
    is_adopted=False,
    is_changed=False,
    can_stop=False,
    log=(),
)
RUNNING = replace(VIEW, state=ServerState.READY, name="m @ vllm", pid=12, can_stop=True)


def shown(view: VllmView = VIEW, **changes: Any) -> dict[str, Any]:
    return vllm_value(replace(view, **changes))


@pytest.mark.parametrize("state", list(ServerState))
def test_every_state_has_words(state: ServerState) -> None:
    assert shown(state=state)["state"]


def test_before_the_start_the_command_and_the_estimate_are_shown() -> None:
    value = shown()
    assert value["which"] == "This command will run, on a free port and with a random key."
    assert value["notes"] == [
        "Estimated from config.json: 15.0 GiB for the weights and 2.0 GiB for one request of 32,768 tokens."
    ]
    assert (value["start"], value["can_start"], value["can_stop"]) == ("Start vLLM", True, False)
    assert value["facts"] == "on 2 × NVIDIA H100"


def test_while_it_runs_its_name_and_process_are_shown() -> None:
    value = shown(RUNNING, is_adopted=True)
    assert value["facts"] == "m @ vllm · process 12, taken over from an earlier start · on 2 × NVIDIA H100"
    # What it runs on, not what the options would use at the next start.
    assert shown(RUNNING, hardware="NVIDIA H100")["facts"] == "m @ vllm · process 12 · on NVIDIA H100"
    assert (value["which"], value["start"], value["can_stop"]) == ("This command is running.", "Restart vLLM", True)
    assert "choose Restart to apply them" in shown(RUNNING, is_changed=True)["which"]


def test_what_the_environment_sets_is_said() -> None:
    notes = shown(fixed={"model": "M1_MODEL", "is_kept": "M1_VLLM_KEEP"}, more_arguments="--seed 2")["notes"]
    assert notes[:3] == [
        "M1_MODEL sets the model, and takes precedence.",
        "M1_VLLM_KEEP sets whether it is kept running, and takes precedence.",
        "M1_VLLM_ARGS adds --seed 2, which takes precedence.",
    ]


def test_what_cannot_fit_is_not_offered_unless_the_machine_is_told_otherwise() -> None:
    fit = replace(FIT, problems=("Too large.",))
    refused = shown(plan=replace(PLAN, fit=fit, is_refused=True))
    assert (refused["can_start"], refused["notes"][0]) == (False, "Too large.")
    allowed = shown(plan=replace(PLAN, fit=fit))
    assert (allowed["can_start"], "You can start it anyway" in allowed["notes"][0]) == (True, True)


def test_what_is_not_known_is_said() -> None:
    value = shown(plan=replace(PLAN, fit=None, unknown="its config.json has not been downloaded yet"))
    assert value["notes"] == ["Its memory needs are not known: its config.json has not been downloaded yet."]
    missing = shown(plan=None, command="", problem="vLLM is not installed; run `make vllm`.")
    assert (missing["message"], missing["can_start"]) == ("vLLM is not installed; run `make vllm`.", False)
    assert shown(plan=None, command="")["which"] == "Choose a model to see the command."


def test_a_server_is_shown_with_what_it_can_do() -> None:
    place = ServerPlace("own", "Remote engine", "http://gpu:8000", lambda _: None, "CPU")  # type: ignore[arg-type, return-value]
    info = EngineInfo(EngineKind.SGLANG, "0.5", "m", 4096)
    abilities = Abilities(True, 5, True, True, None, True, False, None, None)
    value = server_value(ServerView(place, tuple(f"m{n}" for n in range(25)), info, abilities))
    assert (value["kind"], value["context"], value["hardware"]) == ("sglang 0.5", "4,096 tokens", "CPU")
    assert value["models"].endswith("m19 and 5 more")
    assert ("probabilities", "5") in value["abilities"]
    assert ("cancel by closing", "unknown") in value["abilities"]
    assert ("prefix caching", "no") in value["abilities"]
    assert len(value["instead"]) == 2
    silent = server_value(ServerView(place, problem="No engine is responding."))
    assert (silent["kind"], silent["abilities"], silent["problem"]) == ("", [], "No engine is responding.")
