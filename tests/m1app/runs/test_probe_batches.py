"""Several questions asked at once: each becomes a trace, in turn; a batch goes on by itself and can be stopped."""

import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from unittest.mock import patch
from uuid import uuid4

import pytest
from sqlalchemy import select, update

from m1app.access.errors import AccessRefused
from m1app.access.person import Person, acting_as
from m1app.access.quota import Quota
from m1app.bootstrap import Services
from m1app.errors import AppError
from m1app.privacy.errors import IdentifiersFound
from m1app.question.errors import InvalidQuestion
from m1app.runs import kept_batches, probe_batches
from m1app.runs.batch_progress import BatchProgress, ItemState
from m1app.runs.errors import ProbeRefused
from m1app.runs.kept_batches import KeptBatches
from m1app.runs.probe_batches import ProbeBatches
from m1app.runs.probe_request import ProbeRequest
from storage.database import Session
from storage.people.records import Role
from storage.questions.tables import QuestionRow
from storage.traces.listing import TraceFilter
from storage.traces.records import Trace, TraceState
from storage.traces.tables import TraceRow
from tests.models.engine.dictated import LONG, Dictate

pytestmark = pytest.mark.engine

OPTIONS = {"A": "Liver", "B": "Spleen"}


def questions(count: int, **changes: object) -> list[ProbeRequest]:
    standard: dict[str, object] = {
        "options": OPTIONS,
        "target": "B",
        "thinking_budget_tokens": 40,
        "answer_cap_tokens": 24,
    }
    return [ProbeRequest(stem=f"Question {i}: where is it made?", **(standard | changes)) for i in range(1, count + 1)]  # type: ignore[arg-type]


async def to_the_end(services: Services, batch_id: str) -> BatchProgress:
    async with aclosing(services.batches.follow(batch_id)) as found:
        return [each async for each in found][-1]


async def until(services: Services, batch_id: str, is_so: object) -> BatchProgress:
    async with aclosing(services.batches.follow(batch_id)) as found:
        async for each in found:
            if is_so(each):  # type: ignore[operator]
                return each
    raise AssertionError("the batch ended before")


async def test_every_question_is_asked_and_its_trace_is_in_the_history(services: Services, dictate: Dictate) -> None:
    dictate(" It is the spleen.", answer=" The answer is B.")
    batch_id = await services.batches.start(questions(6))
    batch = await to_the_end(services, batch_id)
    assert [(item.state, item.trace_state, item.answer_letter, item.is_correct) for item in batch.items] == 6 * [
        (ItemState.ENDED, TraceState.COMPLETED, "B", True)
    ]
    stored = (await services.probe.history(TraceFilter(), 50)).items
    assert {each.id for each in stored} == {item.trace_id for item in batch.items}
    assert {each.stem for each in stored} == {each.stem for each in questions(6)}


async def test_a_few_are_asked_at_a_time(services: Services, dictate: Dictate) -> None:
    dictate(LONG, answer=" B.")
    batch_id = await services.batches.start(questions(9, thinking_budget_tokens=1200))
    batch = await until(services, batch_id, lambda each: each.count(ItemState.RUNNING) == 4)
    assert batch.count(ItemState.WAITING) == 5
    services.batches.stop(batch_id)
    await to_the_end(services, batch_id)


async def test_stop_ends_what_runs_and_asks_no_more(services: Services, dictate: Dictate) -> None:
    dictate(LONG, answer=" B.")
    batch_id = await services.batches.start(questions(6, thinking_budget_tokens=1200))
    await until(services, batch_id, lambda each: sum(bool(item.trace_id) for item in each.items) == 4)
    assert services.batches.stop(batch_id)
    batch = await to_the_end(services, batch_id)
    assert batch.is_stopped
    assert [item.trace_state for item in batch.items] == 4 * [TraceState.STOPPED] + 2 * [None]
    assert [item.state for item in batch.items][4:] == 2 * [ItemState.NOT_ASKED]
    assert services.probe.running == 0
    assert not services.batches.stop(batch_id)


async def test_a_batch_goes_on_when_nobody_follows_it(services: Services, dictate: Dictate) -> None:
    dictate(" It is the spleen.", answer=" B.")
    batch_id = await services.batches.start(questions(5))
    async with aclosing(services.batches.follow(batch_id)) as found:
        await anext(found)
    assert await services.batches.latest() == batch_id
    assert (await to_the_end(services, batch_id)).count(ItemState.ENDED) == 5
    await services.batches.put_away(batch_id)
    assert await services.batches.latest() == ""
    assert [each async for each in services.batches.follow(batch_id)] == []


async def test_one_invalid_question_keeps_all_of_them_from_being_asked(services: Services) -> None:
    wrong = [*questions(2), *questions(1, target="Z")]
    with pytest.raises(InvalidQuestion):
        await services.batches.start(wrong)
    with pytest.raises(ProbeRefused, match="expected 1 to 200"):
        await services.batches.start(questions(201))
    assert (await services.probe.history(TraceFilter(), 50)).items == ()
    assert await services.batches.latest() == ""


async def test_a_question_that_may_identify_a_person_is_said_before_any_is_asked(
    services: Services, dictate: Dictate
) -> None:
    dictate(" Thinking.", answer=" B.")
    named = [*questions(1), ProbeRequest(stem="Mail jane.doe@example.org about it?", thinking_budget_tokens=40)]
    with pytest.raises(IdentifiersFound):
        await services.batches.start(named)
    assert (await services.probe.history(TraceFilter(), 50)).items == ()
    batch_id = await services.batches.start(named, allows_identifiers=True)
    assert (await to_the_end(services, batch_id)).count(ItemState.ENDED) == 2


async def test_a_person_with_few_places_still_gets_every_answer(
    services: Services, monkeypatch: pytest.MonkeyPatch, dictate: Dictate
) -> None:
    dictate(" Thinking.", answer=" B.")
    # As with M1_RUNS_PER_PERSON=1.
    monkeypatch.setattr(services.probe._runs, "_quota", Quota(1, "You have 1 running."))
    monkeypatch.setattr(probe_batches, "_PLACE_SECONDS", 0.05)
    with acting_as(Person("1", Role.ANNOTATOR, "Ann")):
        batch_id = await services.batches.start(questions(3))
        assert (await to_the_end(services, batch_id)).count(ItemState.ENDED) == 3


async def test_why_a_question_was_not_asked_is_kept_and_the_others_are_tried(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise AppError("256 questions are already running.")

    monkeypatch.setattr(services.probe, "start", refuse)
    batch = await to_the_end(services, await services.batches.start(questions(5)))
    assert {(item.state, item.problem) for item in batch.items} == {
        (ItemState.NOT_ASKED, "256 questions are already running.")
    }


async def test_others_neither_see_a_batch_as_theirs_nor_stop_it(services: Services, dictate: Dictate) -> None:
    dictate(LONG, answer=" B.")
    with acting_as(Person("1", Role.ANNOTATOR, "Ann")):
        batch_id = await services.batches.start(questions(1, thinking_budget_tokens=1200))
        assert await services.batches.latest() == batch_id
    with acting_as(Person("2", Role.ANNOTATOR, "Bo")):
        assert await services.batches.latest() == ""
        with pytest.raises(AccessRefused):
            services.batches.stop(batch_id)
    assert services.batches.stop(batch_id)
    await to_the_end(services, batch_id)


async def left_batch(services: Services, monkeypatch: pytest.MonkeyPatch, asked: list[ProbeRequest]) -> str:
    """Id of a batch whose process was killed after it had asked the first question and begun the second one."""
    batch_id = uuid4().hex
    traces = [await services.probe.start(each) for each in asked[:2]]
    await last_of(services.probe.follow(traces[0].id))
    services.probe.stop(traces[1].id)
    await last_of(services.probe.follow(traces[1].id))
    await services.database.write(lambda s: close_as(s, traces[1].id, TraceState.INTERRUPTED))
    with monkeypatch.context() as patch:
        patch.setattr(kept_batches, "this_process", lambda: f"{socket.gethostname()}:{2**30}")
        await services.batches._kept.add(batch_id, "", asked, allows_identifiers=False)
    for number, trace in enumerate(traces):
        await services.batches._kept.note(batch_id, number, trace_id=trace.id)
    return batch_id


async def last_of(snapshots: AsyncGenerator[Trace, None]) -> Trace:
    async with aclosing(snapshots) as found:
        return [each async for each in found][-1]


def close_as(session: Session, trace_id: str, state: TraceState) -> None:
    session.execute(update(TraceRow).where(TraceRow.id == trace_id).values(state=state))


async def test_a_batch_that_a_killed_process_left_shows_what_was_asked_and_goes_on(
    services: Services, monkeypatch: pytest.MonkeyPatch, dictate: Dictate
) -> None:
    dictate(" It is the spleen.", answer=" B.")
    batch_id = await left_batch(services, monkeypatch, questions(4))
    assert await services.batches.latest() == batch_id
    left = await to_the_end(services, batch_id)
    shown = [(item.state, item.trace_state) for item in left.items]
    assert shown[0] == (ItemState.ENDED, TraceState.COMPLETED)
    assert shown[1] == (ItemState.ENDED, TraceState.INTERRUPTED)
    assert shown[2:] == [(ItemState.WAITING, None)] * 2
    assert (left.left, left.is_over) == (3, True)
    assert await services.batches.go_on(batch_id)
    assert not await services.batches.go_on(batch_id), "it already goes on"
    over = await to_the_end(services, batch_id)
    assert [(item.state, item.trace_state) for item in over.items] == 4 * [(ItemState.ENDED, TraceState.COMPLETED)]
    assert over.items[0].trace_id == left.items[0].trace_id != over.items[1].trace_id != left.items[1].trace_id
    asked = [await services.probe.get(item.trace_id) for item in over.items]
    assert [(each.question.stem, each.thinking_budget_tokens) for each in asked] == [
        (each.stem, 40) for each in questions(4)
    ]
    assert await services.batches._kept.find(batch_id) is None


async def test_what_a_killed_process_left_is_forgotten_with_its_questions_when_it_is_closed(
    services: Services, monkeypatch: pytest.MonkeyPatch, dictate: Dictate
) -> None:
    dictate(" It is the spleen.", answer=" B.")
    batch_id = await left_batch(services, monkeypatch, questions(4))
    await services.batches.put_away(batch_id)
    assert await services.batches.latest() == ""
    stems = await services.database.read(lambda s: set(s.scalars(select(QuestionRow.stem))))
    assert stems == {each.stem for each in questions(2)}


async def test_others_neither_go_on_with_what_was_left_nor_close_it(
    services: Services, monkeypatch: pytest.MonkeyPatch, dictate: Dictate
) -> None:
    dictate(" It is the spleen.", answer=" B.")
    batch_id = await left_batch(services, monkeypatch, questions(3))
    with acting_as(Person("2", Role.ANNOTATOR, "Bo")):
        assert await services.batches.latest() == ""
        for refused in (services.batches.go_on, services.batches.put_away):
            with pytest.raises(AccessRefused):
                await refused(batch_id)
    assert await services.batches.latest() == batch_id


async def test_a_batch_that_runs_is_not_offered_as_one_that_was_left(services: Services, dictate: Dictate) -> None:
    dictate(LONG, answer=" B.")
    batch_id = await services.batches.start(questions(2, thinking_budget_tokens=1200))
    elsewhere = ProbeBatches(services.probe, KeptBatches(services.database))
    with patch.object(kept_batches, "this_process", lambda: "another-machine:1"):
        assert await elsewhere.latest() == ""
        assert not await elsewhere.go_on(batch_id)
    services.batches.stop(batch_id)
    await to_the_end(services, batch_id)
    assert await services.batches._kept.find(batch_id) is None


async def test_what_is_not_kept_leaves_no_batch_behind(services: Services, dictate: Dictate) -> None:
    dictate(LONG, answer=" B.")
    batch_id = await services.batches.start(questions(2, thinking_budget_tokens=1200), is_kept=False)
    assert await services.batches._kept.find(batch_id) is None
    services.batches.stop(batch_id)
    await to_the_end(services, batch_id)
