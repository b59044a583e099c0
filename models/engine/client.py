"""One client for every OpenAI-compatible completions server: llama.cpp, vLLM, SGLang.

Always streams: closing the stream is how a request is cancelled, and llama.cpp cannot cancel one that does not
stream. Retries only what cannot have generated a token yet. Wire formats are in `models.engine.wire`.
"""

import asyncio
import json
import logging
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, TypeVar

import httpx2

from models.engine import wire as engine_wire
from models.engine.endpoint import Endpoint
from models.engine.protocol import (
    ChatMessage,
    CompletionChunk,
    CompletionRequest,
    EngineInfo,
    EngineKind,
    TokenIds,
)
from models.errors import (
    BadEngineResponse,
    EngineDropped,
    EngineError,
    EngineUnreachable,
    ModelNotServed,
    RateLimited,
)

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_CONNECT_SECONDS = 5.0
_KEEP_ALIVE_SECONDS = 2.0
"""Below the 5 s after which llama.cpp and vLLM close an idle connection: a request sent at that moment is lost."""
_SILENCE_SECONDS = 600.0
"""Longest wait for the next byte: a long prompt on a slow machine, behind a full queue."""
_MAX_BACKOFF_SECONDS = 8.0
_TEXTS_KEPT, _KEPT_CHARACTERS = 256, 400
# Spellings that tokenizers turn into special tokens; vLLM's /tokenize has no option to prevent that.
_SPECIAL_SPELLING = re.compile(r"<[^<>\s]{1,40}>|\[/?[A-Z_]{2,20}\]")


class OpenAIEngine:
    """An engine behind an OpenAI-compatible address. Implements `models.engine.protocol.Engine`.

    Args:
        endpoint: returns address and key for each request, because a restarted server has new ones; may raise
            `models.errors.ServerError`.
        model: the model to use; None uses the only one that is served.
        max_attempts: attempts for a request that cannot have generated anything yet.
    """

    def __init__(self, endpoint: Callable[[], Endpoint], model: str | None = None, *, max_attempts: int = 4) -> None:
        self._endpoint = endpoint
        self._model = model
        self._max_attempts = max_attempts
        self._info: EngineInfo | None = None
        self._info_of: str | None = None
        self._token_ids: dict[tuple[str, bool], TokenIds] = {}
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=64, keepalive_expiry=_KEEP_ALIVE_SECONDS)
        timeout = httpx2.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        # trust_env=False: a proxy set in the environment must not see questions meant for a local engine.
        self._client = httpx2.AsyncClient(limits=limits, timeout=timeout, trust_env=False)

    async def describe(self) -> EngineInfo:
        """See `Engine.describe`."""
        base_url = self._endpoint().base_url
        if self._info is None or self._info_of != base_url:
            self._info = await self._describe()
            self._info_of = base_url
            self._token_ids.clear()
        return self._info

    async def served_models(self) -> tuple[str, ...]:
        """Names of the models that the engine serves; raises EngineError."""
        return tuple(str(entry["id"]) for entry in await self._listing())

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        """See `Engine.tokenize`."""
        info = await self.describe()
        # Templates, delimiters and system prompts are few, short and asked for with every question.
        key = (text, parse_special)
        found = self._token_ids.get(key)
        if found is None:
            found = await self._tokenize(text, info, parse_special=parse_special)
            if len(text) <= _KEPT_CHARACTERS:
                while len(self._token_ids) >= _TEXTS_KEPT:
                    del self._token_ids[next(iter(self._token_ids))]
                self._token_ids[key] = found
        return found

    async def _tokenize(self, text: str, info: EngineInfo, *, parse_special: bool) -> TokenIds:
        if info.kind is EngineKind.LLAMA_CPP:
            body = {"content": text, "add_special": False, "parse_special": parse_special}
            return await self._token_list(body)
        pieces = [text] if parse_special else _split_special_spellings(text)
        bodies = [{"model": info.model, "prompt": piece, "add_special_tokens": False} for piece in pieces]
        return sum(await asyncio.gather(*map(self._token_list, bodies)), ())

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See `Engine.detokenize`."""
        info = await self.describe()
        answer = await self._post("/detokenize", {"model": info.model, "tokens": list(token_ids)})
        text = answer.get("content", answer.get("prompt"))
        if not isinstance(text, str):
            raise BadEngineResponse("The engine's /detokenize returned no text.")
        return text

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        """See `Engine.apply_chat_template`."""
        info = await self.describe()
        turns = [{"role": message.role, "content": message.content} for message in messages]
        if info.kind is EngineKind.LLAMA_CPP:
            prompt = (await self._post("/apply-template", {"messages": turns})).get("prompt")
            if not isinstance(prompt, str):
                raise BadEngineResponse("The engine's /apply-template returned no prompt.")
            return prompt
        body = {"model": info.model, "messages": turns, "add_generation_prompt": True}
        return await self.detokenize(await self._token_list(body))

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """See `Engine.stream`."""
        info = await self.describe()
        body = engine_wire.request_body(request, info.kind, info.model)
        ids = _IdCheck(self, is_patient=info.kind is EngineKind.LLAMA_CPP)
        is_finished = False
        async with self._open_stream(body) as events:
            async for event in events:
                if "error" in event:
                    error = event["error"] if isinstance(event["error"], dict) else {"message": event["error"]}
                    raise engine_wire.error_for(200, "", error, model=info.model)
                chunk = engine_wire.read_chunk(event, with_logprobs=request.top_logprobs > 0)
                chunk = await ids.complete(chunk, engine_wire.tokens_generated(event))
                is_finished = is_finished or chunk.finish_reason is not None
                yield chunk
        if not is_finished:
            raise EngineDropped("The engine ended the stream too early. Run the question again.")

    async def aclose(self) -> None:
        """See `Engine.aclose`."""
        await self._client.aclose()

    async def _listing(self) -> list[dict[str, Any]]:
        listing = (await self._get("/v1/models")).get("data")
        if not isinstance(listing, list) or not all(isinstance(e, dict) and "id" in e for e in listing):
            raise BadEngineResponse(
                f"{self._endpoint().base_url}/v1/models lists no models. Is this an OpenAI-compatible server?"
            )
        return listing

    async def _describe(self) -> EngineInfo:
        entry = self._choose(await self._listing())
        kind = _kind(str(entry.get("owned_by")))
        version, parallel = await self._version(kind)
        context = entry.get("max_model_len") or (entry.get("meta") or {}).get("n_ctx")
        if not isinstance(context, int):
            raise BadEngineResponse("The engine does not report its context length (max_model_len or meta.n_ctx).")
        return EngineInfo(kind, version, str(entry["id"]), context, parallel, str(entry.get("root") or ""))

    def _choose(self, listing: list[dict[str, Any]]) -> dict[str, Any]:
        served = ", ".join(str(entry.get("id")) for entry in listing) or "none"
        if self._model is None and len(listing) == 1:
            return listing[0]
        if self._model is None:
            raise ModelNotServed(f"The engine serves several models; set M1_MODEL to one of: {served}.")
        for entry in listing:
            if engine_wire.lists_model([entry], self._model):
                return entry
        raise ModelNotServed(
            f"The engine does not serve {self._model!r}. It serves: {served}. Set M1_MODEL to one of these."
        )

    async def _version(self, kind: EngineKind) -> tuple[str, int | None]:
        """Server version and parallel requests; both are optional, so a refusal is not an error."""
        try:
            if kind is EngineKind.LLAMA_CPP:
                props = await self._get("/props")
                slots = props.get("total_slots")
                return str(props.get("build_info") or ""), slots if isinstance(slots, int) else None
            return str((await self._get("/version")).get("version") or ""), None
        except EngineError as exc:
            _log.debug("the engine reports no version: %s", exc)
            return "", None

    async def _token_list(self, body: dict[str, Any]) -> TokenIds:
        tokens = (await self._post("/tokenize", body)).get("tokens")
        if not isinstance(tokens, list) or not all(isinstance(token, int) for token in tokens):
            raise BadEngineResponse("The engine's /tokenize returned no list of token ids.")
        return tuple(tokens)

    async def _get(self, path: str) -> dict[str, Any]:
        return await self._retrying(lambda: self._json("GET", path, None))

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._retrying(lambda: self._json("POST", path, body))

    async def _json(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        with _mapped_errors():
            endpoint = self._endpoint()
            response = await self._client.request(
                method, endpoint.base_url + path, json=body, headers=self._headers(endpoint)
            )
            if response.status_code != 200:
                raise self._error(response, response.text)
            return _json_object(response.text)

    @asynccontextmanager
    async def _open_stream(self, body: dict[str, Any]) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        response = await self._retrying(lambda: self._send(body))
        try:
            yield _events(response)
        finally:
            await response.aclose()

    async def _send(self, body: dict[str, Any]) -> httpx2.Response:
        with _mapped_errors():
            endpoint = self._endpoint()
            url = endpoint.base_url + "/v1/completions"
            request = self._client.build_request("POST", url, json=body, headers=self._headers(endpoint))
            response = await self._client.send(request, stream=True)
            if response.status_code != 200:
                try:
                    await response.aread()
                    raise self._error(response, response.text)
                finally:
                    await response.aclose()
            return response

    def _error(self, response: httpx2.Response, text: str) -> EngineError:
        try:
            content = json.loads(text)
        except ValueError:
            content = {}
        error = content.get("error", content) if isinstance(content, dict) else {}
        error = error if isinstance(error, dict) else {"message": error}
        retry_after = response.headers.get("retry-after")
        return engine_wire.error_for(response.status_code, text, error, model=self._name(), retry_after=retry_after)

    def _headers(self, endpoint: Endpoint) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        # llama.cpp closes some connections right after a stream that it said to keep: 2 of 100 requests that followed
        # at once were lost. A new connection on the same machine takes a fraction of a millisecond.
        if self._info is None or self._info.kind is EngineKind.LLAMA_CPP:
            headers["Connection"] = "close"
        return headers

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


class _IdCheck:
    """Fills in token ids that llama.cpp withholds while a character is incomplete.

    It sends a character of several tokens with the id of the last one only, but counts them all. The missing ids
    are those by which its own tokenizer spells the character; when they do not add up, or the stream ends inside
    a character, the tokens are reported as generated without ids.
    """

    def __init__(self, engine: OpenAIEngine, *, is_patient: bool) -> None:
        self._engine = engine
        self._is_patient = is_patient
        self._seen = 0

    async def complete(self, chunk: CompletionChunk, generated: int | None) -> CompletionChunk:
        self._seen += len(chunk.token_ids)
        missing = (generated or 0) - self._seen
        if not self._is_patient:
            if chunk.text and not chunk.token_ids:
                raise BadEngineResponse(
                    "The engine sends text without token ids, so tokens cannot be counted exactly. "
                    "Use vLLM 0.10.2 or newer, SGLang with token ids, or llama.cpp."
                )
            return chunk
        if missing <= 0:
            return chunk
        self._seen += missing
        ids = await self._engine.tokenize(chunk.text, parse_special=False) if chunk.text else ()
        if len(ids) == len(chunk.token_ids) + missing and ids[len(ids) - len(chunk.token_ids) :] == chunk.token_ids:
            return _with_ids(chunk, ids, 0)
        return _with_ids(chunk, chunk.token_ids, missing)


def _with_ids(chunk: CompletionChunk, ids: TokenIds, unreported: int) -> CompletionChunk:
    return CompletionChunk(
        ids, chunk.text, chunk.finish_reason, chunk.top_logprobs, unreported, chunk.prompt_tokens_cached
    )


async def _events(response: httpx2.Response) -> AsyncIterator[dict[str, Any]]:
    with _mapped_errors(is_streaming=True):
        async for line in response.aiter_lines():
            if not line.startswith("data:"):
                continue
            payload = line[5:].strip()
            if payload == "[DONE]":
                return
            yield _json_object(payload)


class _mapped_errors:  # noqa: N801 - used as a context manager
    """Turns the HTTP library's errors into this package's."""

    def __init__(self, *, is_streaming: bool = False) -> None:
        self._is_streaming = is_streaming

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, exc: BaseException | None, _traceback: object) -> None:
        if not isinstance(exc, httpx2.HTTPError | httpx2.InvalidURL):
            return
        if self._is_streaming:
            raise EngineDropped(
                "The connection to the engine broke during generation. What was generated is kept."
            ) from exc
        if isinstance(exc, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.InvalidURL):
            raise EngineUnreachable(
                f"No engine is responding ({type(exc).__name__}). Check that it is running and that M1_ENGINE_URL is "
                "its address."
            ) from exc
        # The request may have reached the engine, so it is not repeated.
        raise EngineDropped(f"The engine did not respond ({type(exc).__name__}). Run the question again.") from exc


def _json_object(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as exc:
        raise BadEngineResponse(
            f"The engine sent something that is not JSON: {text[:80]!r}. Is this an OpenAI-compatible server?"
        ) from exc
    if not isinstance(content, dict):
        raise BadEngineResponse(f"The engine sent {type(content).__name__} instead of an object.")
    return content


def _kind(owned_by: str) -> EngineKind:
    kinds = {"llamacpp": EngineKind.LLAMA_CPP, "vllm": EngineKind.VLLM, "sglang": EngineKind.SGLANG}
    return kinds.get(owned_by, EngineKind.OTHER)


def _backoff_seconds(error: EngineError, tries: int) -> float:
    if isinstance(error, RateLimited) and error.retry_after_seconds is not None:
        return min(error.retry_after_seconds, _MAX_BACKOFF_SECONDS)
    return float(min(_MAX_BACKOFF_SECONDS, 0.25 * 2**tries) * random.uniform(0.5, 1.0))


def _split_special_spellings(text: str) -> list[str]:
    """Cut `text` inside every spelling that could be read as a special token, so that none is."""
    cuts = [match.start() + 1 for match in _SPECIAL_SPELLING.finditer(text)]
    bounds = [0, *cuts, len(text)]
    return [text[a:b] for a, b in pairwise(bounds) if b > a]
