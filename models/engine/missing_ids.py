"""Token ids that an engine generated and did not send."""

from dataclasses import replace

from models.engine.protocol import CompletionChunk, Engine
from models.errors import BadEngineResponse


class MissingIds:
    """Fills in token ids that llama.cpp withholds while a character is incomplete.

    It sends a character of several tokens with the id of the last one only, but counts them all. The missing ids
    are those by which its own tokenizer spells the character; when they do not add up, or the stream ends inside
    a character, the tokens are reported as generated without ids.
    """

    def __init__(self, engine: Engine, *, is_patient: bool) -> None:
        """Args:
        engine: tokenizes the characters.
        is_patient: whether text may come without ids; otherwise it is refused.
        """
        self._engine = engine
        self._is_patient = is_patient
        self._seen = 0

    async def complete(self, chunk: CompletionChunk, generated: int | None) -> CompletionChunk:
        """The chunk with what is known of its tokens; raises EngineError.

        Args:
            chunk: as it came.
            generated: the engine's count of the tokens so far; None if it does not say.
        """
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
            return replace(chunk, token_ids=ids)
        return replace(chunk, tokens_unreported=missing)
