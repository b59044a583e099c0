"""A stored failure whose tokens are characters, and an engine that answers as a test says."""

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from m1app.fact_tests.request import FactTestRequest
from m1app.fact_tests.service import FactTestService, FactTestSnapshot
from m1app.runs.strategies import StrategyService
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.traces.records import Segment, SegmentKind, Trace, TraceOutcome, TraceState
from tests.m1app.runs.test_strategies import ScriptedPlanner
from tests.m1app.strategies.scripted import OPTIONS, CharacterEngine, Script, ids_of
from tests.storage.samples import begin, finish

THINKING = "Both are common. It is scurvy, so vitamin D is missing. Hence alpha."
MARK = THINKING.index("It is scurvy")
"""Where the marked stretch begins."""
MARK_END = THINKING.index(" Hence")
FACT = "Scurvy comes from a lack of ascorbic acid"
ALPHA, BETA = "A", "B"
"""What the model had answered, and the target."""
BUDGET = 400


@dataclass
class SeededEngine(CharacterEngine):
    """Goes on with the number of the seed, counted from the first; answers by arm and number."""

    says: Callable[[str, int], str] = lambda arm, number: ALPHA
    first_seed: int = 0

    def __post_init__(self) -> None:
        self.script = Script(answer=self._answer, choices=self._choices, pause_seconds=self.script.pause_seconds)

    def _thinking(self, prompt: str, so_far: str, seed: int) -> str:
        return f" Then {seed - self.first_seed:02}."

    def _answer(self, prompt: str, thinking: str) -> str:
        return self.says(arm_of(prompt, thinking), int(thinking[-3:-1]))

    def _choices(self, prompt: str, thinking: str, lead: str) -> dict[str, float]:
        return {ALPHA: 0.1, BETA: 0.8} if arm_of(prompt, thinking) == "B" else {ALPHA: 0.6, BETA: 0.2}


def arm_of(prompt: str, thinking: str) -> str:
    """Which arm a prompt and a thinking are of, by what is in them."""
    if FACT in prompt:
        return "D"
    rest = thinking[MARK:]
    if rest.startswith(FACT):
        return "B"
    if rest.startswith("A wrong fact"):
        return "E"
    return "A" if rest.startswith((" Then", "")) and "." not in rest.split(" Then")[0] else "C"


def think(text: str) -> Segment:
    """A stretch of thinking, a token for each character."""
    ids = ids_of(text)
    return Segment(kind=SegmentKind.THINK, text=text, token_ids=ids, token_count=len(ids), finish_reason="natural")


def a_failure(database: Database, *segments: Segment, outcome: TraceOutcome | None = None, **changes) -> Trace:
    """A stored trace that answered alpha where beta is right."""
    question = NewQuestion(stem="Which?", options=OPTIONS, target=BETA, source="typed")
    standard = {
        "question": question,
        "thinking_budget_tokens": BUDGET,
        "force_rounds": 0,
        "temperature": 0.0,
        "seed": None,
        "answer_cap_tokens": 20,
        "system_prompt": "",
        "model": "toy",
        "prompt_text": "Which?",
        "prompt_token_ids": ids_of("Which?"),
    }
    trace = begin(database, **(standard | changes))
    wrong = TraceOutcome(state=TraceState.COMPLETED, answer_letter=ALPHA, is_correct=False)
    answer = Segment(kind=SegmentKind.ANSWER, text=ALPHA, token_ids=ids_of(ALPHA), token_count=1)
    finish(database, trace, *(segments or (think(THINKING),)), answer, outcome=outcome or wrong)
    return trace


def a_request(trace: Trace, **changes) -> FactTestRequest:
    """To test the fact at the mark."""
    given = {"case_id": trace.id, "mark_start": MARK, "mark_end": MARK_END, "fact": FACT}
    return FactTestRequest(**(given | changes))


def service_of(database: Database, engine: CharacterEngine) -> FactTestService:
    """Tests facts on this engine."""
    planner = ScriptedPlanner(engine)
    return FactTestService(database, planner, StrategyService(planner, database))


async def end_of(service: FactTestService, run_id: str) -> FactTestSnapshot:
    """A test when it is over."""
    async with aclosing(service.follow(run_id)) as snapshots:
        return [each async for each in snapshots][-1]


def verdict_of(snapshot: FactTestSnapshot) -> dict:
    """What a test says at its end."""
    return snapshot.run.strategies[0].result.picture["verdict"]
