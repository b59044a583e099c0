"""What Gradio does beside our handlers, bounded: seen in 6.31 with `benchmarks.memory`.

Gradio recreates a component whenever a handler changes one of its properties, `gr.skip()` included, with a new id. When
a later handler reads that component, Gradio stores it a second time under the new id: one more component for every
update of every tab, for as long as the app runs. It also keeps a record of 10,000 events, and builds a table of all of
them at the end of each. When a tab that listens on two connections is closed, the second connection does not find what
the first has deleted, and the log gets a traceback.
"""

import sys
from typing import Any

import gradio as gr
from gradio.blocks import Block
from gradio.state_holder import SessionState
from gradio.utils import LRUCache

_MAX_TABS = 200
"""Tabs whose values are kept: those used last. Gradio's own bound is 10,000, closed ones included."""
_MAX_EVENTS = 16
_QUEUE_SECONDS = 0.01

_MAX_TABS_LISTENING = 2000
"""As in Gradio."""

_set_item = SessionState.__setitem__


class _MessagesOfTabs(LRUCache[str, Any]):
    """What is to be sent to each tab; those of a tab that is gone can be deleted again."""

    def __delitem__(self, tab: str) -> None:
        if tab in self:
            super().__delitem__(tab)


def bound_upkeep(blocks: gr.Blocks) -> None:
    """Keep one component per id, the values of few tabs, and no statistics; before `blocks` is mounted."""
    SessionState.__setitem__ = _set_item_with_its_id  # type: ignore[method-assign]
    blocks.state_session_capacity = _MAX_TABS
    queue = blocks._queue
    queue.ANALYTICS_MAX_EVENTS = _MAX_EVENTS
    queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize
    # Gradio looks into its empty queue every millisecond, which costs a twelfth of a core beside a CPU engine.
    queue.sleep_when_free = _QUEUE_SECONDS
    queue.pending_messages_per_session = _MessagesOfTabs(_MAX_TABS_LISTENING)


def _set_item_with_its_id(state: SessionState, key: int, value: Any) -> None:
    if isinstance(value, Block):
        value._id = key
    _set_item(state, key, value)
