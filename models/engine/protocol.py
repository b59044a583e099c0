"""The seam between the app and whatever generates tokens.

An engine takes a prompt of token ids and streams token ids back. The accompanying texts are for display: counts and
continuations never use them. Implemented by `client.OpenAIEngine`; tests use scripted engines.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

TokenIds = tuple[int, ...]


class EngineKind(StrEnum):
    """The server software; it determines how token ids are requested."""

    LLAMA_CPP = "llama.cpp"
    VLLM = "vllm"
    SGLANG = "sglang"
    OTHER = "other"


class FinishReason(StrEnum):
    """Why an engine stopped generating."""

    STOP = "stop"
    """The model stopped: an end-of-sequence or stop token, which is the last id of the stream."""
    LENGTH = "length"
    """`max_tokens` or the context length was reached."""


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """How an engine describes itself."""

    kind: EngineKind
    version: str
    """The server software's version; empty when it does not say."""
    model: str
    """Name that requests use for the model."""
    context_length: int
    """Maximum tokens of prompt and completion together, in one request."""
    parallel_requests: int | None = None
    """Requests that run at once; None when the engine does not say."""
    model_source: str = ""
    """Where the engine says its weights came from (a hub repository or a path); empty when it does not say."""


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """One request for tokens."""

    prompt_ids: TokenIds
    max_tokens: int
    """At least 1."""
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 1.0
    """Nucleus mass, 0 < top_p <= 1."""
    seed: int | None = None
    """Sampling seed; None lets the engine choose."""
    stop_token_ids: TokenIds = ()
    """Generation ends at the first of these, or at the model's own end-of-sequence token."""
    top_logprobs: int = 0
    """How many of the likeliest tokens to report at each position, 0-20."""
    is_fresh: bool = False
    """Compute the prompt without the cache, so that the result does not depend on earlier requests (llama.cpp only)."""
    is_whole: bool = False
    """Wait for everything and get it as one chunk, from servers that notice when a client that waits is gone."""
    stop_texts: tuple[str, ...] = ()
    """Text that ends the response, and is part of it; servers that cannot end it there go on until it is closed."""


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A candidate token at one position."""

    text: str
    """The token's own text; may be empty for special tokens."""
    logprob: float
    """Natural logarithm of its probability before sampling."""


@dataclass(frozen=True, slots=True)
class CompletionChunk:
    """One piece of the stream; usually one token."""

    token_ids: TokenIds
    text: str
    """Text that became readable with this chunk; empty while a character is incomplete."""
    finish_reason: FinishReason | None = None
    """Set on the last chunk only."""
    top_logprobs: tuple[tuple[TokenLogprob, ...], ...] = ()
    """One tuple per token of this chunk, likeliest first; empty unless asked for."""
    tokens_unreported: int = 0
    """Tokens the engine generated without reporting their ids (the start of an unfinished character)."""
    prompt_tokens_cached: int | None = None
    """Prompt tokens served from the prefix cache; on the last chunk, None when the engine does not say."""


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One turn for the model's own chat template."""

    role: str
    """"system", "user" or "assistant"."""
    content: str


class Engine(Protocol):
    """A running engine. Every method raises `models.errors.EngineError`."""

    async def describe(self) -> EngineInfo:
        """Ask the engine what it is and what it serves; cached after the first success."""
        ...

    async def tokenize(self, text: str, *, parse_special: bool) -> TokenIds:
        """Token ids of `text`, without any token added in front.

        Args:
            text: what to tokenize.
            parse_special: True turns the spelling of a special token into that token (templates); False keeps
                it ordinary text (user input).
        """
        ...

    async def detokenize(self, token_ids: Sequence[int]) -> str:
        """Text of `token_ids`, special tokens spelled out."""
        ...

    async def apply_chat_template(self, messages: Sequence[ChatMessage]) -> str:
        """The model's own template over `messages`, ready for the assistant's turn."""
        ...

    def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """Generate; closing the generator cancels the request in the engine."""
        ...

    async def aclose(self) -> None:
        """Release connections; running requests are cancelled."""
        ...
