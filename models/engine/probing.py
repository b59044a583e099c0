"""What a server can do, found out by asking it: a few tokens, and its metrics."""

import asyncio
import re
from contextlib import aclosing
from dataclasses import dataclass

from models.engine.client import OpenAIEngine
from models.engine.protocol import CompletionChunk, CompletionRequest, EngineInfo, EngineKind, TokenIds
from models.engine.wire import is_whole
from models.errors import EngineError

_TEXT = "The heart pumps blood through the body. "
_CACHED_TOKENS = 300
"""Of the prompt that is sent twice: caches have blocks of up to 128 tokens."""
_TOP_LOGPROBS = 20
_CANCELLED_TOKENS = 2048
_CANCEL_SECONDS = 3.0
_POLL_SECONDS = 0.1
# From the beginning of a line to its end only: any other search takes a minute for some texts of a megabyte.
_RUNNING = re.compile(
    r"^(?:vllm:num_requests_running|llamacpp:requests_processing)(?:\{[^}\n]*\})? (\d{1,9}(?:\.\d{1,9})?)",
    re.MULTILINE | re.ASCII,
)
_PREFIX_CACHING = re.compile(
    r'^vllm:cache_config_info\{[^}\n]*enable_prefix_caching="(True|False)"', re.MULTILINE | re.ASCII
)


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server can do; None where it does not let itself be found out."""

    has_token_ids: bool
    """Without them nothing can be asked."""
    logprobs: int
    """How many of the likeliest tokens it reports; 0 for none."""
    tokenizes: bool
    detokenizes: bool
    cancels: bool | None
    """Whether it stops generating when a stream is closed."""
    has_whole_pieces: bool
    """Whether it is asked for whole pieces where nobody watches."""
    has_prefix_cache: bool | None
    has_speculation: bool | None
    has_lora: bool | None


async def probe(engine: OpenAIEngine) -> Abilities:
    """Find out what a server can do: some seconds, some dozen tokens. Raises EngineError if it does not answer."""
    info = await engine.describe()
    ids = await _tokens(engine)
    chunks = await _generated(engine, CompletionRequest(ids or (1,), 2, top_logprobs=_TOP_LOGPROBS))
    has_ids = any(chunk.token_ids for chunk in chunks or ())
    metrics = await _metrics(engine)
    return Abilities(
        has_token_ids=has_ids,
        logprobs=max((len(each) for chunk in chunks or () for each in chunk.top_logprobs), default=0),
        tokenizes=bool(ids),
        detokenizes=await _detokenizes(engine, ids),
        cancels=await _cancels(engine, info, ids) if has_ids else None,
        has_whole_pieces=has_ids and await _sends_whole(engine, info, ids),
        has_prefix_cache=await _has_prefix_cache(engine, info, ids, metrics) if has_ids else None,
        has_speculation=await _has_speculation(engine, info, metrics),
        has_lora=("vllm:lora_requests_info" in metrics) if info.kind is EngineKind.VLLM and metrics else None,
    )


async def _tokens(engine: OpenAIEngine) -> TokenIds:
    try:
        return await engine.tokenize(_TEXT, parse_special=False)
    except EngineError:
        return ()


async def _detokenizes(engine: OpenAIEngine, ids: TokenIds) -> bool:
    try:
        return bool(ids) and bool(await engine.detokenize(ids))
    except EngineError:
        return False


async def _generated(engine: OpenAIEngine, request: CompletionRequest) -> list[CompletionChunk] | None:
    """What came; None if it is refused. One that reports fewer probabilities is asked for fewer."""
    for count in dict.fromkeys((request.top_logprobs, min(5, request.top_logprobs), 0)):
        asked = CompletionRequest(request.prompt_ids, request.max_tokens, top_logprobs=count)
        try:
            async with aclosing(engine.stream(asked)) as chunks:
                return [chunk async for chunk in chunks]
        except EngineError:
            continue
    return None


async def _sends_whole(engine: OpenAIEngine, info: EngineInfo, ids: TokenIds) -> bool:
    request = CompletionRequest(ids or (1,), 2, is_whole=True)
    if not is_whole(request, info.kind):
        return False
    try:
        async with aclosing(engine.stream(request)) as chunks:
            return bool([chunk async for chunk in chunks])
    except EngineError:
        return False


async def _cancels(engine: OpenAIEngine, info: EngineInfo, ids: TokenIds) -> bool | None:
    """Whether the server's own count of running requests goes down after a stream was closed."""
    if await _running(engine) != 0:
        return None  # Somebody else is asking, or it does not count.
    most = min(_CANCELLED_TOKENS, info.context_length - len(ids) - 1)
    seen: int | None = 0
    try:
        async with aclosing(engine.stream(CompletionRequest(ids or (1,), max(1, most)))) as chunks:
            async for _ in chunks:
                seen = await _running(engine)
                break
    except EngineError:
        return None
    if not seen:
        return None
    for _ in range(round(_CANCEL_SECONDS / _POLL_SECONDS)):
        if await _running(engine) == 0:
            return True
        await asyncio.sleep(_POLL_SECONDS)
    return False


async def _running(engine: OpenAIEngine) -> int | None:
    found = _RUNNING.findall(await _metrics(engine))
    return round(sum(map(float, found))) if found else None


async def _has_prefix_cache(engine: OpenAIEngine, info: EngineInfo, ids: TokenIds, metrics: str) -> bool | None:
    if found := _PREFIX_CACHING.search(metrics):
        return found[1] == "True"
    if not ids:
        return None
    room = min(_CACHED_TOKENS, info.context_length - 2)
    prompt = (ids * (room // len(ids) + 1))[:room]
    cached: int | None = None
    for _ in range(2):
        chunks = await _generated(engine, CompletionRequest(prompt, 1))
        counts = [chunk.prompt_tokens_cached for chunk in chunks or () if chunk.prompt_tokens_cached is not None]
        cached = counts[-1] if counts else None
    return None if cached is None else cached > 0


async def _has_speculation(engine: OpenAIEngine, info: EngineInfo, metrics: str) -> bool | None:
    if info.kind is EngineKind.VLLM:
        return "vllm:spec_decode" in metrics if metrics else None
    if info.kind is not EngineKind.LLAMA_CPP:
        return None
    try:
        settings = (await engine.properties()).get("default_generation_settings")
    except EngineError:
        return None
    params = settings.get("params") if isinstance(settings, dict) else None
    kind = params.get("speculative.types") if isinstance(params, dict) else None
    return kind != "none" if isinstance(kind, str) else None


async def _metrics(engine: OpenAIEngine) -> str:
    try:
        return await engine.metrics()
    except EngineError:
        return ""
