"""Renders a model's own chat template as transformers does, in a sandbox.

Templates are programs of whoever published the model. The sandbox keeps them from reading and changing anything; it
does not keep them from running or growing without end, which is what `template_process` is for.

Source: transformers 5, utils/chat_template_utils.py, `_cached_compile_jinja_template`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import jinja2
import jinja2.ext
import jinja2.parser
import jinja2.sandbox

Messages = Sequence[Mapping[str, str]]


class BadTemplate(ValueError):
    """The template cannot be parsed, or refuses the conversation; the message says why."""


def pieces_of(template: str, messages: Messages, tokens: Mapping[str, str], *, is_open: bool = True) -> Iterator[str]:
    """Render a conversation, a piece at a time.

    Args:
        template: in Jinja.
        messages: with role and content.
        tokens: spellings of special tokens, such as bos_token.
        is_open: whether the assistant's turn comes next.

    Raises:
        BadTemplate: see there.
    """
    # None, not undefined: templates ask "tools is not none".
    given = {"bos_token": "", "eos_token": "", "tools": None, "documents": None, **tokens}
    try:
        parsed = _environment().from_string(template)
        yield from parsed.generate(messages=messages, add_generation_prompt=is_open, **given)
    except jinja2.TemplateError as exc:
        line = f" (line {exc.lineno})" if isinstance(exc, jinja2.TemplateSyntaxError) else ""
        raise BadTemplate(f"{exc}{line}") from exc
    # SyntaxError: the program that Jinja makes of it has more nested loops than Python takes.
    except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError, SyntaxError) as exc:
        raise BadTemplate(f"{type(exc).__name__}: {exc}") from exc


class _GenerationBlock(jinja2.ext.Extension):
    """{% generation %} marks the assistant's text for loss masks; its content is rendered unchanged."""

    tags = {"generation"}  # noqa: RUF012 - as jinja2 declares it

    def parse(self, parser: jinja2.parser.Parser) -> list[jinja2.nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _environment() -> jinja2.sandbox.ImmutableSandboxedEnvironment:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = _strftime_now
    return environment


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter escapes HTML, which prompts must not."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _strftime_now(form: str) -> str:
    return datetime.now().strftime(form)


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)
