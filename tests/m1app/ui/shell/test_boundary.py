"""Errors become messages: those for people as they are, others as a reference to the log."""

import logging
import re

import pytest

from m1app.errors import AppError
from m1app.question.errors import InvalidQuestion, QuestionError
from m1app.runs.errors import ProbeRefused
from m1app.training.errors import RecipeRefused, TooLittleData
from m1app.ui.shell.boundary import message_of
from models.errors import EngineUnreachable, HashMismatch, ModelsError, UnknownProfile
from storage.errors import DatabaseLocked, DiskFull, RecordNotFound, StorageError

FOR_PEOPLE = [
    QuestionError("b"),
    InvalidQuestion("The question is empty."),
    AppError("s"),
    ProbeRefused("seed", "Seed is -1."),
    RecordNotFound("Trace 'x' not found."),
    ModelsError("m"),
    EngineUnreachable("No engine is responding."),
    HashMismatch("The bytes differ."),
    UnknownProfile("Unknown profile 'x'."),
    TooLittleData("Three samples are left."),
    RecipeRefused("data", "There is no such data."),
    StorageError("st"),
    DatabaseLocked("Locked."),
    DiskFull("The disk is full."),
]


@pytest.mark.parametrize("error", FOR_PEOPLE, ids=lambda error: type(error).__name__)
def test_errors_made_for_people_are_shown_as_they_are(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert message_of(error) == str(error)
    assert not caplog.records


@pytest.mark.parametrize("error", [ValueError("patient Jane Roe"), KeyError("x"), OSError(28, "No space"), Exception()])
def test_an_unexpected_error_shows_a_reference_that_the_log_has(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        with pytest.raises(type(error)) as caught:
            raise error
        message = message_of(caught.value)
    reference = re.search(r"\b[0-9a-f]{8}\b", message)
    assert reference
    (record,) = caplog.records
    assert reference[0] in record.getMessage()
    assert record.exc_info
    assert record.exc_info[1] is error
    assert "Jane Roe" not in message
    assert type(error).__name__ not in message
    assert "Your input is kept" in message


def test_each_unexpected_error_has_a_reference_of_its_own() -> None:
    assert len({message_of(ValueError("same")) for _ in range(20)}) == 20
