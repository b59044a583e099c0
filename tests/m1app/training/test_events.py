"""What is read from progress.jsonl, also after a kill in the middle of a line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.training.events import (
    EventWriter,
    best_accuracy,
    decided_steps,
    last_ending,
    read_events,
    should_stop_early,
    summarise,
)


def write_steps(writer: EventWriter, first: int, last: int, loss: float = 1.0) -> None:
    for step in range(first, last + 1):
        writer.write("log", step, loss=loss, learning_rate=0.1, tokens_per_second=10.0, seconds_left=5.0)


def test_nothing_is_read_before_there_is_a_file(tmp_path: Path) -> None:
    assert read_events(tmp_path / "none.jsonl") == ()
    assert summarise(()).first_loss is None


def test_after_a_resume_every_step_is_there_once_and_as_it_was_done_last(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    writer = EventWriter(path)
    writer.write("started", 0, steps=6)
    write_steps(writer, 1, 5, loss=2.0)
    writer.write("stopped", 5, message="Stopped.")
    writer.write("resumed", 3, steps=6)
    write_steps(writer, 4, 6, loss=1.0)
    events = read_events(path)
    losses = [(each["step"], each["loss"]) for each in events if each["event"] == "log"]
    assert losses == [(1, 2.0), (2, 2.0), (3, 2.0), (4, 1.0), (5, 1.0), (6, 1.0)]
    assert last_ending(events) is None
    assert summarise(events).steps == 6


def test_a_start_from_the_base_forgets_what_was_said_before(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path / "progress.jsonl")
    writer.write("started", 0, steps=6)
    write_steps(writer, 1, 2)
    writer.write("started", 0, steps=6)
    assert [each["event"] for each in read_events(tmp_path / "progress.jsonl")] == ["started"]


@given(cut=st.integers(min_value=0, max_value=400))
def test_a_file_cut_anywhere_is_read_and_gone_on_with(cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "progress.jsonl"
        writer = EventWriter(path)
        writer.write("started", 0, steps=3)
        write_steps(writer, 1, 2)
        path.write_bytes(path.read_bytes()[:cut])
        before = read_events(path)
        EventWriter(path).write("log", 3, loss=0.5)
        after = read_events(path)
        assert after[: len(before)] == before
        assert after[-1]["loss"] == 0.5


@pytest.mark.parametrize("line_break", ["\u2028", "\u2029", "\x85", "\x0b", "\r"])
def test_an_event_whose_text_has_a_line_break_of_its_own_is_read(tmp_path: Path, line_break: str) -> None:
    path = tmp_path / "progress.jsonl"
    EventWriter(path).write("sample", 8, text=f"one{line_break}two")
    (found,) = read_events(path)
    assert found["text"] == f"one{line_break}two"


def test_an_event_after_a_half_written_one_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run" / "progress.jsonl"
    writer = EventWriter(path)
    with pytest.raises(OSError):
        writer.write("log", 1, loss=1.0)
    path.parent.mkdir()
    path.write_text('{"event": "log", "ti')
    writer.write("failed", 1, message="The disk is full.")
    writer.write("log", 2, loss=1.0)
    assert [each["event"] for each in read_events(path)] == ["failed", "log"]


def test_the_summary_compares_base_and_tuned() -> None:
    events = [
        {"event": "started", "step": 0, "steps": 4},
        {"event": "evaluated", "step": 0, "eval_loss": 3.0},
        {"event": "log", "step": 1, "loss": 2.0},
        {"event": "log", "step": 2, "loss": 1.0, "tokens_per_second": 9.0, "seconds_left": 4.0},
        {"event": "evaluated", "step": 2, "eval_loss": 1.5},
    ]
    found = summarise(events)
    assert (found.steps, found.steps_planned) == (2, 4)
    assert (found.first_loss, found.last_loss) == (2.0, 1.0)
    assert (found.eval_loss_before, found.eval_loss_after) == (3.0, 1.5)
    assert (found.tokens_per_second, found.seconds_left) == (9.0, 4.0)


def test_losses_that_were_no_number_are_left_out_of_the_summary() -> None:
    events = [
        {"event": "started", "step": 0, "steps": 4},
        {"event": "evaluated", "step": 0, "eval_loss": None},
        {"event": "log", "step": 1, "loss": None},
    ]
    found = summarise(events)
    assert (found.steps, found.first_loss, found.eval_loss_before) == (1, None, None)


@pytest.mark.parametrize(
    ("losses", "patience", "stops"),
    [
        ([3.0, 2.0, 1.0], 2, False),
        ([3.0, 1.0, 1.5, 1.2], 2, True),
        ([3.0, 1.0, 1.5, 0.9], 2, False),
        ([1.0, 2.0], 2, False),
        ([1.0, 2.0, 3.0], 0, False),
        ([1.0, 1.0], 1, True),
    ],
)
def test_it_stops_early_when_the_loss_has_not_fallen(losses: list[float], patience: int, stops: bool) -> None:
    assert should_stop_early(losses, patience) is stops


def test_measured_accuracies_outlive_a_start_and_a_resume_as_far_as_their_steps_do(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    writer = EventWriter(path)
    writer.write("accuracy", 0, value=0.5)
    writer.write("started", 0, steps=30)
    assert decided_steps(read_events(path)) == {0}
    write_steps(writer, 1, 20)
    writer.write("unmeasured", 10, message="It could not be served.")
    writer.write("accuracy", 20, value=0.75)
    writer.write("trained", 20, message="All steps are done.")
    writer.write("resumed", 20, steps=30)
    assert decided_steps(read_events(path)) == {0, 10, 20}
    assert last_ending(read_events(path)) is None
    writer.write("resumed", 10, steps=30)
    assert decided_steps(read_events(path)) == {0, 10}


@pytest.mark.parametrize(
    ("values", "best"),
    [({0: 0.9}, None), ({0: 0.9, 8: 0.2}, 8), ({8: 0.5, 16: 0.75, 24: 0.75}, 16), ({24: 0.5, 8: 0.5}, 8), ({}, None)],
)
def test_the_best_is_the_earliest_of_the_most_accurate_and_never_the_base(
    values: dict[int, float], best: int | None
) -> None:
    found = best_accuracy([{"event": "accuracy", "step": step, "value": value} for step, value in values.items()])
    assert (found and found["step"]) == best
