"""A page's queue of events, of which no person takes more than a share.

Gradio limits a queue as a whole, keeps the values of the tabs that were used last, whoever's they are, and keeps every
message until its tab reads it. One person's script could so fill the queue, drop what the pages of others hold, and
fill the memory.
"""

import re
from collections import Counter
from collections.abc import MutableMapping
from typing import Any, Literal

from fastapi import HTTPException, Request
from gradio.data_classes import PredictBodyInternal
from gradio.queueing import Event, Queue
from gradio.server_messages import EventMessage, ProcessCompletedMessage
from gradio.utils import LRUCache

from m1app.access.quota import holder

MAX_TABS = 200
"""Tabs of a page whose values are kept. Gradio's own limit is 10,000, including closed ones."""
MAX_TABS_LISTENING = 2000
"""As in Gradio."""
EVENTS_OF_A_PERSON = 160
"""Events of a page that one person may have waiting and running at once."""
EVENTS_OF_A_TAB = 64
"""A form that is filled at once sends one for each of its controls."""
_UNREAD_OF_A_TAB = 1000
"""Messages: a few minutes of a trace."""
_HOLDER = "m1_holder"
_TAB = re.compile(r"[A-Za-z0-9_-]{1,64}")
_State = Literal["success", "error", "queue_full", "validator_error"]


class MessagesOfTabs(LRUCache[str, Any]):
    """Pending messages by tab; deleting those of a missing tab is not an error."""

    def __delitem__(self, tab: str) -> None:
        if tab in self:
            super().__delitem__(tab)


class FairQueue(Queue):
    """Gradio's queue with a share for each person. Made of an existing queue by `share_fairly`."""

    m1_owners: dict[str, str]
    """Who used a tab last, by tab."""

    async def push(
        self, body: PredictBodyInternal, request: Request, username: str | None
    ) -> tuple[bool, str | list[dict[str, Any]], _State]:
        """Queue an event of the current person; raises HTTPException with status 429 if they have too many."""
        person, tab = holder(), body.session_hash or ""
        if not _TAB.fullmatch(tab):
            raise HTTPException(400, "This request does not belong to a tab. Reload the page.")
        if body.fn_index not in self.blocks.fns:
            raise HTTPException(404, "The app has changed since this page was opened. Reload the page.")
        self._check_share(person, tab)
        request.scope[_HOLDER] = person
        self._make_room(person, tab)
        return await super().push(body, request, username)

    def is_own_tab(self, tab: str) -> bool:
        """Whether the current person may read what is sent to a tab: nobody else has used it."""
        return self.m1_owners.get(tab, "") in ("", holder())

    def send_message(self, event: Event, event_message: EventMessage) -> None:
        """Keep a message for the event's tab, unless it does not read them: then its event ends."""
        unread = self.pending_messages_per_session.get(event.session_hash)
        if unread is None:
            event.alive = False
        elif event.alive and unread.qsize() >= _UNREAD_OF_A_TAB:
            event.alive = False
            error = {"error": "The page stopped reading its updates. Reload it."}
            unread.put_nowait(ProcessCompletedMessage(output=error, success=False, event_id=event._id))
        else:
            super().send_message(event, event_message)

    def _check_share(self, person: str, tab: str) -> None:
        events = self.event_ids_to_events.values()
        if sum(event.session_hash == tab for event in events) >= EVENTS_OF_A_TAB:
            raise HTTPException(429, "This page has too many requests in progress. Wait a moment, then try again.")
        if sum(event.request.scope.get(_HOLDER) == person for event in events) >= EVENTS_OF_A_PERSON:
            raise HTTPException(429, "You have this page open too many times at once. Close some of the tabs.")

    def _make_room(self, person: str, tab: str) -> None:
        """Let a new tab in, in place of the one that was used the longest time ago by who has most of them."""
        self.m1_owners[tab] = person
        holder_of_values = self.blocks.state_holder
        values = holder_of_values.session_data
        if tab not in values and len(values) >= MAX_TABS:
            dropped = self._first_of_most(values)
            del values[dropped]
            holder_of_values.time_last_used.pop(dropped, None)
        messages = self.pending_messages_per_session
        if tab not in messages and len(messages) >= MAX_TABS_LISTENING:
            dropped = self._first_of_most(messages)
            del messages[dropped]
            self.pending_event_ids_session.pop(dropped, None)
        if len(self.m1_owners) > 2 * (MAX_TABS + MAX_TABS_LISTENING):
            known = {tab, *values, *messages}
            self.m1_owners = {each: owner for each, owner in self.m1_owners.items() if each in known}

    def _first_of_most(self, tabs: MutableMapping[str, Any]) -> str:
        owners = {tab: self.m1_owners.get(tab, "") for tab in tabs}
        [(largest, _)] = Counter(owners.values()).most_common(1)
        return next(tab for tab, owner in owners.items() if owner == largest)


def share_fairly(queue: Queue) -> None:
    """Make a queue a fair one. Gradio makes its queues itself, so that they cannot be made of another class."""
    queue.__class__ = FairQueue
    assert isinstance(queue, FairQueue)
    queue.m1_owners = {}
    queue.pending_messages_per_session = MessagesOfTabs(MAX_TABS_LISTENING)
