"""A batch as the page shows it: counts while it runs, verdicts and links once it is over."""

from dataclasses import replace

from m1app.runs.batch_progress import BatchItem, BatchProgress, ItemState
from m1app.ui.probe.batch_view import batch_value
from storage.traces.records import TraceState

WAITING = BatchItem("Why?", "A", True)
RUNNING = BatchItem("How?", "A", True, ItemState.RUNNING, "t1")
RIGHT = BatchItem("When?", "A", True, ItemState.ENDED, "t2", TraceState.COMPLETED, "A", True)
WRONG = BatchItem("Where?", "A", True, ItemState.ENDED, "t3", TraceState.COMPLETED, "B", False)
STOPPED = BatchItem("Who?", "A", True, ItemState.ENDED, "t4", TraceState.STOPPED)
REFUSED = BatchItem("What?", None, False, ItemState.NOT_ASKED, problem="The engine is down.")


def test_counts_say_how_far_a_batch_is() -> None:
    value = batch_value(BatchProgress("b", (RIGHT, RUNNING, WAITING, WAITING), False, False), is_new=True)
    assert value["summary"] == "4 questions: 1 done, 1 running, 2 waiting"
    assert (value["share"], value["is_over"], value["is_new"]) == (0.25, False, True)
    assert [row["trace"] for row in value["rows"]] == ["t2", "t1", "", ""]


def test_rows_say_the_verdict_or_why_there_is_none() -> None:
    value = batch_value(BatchProgress("b", (RIGHT, WRONG, STOPPED, REFUSED), True, True))
    assert value["summary"] == "4 questions: 3 done, 1 not asked, 1 of 2 scored ones right"
    assert [(row["label"], row["verdict"]) for row in value["rows"]] == [
        ("✓ Right: A", "right"),
        ("✗ Wrong: B, target A", "wrong"),
        ("Stopped", "unscored"),
        ("not asked: The engine is down.", "unscored"),
    ]


def test_a_batch_that_was_left_says_what_is_left_and_why() -> None:
    interrupted = replace(STOPPED, state=ItemState.ENDED, trace_state=TraceState.INTERRUPTED)
    value = batch_value(BatchProgress("b", (RIGHT, interrupted, WAITING), True, False, left=2))
    assert value["summary"] == (
        "3 questions: 1 done, 1 interrupted, 1 waiting, 1 of 1 scored ones right. The app stopped before all were "
        "asked."
    )
    assert (value["left"], value["is_over"]) == (2, True)
