"""Compare's branches without a browser: what an address says whose trace is not there."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import pytest

from m1app.bootstrap import build_services
from m1app.settings import Settings
from m1app.ui.compare.page import ComparePage


@pytest.fixture
def page(tmp_path: Path, no_settings: None) -> Iterator[ComparePage]:
    services = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9", cpu_jobs=0))
    with gr.Blocks() as demo:
        made = ComparePage(demo, services)
    yield made
    services.database.dispose()


@pytest.mark.parametrize("wrong", ["f" * 32, "../x", "a,b"])
async def test_branches_of_a_trace_that_is_not_there_are_refused_in_their_own_place(
    page: ComparePage, wrong: str
) -> None:
    request = cast(gr.Request, SimpleNamespace(query_params={"branches": wrong}))
    loaded: dict[Any, Any] = await page._on_load(request)
    assert page._message.component not in loaded
    (shown,) = [each async for each in page._follow_branches(request)]
    assert shown == {
        "problem": f"Trace {wrong!r} not found. It may have been deleted, or the link is from another machine."
    }
