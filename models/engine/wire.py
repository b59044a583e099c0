"""The wire format of OpenAI-compatible completions servers: requests and responses.

Pure: dictionaries in, records of `models.engine.protocol` out. vLLM returns token ids with `return_token_ids`,
llama.cpp in `logprobs.content[].id`; both are handled here, so that the client needs no special cases.

Verified with vLLM 0.32 (CPU) and llama.cpp of xllamacpp 2026.10.
"""

from collections.abc import Mapping, Sequence
from typing import Any

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


def request_body(request: CompletionRequest, kind: EngineKind, model: str) -> dict[str, Any]:
    """The JSON body of a streaming `/v1/completions` request."""
    body: dict[str, Any] = {
        "model": model,
        "prompt": list(request.prompt_ids),
        "max_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "stream": True,
        "stream_options": {"include_usage": True},
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
    return body


def read_chunk(event: Json, *, with_logprobs: bool) -> CompletionChunk:
    """One streamed event; raises BadEngineResponse when it is not a completion chunk."""
    try:
        choices = event["choices"]
        usage = event.get("usage") or {}
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens")
        if not choices:
            return CompletionChunk((), "", prompt_tokens_cached=cached)
        choice = choices[0]
        logprobs = choice.get("logprobs") or {}
        return CompletionChunk(
            token_ids=_token_ids(choice, logprobs),
            text=choice["text"] or "",
            finish_reason=_finish_reason(choice.get("finish_reason")),
            top_logprobs=_top_logprobs(logprobs) if with_logprobs else (),
            prompt_tokens_cached=cached,
        )
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as exc:
        raise BadEngineResponse(
            f"The engine sent a chunk that is not a completion ({exc!r}). Is this an OpenAI-compatible server?"
        ) from exc


def tokens_generated(event: Json) -> int | None:
    """The engine's own count of tokens so far; None if the event does not include it."""
    timings, usage = event.get("timings") or {}, event.get("usage") or {}
    count = timings.get("predicted_n", usage.get("completion_tokens"))
    return count if isinstance(count, int) else None


def error_for(status: int, body: str, error: Json, *, model: str, retry_after: str | None = None) -> EngineError:
    """The exception for an HTTP status, or for an error event inside a stream (status 200)."""
    message = str(error.get("message") or body[:300] or "no message").strip()
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
    if choice.get("token_ids") is not None:
        return tuple(int(token) for token in choice["token_ids"])
    return tuple(int(entry["id"]) for entry in logprobs.get("content") or ())


def _finish_reason(value: str | None) -> FinishReason | None:
    return None if value is None else FinishReason(value)


def _top_logprobs(logprobs: Json) -> tuple[tuple[TokenLogprob, ...], ...]:
    if logprobs.get("content") is not None:
        return tuple(_ranked((e["token"], e["logprob"]) for e in c["top_logprobs"]) for c in logprobs["content"])
    return tuple(_ranked((position or {}).items()) for position in logprobs.get("top_logprobs") or ())


def _ranked(pairs: Any) -> tuple[TokenLogprob, ...]:
    candidates = [TokenLogprob(str(text), float(logprob)) for text, logprob in pairs]
    return tuple(sorted(candidates, key=lambda candidate: -candidate.logprob))


def _seconds(retry_after: str | None) -> float | None:
    try:
        return float(retry_after) if retry_after else None
    except ValueError:
        return None


def lists_model(models: Sequence[Json], model: str) -> bool:
    """Whether a `/v1/models` listing contains `model`, by id or alias."""
    return any(model == entry.get("id") or model in (entry.get("aliases") or ()) for entry in models)
