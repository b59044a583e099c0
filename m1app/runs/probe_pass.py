"""The pass of a probe: budget forcing, run by the driver, whose trace grows with it.

The engine is asked before the trace is stored: a commit takes as long as a first token. What it says until then waits.
"""

import asyncio
from collections.abc import Sequence

from m1app.runs.errors import PassFailed
from m1app.runs.live_trace import LiveTrace
from m1app.runs.pass_plan import PassPlan
from m1app.runs.traced_pass import events_of_closing
from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.finished_requests import Finished
from m1app.strategies.drivers.ledger import Entry, Ledger
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.drivers.served_models import OneModel, ServedModel
from m1app.strategies.methods.budget_forcing import budget_forcing
from m1app.strategies.protocol import Answer, Failed, Look, Looked, Request, Task, most_generated
from models.engine.protocol import TokenIds
from models.thinking.budget_forcing import Marker
from models.thinking.going_on import Stretch
from models.thinking.option_probabilities import OptionProbabilities
from models.thinking.thinking_pass import PassEvent

_THINK_KEY = "pass/0"


class ProbePass(Observer):
    """Runs from its making on; is to be given a trace, or closed."""

    def __init__(self, plan: PassPlan, begun: Sequence[Stretch] = ()) -> None:
        """Args:
        plan: of the pass.
        begun: what its thinking goes on from.
        """
        self.probabilities: OptionProbabilities | None = None
        """Of the options at the end of the thinking; None if they are not known."""
        self._trace: LiveTrace | None = None
        self._early: list[PassEvent] = []
        """What came before there was a trace."""
        self._error = ""
        self._ledger = Ledger(None)
        self._driver = Driver(
            budget_forcing(_task(plan), looks=plan.request.asks_probabilities),
            OneModel(plan.served),
            self._ledger,
            plan.prompt.token_ids,
            options=plan.request.options,
            temperature=plan.settings.temperature,
            top_p=plan.settings.top_p,
            observer=self,
            begun={_THINK_KEY: begun},
            # A person who waits sees at once what is wrong, and asks again.
            tries=1,
        )
        self._running = asyncio.create_task(self._driver.run(), name="pass of a probe")

    @property
    def ledger(self) -> tuple[Entry, ...]:
        """What each of its requests has cost so far."""
        return self._ledger.entries

    async def run(self, trace: LiveTrace) -> None:
        """Let the trace grow until the pass has ended; when cancelled, it ends too.

        Raises:
            PassFailed: the thinking or the answer failed.
        """
        self._trace = trace
        for event in self._early:
            trace.apply(event)
        self._early.clear()
        await self._running
        if self._error:
            raise PassFailed(self._error)

    def answer_now(self) -> None:
        """End its thinking."""
        self._driver.answer_now()

    async def aclose(self) -> None:
        """Cancel what the engine is doing."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    def began(self, request: Request, model: ServedModel, prompt_ids: TokenIds, close: Marker | None = None) -> None:
        """See `Observer.began`."""
        if isinstance(request, Answer) and close is not None:
            for event in events_of_closing(close):
                self._take(event)

    def took(self, request: Request, event: PassEvent) -> None:
        """See `Observer.took`."""
        self._take(event)

    def _take(self, event: PassEvent) -> None:
        if self._trace is None:
            self._early.append(event)
        else:
            self._trace.apply(event)

    def ended(self, request: Request, finished: Finished) -> None:
        """See `Observer.ended`."""
        event = finished.event
        if isinstance(event, Looked):
            self.probabilities = OptionProbabilities(event.probabilities, self._ledger.generated_by(request.key))
        # The answer counts without the probabilities.
        if isinstance(event, Failed) and not isinstance(request, Look):
            self._error = event.error


def _task(plan: PassPlan) -> Task:
    request, settings = plan.request, plan.settings
    return Task(
        stem=request.stem,
        options=request.options,
        prompt=plan.prompt.text,
        budget_tokens=most_generated(
            thinking=settings.budget_tokens,
            overruled=settings.force_rounds,
            answer=settings.answer_cap_tokens,
            looks=1,
        ),
        answer_cap_tokens=settings.answer_cap_tokens,
        thinking_tokens=settings.budget_tokens,
        force_rounds=settings.force_rounds,
        temperature=settings.temperature,
        seed=settings.seed or 0,
    )
