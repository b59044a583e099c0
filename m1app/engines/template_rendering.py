"""Renders a chat template in a process of its own, because it is a program of whoever published the model.

See `models.profiles.template_process`, which limits its memory and processor time; here are the limits that hold even
if it gets out of its sandbox.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from m1app.engines.errors import TemplateRefused
from models.profiles.template_process import MOST_CHARACTERS
from models.servers.process_guard import inherited_environment

MOST_TEMPLATE_CHARACTERS = 262_144
_SECONDS = 30.0
"""Of which the template itself gets a few seconds of processor time."""
_MOST_BYTES_OF_A_CHARACTER = 12
_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a template is asked to render."""

    messages: Sequence[Mapping[str, str]]
    """With role and content."""
    is_open: bool = True
    """Whether the assistant's turn comes next."""


class Rendering(BaseModel):
    """What came of a conversation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: str = ""
    problem: str = ""
    """Why there is no text, in the template's words; empty if there is one."""


_RENDERINGS = TypeAdapter(list[Rendering])


async def render_template(
    template: str, tokens: Mapping[str, str], conversations: Sequence[Conversation]
) -> list[Rendering]:
    """Render conversations with a model's template.

    Args:
        template: in Jinja.
        tokens: spellings of special tokens, such as bos_token.
        conversations: what to render.

    Raises:
        TemplateRefused: it is too long, takes too much time or memory, or ends the process.
    """
    if len(template) > MOST_TEMPLATE_CHARACTERS:
        raise TemplateRefused(
            f"The template has {len(template):,} characters; at most {MOST_TEMPLATE_CHARACTERS:,} are read. Paste the "
            "part that renders the conversation."
        )
    job = {"template": template, "tokens": dict(tokens), "conversations": [asdict(each) for each in conversations]}
    process = await _started()
    try:
        async with asyncio.timeout(_SECONDS):
            output = await _answered(process, json.dumps(job).encode(), len(conversations))
    except TimeoutError:
        raise TemplateRefused(_ENDLESS) from None
    finally:
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)  # Not kill(), which would take its status from asyncio.
        await asyncio.shield(process.wait())
    return _read(output, len(conversations))


_ENDLESS = "The template does not end, or takes more time or memory than allowed. Choose another one."


async def _started() -> Process:
    environment = inherited_environment() | {"PYTHONPATH": str(_ROOT)}
    # Whatever it writes to standard error may quote the template.
    nowhere = await asyncio.to_thread(os.open, os.devnull, os.O_WRONLY)
    try:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "models.profiles.template_process"),
            stdin=PIPE,
            stdout=PIPE,
            stderr=nowhere,
            cwd="/",
            env=environment,
            start_new_session=True,
        )
    except OSError as exc:
        raise TemplateRefused(
            f"The process that renders templates cannot be started ({exc.strerror}). Free some memory and try again."
        ) from exc
    finally:
        os.close(nowhere)


async def _answered(process: Process, job: bytes, conversations: int) -> bytes:
    if process.stdin is None or process.stdout is None:
        raise ValueError("the process has no pipes")
    with suppress(ConnectionError):
        process.stdin.write(job)
        await process.stdin.drain()
    process.stdin.close()
    most, output = conversations * MOST_CHARACTERS * _MOST_BYTES_OF_A_CHARACTER + 10_000, b""
    while piece := await process.stdout.read(65_536):
        output += piece
        if len(output) > most:
            raise TemplateRefused(_ENDLESS)
    return output


def _read(output: bytes, conversations: int) -> list[Rendering]:
    try:
        rendered = _RENDERINGS.validate_json(output)
    except ValidationError:
        raise TemplateRefused(_ENDLESS) from None
    if len(rendered) != conversations:
        raise TemplateRefused(_ENDLESS)
    return rendered
