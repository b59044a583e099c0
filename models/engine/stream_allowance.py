"""Counts what arrives in one stream and ends it when it exceeds `limits`."""

import time

from models.engine.limits import EngineLimits
from models.engine.protocol import CompletionChunk
from models.errors import BadEngineResponse, EngineDropped

_PIECE_BYTES = 1024
"""Counted for each piece in addition to its bytes, so that tiny pieces, which cost the most time, have a limit too."""


class StreamAllowance:
    """What one stream may still send.

    All of its bytes may be twice those of one line, and `bytes_per_token` for each token that has arrived, so padding,
    comments and empty chunks have the same limit however they are spread.
    """

    def __init__(self, limits: EngineLimits, sent_bytes: int, max_tokens: int) -> None:
        """Args:
        limits: the engine's limits.
        sent_bytes: size of the request.
        max_tokens: tokens that were asked for.
        """
        self._limits = limits
        self._line_bytes = limits.reply_bytes_after(sent_bytes)
        self._max_tokens = max_tokens
        self._bytes = self._tokens = self._characters = self._chunks_without_token = 0
        self._allowed_bytes = 2 * self._line_bytes
        self._allowed_characters = limits.spare_characters
        self._last_token_at = time.monotonic()

    def take_piece(self, size_bytes: int) -> None:
        """Count received bytes; raises BadEngineResponse, or EngineDropped if no token came for too long."""
        self._bytes += size_bytes + _PIECE_BYTES
        if self._bytes > self._allowed_bytes:
            raise BadEngineResponse(
                f"The engine sent about {self._bytes:,} bytes for {self._tokens:,} tokens; at most "
                f"{self._allowed_bytes:,} are read. The run was ended."
            )
        # A silent connection has the HTTP client's own timeout.
        if time.monotonic() - self._last_token_at > self._limits.idle_seconds:
            raise EngineDropped(
                f"The engine kept the connection open for {self._limits.idle_seconds:g} s without sending a token. "
                "Run the question again."
            )

    def check_line(self, size_bytes: int) -> None:
        """Check a line that has not ended yet; raises BadEngineResponse."""
        if size_bytes > self._line_bytes:
            raise BadEngineResponse(
                f"The engine sent a line of more than {self._line_bytes:,} bytes, which is the limit. Is this an "
                "OpenAI-compatible server?"
            )

    def take_chunk(self, chunk: CompletionChunk) -> None:
        """Count a chunk; raises BadEngineResponse."""
        limits, count = self._limits, len(chunk.token_ids) + chunk.tokens_unreported
        self._characters += len(chunk.text)
        if count:
            self._tokens += count
            self._allowed_bytes += count * limits.bytes_per_token
            self._allowed_characters += count * limits.characters_per_token
            self._chunks_without_token = 0
            self._last_token_at = time.monotonic()
        else:
            self._chunks_without_token += 1
        if self._tokens > self._max_tokens:
            raise BadEngineResponse(
                f"The engine sent {self._tokens:,} tokens, but only {self._max_tokens:,} were requested. Does the "
                "server ignore max_tokens?"
            )
        if self._characters > self._allowed_characters:
            raise BadEngineResponse(
                f"The engine sent {self._characters:,} characters as the text of {self._tokens:,} tokens; at most "
                f"{self._allowed_characters:,} are allowed."
            )
        if self._chunks_without_token > limits.chunks_without_token:
            raise BadEngineResponse(
                f"The engine sent {self._chunks_without_token:,} chunks in a row without a token; at most "
                f"{limits.chunks_without_token:,} are allowed."
            )
