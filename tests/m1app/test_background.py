"""Background work: what fails in it is logged, reported, and tried again."""

import asyncio
import logging

import pytest

from m1app.background import Rounds, reported, start_task, start_thread
from m1app.errors import AppError


def test_an_unexpected_exception_is_logged_with_its_traceback_and_becomes_a_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    messages: list[str] = []
    with reported("a run", messages.append):
        raise KeyError("missing")
    (record,) = caplog.records
    assert "a run" in record.getMessage()
    assert record.exc_info is not None and record.exc_info[0] is KeyError
    (message,) = messages
    assert "KeyError" in message and "log" in message


def test_an_error_for_people_keeps_its_words_and_needs_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    messages: list[str] = []
    with reported("a run", messages.append):
        raise AppError("The engine is away.")
    assert messages == ["The engine is away."]
    assert [record.exc_info for record in caplog.records] == [None]


def test_cancellation_is_no_failure() -> None:
    with pytest.raises(asyncio.CancelledError), reported("a run", pytest.fail):
        raise asyncio.CancelledError


def test_pauses_grow_after_unexpected_exceptions_up_to_half_a_minute_and_shrink_after_a_success() -> None:
    rounds = Rounds("saving", 1.0)
    pauses = []
    for _ in range(7):
        with rounds.round():
            raise ValueError
        pauses.append(rounds.pause_seconds)
    assert pauses == [2, 4, 8, 16, 30, 30, 30]
    with rounds.round():
        pass
    assert (rounds.pause_seconds, rounds.problem) == (1.0, "")


def test_an_expected_problem_is_tried_again_at_the_same_pace_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    rounds = Rounds("saving", 1.0)
    for _ in range(5):
        with rounds.round():
            raise AppError("The disk is full.")
    assert (rounds.pause_seconds, rounds.problem) == (1.0, "The disk is full.")
    assert len(caplog.records) == 1


async def test_a_task_that_nobody_awaits_leaves_its_exception_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise RuntimeError("lost")

    task = start_task(fail(), "watcher")
    await asyncio.wait([task])
    await asyncio.sleep(0)
    assert [(record.levelno, "watcher" in record.getMessage()) for record in caplog.records] == [(logging.ERROR, True)]


def test_a_thread_that_fails_leaves_its_exception_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    start_thread(lambda: 1 / 0, "engine-stop").join()
    (record,) = caplog.records
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError
