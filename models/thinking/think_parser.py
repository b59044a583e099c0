"""Splits a generated stream at the delimiter that ends it, whether a single token or spelled out.

Pure. Some families end their thinking with a dedicated token (`</think>`, `<|im_start|>`), others spell it
(`## Final Response`), and a spelling may be cut anywhere by chunk borders. The parser holds back what could
still become a delimiter and releases the rest, always in whole chunks, so that text and token ids stay aligned.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from models.engine.protocol import TokenIds


@dataclass(frozen=True, slots=True)
class Delta:
    """Text and token ids that certainly belong to the segment."""

    text: str
    token_ids: TokenIds


class ThinkParser:
    """Takes a segment's chunks, returns what belongs to the segment, and detects where it ends.

    `has_ended` becomes True at the first stop token or stop text; later chunks are dropped. A chunk that contains the
    beginning of a stop text is dropped whole, including any text of the segment in it, because a token cannot be split.
    """

    def __init__(
        self,
        stop_token_ids: Sequence[int] = (),
        stop_texts: Sequence[str] = (),
        stop_token_texts: Sequence[str] = (),
    ) -> None:
        """Args:
        stop_token_ids: tokens that end the segment.
        stop_texts: text that ends it where the family has no token for it.
        stop_token_texts: how an engine that shows stop tokens spells them.
        """
        self._stop_token_ids = frozenset(stop_token_ids)
        self._stop_token_texts = tuple(text for text in stop_token_texts if text)
        self._stop_texts = tuple(text for text in stop_texts if text)
        self._beginnings = {text[0] for text in self._stop_texts}
        self._held: deque[Delta] = deque()
        self.has_ended = False
        self.delimiter_ids: TokenIds = ()
        """Tokens of the delimiter, once it has been found."""
        self.stop_text = ""
        """The stop text that it is; empty for a token."""

    def feed(self, text: str, token_ids: Sequence[int], *, is_stop: bool = False) -> Delta:
        """Take one chunk and return what is now certain, which may be nothing.

        Args:
            text: text that became readable with the chunk.
            token_ids: its tokens.
            is_stop: True if the engine reported with this chunk that the model stopped; the stop token is then the last
                id of the stream, in this chunk or in an earlier one without text.
        """
        if self.has_ended:
            return Delta("", ())
        if text and not (is_stop or self._held) and self._is_certain(text, token_ids):
            return Delta(text, tuple(token_ids))
        self._hold_up_to_stop_token(text, tuple(token_ids))
        if not (text or is_stop or self.has_ended):
            return Delta("", ())  # Without new text nothing more can be decided.
        self._drop_from_stop_text()
        if is_stop and not self.has_ended:
            self._drop_last_token()
        return self._release(len(self._held) if self.has_ended else self._decided_chunks())

    def flush(self) -> Delta:
        """End the stream: return what was held back."""
        return self._release(len(self._held))

    def _is_certain(self, text: str, token_ids: Sequence[int]) -> bool:
        """Whether no delimiter can begin in the chunk, as in nearly all of them."""
        return self._stop_token_ids.isdisjoint(token_ids) and not any(first in text for first in self._beginnings)

    def _drop_last_token(self) -> None:
        self.has_ended = True
        while self._held and not self._held[-1].token_ids:
            self._held.pop()
        if self._held:
            last = self._held.pop()
            self._held.append(Delta(last.text, last.token_ids[:-1]))
            self.delimiter_ids = last.token_ids[-1:]

    def _hold_up_to_stop_token(self, text: str, token_ids: TokenIds) -> None:
        stop = next((i for i, token in enumerate(token_ids) if token in self._stop_token_ids), None)
        if stop is None:
            self._held.append(Delta(text, token_ids))
            return
        self.has_ended = True
        self.delimiter_ids = token_ids[stop : stop + 1]
        # Some engines include the stop token's spelling in the text, so it is cut off if present.
        if stop > 0:
            cuts = [p for p in (text.find(spelled) for spelled in self._stop_token_texts) if p >= 0]
            self._held.append(Delta(text[: min(cuts, default=len(text))], token_ids[:stop]))

    def _drop_from_stop_text(self) -> None:
        held = "".join(delta.text for delta in self._held)
        found = [(place, stop) for stop in self._stop_texts if (place := held.find(stop)) >= 0]
        if not found:
            return
        self.has_ended = True
        place, self.stop_text = min(found)
        excess = len(held) - place
        while excess > 0:
            dropped = self._held.pop()
            self.delimiter_ids = dropped.token_ids + self.delimiter_ids
            excess -= len(dropped.text)

    def _decided_chunks(self) -> int:
        """How many held chunks can no longer be part of a delimiter.

        A chunk without text is held until the next one shows that it was not the end-of-sequence token.
        """
        texts = [delta.text for delta in self._held]
        undecided = self._undecided_characters("".join(texts))
        while texts and (undecided > 0 or not texts[-1]):
            undecided -= len(texts.pop())
        return len(texts)

    def _undecided_characters(self, held: str) -> int:
        """Length of the longest suffix of `held` that is a prefix of a stop text."""
        longest = max((len(stop) - 1 for stop in self._stop_texts), default=0)
        for length in range(min(longest, len(held)), 0, -1):
            if any(stop.startswith(held[-length:]) for stop in self._stop_texts):
                return length
        return 0

    def _release(self, count: int) -> Delta:
        released = [self._held.popleft() for _ in range(count)]
        return Delta(
            "".join(delta.text for delta in released),
            tuple(token for delta in released for token in delta.token_ids),
        )
