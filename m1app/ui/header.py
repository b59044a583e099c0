"""The header: what is running, with the engine's details behind a click."""

from typing import Any

from m1app.bootstrap import Services
from m1app.services.engines import EngineState, EngineStatus
from m1app.settings import EngineChoice
from models.engine import EngineInfo

_NAMES = {
    EngineChoice.EMBEDDED: "Embedded engine",
    EngineChoice.VLLM: "Managed vLLM",
    EngineChoice.REMOTE: "Remote engine",
}
_DEMO = "The embedded model is a demonstration: it answers at chance level and knows no medicine."


def header_value(services: Services, info: EngineInfo | None, problem: str) -> dict[str, Any]:
    """What the header shows now.

    Args:
        services: the app's services.
        info: what the engine says about itself; None when it does not answer.
        problem: why it does not answer; empty when it does.
    """
    status = services.engines.status()
    # A remote engine is as ready as its last answer.
    is_silent = status.state is EngineState.READY and info is None
    state = EngineState.FAILED if is_silent else status.state
    message = status.message if status.state is not EngineState.READY else problem
    is_local = services.settings.is_loopback
    return {
        "state": state.value,
        "label": _label(status, state, info),
        "work": _work(services),
        "message": message or "Ready.",
        "demo": _DEMO if services.engines.is_demo else "",
        "facts": _facts(services, status, info),
        "can_restart": is_local and status.choice is not EngineChoice.REMOTE,
        "log": services.engines.log_tail(30) if is_local else "",
    }


def _label(status: EngineStatus, state: EngineState, info: EngineInfo | None) -> str:
    model = info.model if info else status.model
    return f"{_NAMES[status.choice]}: {model or 'no model'}, {state.value}"


def _work(services: Services) -> str:
    running = services.probe.running
    if not running:
        return "Idle"
    return f"{running} running, {services.probe.tokens_per_second:.0f} tokens/s"


def _facts(services: Services, status: EngineStatus, info: EngineInfo | None) -> list[tuple[str, str]]:
    facts = [("Engine", _NAMES[status.choice])]
    if info:
        match = services.engines.match_profile(info.model, info)
        facts += [
            ("Server", f"{info.kind.value} {info.version}".strip()),
            ("Model", info.model),
            ("Context", f"{info.context_length:,} tokens"),
            ("At once", "" if info.parallel_requests is None else f"{info.parallel_requests} requests"),
            ("Profile", match.profile.id + (" (a guess: no profile names this model)" if match.is_guess else "")),
        ]
    return [(name, text) for name, text in facts if text]
