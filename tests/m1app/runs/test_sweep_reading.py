"""Cells and trajectory of a sweep."""

from dataclasses import replace

from m1app.runs.sweep_reading import CellState, ReachedCut, cell_readings, trajectory
from models.thinking.budget_forcing import ThinkingFinish
from models.thinking.sweep import Cell, Cut
from storage.traces.records import ThinkingFinishReason, TraceState
from tests.m1app.runs.sweep_samples import PASS, SNAPSHOT, SWEEP, a_checkpoint


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
