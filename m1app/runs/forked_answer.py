"""The answer forked from a pass at one cut: requested, retried when the engine fails, scored."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from m1app.background import reported
from m1app.errors import log_words
from m1app.question.answers.scoring import lead_in, letter_basis, score
from m1app.runs.pass_plan import PassPlan
from m1app.runs.sweep_reading import ReachedCut
from models.engine.protocol import TokenIds
from models.errors import ModelsError, RateLimited
from models.thinking.budget_forcing import Marker
from models.thinking.option_probabilities import option_probabilities
from models.thinking.thinking_pass import SegmentClosed, SegmentGrew, TokensGenerated, run_answer
from storage.traces.records import Checkpoint, NewCheckpoint, ThinkingFinishReason

_log = logging.getLogger(__name__)

_TRIES = 3
_RETRY_SECONDS = 0.5


class ForkedAnswer:
    """One answer while it is being generated."""

    def __init__(self, plan: PassPlan, context: TokenIds, close: Marker) -> None:
        """Args:
        plan: plan of the pass.
        context: prompt, opening and the thinking up to the cut.
        close: what closes the thinking and opens the answer.
        """
        self.tokens_generated = 0
        """Tokens of all attempts, including the option probabilities."""
        self.was_rate_limited = False
        """Whether the last attempt was rate-limited by the engine."""
        self._plan = plan
        self._close = close
        self._context = context + self._close.token_ids
        self._probabilities: Mapping[str, float] | None = None
        self._error = ""
        self._begin()

    def _begin(self) -> None:
        self._text = ""
        self._token_count = self._tokens_of_this_try = 0
        self._finish_reason: str | None = None

    async def generate(self) -> None:
        """Generate the answer and the option probabilities, in up to three attempts; errors are recorded, not
        raised."""
        with reported("an answer", self._fail):
            await self._try_often()

    def _fail(self, error: str) -> None:
        self._error = error

    async def _try_often(self) -> None:
        for tries in range(1, _TRIES + 1):
            self._begin()
            try:
                await self._try()
                self._error = ""
                return
            except ModelsError as exc:
                self._error, self.was_rate_limited = str(exc), isinstance(exc, RateLimited)
            if tries < _TRIES:
                await asyncio.sleep(_RETRY_SECONDS * 4 ** (tries - 1))

    async def _try(self) -> None:
        plan = self._plan
        async with aclosing(run_answer(plan.in_pieces(), self._context, plan.markers, plan.settings)) as events:
            async for event in events:
                match event:
                    case SegmentGrew(text, token_ids):
                        self._text += text
                        self._token_count += len(token_ids)
                    case TokensGenerated(count):
                        self._count(count)
                    case SegmentClosed(is_natural_stop):
                        self._finish_reason = "natural" if is_natural_stop else "budget"
        letters = tuple(plan.request.options)
        if letters and plan.request.asks_probabilities:
            prefix = plan.markers.option_prefix.token_ids
            try:
                found = await option_probabilities(plan.engine, self._context + prefix, letters)
            except ModelsError as exc:
                _log.warning("no option probabilities at a cut: %s", log_words(exc))
                return
            self._count(found.tokens_generated)
            self._probabilities = found.by_letter

    def _count(self, tokens: int) -> None:
        self.tokens_generated += tokens
        self._tokens_of_this_try += tokens

    def checkpoint(self, trace_id: str, reached: ReachedCut, thinking_tokens_generated: int) -> NewCheckpoint:
        """Return the scored answer, ready to be stored.

        Args:
            trace_id: id of the pass.
            reached: the cut.
            thinking_tokens_generated: what a separate run would generate up to the cut.
        """
        request = self._plan.request
        leading = lead_in(self._close.text)
        scored = score(leading + self._text, dict(request.options), request.target)
        basis: dict[str, Any] = {} if self._error else letter_basis(scored, leading)
        return NewCheckpoint(
            trace_id=trace_id,
            cells=tuple((cell.budget_tokens, cell.force_rounds) for cell in reached.cells),
            cut_tokens=reached.cut.tokens,
            cut_characters=reached.characters,
            thinking_finish_reason=ThinkingFinishReason(reached.cut.finish.value),
            forced_rounds=reached.cut.forced_rounds,
            text=self._text,
            letter=None if self._error else scored.letter,
            option_probabilities=self._probabilities,
            is_correct=None if self._error else scored.is_correct,
            finish_reason=self._finish_reason,
            token_count=self._token_count,
            tokens_generated=self.tokens_generated,
            tokens_if_separate=thinking_tokens_generated + self._tokens_of_this_try,
            error=self._error,
            **basis,
        )


def kept_in_memory(made: NewCheckpoint) -> Checkpoint:
    """Return the record of an answer that could not be stored."""
    values = {column.name: getattr(made, column.name) for column in fields(NewCheckpoint)}
    return Checkpoint(**values, id=uuid4().hex, created_at=datetime.now(UTC))
