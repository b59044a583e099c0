"""What the Thinking page, the tree of branches and Compare's branch columns show: functions of records."""

from dataclasses import replace
from datetime import UTC, datetime

from m1app.runs.anchors import Reading, SentenceChange, sentence_changes
from m1app.runs.branches import Editable
from m1app.ui.compare.branch_columns_view import BranchColumn, branch_columns_value
from m1app.ui.probe.branch_tree_view import tree_value
from m1app.ui.thinking.sentences_view import sentences_value
from m1app.ui.thinking.thinking_view import editor_value
from storage.branches.records import Branch, TreeNode
from storage.traces.records import Segment, SegmentKind, TraceState
from tests.m1app.runs.trace_samples import COMPLETED
from tests.m1app.ui.annotate.test_case_view import CASE

HOSTILE = "<img src=x onerror=alert(1)>"
TEXT = f"It is gout. {HOSTILE} So B. Yes."
EDITED = (TEXT.index(HOSTILE), TEXT.index(HOSTILE) + len(HOSTILE))


def a_segment(text: str, kind: SegmentKind = SegmentKind.THINK) -> Segment:
    return Segment(kind=kind, text=text, token_ids=tuple(range(10)), token_count=10)


TRACE = replace(
    COMPLETED,
    id="t" * 32,
    segments=(
        a_segment(TEXT[: EDITED[0]]),
        a_segment(HOSTILE, SegmentKind.EDIT),
        a_segment(TEXT[EDITED[1] :]),
        a_segment(" B", SegmentKind.ANSWER),
    ),
)
OF = Editable(replace(CASE, thinking_text=TEXT, waits=(), edits=(EDITED,), letter="B"), TRACE, 3, 5)


def test_the_pieces_are_the_whole_text_divided_at_sentences_and_at_what_was_inserted() -> None:
    value = editor_value(OF)
    pieces = value["pieces"]
    assert "".join(TEXT[each["start"] : each["end"]] for each in pieces) == TEXT
    assert [TEXT[each["start"] : each["end"]] for each in pieces if each["kind"] == "edit"] == [HOSTILE]
    assert [each["sentence"] for each in pieces][:2] == [0, None]
    assert value["tokens"] == [(0, 0), (EDITED[0], 10), (EDITED[1], 20), (len(TEXT), 30)]


def test_tokens_before_a_place_are_shared_out_within_its_segment() -> None:
    assert [OF.tokens_before(place) for place in (0, EDITED[0], EDITED[1], len(TEXT))] == [0, 10, 20, 30]
    assert OF.tokens_before(EDITED[0] // 2) == 5


def test_sentences_that_moved_the_letter_most_come_first_and_can_be_marked() -> None:
    readings = [Reading(0, 0, 0.2), Reading(12, 4, 0.1), Reading(len(TEXT), 30, 0.9)]
    value = sentences_value(OF, sentence_changes(TEXT, readings))
    changes = [abs(each["change"]) for each in value["rows"]]
    assert changes == sorted(changes, reverse=True)
    decided = value["decided"]
    assert decided == value["rows"][0]
    assert decided["mark"] == f"/annotate/?case={CASE.id}&part=thinking&start={decided['start']}&end={decided['end']}"
    assert decided["where"] == "10% at 4 tokens, 90% at 30"
    assert (value["is_known"], value["notice"]) == (True, "")


def test_without_readings_the_sentences_come_in_order_and_the_page_says_what_to_do() -> None:
    value = sentences_value(OF, [SentenceChange(0, 11, None), SentenceChange(12, 20, None)])
    assert [each["start"] for each in value["rows"]] == [0, 12]
    assert (value["rows"][0]["said"], value["decided"], value["is_known"]) == ("–", None, False)
    assert "compare budgets" in value["notice"]


def a_node(trace_id: str, parent_id: str | None = None, **changes) -> TreeNode:
    branch = parent_id and Branch(
        trace_id=trace_id,
        parent_id=parent_id,
        checkpoint_id=None,
        kept_tokens=10,
        kept_characters=EDITED[0],
        inserted_tokens=2,
        replaced="gone",
        written=HOSTILE,
    )
    node = TreeNode(
        trace_id=trace_id,
        branch=branch or None,
        sweep_id=None,
        created_at=datetime(2026, 11, 30, tzinfo=UTC),
        state=TraceState.COMPLETED,
        letter="B",
        is_correct=False,
        has_options=True,
        name="",
        model="m",
        thinking_tokens=30,
    )
    return replace(node, **changes)


def test_the_tree_says_how_deep_each_branch_is_and_which_is_shown() -> None:
    tree = [a_node("a"), a_node("b", "a", is_correct=True), a_node("c", "b", state=TraceState.RUNNING)]
    value = tree_value(tree, "b")
    assert [(each["depth"], each["verdict"], each["is_shown"]) for each in value["nodes"]] == [
        (0, "wrong", False),
        (1, "right", True),
        (2, "running", False),
    ]
    assert [each["name"] for each in value["nodes"]][:2] == ["Original", "Edited after 10 tokens"]
    assert value["nodes"][1]["written"] == HOSTILE
    assert value["compare"] == "/compare/?branches=b"
    assert tree_value(tree[:1], "a") == {"nodes": [], "compare": ""}


def test_a_pass_of_a_sweep_has_the_answer_that_the_branches_were_made_from() -> None:
    tree = [a_node("a", sweep_id="s" * 32, letter=None, is_correct=None), a_node("b", "a")]
    first = tree_value(tree, "b", replace(CASE, letter="A", is_correct=True))["nodes"][0]
    assert (first["letter"], first["verdict"], first["link"]) == ("A", "right", f"/compare/?sweep={'s' * 32}")


def test_columns_begin_where_the_branches_differ_and_have_the_rest_by_who_wrote_it() -> None:
    parent = replace(COMPLETED, segments=(a_segment(TEXT[: EDITED[0]] + "And more."),))
    columns = [BranchColumn(a_node("a"), parent), BranchColumn(a_node("t" * 32, "a"), TRACE)]
    value = branch_columns_value(columns, 5)
    assert value["prefix"] == TEXT[: EDITED[0]]
    assert value["columns"][0]["pieces"] == [{"kind": "think", "text": "And more."}]
    assert value["columns"][1]["pieces"] == [
        {"kind": "edit", "text": HOSTILE},
        {"kind": "think", "text": TEXT[EDITED[1] :]},
    ]
    assert value["notice"] == "3 more branches not shown."
    assert branch_columns_value([], 0)["columns"] == []
