"""Outputs of handlers: what a handler leaves alone costs nothing and reaches the page as before."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr
import pytest
from gradio.state_holder import SessionState
from starlette.requests import Request

from m1app.access.person import Person
from m1app.log_lines import TextLines
from m1app.ui.shell.page_blocks import PageBlocks
from storage.people.records import Role

Made = tuple[PageBlocks, list[Any]]


def page() -> Made:
    with PageBlocks(analytics_enabled=False) as blocks:
        parts: list[Any] = [gr.Textbox("one"), gr.Dropdown(["a"], value="a"), gr.State(0)]
        blocks.load(lambda: None, None, parts)
    return blocks, parts


def outputs(blocks: gr.Blocks, kind: Callable[..., Any], predictions: Any, state: SessionState) -> list[Any]:
    handler = next(iter(blocks.fns.values()))
    return asyncio.run(kind(blocks, handler, predictions, state))


@pytest.mark.parametrize(
    "returned",
    [
        lambda parts: [gr.skip(), gr.skip(), gr.skip()],
        lambda parts: gr.skip(),
        lambda parts: ["two", gr.skip(), 5],
        lambda parts: {parts[1]: gr.update(choices=["b"], value="b")},
        lambda parts: {parts[0]: "two", parts[2]: 7},
        lambda parts: ["two", "a", 5],
    ],
)
def test_outputs_are_those_of_gradio(returned: Callable[[list[Any]], Any]) -> None:
    blocks, parts = page()
    ours, theirs = SessionState(blocks), SessionState(blocks)
    made = outputs(blocks, PageBlocks.postprocess_data, returned(parts), ours)
    assert made == outputs(blocks, gr.Blocks.postprocess_data, returned(parts), theirs)
    assert ours[parts[2]._id] == theirs[parts[2]._id]


def test_component_that_is_left_alone_is_not_made_again() -> None:
    blocks, parts = page()
    state = SessionState(blocks)
    before = state[parts[1]._id]
    outputs(blocks, PageBlocks.postprocess_data, ["two", gr.skip(), gr.skip()], state)
    assert state[parts[1]._id] is before


def test_too_few_outputs_are_refused_as_by_gradio() -> None:
    blocks, _ = page()
    with pytest.raises(ValueError, match="enough"):
        outputs(blocks, PageBlocks.postprocess_data, ["two"], SessionState(blocks))


class Watched:
    """Stands for the access, and remembers whether somebody did something."""

    def __init__(self) -> None:
        self.is_active: list[bool] = []

    async def person(self, token: str, address: str, user: str, *, is_active: bool) -> Person:
        self.is_active.append(is_active)
        return Person("local", Role.REVIEWER)


def test_what_follows_by_itself_is_no_use_of_a_session() -> None:
    with PageBlocks(analytics_enabled=False) as blocks:
        text, button, timer = gr.Textbox(), gr.Button(), gr.Timer()

        async def handler() -> None: ...

        for event in (blocks.load, timer.tick, text.change):
            event(handler)
        button.click(handler).then(handler).success(handler)
        text.submit(handler)
    blocks.m1_access = watched = Watched()  # type: ignore[assignment]
    scope = {"type": "http", "headers": [], "client": ("127.0.0.1", 1)}
    for function in blocks.fns.values():
        asyncio.run(blocks.call_function(function, [], requests=Request(scope)))
    assert watched.is_active == [False, False, False, True, False, False, True]


def failing(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("typed", "error"),
    [
        (["typed by somebody"], KeyError("typed by somebody")),
        (["typed by somebody"], None),  # Not among the choices of the dropdown.
        ([], None),  # Too few inputs.
    ],
)
def test_what_somebody_typed_is_not_printed_when_it_fails(
    typed: list[str], error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    with PageBlocks(analytics_enabled=False) as blocks:
        part = gr.Textbox() if error else gr.Dropdown(["a"])
        blocks.load(lambda text: failing(error) if error else text, part, part)
    blocks.call_function = partial(gr.Blocks.call_function, blocks)  # type: ignore[method-assign]
    handler = next(iter(blocks.fns.values()))
    with pytest.raises(gr.Error) as refused:
        asyncio.run(blocks.process_api(handler, typed, SessionState(blocks)))
    assert not refused.value.print_exception
    assert not [line for line in map(TextLines().format, caplog.records) if "typed by somebody" in line]
