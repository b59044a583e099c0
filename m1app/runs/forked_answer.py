"""The answer forked from a pass at one cut, as it comes in, and the checkpoint that it becomes."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from m1app.question.answers.scoring import lead_in, letter_basis, score
from m1app.runs.probe_request import ProbeRequest
from m1app.runs.sweep_reading import ReachedCut
from m1app.strategies.drivers.ledger import Entry
from models.thinking.thinking_pass import PassEvent, SegmentClosed, SegmentGrew
from storage.traces.records import Checkpoint, NewCheckpoint, ThinkingFinishReason


@dataclass(slots=True)
class ForkedAnswer:
    """One answer while it is being generated."""

    reached: ReachedCut
    closing: str
    """What closed the thinking and opened the answer."""
    thinking_tokens: int
    """Tokens that a separate run would generate up to the cut."""
    probabilities: Mapping[str, float] | None = None
    """Of the options, where they are known."""
    error: str = ""
    """Why it failed; empty unless it did."""
    _texts: list[str] = field(default_factory=list)
    _token_count: int = 0
    _finish_reason: str | None = None

    def begin(self) -> None:
        """Forget an attempt that failed."""
        self._texts.clear()
        self._token_count, self._finish_reason = 0, None

    def take(self, event: PassEvent) -> None:
        """Take what came in."""
        match event:
            case SegmentGrew(text, token_ids):
                self._texts.append(text)
                self._token_count += len(token_ids)
            case SegmentClosed(is_natural_stop):
                self._finish_reason = "natural" if is_natural_stop else "budget"

    def checkpoint(self, trace_id: str, asked: ProbeRequest, cost: Entry, look: Entry | None) -> NewCheckpoint:
        """Return the scored answer, ready to be stored.

        Args:
            trace_id: id of the pass.
            asked: the question.
            cost: what all attempts at the answer have cost.
            look: what the look at the options has cost; None if there was none.
        """
        cut, text, leading = self.reached.cut, "".join(self._texts), lead_in(self.closing)
        scored = score(leading + text, dict(asked.options), asked.target)
        basis: dict[str, Any] = {} if self.error else letter_basis(scored, leading)
        looked = look.generated if look else 0
        # A failed attempt is wasted, and a separate run would not have made it; of a failed answer it is the last.
        of_last_try = self._token_count if self.error else cost.generated - cost.wasted
        return NewCheckpoint(
            trace_id=trace_id,
            cells=tuple((cell.budget_tokens, cell.force_rounds) for cell in self.reached.cells),
            cut_tokens=cut.tokens,
            cut_characters=self.reached.characters,
            thinking_finish_reason=ThinkingFinishReason(cut.finish.value),
            forced_rounds=cut.forced_rounds,
            text=text,
            letter=None if self.error else scored.letter,
            option_probabilities=self.probabilities,
            is_correct=None if self.error else scored.is_correct,
            finish_reason=self._finish_reason,
            token_count=self._token_count,
            tokens_generated=cost.generated + looked,
            tokens_if_separate=self.thinking_tokens + of_last_try + looked,
            error=self.error,
            **basis,
        )


def kept_in_memory(made: NewCheckpoint) -> Checkpoint:
    """Return the record of an answer that could not be stored."""
    values = {column.name: getattr(made, column.name) for column in fields(NewCheckpoint)}
    return Checkpoint(**values, id=uuid4().hex, created_at=datetime.now(UTC))
