"""The process that renders one chat template: `python -m models.profiles.template_process`.

A template can run without end, or ask for any amount of memory, so this does not happen in the app's process. Standard
input is a `TemplateJob` as JSON; the output is a list of `Rendering`s as JSON. Memory, processor time and the length of
each text are limited.
"""

import json
import resource
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from models.profiles.chat_template import BadTemplate, pieces_of

MOST_CHARACTERS = 65_536
"""Of one rendered conversation."""
_MEMORY_BYTES = 256 << 20
_PROCESSOR_SECONDS = 2


def main() -> None:
    """Render the conversations of standard input."""
    job: dict[str, Any] = json.load(sys.stdin)
    for kind, limit in (
        (resource.RLIMIT_DATA, _MEMORY_BYTES),
        (resource.RLIMIT_CPU, _PROCESSOR_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(kind)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(kind, (limit, limit))
    json.dump([_rendering(job, each["messages"], each["is_open"]) for each in job["conversations"]], sys.stdout)


def _rendering(job: dict[str, Any], messages: Sequence[dict[str, str]], is_open: bool) -> dict[str, str]:
    try:
        text = "".join(_limited(pieces_of(job["template"], messages, job["tokens"], is_open=is_open)))
        return {"text": text.encode(errors="replace").decode()}  # Half of a surrogate pair is no text.
    except (BadTemplate, OverflowError) as exc:
        return {"problem": str(exc)[:500].encode(errors="replace").decode()}
    except MemoryError:
        return {"problem": "it takes more memory than a template may take"}


def _limited(pieces: Iterator[str]) -> Iterator[str]:
    left = MOST_CHARACTERS
    for piece in pieces:
        left -= len(piece)
        if left < 0:
            raise BadTemplate(f"it writes more than {MOST_CHARACTERS:,} characters")
        yield piece


if __name__ == "__main__":
    main()
