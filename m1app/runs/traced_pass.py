"""A pass of the question that a strategy runs, as the trace that it becomes."""

from dataclasses import dataclass

from m1app.question.answers.scoring import lead_in, letter_basis, score
from m1app.runs.live_trace import LiveTrace
from m1app.runs.probe_request import ProbeRequest
from models.thinking.budget_forcing import Marker, SegmentKind
from models.thinking.option_probabilities import OptionProbabilities
from models.thinking.thinking_pass import PassEvent, SegmentClosed, SegmentGrew, SegmentOpened
from storage.traces.records import NewTrace, Segment, TraceOutcome, TraceState


def events_of_closing(close: Marker) -> tuple[PassEvent, ...]:
    """What closes a thinking, as a pass with thinking and answer in one would tell it."""
    grew = SegmentGrew(close.text, close.token_ids)
    return SegmentOpened(SegmentKind.CLOSE), grew, SegmentClosed(is_natural_stop=False)


@dataclass(slots=True)
class TracedPass:
    """A trace of a strategy."""

    live: LiveTrace
    new: NewTrace | None
    """To be stored; None once it is."""
    answer_key: str = ""
    """The request that is its answer; empty before there is one."""
    close: str = ""
    """What opened the answer."""
    probabilities: OptionProbabilities | None = None
    outcome: TraceOutcome | None = None
    """How it ended, until that is saved."""
    segments: tuple[Segment, ...] = ()

    def open_answer(self, key: str, close: Marker | None) -> None:
        """Begin its answer, perhaps again.

        Args:
            key: of the request.
            close: what closes the thinking.
        """
        self.answer_key, self.close = key, close.text if close else ""
        self.live.drop_answer()
        if close is not None:
            for event in events_of_closing(close):
                self.live.apply(event)

    def end(self, state: TraceState, asked: ProbeRequest) -> None:
        """End its trace; a complete one is scored."""
        verdict: dict[str, object] = {}
        if state is TraceState.COMPLETED:
            text = "".join(part.text for part in self.live.segments() if part.kind.value == SegmentKind.ANSWER.value)
            leading = lead_in(self.close)
            scored = score(leading + text, dict(asked.options), asked.target)
            verdict = {"answer_letter": scored.letter, **letter_basis(scored, leading), "is_correct": scored.is_correct}
        self.outcome = self.live.end(state, "", self.probabilities, **verdict)
        self.segments = self.live.segments()
