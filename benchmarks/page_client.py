"""A Probe page without a browser: the same requests that the page's own script sends, in the same order.

Speaks Gradio's queue: POST /gradio_api/queue/join starts a handler, a stream of server-sent events brings its output.
"""

import json
import secrets
from typing import Any

import httpx2

_PREFIX = "/gradio_api"


class PageClient:
    """One open tab. Handlers are found by what triggers them, so a new button does not shift them."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._session = secrets.token_hex(6)
        client.get("/").raise_for_status()
        config = client.get("/config").raise_for_status().json()
        self._components = {part["id"]: part for part in config["components"]}
        self._handlers = config["dependencies"]
        self._run = self._triggered_by("run", "click")
        self._follow = self._after(self._run)
        self._over = self._after(self._follow)
        self._tick = next(h for h in self._handlers if any(event == "tick" for _, event in h["targets"]))
        self._load = next(h for h in self._handlers if h["api_name"] == "_on_load")

    def load(self) -> None:
        """Send the requests of the page's load event."""
        self._call(self._load, {})

    def ask(self, question: str, budget: int, answer_cap: int) -> str:
        """Type a question, press Run, and follow the trace to its end; return the pane's last state."""
        typed = {"Question": question, "Exact tokens": budget, "Answer cap (tokens)": answer_cap}
        self._call(self._run, typed)
        shown = self._call(self._follow, {})
        self._call(self._over, {})
        self._call(self._tick, {})
        return json.dumps(shown)

    def _triggered_by(self, elem_id: str, event: str) -> dict[str, Any]:
        for handler in self._handlers:
            for component, name in handler["targets"]:
                part = self._components.get(component)
                if part and name == event and part["props"].get("elem_id") == elem_id:
                    return dict(handler)
        raise RuntimeError(f"the page has no {event} of {elem_id!r}")

    def _after(self, before: dict[str, Any]) -> dict[str, Any]:
        return dict(next(h for h in self._handlers if h.get("trigger_after") == before["id"]))

    def _call(self, handler: dict[str, Any], typed: dict[str, Any]) -> list[Any]:
        """Run a handler to its end; return the data of all its messages."""
        body = {
            "fn_index": handler["id"],
            "session_hash": self._session,
            "trigger_id": handler["targets"][0][0],
            "event_data": None,
            "data": [self._value(component, typed) for component in handler["inputs"]],
        }
        event = self._client.post(f"{_PREFIX}/queue/join", json=body).raise_for_status().json()["event_id"]
        sent: list[Any] = []
        query = {"session_hash": self._session}
        with self._client.stream("GET", f"{_PREFIX}/queue/data", params=query) as stream:
            for line in stream.iter_lines():
                message = json.loads(line[5:]) if line.startswith("data:") else {}
                if message.get("event_id") != event:
                    continue
                if message["msg"] in ("process_generating", "process_completed"):
                    sent.append((message.get("output") or {}).get("data"))
                if message["msg"] == "process_completed":
                    if not message["success"]:
                        raise RuntimeError(f"handler {handler['api_name']} failed: {message['output']}")
                    return sent
        raise RuntimeError(f"the answer of handler {handler['api_name']} broke off")

    def _value(self, component: int, typed: dict[str, Any]) -> Any:
        part = self._components[component]
        if part["type"] == "state":
            return None
        return typed.get(part["props"].get("label"), part["props"].get("value"))
