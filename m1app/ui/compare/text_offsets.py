"""Converts positions in a text from code points, as Python counts, to UTF-16 code units, as browsers do."""


class Utf16Offsets:
    """Positions of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_narrow = text.isascii() or max(text) <= "\uffff"

    def at(self, code_points: int) -> int:
        """The position after so many code points."""
        if self._is_narrow:
            return code_points
        return code_points + sum(character > "\uffff" for character in self._text[:code_points])
