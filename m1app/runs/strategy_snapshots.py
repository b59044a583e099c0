"""A run of strategies as pages and exports read it, running or stored; and what is stored of a strategy."""

from collections.abc import Mapping
from dataclasses import dataclass

from storage.strategies.records import StrategyRequest, StrategyResult, StrategyRun
from storage.traces.records import Trace, TraceState


@dataclass(frozen=True, slots=True)
class StrategySnapshot:
    """One strategy of a run at one moment."""

    result: StrategyResult
    requests: tuple[StrategyRequest, ...]
    """The ledger, in the order of their beginning."""
    texts: Mapping[str, str]
    """What has been generated so far by requests under way that are no traces, by key."""


@dataclass(frozen=True, slots=True)
class StrategyRunSnapshot:
    """A run at one moment."""

    run: StrategyRun
    """With its results as they are now."""
    strategies: tuple[StrategySnapshot, ...]
    """In the order of the choices."""
    traces: Mapping[str, Trace]
    """The passes, by id."""
    save_error: str = ""
    """Why it could not be saved; empty if it was."""
    was_rate_limited: bool = False
    """Whether the engine kept rate-limiting it; only known in the process that ran it."""

    @property
    def is_over(self) -> bool:
        """Whether it is no longer running."""
        return self.run.state is not TraceState.RUNNING


@dataclass(frozen=True, slots=True)
class KeptStrategy:
    """What is stored of a strategy when it begins or goes on."""

    result: StrategyResult
    requests: tuple[StrategyRequest, ...] = ()
    traces: Mapping[str, Trace] | None = None
    """Of its requests, by id."""
