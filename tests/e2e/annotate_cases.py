"""Cases to annotate that are in the database before the app starts: awkward text, hostile text, a long trace."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from m1app.annotation.form_values import content_from_form
from m1app.annotation.labels import shipped_taxonomy
from m1app.annotation.service import AnnotationService
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.sweeps.records import SweepOutcome
from storage.sweeps.repository import SweepRepository
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from tests.e2e.stored_traces import HOSTILE, HOSTILE_OPTION, HOSTILE_STEM
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, begin, finish, save_question

AWKWARD_STEM = "Which antidote reverses dabigatran in this bleeding man?"
AWKWARD = (
    "Heart \U0001fac0 first: he bleeds \U0001f9ec\u200d\U0001fac0 and takes dabigatran.\r\n"
    "Vitamin K reverses it \U0001f48a surely.\r\n"
    "\r\n"
    "Cafe\u0301 au lait spots are no clue. "
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd (12 mg) \u0645\u0631\u062d\u0628\u0627\n"
)
AWKWARD_REST = ", protamine would do as well. The answer is B.\n"
AWKWARD_ANSWER = " C. \U0001f489 Protamine.\r\nGive it at once."
LONG_STEM = "A question with a very long trace: why is he ill?"
LONG_MARKS = 200
_SENTENCE = "Perhaps the lactate \U0001f9ea is high because the liver cannot clear it, or the bowel is dead. "
LONG = "".join(f"{number}. {_SENTENCE * 3}\n" for number in range(280))
"""More than 70,000 characters, as in 16,000 tokens."""
RIGHT_STEM = "Which gland makes cortisol, asked rightly?"
SWEEP_STEM = "Which gland makes cortisol, asked at two budgets?"
KEPT_THOUGHT = "The heart \U0001fac0 is fine, so it is the adrenal gland."
LOST_THOUGHT = "But the thyroid \U0001f9ec makes hormones too, so it is the thyroid."
CASES = 6
SINGLE_CASES = 4
"""Those that are not in the sweep, which is a group."""
WRONG_CASES = 4


def store_cases(home: Path) -> dict[str, str]:
    """Write them through the storage package; return their ids by name."""
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    try:
        ids = {
            **_store_sweep(database),
            "right": _store(
                database, RIGHT_STEM, "Surely the adrenal gland.", [], " A", letter="A", target="A", is_correct=True
            ),
            "long": _store(database, LONG_STEM, LONG, [], " B", letter="B", target="A", is_correct=False),
            "hostile": _store(
                database,
                HOSTILE_STEM,
                f"{HOSTILE}\n",
                [HOSTILE],
                HOSTILE,
                letter="B",
                target="A",
                is_correct=False,
                option=HOSTILE_OPTION,
            ),
            "awkward": _store(
                database,
                AWKWARD_STEM,
                AWKWARD,
                [AWKWARD_REST],
                AWKWARD_ANSWER,
                letter="C",
                target="A",
                is_correct=False,
            ),
        }
        # In a thread, because the browser tests run an event loop in this one.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(asyncio.run, _mark_long(database, ids["long"])).result()
        return ids
    finally:
        database.dispose()


def _store(
    database: Database,
    stem: str,
    thinking: str,
    after_wait: list[str],
    answer: str,
    *,
    letter: str,
    target: str,
    is_correct: bool,
    option: str = "Idarucizumab",
) -> str:
    options = {"A": option, "B": "Vitamin K", "C": "Protamine \U0001f489"}
    trace = begin(database, NewQuestion(stem=stem, options=options, target=target))
    rest = [part for text in after_wait for part in (_part(SegmentKind.WAIT, "Wait"), _part(SegmentKind.THINK, text))]
    outcome = TraceOutcome(
        state=TraceState.COMPLETED,
        thinking_finish_reason=ThinkingFinishReason.BUDGET,
        answer_letter=letter,
        is_correct=is_correct,
        tokens_generated=20,
    )
    parts = [_part(SegmentKind.THINK, thinking), *rest, _part(SegmentKind.ANSWER, answer)]
    finish(database, trace, *parts, outcome=outcome)
    return trace.id


def _store_sweep(database: Database) -> dict[str, str]:
    """A pass with the right answer at 8 tokens that is lost by 16."""
    options = {"A": "Adrenal", "B": "Thyroid"}
    kept = save_question(database, NewQuestion(stem=SWEEP_STEM, options=options, target="A"))
    text = f"{KEPT_THOUGHT} {LOST_THOUGHT}"
    segment = Segment(kind=SegmentKind.THINK, text=text, token_ids=tuple(range(16)), token_count=16)
    with database.session() as session:
        sweeps, traces = SweepRepository(session), TraceRepository(session)
        sweep = sweeps.add(a_sweep(kept.id, budgets=(8, 16), force_rounds=(0,), models=("smollm2-135m",)))
        trace = traces.add(a_trace(kept.id, sweep_id=sweep.id, thinking_budget_tokens=16, force_rounds=0))
        before, after = (
            traces.add_checkpoint(
                a_checkpoint(
                    trace.id,
                    cells=((tokens, 0),),
                    cut_tokens=tokens,
                    cut_characters=characters,
                    text=f"The answer is {letter}.",
                    letter=letter,
                    is_correct=letter == "A",
                    thinking_finish_reason=ThinkingFinishReason.BUDGET,
                )
            )
            for tokens, characters, letter in ((8, len(KEPT_THOUGHT), "A"), (16, len(text), "B"))
        )
        outcome = TraceOutcome(state=TraceState.COMPLETED, thinking_finish_reason=ThinkingFinishReason.BUDGET)
        traces.close(trace.id, outcome, [segment])
        sweeps.save(sweep.id, SweepOutcome(state=TraceState.COMPLETED, tokens_generated=20), sweep.owner)
    return {"sweep": sweep.id, "kept": before.id, "lost": after.id}


def _part(kind: SegmentKind, text: str) -> Segment:
    return Segment(kind=kind, text=text, token_ids=(1, 2), token_count=2)


async def _mark_long(database: Database, case_id: str) -> None:
    """Marks of one annotator all over the long text, every second one overlapping the one before."""
    service = AnnotationService(database, shipped_taxonomy())
    case = (await service.open(case_id, "Marker")).case
    for number in range(LONG_MARKS):
        start = number * (len(case.thinking_text) - 400) // LONG_MARKS
        end = start + (380 if number % 2 else 120)
        span = {"part": "thinking", "start": start, "end": end}
        said = {"labels": ["faulty_inference"], "severity": "mild", "exact": case.thinking_text[start:end]}
        await service.save(case_id, "Marker", content_from_form(case, span | said))
