"""What a driver tells of a run besides what it tells the strategy."""

from m1app.strategies.drivers.finished_requests import Finished
from m1app.strategies.drivers.served_models import ServedModel
from m1app.strategies.protocol import Request, Search
from models.engine.protocol import TokenIds
from models.thinking.budget_forcing import Marker
from models.thinking.thinking_pass import PassEvent


class Observer:
    """Is told what a run does, to keep and to show it. Does nothing by itself."""

    def began(self, request: Request, model: ServedModel, prompt_ids: TokenIds, close: Marker | None = None) -> None:
        """A request is being sent, perhaps again.

        Args:
            request: what is asked.
            model: who is asked.
            prompt_ids: everything before the first token.
            close: of an answer, what closed the thinking; the prompt ends with it.
        """

    def took(self, request: Request, event: PassEvent) -> None:
        """A thinking or an answer went on."""

    def ended(self, request: Request, finished: Finished) -> None:
        """A request ended, in whatever way but a cancellation."""

    def searching(self, search: Search) -> None:
        """A search begins."""

    def searched(self, search: Search, finished: Finished) -> None:
        """A search ended, in whatever way but a cancellation."""

    def shared(self, request: Request, finished: Finished, trace_id: str) -> None:
        """A request was taken from a stored pass instead of asked.

        Args:
            request: what would have been asked.
            finished: what came of it.
            trace_id: of a thinking: the stored pass; else empty.
        """

    def cancelled(self, request: Request, finished: Finished | None) -> None:
        """A request was cancelled.

        Args:
            request: what was asked.
            finished: what is left of it; None if the run was stopped, and the strategy did not cancel it.
        """

    def shown(self, name: str, value: object) -> None:
        """The strategy's picture changed."""
