"""One person's events and tabs leave room for other people's."""

import asyncio

import gradio as gr
import pytest
from fastapi import FastAPI, HTTPException, Request
from gradio.data_classes import PredictBodyInternal
from gradio.server_messages import ProcessGeneratingMessage

from m1app.access.person import Person, acting_as
from m1app.ui.shell import fair_queue
from m1app.ui.shell.gradio_upkeep import bound_upkeep
from storage.people.records import Role

ANNA = Person("1", Role.ANNOTATOR, "anna")
BEN = Person("2", Role.ANNOTATOR, "ben")


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> gr.Blocks:
    """A page with room for little; nothing runs its events."""
    monkeypatch.setattr(fair_queue, "EVENTS_OF_A_TAB", 2)
    monkeypatch.setattr(fair_queue, "EVENTS_OF_A_PERSON", 5)
    monkeypatch.setattr(fair_queue, "MAX_TABS", 4)
    monkeypatch.setattr(fair_queue, "MAX_TABS_LISTENING", 6)
    monkeypatch.setattr(fair_queue, "_UNREAD_OF_A_TAB", 3)
    with gr.Blocks(analytics_enabled=False) as page:
        gr.State(0)
        gr.Button().click(lambda: None, None, None)
    bound_upkeep(page)
    gr.mount_gradio_app(FastAPI(), page, "/", ssr_mode=False)
    return page


def ask(page: gr.Blocks, person: Person, tab: str, handler: int = 0) -> str:
    """Queue an event; returns its id."""
    request = Request({"type": "http", "headers": []})
    body = PredictBodyInternal(session_hash=tab, fn_index=handler, data=[], request=request)  # type: ignore
    with acting_as(person):
        is_queued, event, _ = asyncio.run(page._queue.push(body, request, None))
    assert is_queued
    return str(event)


def end_events(page: gr.Blocks) -> None:
    for queue in page._queue.event_queue_per_concurrency_id.values():
        queue.queue.clear()
    page._queue.event_ids_to_events.clear()


def test_a_tab_and_a_person_have_a_share_of_the_queue(blocks: gr.Blocks) -> None:
    ask(blocks, ANNA, "a1")
    ask(blocks, ANNA, "a1")
    with pytest.raises(HTTPException, match="This page has too many requests in progress") as refused:
        ask(blocks, ANNA, "a1")
    assert refused.value.status_code == 429
    for tab in ("a2", "a2", "a3"):
        ask(blocks, ANNA, tab)
    with pytest.raises(HTTPException, match="Close some of the tabs"):
        ask(blocks, ANNA, "a4")
    ask(blocks, BEN, "b1")
    end_events(blocks)
    ask(blocks, ANNA, "a4")


def test_a_flood_of_tabs_drops_the_values_of_its_own_tabs_only(blocks: gr.Blocks) -> None:
    ask(blocks, BEN, "b1")
    for number in range(20):
        ask(blocks, ANNA, f"a{number}")
        end_events(blocks)
    kept = blocks.state_holder.session_data
    assert set(kept) == {"b1", "a17", "a18", "a19"}
    assert set(blocks.state_holder.time_last_used) == set(kept)
    listening = blocks._queue.pending_messages_per_session
    assert set(listening) == {"b1", "a15", "a16", "a17", "a18", "a19"}
    assert set(blocks._queue.pending_event_ids_session) == set(listening)


def test_among_people_with_one_tab_each_the_one_used_the_longest_time_ago_goes(blocks: gr.Blocks) -> None:
    for number in range(6):
        ask(blocks, Person(str(number), Role.VIEWER, f"person{number}"), f"tab{number}")
        end_events(blocks)
    assert set(blocks.state_holder.session_data) == {"tab2", "tab3", "tab4", "tab5"}


def test_an_event_ends_if_its_tab_does_not_read_its_messages(blocks: gr.Blocks) -> None:
    queue = blocks._queue
    event = queue.event_ids_to_events[ask(blocks, ANNA, "a1")]
    messages = queue.pending_messages_per_session["a1"]
    while messages.qsize() < 3:
        queue.send_message(event, ProcessGeneratingMessage(msg="process_generating", output={}, success=True))  # type: ignore
    assert event.alive
    for _ in range(5):
        queue.send_message(event, ProcessGeneratingMessage(msg="process_generating", output={}, success=True))  # type: ignore
    assert not event.alive
    *_, last = [messages.get_nowait() for _ in range(messages.qsize())]
    assert (last.msg, last.success) == ("process_completed", False)
    assert messages.empty()


@pytest.mark.parametrize("tab", ["", "a b", "x" * 65, "x" * 900_000, "ä", "a\n"])
def test_an_event_of_no_proper_tab_takes_no_room(blocks: gr.Blocks, tab: str) -> None:
    with pytest.raises(HTTPException) as refused:
        ask(blocks, ANNA, tab)
    assert refused.value.status_code == 400
    assert tab not in blocks._queue.m1_owners  # type: ignore[attr-defined]


@pytest.mark.parametrize("handler", [-1, 999, 2**63])
def test_a_handler_that_the_page_does_not_have_is_not_found(blocks: gr.Blocks, handler: int) -> None:
    with pytest.raises(HTTPException) as refused:
        ask(blocks, ANNA, "a1", handler)
    assert refused.value.status_code == 404


def test_a_tab_is_read_by_who_uses_it(blocks: gr.Blocks) -> None:
    ask(blocks, ANNA, "a1")
    queue = blocks._queue
    assert isinstance(queue, fair_queue.FairQueue)
    with acting_as(ANNA):
        assert queue.is_own_tab("a1")
    with acting_as(BEN):
        assert not queue.is_own_tab("a1")
        assert queue.is_own_tab("not used yet")
