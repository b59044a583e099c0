"""Templates are programs of strangers: what they ask for is bounded, and what they get is nothing of this machine."""

import asyncio
import os
from collections.abc import Mapping
from typing import Any

import pytest

from m1app.engines.errors import TemplateRefused
from m1app.engines.template_rendering import MOST_TEMPLATE_CHARACTERS, Conversation, render_template

ASKED = Conversation([{"role": "user", "content": "Why?"}])


async def test_conversations_are_rendered_each_by_itself() -> None:
    refusing = "{% if not add_generation_prompt %}{{ raise_exception('closed') }}{% endif %}"
    template = refusing + "{{ bos_token }}{{ messages[0].content }}"
    open_one, closed = await render_template(
        template, {"bos_token": "<s>"}, [ASKED, Conversation(ASKED.messages, False)]
    )
    assert (open_one.text, open_one.problem) == ("<s>Why?", "")
    assert (closed.text, closed.problem) == ("", "closed")


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{{ 9 ** (9 ** 9) }}",
    ],
)
async def test_a_template_that_runs_without_end_is_stopped(template: str) -> None:
    with pytest.raises(TemplateRefused, match="does not end"):
        await render_template(template, {}, [ASKED])


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}", "more than 65,536 characters"),
        ("{{ '%99999d' % 1 }}", "more than 65,536 characters"),
        ("{{ 'x' * 10000000000 }}", "more memory"),
        ("{% set ns = namespace(x='x') %}{% for a in range(64) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}", "memory"),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError"),
        ("{{ range(10000000) | list }}", "Range too big"),
        ("{% if %}", "Expected an expression"),
        ("{% for a in [1] %}" * 30 + "{% endfor %}" * 30, "too many statically nested blocks"),
    ],
)
async def test_a_template_that_grows_or_fails_says_so(template: str, said: str) -> None:
    (found,) = await render_template(template, {}, [ASKED])
    assert said in found.problem
    assert found.text == ""


async def test_half_of_a_surrogate_pair_is_replaced() -> None:
    (found,) = await render_template(r"{{ '\ud800' }}{{ messages[0].content }}", {}, [ASKED])
    assert (found.text, found.problem) == ("?Why?", "")


async def test_a_template_that_is_too_long_is_refused() -> None:
    with pytest.raises(TemplateRefused, match="at most 262,144"):
        await render_template("x" * (MOST_TEMPLATE_CHARACTERS + 1), {}, [ASKED])


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.environ }}",
        "{{ raise_exception.__globals__ }}",
        "{{ strftime_now.__globals__ }}",
        "{{ tojson.__globals__ }}",
        "{{ (messages | attr('__class__')).__mro__ }}",
        "{% include '/proc/self/environ' %}",
        "{% import '/etc/passwd' as x %}",
    ],
)
async def test_a_template_reaches_nothing_of_this_machine(template: str) -> None:
    (found,) = await render_template(template, {}, [ASKED])
    assert os.environ["PATH"] not in found.text
    assert found.text.strip() in ("", "Undefined")


async def test_its_process_has_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    environments: list[Mapping[str, str]] = []
    create = asyncio.create_subprocess_exec

    async def noted(*arguments: str, env: Mapping[str, str], **more: Any) -> asyncio.subprocess.Process:
        environments.append(env)
        return await create(*arguments, env=env, **more)

    monkeypatch.setenv("M1_ENGINE_API_KEY", "secret")
    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    await render_template("", {}, [ASKED])
    (environment,) = environments
    assert [name for name in environment if name.startswith("M1_")] == []
