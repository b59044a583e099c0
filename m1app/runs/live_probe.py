"""A running probe: one pass, whose answer is scored at its end."""

from collections.abc import Sequence

from m1app.background import reported
from m1app.question.answers.scoring import lead_in, letter_basis, score
from m1app.runs.live_run import LiveRun
from m1app.runs.live_trace import LiveTrace
from m1app.runs.pass_plan import PassPlan
from m1app.runs.probe_pass import ProbePass
from m1app.runs.unkept import REMEMBERED_SECONDS
from storage.database import Database
from storage.traces.records import Segment, SegmentKind, Trace, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository


class LiveProbe(LiveRun[Trace]):
    """One running probe."""

    def __init__(
        self,
        trace: LiveTrace,
        plan: PassPlan,
        asked: ProbePass,
        database: Database,
        *,
        is_kept: bool = True,
    ) -> None:
        super().__init__(trace.id, trace.changes)
        self.is_kept = is_kept
        if not is_kept:
            self.remembered_seconds = REMEMBERED_SECONDS
        self.trace = trace
        self._plan = plan
        self._asked = asked
        self._database = database
        self._outcome: TraceOutcome | None = None

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second of the trace."""
        return self.trace.tokens_per_second or 0.0

    @property
    def tokens_generated(self) -> int:
        """Tokens of the trace."""
        return self.trace.tokens_generated_here

    @property
    def first_token_seconds(self) -> Sequence[float]:
        """Time to the trace's first token."""
        return self.trace.first_token_seconds

    def snapshot(self) -> Trace:
        """Return the current state of the trace."""
        return self.trace.snapshot()

    async def work(self) -> None:
        """Think, answer, and ask for the option probabilities."""
        await self._asked.run(self.trace)

    def answer_now(self) -> bool:
        """End the thinking; False if it has ended."""
        if not self.trace.is_thinking:
            return False
        self._asked.answer_now()
        return True

    def end(self, state: TraceState, error: str) -> None:
        """Score the answer and set the outcome; only a complete answer gets a verdict."""
        errors = [error] if error else []
        verdict: dict[str, object] = {}
        with reported(f"scoring trace {self.id}", errors.append):
            segments = self.trace.segments()
            if any(segment.kind is SegmentKind.ANSWER for segment in segments):
                request = self._plan.request
                scored = score(scored_text(segments), dict(request.options), request.target)
                verdict |= {"answer_letter": scored.letter, **letter_basis(scored, _leading_text(segments))}
                if state is TraceState.COMPLETED:
                    verdict["is_correct"] = scored.is_correct
        if errors and state is TraceState.COMPLETED:
            state = TraceState.FAILED
        self._outcome = self.trace.end(state, "".join(errors[:1]), self._asked.probabilities, **verdict)

    async def save_end(self) -> None:
        """Store the outcome with all segments, unless it is not kept."""
        if not self.is_kept:
            return
        outcome, segments = self._outcome, self.trace.segments()
        if outcome is not None:
            await self._database.write(lambda s: TraceRepository(s).close(self.id, outcome, segments))


def scored_text(segments: Sequence[Segment]) -> str:
    """The text to score: the answer, preceded by the last line of its opening ("Final Answer:")."""
    return _leading_text(segments) + "".join(s.text for s in segments if s.kind is SegmentKind.ANSWER)


def _leading_text(segments: Sequence[Segment]) -> str:
    return lead_in("".join(s.text for s in segments if s.kind is SegmentKind.CLOSE))
