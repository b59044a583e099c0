"""Cells, trajectory and flips of a sweep."""

from dataclasses import replace

import pytest

from m1app.runs.sweep_reading import CellState, FlipKind, ReachedCut, cell_readings, flips, trajectory
from models.thinking.budget_forcing import ThinkingFinish
from models.thinking.sweep import Cell, Cut
from storage.traces.records import ThinkingFinishReason, TraceState
from tests.m1app.runs.sweep_samples import PASS, RIGHT, SNAPSHOT, SWEEP, TEXT, a_checkpoint


def test_each_cell_reads_the_answer_of_its_cut() -> None:
    readings = cell_readings(SNAPSHOT, PASS)
    assert [(r.cell.budget_tokens, r.cell.force_rounds) for r in readings] == [
        (8, 0),
        (16, 0),
        (32, 0),
        (8, 1),
        (16, 1),
        (32, 1),
    ]
    assert [r.cut_tokens for r in readings] == [8, 14, 14, 8, 14, 32]
    assert {r.state for r in readings} == {CellState.ANSWERED}
    assert readings[1].finish is ThinkingFinishReason.NATURAL
    assert readings[1].checkpoint is readings[2].checkpoint


def test_cells_without_an_answer_say_how_far_they_are() -> None:
    failed = replace(PASS.checkpoints[0], error="The engine is gone.")
    reached = ReachedCut(Cut(16, ThinkingFinish.BUDGET, 0), 50, (Cell(16, 0), Cell(16, 1)))
    half = replace(PASS, checkpoints=(failed,), reached=(reached,))
    running = replace(SNAPSHOT, sweep=replace(SWEEP, state=TraceState.RUNNING), passes=(half,))
    expected = [CellState.FAILED, CellState.ANSWERING, CellState.WAITING] * 2
    assert [r.state for r in cell_readings(running, half)] == expected
    assert cell_readings(running, half)[1].cut_characters == 50
    stopped = replace(running, sweep=replace(SWEEP, state=TraceState.STOPPED))
    assert [r.state for r in cell_readings(stopped, half)][2] is CellState.MISSING


def test_trajectory_goes_by_thinking_tokens_and_leaves_failed_answers_out() -> None:
    failed = a_checkpoint(((12, 0),), 12, 30, error="gone")
    both = a_checkpoint(((14, 0),), 14, 55)
    run = replace(PASS, checkpoints=(*PASS.checkpoints, failed, both))
    assert [(kept.cut_tokens, kept.letter) for kept in trajectory(run)] == [(8, "B"), (14, "A"), (32, "B")]


def test_flips_name_what_they_did_and_the_sentence_that_names_the_new_answer() -> None:
    first, second = flips(PASS)
    assert (first.kind, first.sentence) == (FlipKind.WRONG_TO_RIGHT, "No, the adrenal cortex makes it.")
    assert (second.kind, second.sentence) == (FlipKind.RIGHT_TO_WRONG, "The thyroid does not.")
    assert [TEXT[flip.start : flip.end] for flip in (first, second)] == [first.sentence, second.sentence]


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ({"letter": None}, {"letter": "B"}, FlipKind.FOUND),
        ({"letter": "B"}, {"letter": None}, FlipKind.LOST),
        ({"letter": "B"}, {"letter": "C"}, FlipKind.CHANGED),
        ({"letter": "B", "is_correct": None}, {"letter": "A", "is_correct": None}, FlipKind.CHANGED),
        ({"letter": None}, RIGHT, FlipKind.WRONG_TO_RIGHT),
        (RIGHT, {"letter": None}, FlipKind.RIGHT_TO_WRONG),
    ],
)
def test_each_change_has_its_kind(before: dict[str, object], after: dict[str, object], kind: FlipKind) -> None:
    checkpoints = (a_checkpoint(((8, 0),), 8, 22, **before), a_checkpoint(((16, 0),), 16, 50, **after))
    (flip,) = flips(replace(PASS, checkpoints=checkpoints))
    assert flip.kind is kind


def test_sentence_is_found_without_sentence_ends_and_where_nothing_is_between() -> None:
    run = replace(PASS, checkpoints=(a_checkpoint(((8, 0),), 8, 3), a_checkpoint(((16, 0),), 16, 3, **RIGHT)))
    (flip,) = flips(run)
    assert TEXT[flip.start : flip.end] == flip.sentence
