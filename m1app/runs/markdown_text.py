"""Text of models, engines and people in a Markdown document, where it must stay text."""

import re
from collections.abc import Iterable, Mapping, Sequence

_SPECIAL = re.compile(r"([\\`*_\[\]<>|!&#~$])")
_LINE_BREAKS = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85\u2028\u2029]")


def fenced(text: str) -> str:
    """`text` as a block of code, between fences longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    # Some programs end a line, and so perhaps the block, at these too.
    return f"{fence}text\n{_LINE_BREAKS.sub(chr(10), text)}\n{fence}"


def escaped(value: object) -> str:
    """A value on one line, in which nothing acts as Markdown or HTML; empty for None."""
    text = "" if value is None else " ".join(str(value).split())
    return _SPECIAL.sub(r"\\\1", text)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; its cells are escaped."""
    lines = [head, ["---"] * len(head), *([escaped(cell) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def settings_table(settings: Mapping[str, object]) -> str:
    """Names and values without a head; a value that is None is an empty cell."""
    return table(["", ""], settings.items())
