"""From a profile and a question to the token ids of one engine.

User input is tokenized separately from the template and never as special tokens, so a question that spells
`<|im_end|>` remains plain text.
"""

import asyncio
from dataclasses import dataclass

from models.engine.protocol import ChatMessage, Engine, TokenIds
from models.errors import BadEngineResponse
from models.profiles import ChatSection, Profile
from models.profiles.stand_ins import SYSTEM, USER
from models.thinking.budget_forcing import Marker, Markers


@dataclass(frozen=True, slots=True)
class Prompt:
    """A rendered chat prompt, up to the assistant's turn."""

    text: str
    token_ids: TokenIds


async def build_prompt(engine: Engine, profile: Profile, system: str, user: str) -> Prompt:
    """Render the chat prompt with the profile's or the engine's template; raises EngineError."""
    template = await _template(engine, profile.chat, has_system=bool(system))
    pieces = _split_template(template, system, user)
    ids = await asyncio.gather(*(engine.tokenize(t, parse_special=is_template) for t, is_template in pieces))
    return Prompt("".join(text for text, _ in pieces), sum(ids, ()))


async def bind_markers(engine: Engine, profile: Profile) -> Markers:
    """The profile's delimiters as token ids of this engine; raises EngineError."""
    thinking, answer = profile.thinking, profile.answer
    texts = [
        thinking.opening,
        thinking.wait,
        " " + thinking.wait,
        thinking.natural_close,
        thinking.overrun_close,
        answer.option_prefix,
        "\n" if thinking.closes_on_new_line else "",
    ]
    opening, wait, spaced_wait, natural, overrun, option_prefix, line_break = await asyncio.gather(
        *(_marker(engine, text) for text in texts)
    )
    stops = await asyncio.gather(*(_marker(engine, text) for text in thinking.stop_tokens))
    answer_stops = await asyncio.gather(*(_marker(engine, text) for text in answer.stop_tokens))
    return Markers(
        opening=opening,
        wait=wait,
        spaced_wait=spaced_wait,
        natural_close=natural,
        overrun_close=overrun,
        stop_token_ids=tuple(m.token_ids[0] for m in stops if len(m.token_ids) == 1),
        stop_texts=(*thinking.stop_texts, *(m.text for m in stops if len(m.token_ids) != 1)),
        stop_token_texts=tuple(m.text for m in stops if len(m.token_ids) == 1),
        answer_stop_token_ids=tuple(m.token_ids[0] for m in answer_stops if len(m.token_ids) == 1),
        option_prefix=option_prefix,
        line_break=line_break,
        forcing=thinking.forcing,
    )


async def _marker(engine: Engine, text: str) -> Marker:
    return Marker(text, await engine.tokenize(text, parse_special=True) if text else ())


async def _template(engine: Engine, chat: ChatSection, *, has_system: bool) -> str:
    if chat.source == "profile":
        template = chat.template if has_system else chat.template_without_system
        return template.replace("{system}", SYSTEM).replace("{user}", USER)
    messages = [ChatMessage("user", USER)]
    if has_system:
        messages.insert(0, ChatMessage("system", SYSTEM))
    return await engine.apply_chat_template(messages)


def _split_template(template: str, system: str, user: str) -> list[tuple[str, bool]]:
    """Pieces of (text, whether it belongs to the template): user input is kept separate."""
    if template.count(USER) != 1:
        raise BadEngineResponse(
            "The model's chat template does not contain the question exactly once; "
            "choose a profile that has its own template."
        )
    pieces: list[tuple[str, bool]] = []
    before, after = template.split(USER)
    if SYSTEM in before:
        head, before = before.split(SYSTEM, 1)
        pieces += [(head, True), (system, False)]
    pieces += [(before, True), (user, False), (after, True)]
    return [(text, is_template) for text, is_template in pieces if text]
