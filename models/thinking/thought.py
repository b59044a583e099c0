"""A thinking as far as it has come: its tokens, and which text and line ends go with them.

What is answered after a part of a thinking needs to know whether that part ends in a line break; what is shown of it
needs its characters. Both are known at the borders of chunks, and asked of the engine elsewhere.
"""

from bisect import bisect_right

from models.engine.protocol import Engine, TokenIds


class ThoughtSoFar:
    """Grows chunk by chunk."""

    def __init__(self) -> None:
        self.token_ids: list[int] = []
        self._texts: list[str] = []
        self._token_marks, self._character_marks, self._line_marks = [0], [0], [False]
        """Where chunks end: tokens, characters, and whether the text up to there ends in a line break."""

    def __len__(self) -> int:
        """Tokens so far."""
        return len(self.token_ids)

    @property
    def text(self) -> str:
        """The whole text so far."""
        self._texts = ["".join(self._texts)]
        return self._texts[0]

    def grow(self, text: str, token_ids: TokenIds) -> None:
        """Add a chunk."""
        self.token_ids.extend(token_ids)
        self._texts.append(text)
        self._token_marks.append(len(self.token_ids))
        self._character_marks.append(self._character_marks[-1] + len(text))
        self._line_marks.append(text.endswith("\n") if text else self._line_marks[-1])

    def characters_before(self, tokens: int) -> int:
        """Whole characters of the first `tokens` tokens, in code points."""
        return self._character_marks[bisect_right(self._token_marks, tokens) - 1]

    async def ends_line(self, thinking_ids: TokenIds, engine: Engine) -> bool:
        """Whether these tokens, a beginning of the thinking or of what it would have been, end in a line break.

        Raises:
            EngineError: the engine could not spell the last token.
        """
        if not thinking_ids:
            return False
        count = len(thinking_ids)
        mark = bisect_right(self._token_marks, count) - 1
        if self._token_marks[mark] == count and self.token_ids[count - 1] == thinking_ids[-1]:
            return self._line_marks[mark]
        return (await engine.detokenize(thinking_ids[-1:])).endswith("\n")
