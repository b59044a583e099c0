"""What of a log says why a process ended."""

import re

_WARNING = re.compile(r"\b[A-Za-z]*Warning: ")
_SHOWN_CODE = re.compile(r"\s+\S*warn\w*\(|\s+warnings\.warn")


def without_warnings(text: str, lines: int) -> str:
    """Return the last lines of a log without libraries' warnings, which say nothing of the end.

    A warning is a line as Python's `warnings` prints it, and the line of code below it.
    """
    kept: list[str] = []
    is_code_next = False
    for line in text.splitlines():
        is_code = is_code_next and bool(_SHOWN_CODE.match(line))
        is_code_next = bool(_WARNING.search(line))
        if not is_code and not is_code_next:
            kept.append(line)
    return "\n".join(kept[-lines:])
