"""What a trace may hold, and that it comes back as it was."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

import pytest

from storage.database import Database
from storage.errors import InvalidRecord
from storage.traces.repository import TraceRepository
from tests.storage.samples import (
    COMPLETED,
    a_trace,
    answer,
    begin,
    finish,
    read,
    save_question,
    think,
)


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def test_any_mapping_of_probabilities_is_taken(database: Database) -> None:
    trace = begin(database)
    frozen = MappingProxyType({"B": 0.5, "A": 0.5})
    finish(database, trace, outcome=replace(COMPLETED, option_probabilities=frozen))
    assert read(database, trace.id).option_probabilities == {"B": 0.5, "A": 0.5}


TEXTS = [
    "👩🏽‍⚕️ 🫀 — emoji",
    "عربي مع تشكيل: مُحَمَّد",
    "עברית \u200f(RTL)\u200e mixed",
    "e\u0301 is not \u00e9",
    "क्षत्रिय ไทย 漢字",
    "line\r\nline\ttab \u2028 \u0085",
    "a" * 100_000,
    " leading and trailing ",
    "",
]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_any_script_comes_back_code_point_by_code_point(database: Database, text: str) -> None:
    trace = begin(database, system_prompt=text, prompt_text=text)
    finish(database, trace, think(text), answer(text))
    found = read(database, trace.id)
    assert [part.text for part in found.segments] == [text, text]
    assert (found.system_prompt, found.prompt_text) == (text, text)


def test_nul_and_lone_surrogates_in_model_text_become_replacement_characters(database: Database) -> None:
    trace = begin(database)
    finish(database, trace, think("a\x00b\ud83dc"), answer("\udc00"))
    found = read(database, trace.id)
    assert (found.thinking_text, found.answer_text) == ("a\ufffdb\ufffdc", "\ufffd")


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt_text": "a\x00"},
        {"system_prompt": "\ud800"},
        {"temperature": math.nan},
        {"top_p": math.inf},
        {"prompt_token_ids": (-1,)},
        {"prompt_token_ids": (2**32,)},
        {"seed": 2**64},
    ],
)
def test_values_that_cannot_be_stored_are_refused_on_both_databases(
    database: Database, changes: dict[str, object]
) -> None:
    with pytest.raises(InvalidRecord):
        begin(database, **changes)
    with database.session(is_read_only=True) as session:
        assert TraceRepository(session).count() == 0


def test_probabilities_that_are_not_numbers_are_refused(database: Database) -> None:
    trace = begin(database)
    with pytest.raises(InvalidRecord):
        finish(database, trace, outcome=replace(COMPLETED, option_probabilities={"A": math.nan}))


def test_a_big_seed_and_every_token_id_survive(database: Database) -> None:
    trace = begin(database, seed=2**63 - 1, prompt_token_ids=(0, 1, 2**31, 2**32 - 1))
    found = read(database, trace.id)
    assert (found.seed, found.prompt_token_ids) == (2**63 - 1, (0, 1, 2**31, 2**32 - 1))


def test_times_come_back_aware_in_utc_to_the_microsecond(database: Database) -> None:
    tokyo = datetime.fromisoformat("2026-03-01T21:00:00.123456+09:00")
    question = save_question(database)
    with database.session() as session:
        trace = TraceRepository(session, now=at(tokyo)).add(a_trace(question.id))
    found = read(database, trace.id).created_at
    assert found == tokyo
    assert found.isoformat() == "2026-03-01T12:00:00.123456+00:00"


def test_a_time_without_zone_is_refused(database: Database) -> None:
    question = save_question(database)
    with pytest.raises(InvalidRecord, match="no time zone"), database.session() as session:
        TraceRepository(session, now=at(datetime(2026, 1, 1))).add(a_trace(question.id))
