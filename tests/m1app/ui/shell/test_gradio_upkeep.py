"""A tab that stays open for days does not fill the memory, and one that is closed not the log."""

import asyncio
import time
from typing import Any

import gradio as gr
import httpx2
import pytest
from fastapi import FastAPI
from gradio.state_holder import SessionState

from m1app.ui.shell.gradio_upkeep import bound_upkeep
from tests.m1app.ui.serving import serving


def test_component_that_is_updated_and_read_again_is_kept_once() -> None:
    with gr.Blocks() as blocks:
        model = gr.Dropdown(["a"], value="a")
        blocks.load(lambda chosen: gr.skip(), model, model)
    bound_upkeep(blocks)
    handler = next(iter(blocks.fns.values()))
    state = SessionState(blocks)

    async def tick() -> Any:
        [read] = await blocks.preprocess_data(handler, ["a"], state)
        await blocks.postprocess_data(handler, gr.update(choices=["a", "b"]), state)
        return read

    asyncio.run(tick())
    kept = set(state.blocks_config.blocks)
    assert [asyncio.run(tick()) for _ in range(5)] == ["a"] * 5
    assert set(state.blocks_config.blocks) == kept
    updated: Any = state[model._id]
    assert (updated._id, updated.choices) == (model._id, [("a", "a"), ("b", "b")])


def test_closed_tab_that_listened_twice_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Button().click(lambda: time.sleep(2), None, None)
    bound_upkeep(blocks)
    _, origin, _ = blocks.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    try:
        with httpx2.Client(base_url=f"{origin}gradio_api/queue/") as tab:
            asked = tab.post("join", json={"data": [], "fn_index": 0, "session_hash": "tab"})
            assert asked.status_code == 200
            listening = "data?session_hash=tab"
            with tab.stream("GET", listening) as first, tab.stream("GET", listening) as second:
                assert (first.status_code, second.status_code) == (200, 200)
        waited_until = time.monotonic() + 60
        while "tab" in blocks._queue.pending_messages_per_session and time.monotonic() < waited_until:
            time.sleep(0.05)
        assert "tab" not in blocks._queue.pending_messages_per_session
        time.sleep(0.5)
    finally:
        blocks.close()
    assert "Traceback" not in capfd.readouterr().err


def test_values_of_few_tabs_and_records_of_few_events_are_kept() -> None:
    with gr.Blocks() as blocks:
        gr.State(0)
    bound_upkeep(blocks)
    holder = gr.routes.App.create_app(blocks).state_holder
    for number in range(300):
        _ = holder[f"tab{number}"]
    assert len(holder.session_data) <= 200
    assert "tab299" in holder
    assert blocks._queue.ANALYTICS_MAX_EVENTS < 100


def test_fifty_handlers_that_wait_do_not_keep_others_from_running() -> None:
    over = asyncio.Event()

    async def wait() -> None:
        await over.wait()

    async def finish() -> None:
        over.set()

    with gr.Blocks(analytics_enabled=False) as blocks:
        gr.Button().click(wait, None, None)
        gr.Button().click(finish, None, None)
    blocks.queue(default_concurrency_limit=100, max_size=100)
    bound_upkeep(blocks)
    app = gr.mount_gradio_app(FastAPI(), blocks, "/", ssr_mode=False)
    with serving(app) as address, httpx2.Client(base_url=f"{address}/gradio_api/queue/", timeout=20) as tab:
        for number in range(50):
            tab.post("join", json={"data": [], "fn_index": 0, "session_hash": f"tab{number}"}).raise_for_status()
        tab.post("join", json={"data": [], "fn_index": 1, "session_hash": "other"}).raise_for_status()
        with tab.stream("GET", "data?session_hash=other") as answers:
            assert any("process_completed" in line for line in answers.iter_lines())
