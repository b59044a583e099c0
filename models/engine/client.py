"""One client for every OpenAI-compatible completions server: llama.cpp, vLLM, SGLang.

Streams, unless a request wants its response whole and the server can be trusted to cancel it: closing the connection is
how a request is cancelled, and llama.cpp cannot cancel one that does not stream. Retries only what cannot have
generated a token yet. Responses are read in `incoming`, within `limits`; their formats are in `wire` and `description`.
"""

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager, closing
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import ClientResponse

from models.engine import description
from models.engine import wire as engine_wire
from models.engine.asked_once import AskedOnce
from models.engine.connections import EngineConnections, Sent
from models.engine.endpoint import Endpoint
from models.engine.incoming import mapped_errors, read_beginning, read_events, read_reply
from models.engine.json_text import json_object, shown
from models.engine.limits import EngineLimits
from models.engine.missing_ids import MissingIds
from models.engine.protocol import (
    ChatMessage,
    CompletionChunk,
    CompletionRequest,
    EngineInfo,
    EngineKind,
    TokenIds,
)
from models.engine.stream_allowance import StreamAllowance
from models.errors import BadEngineResponse, EngineDropped, EngineError, ModelNotServed, RateLimited

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_MAX_BACKOFF_SECONDS = 8.0
_INFO_SECONDS = 5.0
"""How long a description holds."""
_METRICS_SECONDS = 10.0
_TEXTS_KEPT, _KEPT_CHARACTERS = 256, 400
_TOKENS_KEPT = 1 << 16
# Spellings that tokenizers turn into special tokens. vLLM's /tokenize has no option to prevent that, and llama.cpp's
# spares only what the vocabulary calls special, which Qwen3's <think> is not.
_SPECIAL_SPELLING = re.compile(r"<[^<>\s]{1,40}>|\[/?[A-Za-z_@]{2,20}\]")
# What transformers 5 drops when a tokenizer_config.json names the wrong class: spaces, signs, other scripts.
_SAMPLE = "HbA1c 6.5 %, 39.5 °C, β"


class OpenAIEngine:
    """An engine behind an OpenAI-compatible address. Implements `models.engine.protocol.Engine`.

    Args:
        endpoint: returns address and key for each request, because a restarted server has new ones; may raise
            `models.errors.ServerError`.
        model: the model to use; None uses the only one that is served.
        max_attempts: attempts for a request that cannot have generated anything yet.
        limits: how much the engine may send.
    """

    def __init__(
        self,
        endpoint: Callable[[], Endpoint],
        model: str | None = None,
        *,
        max_attempts: int = 4,
        limits: EngineLimits | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._model = model
        self._max_attempts = max_attempts
        self._limits = limits or EngineLimits()
        self._info: EngineInfo | None = None
        self._info_of: str | None = None
        self._info_at = 0.0
        self._is_asking = False
        self._token_ids: AskedOnce[TokenIds] = AskedOnce(_TEXTS_KEPT)
        self._samples: AskedOnce[str] = AskedOnce(1)
        self._token_texts: dict[int, str] = {}
        self._beginning: str | None = None
        self._keeps_text = False
        self._connections = EngineConnections()
        self.generating = 0
        """Requests for tokens that are under way."""

    async def describe(self) -> EngineInfo:
        """See `Engine.describe`."""
        base_url = self._endpoint().base_url
        if self._info is None or self._info_of != base_url:
            self._learn(await self._describe(), base_url)
        elif self._is_old() and not self._is_asking:
            # A server that was restarted with another model keeps its address. llama.cpp answers nothing else while
            # all of its threads stream, and names its model in every response.
            self._is_asking = True
            try:
                self._learn(await self._describe(), base_url)
            finally:
                self._is_asking = False
        assert self._info is not None
        return self._info

    def _is_old(self) -> bool:
        is_old = time.monotonic() - self._info_at > _INFO_SECONDS
        return is_old and self._info is not None and self._info.kind is not EngineKind.LLAMA_CPP

    def _learn(self, info: EngineInfo, base_url: str) -> None:
        if info != self._info or base_url != self._info_of:
            # Not cleared: requests of the earlier model may still be about to write.
            self._token_ids, self._samples = AskedOnce(_TEXTS_KEPT), AskedOnce(1)
            self._token_texts = {}
            self._beginning = None
            self._keeps_text = False
        self._info, self._info_of, self._info_at = info, base_url, time.monotonic()

    async def served_models(self) -> tuple[str, ...]:
        """Names of the models that the engine serves; raises EngineError."""
        return tuple(entry["id"] for entry in await self._listing())

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        """See `Engine.tokenize`."""
        info = await self.describe()
        # Templates, delimiters and system prompts are few, short and asked for with every question.
        if len(text) > _KEPT_CHARACTERS:
            return await self._tokenize(text, info, parse_special=parse_special)
        return await self._token_ids.get(
            (text, parse_special), lambda: self._tokenize(text, info, parse_special=parse_special)
        )

    async def _tokenize(self, text: str, info: EngineInfo, *, parse_special: bool) -> TokenIds:
        if not parse_special:
            await self._check_tokenizer(info)
        pieces = [text] if parse_special else _split_special_spellings(text)
        if info.kind is EngineKind.LLAMA_CPP:
            bodies = [{"content": each, "add_special": False, "parse_special": parse_special} for each in pieces]
        else:
            bodies = [{"model": info.model, "prompt": each, "add_special_tokens": False} for each in pieces]
        return sum(await asyncio.gather(*map(self._tokens_of, pieces, bodies)), ())

    async def _check_tokenizer(self, info: EngineInfo) -> None:
        """Refuse a server that would leave out parts of a question."""
        if self._keeps_text or info.kind is EngineKind.LLAMA_CPP:
            return
        body = {"model": info.model, "prompt": _SAMPLE, "add_special_tokens": False}

        async def read_back() -> str:
            return await self.detokenize(await self._token_list(body))

        try:
            found = await self._samples.get(info.model, read_back)
        except EngineError as exc:  # What asked for the tokens will meet it again, unless only /detokenize is missing.
            _log.debug("the engine's tokenizer was not checked: %s", exc)
            return
        if _is_part_of(found, _SAMPLE):
            raise BadEngineResponse(
                f"The tokenizer of {info.model} loses text: of {_SAMPLE!r} it kept {found!r}, and questions would "
                'reach the model like that. Set "tokenizer_class" to "PreTrainedTokenizerFast" in the '
                "tokenizer_config.json of the model's folder, and start the server again."
            )
        self._keeps_text = True

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See `Engine.detokenize`. The texts of single tokens are remembered."""
        info = await self.describe()
        texts, token = self._token_texts, token_ids[0] if len(token_ids) == 1 else None
        if token is not None and token in texts:
            return texts[token]
        answer = await self._post("/detokenize", {"model": info.model, "tokens": list(token_ids)})
        text = answer.get("content", answer.get("prompt"))
        if not isinstance(text, str):
            raise BadEngineResponse("The engine's /detokenize returned no text.")
        if token is not None and len(texts) < _TOKENS_KEPT and len(text) <= _KEPT_CHARACTERS:
            texts[token] = text
        return text

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        """See `Engine.apply_chat_template`."""
        info = await self.describe()
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if info.kind is EngineKind.LLAMA_CPP:
            prompt = (await self._post("/apply-template", {"messages": turns})).get("prompt")
            if not isinstance(prompt, str):
                raise BadEngineResponse("The engine's /apply-template returned no prompt.")
            if self._beginning is None:
                self._beginning = await self._read_beginning()
            return prompt if prompt.startswith(self._beginning) else self._beginning + prompt
        body = {"model": info.model, "messages": turns, "add_generation_prompt": True}
        return await self.detokenize(await self._token_list(body))

    async def _read_beginning(self) -> str:
        """What llama.cpp puts in front of a prompt, and therefore leaves out of a template; empty for most models."""
        bodies = [{"content": "a", "add_special": adds, "parse_special": False} for adds in (True, False)]
        with_it, without = await asyncio.gather(*map(self._token_list, bodies))
        place = with_it.index(without[0]) if without and without[0] in with_it else 0
        return await self.detokenize(with_it[:place]) if place else ""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """See `Engine.stream`."""
        info = await self.describe()
        body = engine_wire.request_body(request, info.kind, info.model)
        ids = MissingIds(self, is_patient=info.kind is EngineKind.LLAMA_CPP)
        is_finished = False
        opened = self._whole(body) if engine_wire.is_whole(request, info.kind) else self._open_stream(body)
        async with self._counted(), opened as (events, allowance):
            async for event in events:
                if error := event.get("error"):
                    error = error if isinstance(error, dict) else {"message": error}
                    raise engine_wire.error_for(200, "", error, model=info.model)
                self._check_model(event, info)
                try:
                    chunk = engine_wire.read_chunk(event, with_logprobs=request.top_logprobs > 0)
                    chunk = await ids.complete(chunk, engine_wire.tokens_generated(event))
                    allowance.take_chunk(chunk)
                except EngineError as exc:
                    exc.refused_tokens = engine_wire.tokens_in(event)
                    raise
                is_finished = is_finished or chunk.finish_reason is not None
                yield chunk
        if not is_finished:
            raise EngineDropped("The engine ended the stream too early. Run the question again.")

    async def metrics(self) -> str:
        """The text of the server's `/metrics`; raises EngineError if it has none."""
        return await self._retrying(self._metrics)

    async def properties(self) -> dict[str, Any]:
        """llama.cpp's `/props`; raises EngineError."""
        return await self._get("/props")

    async def load_adapter(self, name: str, folder: Path) -> None:
        """Have vLLM serve a LoRA under a name, from a folder on the machine where it runs; raises EngineError."""
        await self._retrying(lambda: self._tell("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder)}))

    async def unload_adapter(self, name: str) -> None:
        """Have vLLM forget such a LoRA; raises EngineError, also if there is none of that name."""
        await self._retrying(lambda: self._tell("/v1/unload_lora_adapter", {"lora_name": name}))

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        await self._connections.aclose()

    def _check_model(self, event: dict[str, Any], info: EngineInfo) -> None:
        """llama.cpp answers whatever model is asked for, and says which one it has."""
        found = event.get("model")
        if info.kind is EngineKind.LLAMA_CPP and isinstance(found, str) and found != info.model:
            self._info = None
            raise ModelNotServed(
                f"The engine was restarted with another model: it answers as {shown(found, 100)!r}, not as "
                f"{info.model!r}. Nothing was kept. Run the question again, or restart the earlier model."
            )

    async def _metrics(self) -> str:
        with mapped_errors():
            async with asyncio.timeout(_METRICS_SECONDS):
                sent = await self._send("GET", "/metrics", None, _METRICS_SECONDS)
                with closing(sent.response) as response:
                    return (await read_reply(response, self._limits.reply_bytes_after(0))).decode("utf-8", "replace")

    async def _listing(self) -> list[description.Json]:
        return description.read_listing(await self._get("/v1/models"), self._endpoint().base_url, self._limits)

    async def _describe(self) -> EngineInfo:
        listing = await self._listing()
        entry = description.with_base(description.choose_model(listing, self._model), listing)
        version, slots = await self._version(description.read_kind(entry))
        return description.read_info(entry, version, slots, self._limits)

    async def _version(self, kind: EngineKind) -> tuple[str, int | None]:
        """Server version and parallel requests; both are optional, so a refusal is not an error."""
        is_llama_cpp = kind is EngineKind.LLAMA_CPP
        try:
            reply = await self._get("/props" if is_llama_cpp else "/version")
        except EngineError as exc:
            _log.debug("the engine reports no version: %s", exc)
            return "", None
        slots = description.read_slots(reply, self._limits) if is_llama_cpp else None
        return description.read_version(reply, kind), slots

    async def _tokens_of(self, text: str, body: dict[str, Any]) -> TokenIds:
        ids, most = await self._token_list(body), self._limits.tokens_of(text)
        if len(ids) > most:
            raise BadEngineResponse(
                f"The engine's /tokenize returned {len(ids):,} tokens for a text of {len(text):,} characters; at most "
                f"{most:,} are allowed."
            )
        return ids

    async def _token_list(self, body: dict[str, Any]) -> TokenIds:
        return engine_wire.read_token_ids((await self._post("/tokenize", body)).get("tokens"))

    async def _get(self, path: str) -> dict[str, Any]:
        return await self._retrying(lambda: self._json("GET", path, None))

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._retrying(lambda: self._json("POST", path, body))

    async def _json(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        with mapped_errors():
            async with asyncio.timeout(self._limits.reply_seconds):
                sent = await self._send(method, path, body, self._limits.reply_seconds)
                with closing(sent.response) as response:
                    return json_object(await read_reply(response, self._limits.reply_bytes_after(sent.size_bytes)))

    async def _tell(self, path: str, body: dict[str, Any]) -> None:
        """Send a request whose reply says nothing more than its status."""
        with mapped_errors():
            async with asyncio.timeout(self._limits.reply_seconds):
                sent = await self._send("POST", path, body, self._limits.reply_seconds)
                with closing(sent.response) as response:
                    await read_beginning(response, self._limits.error_bytes)

    @asynccontextmanager
    async def _open_stream(
        self, body: dict[str, Any]
    ) -> AsyncIterator[tuple[AsyncIterator[dict[str, Any]], StreamAllowance]]:
        sent = await self._retrying(lambda: self._begin_stream(body))
        allowance = StreamAllowance(self._limits, sent.size_bytes, body["max_tokens"])
        with closing(sent.response) as response:
            async with aclosing(read_events(response, allowance)) as events:
                yield events, allowance

    @asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self.generating += 1
        try:
            yield
        finally:
            self.generating -= 1

    @asynccontextmanager
    async def _whole(
        self, body: dict[str, Any]
    ) -> AsyncIterator[tuple[AsyncIterator[dict[str, Any]], StreamAllowance]]:
        """As `_open_stream`, with the whole response as the only event."""
        reply, sent_bytes = await self._retrying(lambda: self._wait_for_whole(body))

        async def events() -> AsyncIterator[dict[str, Any]]:
            yield json_object(reply)

        yield events(), StreamAllowance(self._limits, sent_bytes, body["max_tokens"])

    async def _wait_for_whole(self, body: dict[str, Any]) -> tuple[bytes, int]:
        seconds = self._limits.whole_seconds(body["max_tokens"])
        with mapped_errors():
            async with asyncio.timeout(seconds):
                sent = await self._send("POST", "/v1/completions", body, seconds)
                with closing(sent.response) as response:
                    most = self._limits.whole_bytes(sent.size_bytes, body["max_tokens"])
                    return await read_reply(response, most), sent.size_bytes

    async def _begin_stream(self, body: dict[str, Any]) -> Sent:
        with mapped_errors():
            async with asyncio.timeout(self._limits.idle_seconds):
                return await self._send("POST", "/v1/completions", body, self._limits.idle_seconds)

    async def _send(self, method: str, path: str, body: dict[str, Any] | None, silence_seconds: float) -> Sent:
        """The response with its body unread; raises what the status says."""
        endpoint = self._endpoint()
        # llama.cpp closes some connections right after a stream that it said to keep: 2 of 100 requests that followed
        # at once were lost. A new connection on the same machine takes a fraction of a millisecond.
        is_kept = self._info is not None and self._info.kind is not EngineKind.LLAMA_CPP
        sent = await self._connections.send(
            method,
            endpoint.base_url + path,
            body,
            {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {},
            silence_seconds=silence_seconds,
            is_kept=is_kept,
        )
        if sent.response.status == 200:
            return sent
        with closing(sent.response) as response:
            raise await self._error(response)

    async def _error(self, response: ClientResponse) -> EngineError:
        if 300 <= response.status < 400:
            place = shown(response.headers.get("location", ""), 100)
            return BadEngineResponse(
                f"The engine redirects to {place!r}. The app follows no redirects, because questions would be sent "
                "there. Set M1_ENGINE_URL to the address that answers."
            )
        text = await read_beginning(response, self._limits.error_bytes)
        try:
            content = json_object(text.encode())
        except BadEngineResponse:
            content = {}
        error = content.get("error", content)
        error = error if isinstance(error, dict) else {"message": error}
        retry_after = response.headers.get("retry-after")
        return engine_wire.error_for(response.status, text, error, model=self._name(), retry_after=retry_after)

    def _name(self) -> str:
        return self._info.model if self._info else self._model or ""

    async def _retrying(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        for tries in range(1, self._max_attempts + 1):
            try:
                return await attempt()
            except EngineError as exc:
                if not exc.is_retryable or tries == self._max_attempts:
                    raise
                await asyncio.sleep(_backoff_seconds(exc, tries))
        raise AssertionError("unreachable: the loop returns or raises")


def _backoff_seconds(error: EngineError, tries: int) -> float:
    if isinstance(error, RateLimited) and error.retry_after_seconds is not None:
        return min(error.retry_after_seconds, _MAX_BACKOFF_SECONDS)
    return float(min(_MAX_BACKOFF_SECONDS, 0.25 * 2**tries) * random.uniform(0.5, 1.0))


def _is_part_of(found: str, whole: str) -> bool:
    """Whether most of `whole` is there in order, and some is missing."""
    left = iter(whole)
    return len(whole) // 2 <= len(found) < len(whole) and all(character in left for character in found)


def _split_special_spellings(text: str) -> list[str]:
    """Cut `text` inside every spelling that could be read as a special token, so that none is."""
    cuts = [match.start() + 1 for match in _SPECIAL_SPELLING.finditer(text)]
    bounds = [0, *cuts, len(text)]
    return [text[a:b] for a, b in pairwise(bounds) if b > a]
