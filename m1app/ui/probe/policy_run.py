"""A probe by a policy: a run of strategies, shown in the trace pane pass by pass. Pure."""

from collections.abc import Sequence
from typing import Any

from m1app.runs.errors import ProbeRefused
from m1app.runs.probe_request import ProbeRequest, sampling_of
from m1app.runs.strategy_request import DEFAULT_TEMPERATURE, StrategyRunRequest
from m1app.runs.strategy_snapshots import StrategyRunSnapshot, StrategySnapshot
from m1app.strategies.catalogue import choose
from m1app.strategies.choosing.policy import Policy
from m1app.strategies.kinds import BY_POLICY
from m1app.ui.probe.trace_view import PaneValue, pane_value
from m1app.wording import state_label, verdict_of, verdict_with_letter
from storage.traces.records import Trace, TraceState

NO_POLICY = ("None: think to the budget", "")
_PREFIX = "policy:"
_WAITING = "Waiting for the next pass"


def policy_choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """What the form offers."""
    return [NO_POLICY, *((f"Auto by {name}", name) for name in names)]


def shown_id(run_id: str) -> str:
    """How the page names a run by a policy among its traces."""
    return _PREFIX + run_id


def run_of(shown: str) -> str:
    """The run by a policy that the page shows; empty if it shows a trace, or nothing."""
    return shown.removeprefix(_PREFIX) if shown.startswith(_PREFIX) else ""


def request_by_policy(request: ProbeRequest, name: str, policy: Policy, *, is_kept: bool) -> StrategyRunRequest:
    """The run that a form asks for, with tokens for the most that the policy may choose.

    Raises:
        ProbeRefused: it cannot be run by a policy.
    """
    if not request.options:
        raise ProbeRefused(
            "strategies",
            "A policy reads how probable the options are after a pilot pass, and this question has none. Add options, "
            "or choose no policy.",
        )
    if not is_kept:
        raise ProbeRefused("strategies", "Runs by a policy are always kept. Clear “Do not keep”, or choose no policy.")
    sampling = sampling_of(request)
    # Passes have to differ.
    sampling["temperature"] = request.temperature or DEFAULT_TEMPERATURE
    return StrategyRunRequest(
        choices=(choose(BY_POLICY, {"policy": name}).text,),
        model=request.model,
        profile=request.profile,
        budget_tokens=policy.most_tokens(request.answer_cap_tokens),
        force_rounds=request.force_rounds,
        **sampling,
        stem=request.stem,
        options=request.options,
        target=request.target,
        source=request.source,
        title=request.title,
    )


def policy_pane_value(snapshot: StrategyRunSnapshot) -> PaneValue:
    """The pane's value: the pass that is asked now, at the end the one that was chosen, and why."""
    (strategy,) = snapshot.strategies
    trace = _shown_trace(snapshot, strategy)
    value: PaneValue = {"state": snapshot.run.state.value, "state_label": state_label(snapshot.run.state)}
    if trace is not None:
        value = pane_value(trace, snapshot.save_error)
        if not snapshot.is_over:
            is_between = trace.state is not TraceState.RUNNING
            value |= {"state": TraceState.RUNNING.value, "result": None}
            value |= {"state_label": _WAITING} if is_between else {}
    notices = (strategy.result.error, "" if trace else snapshot.save_error)
    notice = value.get("notice") or " ".join(filter(None, notices))
    return value | {"notice": notice, "policy": {"run": snapshot.run.id, "text": _text(snapshot, strategy)}}


def _shown_trace(snapshot: StrategyRunSnapshot, strategy: StrategySnapshot) -> Trace | None:
    asked = [each for each in strategy.requests if each.trace_id in snapshot.traces]
    won = [each for each in asked if each.key == strategy.result.of_key]
    last = next(iter([*reversed(won), *reversed(asked)]), None)
    return snapshot.traces[str(last.trace_id)] if last else None


def _text(snapshot: StrategyRunSnapshot, strategy: StrategySnapshot) -> str:
    """Why the strategy was chosen, what it answered, and what all of it cost."""
    result = strategy.result
    shown: Any = result.picture.get("policy")
    why = shown.get("why") if isinstance(shown, dict) else None
    spent = f"{result.generated:,} of at most {snapshot.run.budget_tokens:,} tokens, including the pilot."
    if not snapshot.is_over:
        return f"{why or 'A pilot pass is running; its entropy chooses the strategy.'} {spent}"
    answered = ""
    if result.state is TraceState.COMPLETED:
        verdict = verdict_of(result.letter, result.is_correct)
        answered = f"Answer: {verdict_with_letter(result.letter, verdict, snapshot.run.question.target)}."
    return " ".join(filter(None, (result.why or str(why or ""), answered, spent)))
