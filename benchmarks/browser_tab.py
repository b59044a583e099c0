"""A page as a browser opens it, without the browser: many of them fit into one process.

As the page's own script, it keeps one stream of server-sent events while an event of it runs, puts the outputs of
finished events into the inputs of later ones, and sends the header's tick every two seconds.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import httpx2

_PREFIX = "/gradio_api"
_TICK_SECONDS = 2.0
_PATIENCE_SECONDS = 60.0
_ENDING_SECONDS = 0.05
"""Time for the waiting events to take what came last."""
_BUDGET, _QUESTION, _RUN, _MESSAGE = "budget", "question", "run", "message"
_ANSWER_CAP = "Answer cap (tokens)"
Message = dict[str, Any]


@dataclass(slots=True)
class Watched:
    """What one person saw."""

    first_frames: list[float] = field(default_factory=list)
    """Seconds from pressing Run to the first frame with text."""
    frame_gaps: list[float] = field(default_factory=list)
    """Seconds between two frames of a trace."""
    ticks: list[float] = field(default_factory=list)
    """Seconds until the header's tick was answered."""
    page_loads: list[float] = field(default_factory=list)
    completed: int = 0
    errors: list[str] = field(default_factory=list)
    frame_bytes: int = 0


class Tab:
    """One open page."""

    def __init__(
        self, client: httpx2.AsyncClient, headers: Mapping[str, str], watched: Watched, page: str = ""
    ) -> None:
        """Args:
        client: of the app's address.
        headers: sent with every request.
        watched: takes what is seen.
        page: the page's path; empty for Probe.
        """
        self._client = client
        self._page = page
        self._headers = dict(headers)
        self._watched = watched
        self._session = secrets.token_hex(6)
        self.on_frame: Callable[[Any], None] = lambda _: None
        """Called with each frame: the outputs, or after the first frame their changes, as Gradio sends them."""
        self._components: dict[int, Any] = {}
        self._handlers: list[dict[str, Any]] = []
        self._tick: dict[str, Any] = {}
        self._events: dict[str, asyncio.Queue[Message]] = {}
        self._over: set[str] = set()
        """Events that nobody waits for any more; what still comes for them is dropped."""
        self._waiting = 0
        self._reading: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Load the page, send its load event, and begin to tick."""
        began = time.monotonic()
        (await self._client.get(f"{self._page}/", headers=self._headers)).raise_for_status()
        config = (await self._client.get(f"{self._page}/config", headers=self._headers)).raise_for_status().json()
        self._components = {part["id"]: part for part in config["components"]}
        self._handlers = config["dependencies"]
        self._tick = next(each for each in self._handlers if any(event == "tick" for _, event in each["targets"]))
        await self._call(next(each for each in self._handlers if each["api_name"] == "_on_load"))
        await self._call(self._tick)
        self._watched.page_loads.append(time.monotonic() - began)
        self._ticking = asyncio.create_task(self._tick_on())

    async def close(self) -> None:
        """Close the page."""
        tasks = [task for task in (self._ticking, self._reading) if task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def send(self, elem_id: str, event: str, typed: Mapping[str, Any], data: Any = None) -> Any:
        """Trigger an event of a component, with what was typed elsewhere and the event's own data."""
        handler = next(each for each in self._handlers if self._is_triggered(each, elem_id, event))
        return await self._call(handler, typed, data=data)

    async def run(self, elem_id: str, typed: Mapping[str, Any]) -> Any:
        """Press a button that starts a run, and follow the run to its end; return what was shown last."""
        run = next(each for each in self._handlers if self._is_triggered(each, elem_id, "click"))
        follow = self._after(run)
        await self._call(run, typed)
        last = await self._call(follow)
        await self._call(self._after(follow))
        return last

    async def ask(self, question: str, budget: int, answer_cap: int) -> None:
        """Type a question, press Run, and follow the trace to its end."""
        run = next(each for each in self._handlers if self._is_triggered(each, _RUN, "click"))
        follow = self._after(run)
        began = time.monotonic()
        await self._call(run, {_QUESTION: question, _BUDGET: budget, _ANSWER_CAP: answer_cap})
        seen: list[float] = []
        last = await self._call(follow, frames=seen)
        await self._call(self._after(follow))
        if not seen or "completed" not in json.dumps(last):
            raise RuntimeError(f"the trace was not completed: {self._shown(_MESSAGE)}")
        self._watched.first_frames.append(seen[0] - began)
        self._watched.frame_gaps.extend(later - earlier for earlier, later in pairwise(seen))
        self._watched.completed += 1

    async def _tick_on(self) -> None:
        while True:
            began = time.monotonic()
            try:
                await self._call(self._tick)
            except (RuntimeError, TimeoutError, httpx2.HTTPError) as exc:
                self._watched.errors.append(f"tick: {exc!r}")
            self._watched.ticks.append(time.monotonic() - began)
            await asyncio.sleep(max(0.0, began + _TICK_SECONDS - time.monotonic()))

    async def _call(
        self,
        handler: dict[str, Any],
        typed: Mapping[str, Any] | None = None,
        frames: list[float] | None = None,
        data: Any = None,
    ) -> Any:
        """Run a handler to its end and return its last output; `frames` gets the times of those with text."""
        body = {
            "fn_index": handler["id"],
            "session_hash": self._session,
            "trigger_id": handler["targets"][0][0] if handler["targets"] else None,
            "event_data": data,
            "data": [self._value(component, typed or {}) for component in handler["inputs"]],
        }
        joined = await self._client.post(f"{self._page}{_PREFIX}/queue/join", json=body, headers=self._headers)
        if joined.status_code != 200:
            raise RuntimeError(f"{joined.status_code} {joined.text[:200]}")
        event: str = joined.json()["event_id"]
        messages = self._events.setdefault(event, asyncio.Queue())
        self._waiting += 1
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        try:
            return await self._followed(handler, messages, frames)
        finally:
            self._waiting -= 1
            self._over.add(event)
            del self._events[event]

    async def _followed(
        self, handler: dict[str, Any], messages: asyncio.Queue[Message], frames: list[float] | None
    ) -> Any:
        last = None
        while True:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                message = await messages.get()
            kind, output = message["msg"], message.get("output") or {}
            if kind in ("process_generating", "process_completed") and not message["success"]:
                raise RuntimeError(f"{handler['api_name']} failed: {output}")
            if kind == "process_generating":
                # Frames before the first token have no text; after it, they say what has changed.
                if frames is not None and (frames or '"text"' in json.dumps(output["data"])):
                    frames.append(message["received_at"])
                last = output["data"]
                self.on_frame(last)
            if kind == "process_completed":
                self._keep(handler, output.get("data") or [])
                return output.get("data")

    async def _read(self) -> None:
        """Read the tab's streams. The app closes one when no event of the tab is left that it knows of."""
        while self._waiting:
            try:
                await self._read_one()
            except httpx2.HTTPError as exc:
                self._watched.errors.append(f"stream: {exc!r}")
            await asyncio.sleep(_ENDING_SECONDS)

    async def _read_one(self) -> None:
        query = {"session_hash": self._session}
        async with self._client.stream(
            "GET", f"{self._page}{_PREFIX}/queue/data", params=query, headers=self._headers, timeout=_PATIENCE_SECONDS
        ) as stream:
            async for line in stream.aiter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message["msg"] == "process_generating":
                    self._watched.frame_bytes += len(line)
                message["received_at"] = time.monotonic()
                if message.get("event_id") and message["event_id"] not in self._over:
                    # The stream can be ahead of the answer that names the event.
                    self._events.setdefault(message["event_id"], asyncio.Queue()).put_nowait(message)

    def _keep(self, handler: dict[str, Any], outputs: list[Any]) -> None:
        for component, output in zip(handler["outputs"], outputs, strict=False):
            props = self._components[component]["props"]
            is_update = isinstance(output, dict) and output.get("__type__") == "update"
            props.update(output if is_update else {"value": output})

    def _shown(self, elem_id: str) -> Any:
        parts = (part["props"] for part in self._components.values())
        return next(each.get("value") for each in parts if each.get("elem_id") == elem_id)

    def _value(self, component: int, typed: Mapping[str, Any]) -> Any:
        part = self._components[component]
        if part["type"] == "state":
            return None
        props = part["props"]
        name = props.get("elem_id") or props.get("label") or ""
        return typed.get(name, props.get("value"))

    def _is_triggered(self, handler: dict[str, Any], elem_id: str, event: str) -> bool:
        return any(
            name == event and self._components[component]["props"].get("elem_id") == elem_id
            for component, name in handler["targets"]
            if component in self._components
        )

    def _after(self, before: dict[str, Any]) -> dict[str, Any]:
        return next(each for each in self._handlers if each.get("trigger_after") == before["id"])
