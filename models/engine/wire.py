"""The wire format of OpenAI-compatible completions servers: requests and streamed responses.

Pure: dictionaries in, records of `models.engine.protocol` out. vLLM returns token ids with `return_token_ids`,
llama.cpp in `logprobs.content[].id`; both are handled here, so that the client needs no special cases. Every field that
is used is checked. How much may arrive is checked in `incoming`.

Verified with vLLM 0.32 (CPU) and llama.cpp of xllamacpp 2026.10.
"""

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from models.engine.json_text import shown
from models.engine.limits import MAX_TOKEN_ID
from models.engine.protocol import CompletionChunk, CompletionRequest, EngineKind, FinishReason, TokenIds, TokenLogprob
from models.errors import (
    BadEngineResponse,
    ContextOverflow,
    EngineError,
    EngineFailed,
    EngineRejectedKey,
    EngineUnreachable,
    ModelNotServed,
    RateLimited,
)

Json = Mapping[str, Any]

# Without these, servers apply their own default samplers or those of the model's generation_config.json, and a trace's
# parameters would not describe how it was sampled.
_NEUTRAL_SAMPLERS: Mapping[EngineKind, Json] = {
    EngineKind.LLAMA_CPP: {"top_k": 0, "min_p": 0.0, "repeat_penalty": 1.0, "typical_p": 1.0},
    EngineKind.VLLM: {"top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0},
    EngineKind.SGLANG: {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0},
    EngineKind.OTHER: {},
}

_CANCELLED_BY_CLOSING = frozenset({EngineKind.VLLM, EngineKind.SGLANG})
"""Servers that stop generating a response which is not streamed when its connection is closed."""
_KEPT_STOP_TEXT = {EngineKind.VLLM: "include_stop_str_in_output", EngineKind.SGLANG: "no_stop_trim"}
"""Servers that can end a response at a text and leave it in the response, and the field that asks for it."""
_MOST_LOGPROB = 0.01
"""Above 0 by rounding."""
_MOST_MASS = 1.1
"""The same for the sum of a position's probabilities."""


def is_whole(request: CompletionRequest, kind: EngineKind) -> bool:
    """Whether the response is one JSON object, not a stream."""
    return request.is_whole and kind in _CANCELLED_BY_CLOSING


def request_body(request: CompletionRequest, kind: EngineKind, model: str) -> dict[str, Any]:
    """The JSON body of a `/v1/completions` request."""
    body: dict[str, Any] = {
        "model": model,
        "prompt": list(request.prompt_ids),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        **({} if is_whole(request, kind) else {"stream": True, "stream_options": {"include_usage": True}}),
        **_NEUTRAL_SAMPLERS[kind],
    }
    if request.seed is not None:
        body["seed"] = request.seed
    if kind is EngineKind.LLAMA_CPP:
        # It sends token ids only with logprobs and its stop list takes only text: the caller watches for stop ids.
        body |= {"logprobs": max(1, request.top_logprobs), "timings_per_token": True}
        # A partly cached prompt is computed in different batches, which round differently.
        body["cache_prompt"] = not request.is_fresh
        return body
    body["return_token_ids"] = True
    if request.top_logprobs:
        body["logprobs"] = request.top_logprobs
    if request.stop_token_ids:
        body["stop_token_ids"] = list(request.stop_token_ids)
    if request.stop_texts and kind in _KEPT_STOP_TEXT:
        # Streams, too: an engine that is not told generates on until it notices that the stream is closed.
        body |= {"stop": list(request.stop_texts), _KEPT_STOP_TEXT[kind]: True}
    return body


def read_chunk(event: Json, *, with_logprobs: bool) -> CompletionChunk:
    """One streamed event, or a whole response; raises BadEngineResponse when it is not a completion chunk."""
    try:
        choices = event["choices"]
        usage = event.get("usage") or {}
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
        if cached is not None:
            cached = whole_number(cached, "a count of cached tokens")
        if not choices:
            return CompletionChunk((), "", prompt_tokens_cached=cached)
        choice = choices[0]
        logprobs = choice.get("logprobs") or {}
        return CompletionChunk(
            token_ids=_token_ids(choice, logprobs),
            text=_text(choice["text"] or ""),
            finish_reason=_finish_reason(choice.get("finish_reason")),
            top_logprobs=_top_logprobs(logprobs) if with_logprobs else (),
            prompt_tokens_cached=cached,
        )
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as exc:
        raise BadEngineResponse(
            f"The engine sent a chunk that is not a completion ({shown(repr(exc))}). Is this an OpenAI-compatible "
            "server?"
        ) from exc


def tokens_generated(event: Json) -> int | None:
    """The engine's own count of tokens so far; None if the event does not include it."""
    timings, usage = event.get("timings"), event.get("usage")
    count = timings.get("predicted_n") if isinstance(timings, dict) else None
    if count is None and isinstance(usage, dict):
        count = usage.get("completion_tokens")
    return None if count is None else whole_number(count, "a count of generated tokens")


def tokens_in(event: Json) -> int:
    """How many tokens an event has that could not be read, as far as it can be told."""
    choices = event.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        return 0
    ids, logprobs = choice.get("token_ids"), choice.get("logprobs")
    if ids is None and isinstance(logprobs, dict):
        ids = logprobs.get("content")
    return len(ids) if isinstance(ids, list) else 0


def whole_number(value: object, what: str) -> int:
    """A number that fits into 31 bits, as token ids and counts of tokens do; raises BadEngineResponse."""
    if type(value) is int and 0 <= value <= MAX_TOKEN_ID:  # True and 1.0 are not numbers of tokens
        return value
    raise BadEngineResponse(
        f"The engine sent {_named(value)} as {what}; whole numbers from 0 to {MAX_TOKEN_ID:,} are allowed."
    )


def _named(value: object) -> str:
    is_simple = value is None or isinstance(value, int | float | str)
    return shown(repr(value), 40) if is_simple else type(value).__name__


def error_for(status: int, body: str, error: Json, *, model: str, retry_after: str | None = None) -> EngineError:
    """The exception for an HTTP status, or for an error event inside a stream (status 200)."""
    said = error.get("message")
    message = shown(said if isinstance(said, str) and said else body) or "no message"
    if status in (401, 403):
        return EngineRejectedKey(
            f"The engine refused the API key (HTTP {status}). Set M1_ENGINE_API_KEY to the key it was started with."
        )
    if status in (200, 400) and _is_overflow(error, message):
        return ContextOverflow(
            f"Prompt and budget do not fit into the model's context: {message} Choose a smaller thinking budget."
        )
    if status == 404:
        return ModelNotServed(f"The engine does not serve the model {model!r}: {message}")
    if status == 429:
        return RateLimited("The engine is handling too many requests; try again in a moment.", _seconds(retry_after))
    if status == 503:
        return EngineUnreachable(f"The engine is not ready yet: {message}")
    return EngineFailed(f"The engine failed (HTTP {status}): {message}")


def _is_overflow(error: Json, message: str) -> bool:
    if error.get("type") == "exceed_context_size_error":  # llama.cpp
        return True
    # vLLM names the field; its message is for developers.
    return error.get("param") in ("input_tokens", "max_tokens") or "context length" in message


def _token_ids(choice: Json, logprobs: Json) -> TokenIds:
    ids = choice.get("token_ids")
    if ids is None:
        ids = [entry["id"] for entry in logprobs.get("content") or ()]
    return read_token_ids(ids)


def read_token_ids(ids: object) -> TokenIds:
    """A list of token ids; raises BadEngineResponse."""
    if not isinstance(ids, list):
        raise BadEngineResponse(f"The engine sent {type(ids).__name__} instead of a list of token ids.")
    return tuple([whole_number(token, "a token id") for token in ids])


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} instead of text")
    return value


def _finish_reason(value: object) -> FinishReason | None:
    return None if value is None else FinishReason(_text(value))


def _top_logprobs(logprobs: Json) -> tuple[tuple[TokenLogprob, ...], ...]:
    if logprobs.get("content") is not None:
        return tuple(_ranked((e["token"], e["logprob"]) for e in c["top_logprobs"]) for c in logprobs["content"])
    return tuple(_ranked((position or {}).items()) for position in logprobs.get("top_logprobs") or ())


def _ranked(pairs: Iterable[tuple[object, object]]) -> tuple[TokenLogprob, ...]:
    candidates = [TokenLogprob(_text(text), _logprob(value)) for text, value in pairs]
    mass = sum(math.exp(candidate.logprob) for candidate in candidates)
    if mass > _MOST_MASS:
        raise BadEngineResponse(f"The engine sent probabilities of one token that add up to {mass:.4g}, not at most 1.")
    return tuple(sorted(candidates, key=lambda candidate: -candidate.logprob))


def _logprob(value: object) -> float:
    # llama.cpp sends the lowest 32-bit float for a probability of 0.
    if isinstance(value, int | float) and not isinstance(value, bool) and -sys.float_info.max <= value <= _MOST_LOGPROB:
        return min(float(value), 0.0)
    raise BadEngineResponse(
        f"The engine sent {_named(value)} as a log probability; finite numbers up to 0 are allowed."
    )


def _seconds(retry_after: str | None) -> float | None:
    """Seconds to wait; None if the header is missing or is a date."""
    try:
        seconds = float(retry_after) if retry_after else None
    except ValueError:
        return None
    # A timer that is "not a number" of seconds disorders those of the whole event loop.
    return seconds if seconds is not None and math.isfinite(seconds) and seconds >= 0 else None
