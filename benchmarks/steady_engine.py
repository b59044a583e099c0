"""An engine that gives every stream the same number of tokens a second, in vLLM's format, as a process of its own.

Every request gets its maximum number of tokens, streamed or as a whole, with log probabilities of the last one only if
it is streamed. Like vLLM, it takes a step for all of them at
once.
"""

import asyncio
import json
import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx2

from benchmarks.app_process import free_port

MODEL = "steady"
_ROOM = 32_768
_FIRST_ID = 1_000_000
"""Ids of generated tokens begin here; those of prompts are code points."""
_VOCABULARY = 64
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nConnection: close\r\n%b\r\n"


@contextmanager
def steady_engine(tokens_per_second: float) -> Iterator[str]:
    """Run it and yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.steady_engine", str(port), str(tokens_per_second)]
    process = subprocess.Popen(command)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def tokens_sent(url: str) -> int:
    """How many tokens it has sent."""
    return int(httpx2.get(f"{url}/sent", trust_env=False).raise_for_status().json()["tokens"])


def _event(text: str, ids: list[int], finish: str | None, top: int = 0) -> bytes:
    choice = {"index": 0, "text": text, "token_ids": ids, "finish_reason": finish, "logprobs": _logprobs(1, top)}
    return _chunk(b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n")


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(content), content)


def _logprobs(tokens: int, top: int) -> dict[str, Any] | None:
    """The same `top` tokens at every position, all alike."""
    if not top:
        return None
    return {"top_logprobs": [{f" {chr(65 + number)}": -math.log(top) for number in range(top)}] * tokens}


def _whole(tokens: int, top: int) -> bytes:
    numbers = [number % _VOCABULARY for number in range(tokens)]
    choice = {
        "index": 0,
        "text": "".join(f" w{number}" for number in numbers),
        "token_ids": [_FIRST_ID + number for number in numbers],
        "finish_reason": "length",
        "logprobs": _logprobs(tokens, top),
    }
    return json.dumps({"choices": [choice]}).encode()


def _end(tokens: int, top: int) -> bytes:
    usage = {"choices": [], "usage": {"prompt_tokens": 0, "completion_tokens": tokens}}
    counted = _chunk(b"data: " + json.dumps(usage).encode() + b"\n\n")
    return _event(" A", [_FIRST_ID], "length", top) + counted + _chunk(b"data: [DONE]\n\n") + _chunk(b"")


_WORDS = [_event(f" w{number}", [_FIRST_ID + number], None) for number in range(_VOCABULARY)]


class _Stream:
    """One request that is being answered."""

    def __init__(self, writer: asyncio.StreamWriter, tokens: int, top: int, *, is_whole: bool) -> None:
        self.writer = writer
        self._top = top
        self._is_whole = is_whole
        self._tokens = self._left = tokens
        self.is_over = asyncio.Event()

    def step(self) -> None:
        """Send the next token."""
        if self.writer.is_closing():
            self.is_over.set()
            return
        self._left -= 1
        if not self._is_whole:
            self.writer.write(_WORDS[self._left % _VOCABULARY] if self._left else _end(self._tokens, self._top))
        if not self._left:
            self.is_over.set()


class SteadyEngine:
    """Answers requests; `run` never ends."""

    def __init__(self, tokens_per_second: float) -> None:
        self._step_seconds = 1 / tokens_per_second
        self._streams: set[_Stream] = set()
        self._sent = 0

    async def run(self, port: int) -> None:
        """Serve on a loopback port."""
        await asyncio.start_server(self._answer, "127.0.0.1", port)
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + self._step_seconds, loop.time())
            await asyncio.sleep(due - loop.time())
            self._sent += len(self._streams)
            for each in list(self._streams):
                each.step()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next((line[15:] for line in head.lower().split("\r\n") if line.startswith("content-length:")), "0")
            body = json.loads(await reader.readexactly(int(length)) or b"{}")
            path = head.split(" ")[1]
            if path == "/v1/completions":
                top = body.get("logprobs") or 0
                await self._generate(writer, body["max_tokens"], top, is_whole=not body.get("stream"))
            else:
                self._reply(writer, path, body)
            await writer.drain()
        writer.close()

    async def _generate(self, writer: asyncio.StreamWriter, tokens: int, top: int, *, is_whole: bool) -> None:
        if not is_whole:
            writer.write(_HEAD % (b"text/event-stream", b"Transfer-Encoding: chunked\r\n"))
        stream = _Stream(writer, tokens, top, is_whole=is_whole)
        self._streams.add(stream)
        try:
            await stream.is_over.wait()
        finally:
            self._streams.discard(stream)
        if is_whole:
            self._send(writer, _whole(tokens, top))

    def _reply(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> None:
        prompt = body.get("prompt") or "".join(
            f"<{said['role']}>{said['content']}\n" for said in body.get("messages", ())
        )
        replies: dict[str, Any] = {
            "/v1/models": {"data": [{"id": MODEL, "owned_by": "vllm", "max_model_len": _ROOM}]},
            "/version": {"version": "0.32.0"},
            "/sent": {"tokens": self._sent},
            "/tokenize": {"tokens": [ord(character) for character in prompt]},
            "/detokenize": {"prompt": "".join(map(_spelled, body.get("tokens", ())))},
        }
        self._send(writer, json.dumps(replies.get(path, {"error": {"message": "no such page"}})).encode())

    def _send(self, writer: asyncio.StreamWriter, content: bytes) -> None:
        writer.write(_HEAD % (b"application/json", b"Content-Length: %d\r\n" % len(content)) + content)


def _spelled(token: int) -> str:
    return f" w{token - _FIRST_ID}" if token >= _FIRST_ID else chr(token)


if __name__ == "__main__":
    asyncio.run(SteadyEngine(float(sys.argv[2])).run(int(sys.argv[1])))
