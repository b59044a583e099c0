"""What the Compare page shows of a sweep in each of its states."""

from dataclasses import replace
from typing import Any

import pytest

from m1app.runs.sweep_reading import PassSnapshot, ReachedCut, SweepSnapshot, cell_readings
from m1app.runs.sweeps import RunningSweep
from m1app.ui.compare.history_view import history_value
from m1app.ui.compare.sweep_columns_view import MAX_COLUMNS_AT_FIRST, columns_value
from m1app.ui.compare.sweep_view import FlipMemory, account, cell_key, charts_value, shown_first, view_value
from m1app.ui.compare.text_offsets import Utf16Offsets
from models.thinking.budget_forcing import ThinkingFinish
from models.thinking.sweep import Cell, Cut
from storage.sweeps.repository import SweepSummary
from storage.traces.records import Checkpoint, SegmentKind, ThinkingFinishReason, Trace, TraceState
from tests.m1app.runs import sweep_samples
from tests.m1app.runs.trace_samples import BEGUN, HOSTILE, a_question, a_trace, segment

# The pass stops by itself after 6 tokens, is told to wait, and goes on to the largest budget, 16.
FIRST, WAIT, SECOND = "It is \U0001f9ec thyroid.", " Wait", " The adrenal gland. Yes, surely."
TEXT = FIRST + WAIT + SECOND
PASS = a_trace(
    segments=(
        segment(SegmentKind.THINK, FIRST, 6),
        segment(SegmentKind.WAIT, WAIT, 1),
        segment(SegmentKind.THINK, SECOND, 9),
    )
)
SWEEP = replace(
    sweep_samples.SWEEP,
    budgets=(4, 8, 16),
    answer_cap_tokens=256,
    tokens_generated=40,
    tokens_if_separate=100,
    seconds=2.5,
)


def a_cut(tokens: int, characters: int, cells: Any, letter: str | None, **changes: Any) -> Checkpoint:
    said: dict[str, Any] = {
        "trace_id": PASS.id,
        "text": f" The answer is {letter}.",
        "letter": letter,
        "option_probabilities": {"A": 0.5, "B": 0.25},
        "is_correct": letter == "A",
        "token_count": 5,
        "tokens_generated": 6,
        "tokens_if_separate": tokens + 6,
    }
    return sweep_samples.a_checkpoint(cells, tokens, characters, **said | changes)


CUTS = (
    a_cut(4, 8, ((4, 0), (4, 1)), None),
    a_cut(6, len(FIRST), ((8, 0), (16, 0)), "B", thinking_finish_reason=ThinkingFinishReason.NATURAL),
    a_cut(8, len(FIRST + WAIT) + 4, ((8, 1),), "B"),
    a_cut(16, len(TEXT), ((16, 1),), "A"),
)


def a_sweep(*runs: PassSnapshot, **changes: Any) -> SweepSnapshot:
    return SweepSnapshot(replace(SWEEP, **changes), runs or (PassSnapshot(PASS, CUTS),))


DONE = a_sweep()
HALFWAY = a_sweep(
    PassSnapshot(
        a_trace(segments=PASS.segments[:2], state=TraceState.RUNNING),
        CUTS[:1],
        (ReachedCut(Cut(6, ThinkingFinish.NATURAL, 0), len(FIRST), (Cell(8, 0), Cell(16, 0))),),
    ),
    state=TraceState.RUNNING,
)


def bands(snapshot: SweepSnapshot) -> tuple[dict[str, Any], dict[str, Any]]:
    (chart,), (columns,) = charts_value(snapshot)["bands"], columns_value(snapshot)["bands"]
    return chart, columns


def marks(snapshot: SweepSnapshot) -> dict[str, str]:
    return {cell["key"]: cell["mark"] for cell in bands(snapshot)[0]["cells"]}


def test_every_cell_has_its_letter_and_a_sign_beside_its_colour() -> None:
    assert marks(DONE) == {"4-0": "–", "8-0": "B ✗", "16-0": "B ✗", "4-1": "–", "8-1": "B ✗", "16-1": "A ✓"}
    cells = bands(DONE)[0]["cells"]
    assert [cell["verdict"] for cell in cells] == ["unanswered", "wrong", "wrong", "unanswered", "wrong", "right"]
    assert cells[-1]["label"] == "16 tokens, 1 round: A, right"
    assert cells[0]["label"] == "4 tokens, 0 rounds: no option chosen"


def test_a_running_sweep_says_which_cells_wait_and_which_are_being_answered() -> None:
    assert marks(HALFWAY) == {"4-0": "–", "8-0": "…", "16-0": "…", "4-1": "–", "8-1": "", "16-1": ""}
    value = view_value(HALFWAY)
    assert (value["state_label"], value["answered"], value["cells"]) == ("Running", 2, 6)


def test_a_cell_that_a_stopped_sweep_never_came_to_says_so() -> None:
    stopped = a_sweep(PassSnapshot(PASS, CUTS[:1]), state=TraceState.STOPPED)
    assert marks(stopped)["16-1"] == "×"
    assert bands(stopped)[1]["cells"][-1]["verdict_label"] == "Not reached"


def test_a_failed_answer_is_not_taken_for_a_wrong_one() -> None:
    failed = replace(CUTS[3], error="The engine is gone.", letter=None, is_correct=None)
    snapshot = a_sweep(PassSnapshot(PASS, (*CUTS[:3], failed)), error="The engine is gone.")
    assert marks(snapshot)["16-1"] == "!"
    column = bands(snapshot)[1]["cells"][-1]
    assert (column["verdict"], column["verdict_label"], column["answer"]) == ("failed", "Failed", "The engine is gone.")
    assert view_value(snapshot)["notice"] == "The engine is gone."


def test_open_questions_are_not_scored_and_have_no_chart() -> None:
    question = a_question(options={}, target=None)
    cut = a_cut(4, 8, ((4, 0), (4, 1)), None, is_correct=None, option_probabilities=None)
    chart, columns = bands(a_sweep(PassSnapshot(PASS, (cut,)), question=question))
    assert chart["cells"][0]["verdict"] == "unscored"
    assert "open question" in chart["trajectory"]["no_chart"].lower()
    assert columns["cells"][0]["verdict_label"] == "Not scored"


def test_a_column_is_a_prefix_of_the_pass_s_one_text_in_utf16_offsets() -> None:
    _, columns = bands(DONE)
    units = columns["text"].encode("utf-16-le")
    texts = {cell["key"]: units[: 2 * cell["at"]].decode("utf-16-le") for cell in columns["cells"]}
    assert texts == {
        budget_rounds: TEXT[: cut.cut_characters]
        for cut in CUTS
        for budget_rounds in (f"{budget}-{rounds}" for budget, rounds in cut.cells)
    }
    ((start, end),) = columns["waits"]
    assert units[2 * start : 2 * end].decode("utf-16-le") == WAIT


def test_a_column_whose_cut_is_not_known_shows_all_that_there_is() -> None:
    _, columns = bands(HALFWAY)
    waiting = [cell for cell in columns["cells"] if cell["at"] is None]
    assert [(cell["key"], cell["ended"]) for cell in waiting] == [
        ("8-1", "not reached yet"),
        ("16-1", "not reached yet"),
    ]


def test_each_distinct_cut_gets_one_column_at_first_and_stays_when_it_is_reached() -> None:
    assert bands(HALFWAY)[1]["shown"] == ["4-1", "8-0", "8-1", "16-1"]
    assert bands(DONE)[1]["shown"] == ["4-1", "8-0", "8-1", "16-1"]


def test_before_the_first_token_there_is_a_column_for_each_budget() -> None:
    begun = a_sweep(PassSnapshot(a_trace(segments=(), state=TraceState.RUNNING), ()), state=TraceState.RUNNING)
    assert [cell_key(r.cell) for r in shown_first(cell_readings(begun, begun.passes[0]))] == ["4-1", "8-1", "16-1"]
    assert bands(begun)[1]["status"] == "waiting for the engine"


def test_no_more_than_eight_columns_are_shown_at_first() -> None:
    cuts = tuple(a_cut(n, n, ((n, 0),), "A") for n in range(1, 13))
    snapshot = a_sweep(PassSnapshot(PASS, cuts), budgets=tuple(range(1, 13)), force_rounds=(0,))
    columns = bands(snapshot)[1]
    assert (len(columns["shown"]), columns["distinct"]) == (MAX_COLUMNS_AT_FIRST, 12)


def test_a_column_tells_its_cut_its_verdict_and_which_cells_it_stands_for() -> None:
    cell = next(cell for cell in bands(DONE)[1]["cells"] if cell["key"] == "8-0")
    assert (cell["verdict_label"], cell["ended"]) == ("✗ Wrong: B, target A", "stopped naturally at 6 tokens, 2 cells")
    assert cell["also"] == "Also the answer for: 16 tokens, 0 rounds"
    assert cell["answer"] == "The answer is B."
    assert cell["basis"] == ""


def test_the_trajectory_has_a_point_for_each_cut_and_a_mark_for_each_wait() -> None:
    chart, _ = bands(DONE)
    shown = chart["trajectory"]
    lines = {line["name"]: line for line in shown["figure"]["data"] if line["mode"] == "lines+markers"}
    assert {name: line["x"] for name, line in lines.items()} == {"A (target)": [4, 6, 8, 16], "B": [4, 6, 8, 16]}
    assert [line["y"][0] for line in lines.values()] == [0.5, 0.25]
    assert [said.rpartition("; answer ")[2] for said in shown["said"]] == [
        "no option chosen",
        "B, wrong",
        "B, wrong",
        "A, right",
    ]
    assert shown["said"][0].startswith("4 tokens: A (target) 50.0%, B 25.0%")
    (waits,) = (line for line in shown["figure"]["data"] if "W" in line.get("text", ()))
    assert (waits["x"], shown["no_chart"]) == ([6, 6, None], "")


def test_without_probabilities_the_chart_says_so() -> None:
    cuts = tuple(replace(cut, option_probabilities=None) for cut in CUTS)
    assert "no probabilities" in bands(a_sweep(PassSnapshot(PASS, cuts)))[0]["trajectory"]["no_chart"]


def test_a_flip_names_its_kind_and_points_at_its_sentence() -> None:
    found, last = bands(DONE)[0]["flips"]
    assert (found["kind"], found["change"], found["cell"]) == ("option chosen", "none → B", "8-0")
    assert (last["kind"], last["change"], last["verdict"]) == ("wrong to right", "B → A", "right")
    assert (last["between"], last["cell"]) == ("between 8 and 16 tokens", "16-1")
    units = TEXT.encode("utf-16-le")
    assert units[2 * last["start"] : 2 * last["end"]].decode("utf-16-le") == last["sentence"]


def test_remembered_flips_are_those_that_would_be_found_anew() -> None:
    memory: FlipMemory = {}
    for count in range(len(CUTS) + 1):
        snapshot = a_sweep(PassSnapshot(PASS, CUTS[:count]))
        for _ in range(2):
            assert charts_value(snapshot, memory) == charts_value(snapshot)
    assert len(memory) == len(CUTS) + 1


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (a_sweep(PassSnapshot(PASS, CUTS[1:3])), "was the same"),
        (a_sweep(PassSnapshot(PASS, CUTS[:1])), "Too few"),
        (HALFWAY, "No flips so far"),
    ],
)
def test_a_list_without_flips_says_why(snapshot: SweepSnapshot, words: str) -> None:
    chart = bands(snapshot)[0]
    assert chart["flips"] == []
    assert words in chart["no_flips"]


def test_the_account_sets_the_tokens_against_those_of_separate_runs() -> None:
    assert account(SWEEP) == (
        "40 tokens generated in 2.5 s; separate runs of every cell: 100 tokens, 2.5 times as many"
    )
    assert account(replace(SWEEP, tokens_generated=0, tokens_if_separate=0)) == "0 tokens generated in 2.5 s"


def test_sampled_sweeps_say_that_cells_of_a_pass_share_their_sample() -> None:
    assert view_value(DONE)["sampling"] == ""
    assert "share its sampled thinking" in view_value(a_sweep(temperature=0.7))["sampling"]


def _passes() -> tuple[PassSnapshot, ...]:
    right = replace(CUTS[2], letter="A", is_correct=True)
    return (
        PassSnapshot(replace(PASS, id="0" * 32), CUTS),
        PassSnapshot(replace(PASS, id="1" * 32, pass_number=1, seed=8), (*CUTS[:2], right)),
    )


def test_several_passes_are_bands_of_their_own_and_share_a_map() -> None:
    value = charts_value(a_sweep(*_passes(), passes=2))
    assert [band["title"] for band in value["bands"]] == [
        "smollm2-135m, pass 1 (seed 7)",
        "smollm2-135m, pass 2 (seed 8)",
    ]
    (share,) = value["shares"]
    of_cell = {cell["key"]: (cell["share"], cell["mark"]) for cell in share["cells"]}
    assert of_cell["8-1"] == (0.5, "1/2")
    assert of_cell["16-1"] == (1.0, "1/1")
    assert of_cell["4-0"] == (0.0, "0/2")


def test_one_pass_or_no_target_has_no_share() -> None:
    assert charts_value(DONE)["shares"] == []
    assert charts_value(a_sweep(*_passes(), passes=2, question=a_question(target=None)))["shares"] == []


@pytest.mark.parametrize("state", list(TraceState))
def test_every_state_can_be_shown_even_without_a_pass(state: TraceState) -> None:
    snapshot = SweepSnapshot(replace(SWEEP, state=state), (), save_error="The disk is full.")
    assert view_value(snapshot)["state_label"]
    assert "is not saved yet: The disk is full." in view_value(snapshot)["notice"]
    assert charts_value(snapshot)["bands"] == columns_value(snapshot)["bands"] == []


def test_hostile_text_reaches_the_page_unchanged_as_text() -> None:
    trace: Trace = a_trace(segments=(segment(SegmentKind.THINK, HOSTILE),), model=HOSTILE)
    cut = a_cut(2, len(HOSTILE), ((4, 0), (4, 1)), "A", text=HOSTILE)
    chart, columns = bands(a_sweep(PassSnapshot(trace, (cut,))))
    assert (columns["text"], columns["title"], chart["title"]) == (HOSTILE, HOSTILE, HOSTILE)
    assert columns["cells"][0]["answer"] == HOSTILE


@pytest.mark.parametrize("text", ["", "plain", "naïve", "a\U0001f9ecb", "\U0001f9ec\U0001fac0", HOSTILE])
def test_offsets_are_those_of_a_browser(text: str) -> None:
    offsets = Utf16Offsets(text)
    for n in range(len(text) + 1):
        assert offsets.at(n) == len(text[:n].encode("utf-16-le")) // 2


def test_a_row_of_the_history_holds_what_the_list_shows() -> None:
    summary = SweepSummary(
        id="s" * 32,
        created_at=BEGUN,
        stem=HOSTILE,
        budgets=(64, 1024),
        force_rounds=(0, 2),
        models=("a", "b"),
        passes=3,
        state=TraceState.STOPPED,
        tokens_generated=1200,
        tokens_if_separate=9,
        name="Ward",
        tags=("one", HOSTILE),
        owner="host:1",
        updated_at=BEGUN,
        asked_by="",
    )
    (row,) = history_value([summary], is_filtered=False)["rows"]
    assert row == {
        "id": "s" * 32,
        "begun": "2026-03-01T09:30:00+00:00",
        "stem": HOSTILE,
        "name": "Ward",
        "tags": ["one", HOSTILE],
        "models": "a, b",
        "budgets": "64 1,024",
        "rounds": "0 2",
        "passes": 3,
        "tokens": 1200,
        "state": "Stopped",
        "share": None,
        "may_change": True,
    }
    running = RunningSweep(replace(summary, state=TraceState.RUNNING), cells_answered=6)
    (row,) = history_value([], is_filtered=True, running=[running])["running"]
    many = replace(running, sweep=replace(running.sweep, passes=2000), cells_answered=1500)
    (large,) = history_value([], is_filtered=True, running=[many])["running"]
    assert ", 1,500 of " in large["state"] and f" of {many.sweep.cells:,} cells" in large["state"]
    assert (row["state"], row["share"]) == ("Running, 6 of 24 cells", 0.25)


@pytest.mark.parametrize(("is_filtered", "words"), [(False, "No sweeps yet"), (True, "Clear the search")])
def test_an_empty_history_says_why(is_filtered: bool, words: str) -> None:
    assert words in history_value([], is_filtered)["empty"]


def test_several_right_options_are_targets_together_and_a_set_flips_as_a_whole() -> None:
    question = a_question(options={"A": "Adrenal", "B": "Thyroid", "C": "Testis"}, target="A, C")
    cuts = (
        a_cut(4, 8, ((4, 0), (4, 1)), "A", is_correct=False),
        a_cut(8, len(FIRST + WAIT) + 4, ((8, 0), (16, 0), (8, 1)), "A, B", is_correct=False),
        a_cut(16, len(TEXT), ((16, 1),), "A, C", is_correct=True),
    )
    sweep = a_sweep(PassSnapshot(replace(PASS, question=question), cuts), question=question)
    assert view_value(sweep)["targets"] == ["A", "C"]
    (band,) = charts_value(sweep)["bands"]
    assert [(each["kind"], each["change"]) for each in band["flips"]] == [
        ("changed", "A → A, B"),
        ("wrong to right", "A, B → A, C"),
    ]
    hint, said = band["trajectory"]["hint"], band["trajectory"]["said"]
    assert hint.startswith("◎ marks the targets, options A, C. Several options are right: ")
    assert "A (target) 50.0%, B 25.0%, C (target)" in said[0]
    assert said[1].endswith("answer A, B, wrong (Hamming score 0.33)")
    assert [each["mark"] for each in band["cells"] if each["rounds"] == 1] == ["A ✗", "AB ✗", "AC ✓"]
    assert "(Hamming score 0.50)" in band["cells"][0]["label"]


def test_the_sentence_of_a_flip_is_the_one_that_names_what_was_added() -> None:
    question = a_question(options={"A": "Adrenal", "B": "Thyroid", "C": "surely"}, target="A, C")
    cuts = (a_cut(4, 1, ((4, 0),), "A", is_correct=False), a_cut(16, len(TEXT), ((16, 1),), "A, B", is_correct=False))
    sweep = a_sweep(PassSnapshot(replace(PASS, question=question), cuts), question=question)
    (flip,) = charts_value(sweep)["bands"][0]["flips"]
    assert flip["sentence"].startswith("It is")
