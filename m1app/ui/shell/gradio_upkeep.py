"""Limits Gradio's own bookkeeping, as observed in 6.31 with `benchmarks.memory`.

Gradio recreates a component whenever a handler changes one of its properties, `gr.skip()` included, with a new id. When
a later handler reads that component, Gradio stores it again under the new id: one more component for every update of
every tab, as long as the app runs. It also records 10,000 events, and builds a table of all of them at the end of each.
When a tab with two connections is closed, the second does not find what the first has deleted, and a traceback is
logged. A page runs 40 events at once, whatever the limit of each handler, so that the forty-first open trace of all
people together blocks the page's buttons. And for every frame it looks for Matplotlib, on the disk if there is none.
"""

import sys
from contextlib import nullcontext
from typing import Any

import gradio as gr
from gradio import utils
from gradio.blocks import Block
from gradio.state_holder import SessionState

from m1app.ui.shell.fair_queue import MAX_TABS, share_fairly

_MAX_EVENTS = 16
_MAX_RUNNING_EVENTS = 1024
"""Of all handlers of a page together; each handler has its own limit besides."""
_QUEUE_SECONDS = 0.02
_DAY_SECONDS = 86_400.0

_set_item = SessionState.__setitem__


def bound_upkeep(blocks: gr.Blocks) -> None:
    """Keep one component per id, the values of few tabs, a share for each person, and no statistics.

    Call it before mounting `blocks`.
    """
    SessionState.__setitem__ = _set_item_with_its_id  # type: ignore[method-assign]
    blocks.state_session_capacity = MAX_TABS
    queue = blocks._queue
    queue.max_thread_count = _MAX_RUNNING_EVENTS
    # No handler draws with Matplotlib.
    utils.MatplotlibBackendMananger = nullcontext  # type: ignore[assignment, misc]
    queue.ANALYTICS_MAX_EVENTS = _MAX_EVENTS
    queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
    # Gradio polls its empty queue every millisecond, which takes a twelfth of a core from a CPU engine. It also polls
    # for `gr.Progress` reports a hundred times a second; no handler makes any.
    queue.sleep_when_free = _QUEUE_SECONDS
    queue.progress_update_sleep_when_free = _DAY_SECONDS
    share_fairly(queue)


def show_no_progress(blocks: gr.Blocks) -> None:
    """Report the progress of every handler on a component that is not drawn; call last inside `blocks`.

    On every message about a running handler, Gradio's page code copies all properties of every component on which the
    page's handlers report, by default their outputs and everything inside those. It does so even if no progress is
    shown.
    """
    nothing = gr.State()
    for handler in blocks.fns.values():
        handler.show_progress_on = [nothing]


def _set_item_with_its_id(state: SessionState, key: int, value: Any) -> None:
    if isinstance(value, Block):
        value._id = key
    _set_item(state, key, value)
