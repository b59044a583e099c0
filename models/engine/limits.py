"""How much an engine may send. What exceeds it ends its own request with `BadEngineResponse`, and nothing else.

An engine is any server at an address that somebody entered, so nothing that it sends is taken on trust. The numbers are
several times what vLLM and llama.cpp send.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Upper limits, all inclusive; tests lower them."""

    reply_bytes: int = 1 << 20
    """Bytes of a reply, or of one line of a stream, plus `reply_bytes_per_byte_sent`."""
    reply_bytes_per_byte_sent: int = 8
    """A byte of text can become a token of its own: seven digits and a comma. vLLM returns the prompt's ids."""
    error_bytes: int = 64 << 10
    """Bytes that are read of a refusal; the rest is not needed."""
    reply_seconds: float = 600.0
    """For a whole reply. llama.cpp answers nothing else while all of its threads stream."""

    bytes_per_token: int = 16 << 10
    """Of a stream, in addition to twice its longest line; with 20 logprobs, llama.cpp sends 3 KB."""
    characters_per_token: int = 256
    """The longest tokens of common vocabularies have 128."""
    spare_characters: int = 1024
    """In addition to `characters_per_token`, for text that engines hold back."""
    chunks_without_token: int = 1000
    """In a row."""
    idle_seconds: float = 600.0
    """Without a token: a long prompt on a slow machine, behind a full queue."""

    tokens_per_byte: int = 4
    """Tokens of a text for each of its bytes: normalization can lengthen it."""
    spare_tokens: int = 16
    """In addition to `tokens_per_byte`."""

    models: int = 1000
    name_characters: int = 500
    """Of a model's name; it may be a path."""
    context_length: int = 100_000_000
    slots: int = 4096
    """Parallel requests."""

    def whole_seconds(self, max_tokens: int) -> float:
        """How long a response of `max_tokens` that is not streamed may take: at least a token a second."""
        return self.idle_seconds + max_tokens

    def whole_bytes(self, sent_bytes: int, max_tokens: int) -> int:
        """Bytes of a response of `max_tokens` that is not streamed."""
        return self.reply_bytes_after(sent_bytes) + self.bytes_per_token * max_tokens

    def reply_bytes_after(self, sent_bytes: int) -> int:
        """Bytes of the reply, or of one line, to a request of `sent_bytes`."""
        return self.reply_bytes + self.reply_bytes_per_byte_sent * sent_bytes

    def tokens_of(self, text: str) -> int:
        """Tokens that `text` can have."""
        return self.spare_tokens + self.tokens_per_byte * len(text.encode())


MAX_TOKEN_ID = 2**31 - 1
"""Engines keep ids in 32 bits."""
