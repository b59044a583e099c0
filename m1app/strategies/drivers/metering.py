"""An engine that enters what it generates into a ledger, and generates no more than was reserved."""

import math
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from m1app.strategies.drivers.ledger import Ledger
from models.engine.protocol import (
    ChatMessage,
    CompletionChunk,
    CompletionRequest,
    Engine,
    EngineInfo,
    FinishReason,
    TokenIds,
    TokenLogprob,
)
from models.errors import EngineError

CONFIDENCE_CANDIDATES = 20
"""How many of the likeliest tokens a token's confidence is the mean of (arXiv 2508.15260)."""


class MeteredEngine:
    """Implements `models.engine.protocol.Engine` over another engine, for one request of a run."""

    def __init__(
        self, engine: Engine, ledger: Ledger, key: str, on_confidence: Callable[[float], None] | None = None
    ) -> None:
        """Args:
        engine: generates.
        ledger: has an open entry for the request.
        key: of the request.
        on_confidence: called with the confidence of each generated token; None if it is not needed.
        """
        self._engine = engine
        self._ledger = ledger
        self._key = key
        self._on_confidence = on_confidence
        self._sent = 0
        """Longest prompt that was sent for the request: an engine has it in its cache."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """See `Engine.stream`."""
        allowed = self._ledger.allowance(self._key)
        if allowed < 1:
            yield CompletionChunk((), "", FinishReason.LENGTH)
            return
        top = CONFIDENCE_CANDIDATES if self._on_confidence else request.top_logprobs
        request = replace(request, max_tokens=min(request.max_tokens, allowed), top_logprobs=top)
        generated, cached = 0, None
        try:
            async with aclosing(self._engine.stream(request)) as chunks:
                async for chunk in chunks:
                    count = len(chunk.token_ids) + chunk.tokens_unreported
                    generated += count
                    self._ledger.count(self._key, count)
                    cached = chunk.prompt_tokens_cached if chunk.prompt_tokens_cached is not None else cached
                    if self._on_confidence:
                        for candidates in chunk.top_logprobs:
                            self._on_confidence(confidence(candidates))
                    yield chunk
        except EngineError as exc:
            generated += exc.refused_tokens
            self._ledger.count(self._key, exc.refused_tokens)
            raise
        finally:
            self._count_prompt(len(request.prompt_ids), cached)
            self._sent = max(self._sent, len(request.prompt_ids) + generated)

    def _count_prompt(self, tokens: int, cached: int | None) -> None:
        known = min(tokens, self._sent if cached is None else cached)
        self._ledger.add(self._key, prompt_new=tokens - known, cached=known)
        if cached is not None:
            self._ledger.report(self._key, tokens, known)

    async def describe(self) -> EngineInfo:
        """See `Engine.describe`."""
        return await self._engine.describe()

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        """See `Engine.tokenize`."""
        return await self._engine.tokenize(text, parse_special=parse_special)

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """See `Engine.detokenize`."""
        return await self._engine.detokenize(token_ids)

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        """See `Engine.apply_chat_template`."""
        return await self._engine.apply_chat_template(messages)

    async def aclose(self) -> None:
        """Does nothing: the wrapped engine belongs to the caller."""


def confidence(candidates: Sequence[TokenLogprob]) -> float:
    """How sure the model is of a token: minus the mean log probability of the likeliest candidates there.

    DeepConf, arXiv 2508.15260. The surer the model, the less likely the others, and the larger the number. 0 without
    candidates; infinite values, which some servers send for impossible tokens, are left out.
    """
    known = [each.logprob for each in candidates if math.isfinite(each.logprob)]
    return -sum(known) / len(known) if known else 0.0
