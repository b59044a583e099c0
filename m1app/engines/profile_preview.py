"""What a profile sends for a sample question: as tokens of a running model, or as text."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from m1app.question.wording import render_question
from models.engine.protocol import Engine, TokenIds
from models.profiles import Profile
from models.profiles.proposal import DELIMITER
from models.thinking.prompting import build_prompt

_STEM = "Which vitamin's lack causes scurvy?"
_OPTIONS = {"A": "Vitamin A", "B": "Vitamin C", "C": "Vitamin D", "D": "Vitamin K"}
_MOST_TOKENS = 600


@dataclass(frozen=True, slots=True)
class ShownToken:
    """One token of a preview."""

    id: int
    text: str
    is_special: bool
    """Whether it is a delimiter of the vocabulary, such as <|im_end|>."""


@dataclass(frozen=True, slots=True)
class PreviewPart:
    """A text that a profile sends."""

    title: str
    text: str
    tokens: Sequence[ShownToken]
    """Empty where no engine runs the model."""


@dataclass(frozen=True, slots=True)
class ProfilePreview:
    """What a profile sends for a sample question."""

    parts: Sequence[PreviewPart]
    notes: Sequence[str]


async def preview_profile(profile: Profile, engine: Engine | None) -> ProfilePreview:
    """Show a profile's texts.

    Args:
        profile: the profile.
        engine: runs the model whose tokens to show; None shows none.

    Raises:
        EngineError: the engine does not answer.
    """
    thinking = profile.thinking
    closes = {"After the model's own end": thinking.natural_close, "At the budget": thinking.overrun_close}
    user = render_question(profile.prompt, _STEM, _OPTIONS)
    if engine is None:
        parts = [PreviewPart(title, text, ()) for title, text in closes.items()]
        begins = PreviewPart("Prompt and opening", _prompt_text(profile, user) + thinking.opening, ())
        note = "No engine runs a model with this vocabulary: the text is shown without its tokens."
        return ProfilePreview([begins, *parts], [note])
    prompt = await build_prompt(engine, profile, profile.chat.default_system, user)
    ids = prompt.token_ids + await engine.tokenize(thinking.opening, parse_special=True)
    begins = PreviewPart("Prompt and opening", prompt.text + thinking.opening, await _shown(engine, ids))
    parts = [
        PreviewPart(title, text, await _shown(engine, await engine.tokenize(text, parse_special=True)))
        for title, text in closes.items()
    ]
    return ProfilePreview([begins, *parts], await _notes_on_tokens(engine, profile))


def _prompt_text(profile: Profile, user: str) -> str:
    chat = profile.chat
    if chat.source == "engine":
        return f"(the model's own template)\n{user}\n"
    template = chat.template if chat.default_system else chat.template_without_system
    head, _, tail = template.partition("{user}")
    return head.replace("{system}", chat.default_system) + user + tail


async def _shown(engine: Engine, ids: TokenIds) -> list[ShownToken]:
    kept = ids[:_MOST_TOKENS]
    distinct = sorted(set(kept))
    texts = dict(zip(distinct, await asyncio.gather(*(engine.detokenize([each]) for each in distinct)), strict=True))
    return [ShownToken(each, texts[each], bool(DELIMITER.fullmatch(texts[each]))) for each in kept]


async def _notes_on_tokens(engine: Engine, profile: Profile) -> list[str]:
    """Delimiters that the vocabulary splits, and what becomes of them."""
    thinking, answer = profile.thinking, profile.answer
    texts = (thinking.opening, thinking.natural_close, thinking.overrun_close)
    sent = [spelled for text in texts for spelled in DELIMITER.findall(text)]
    notes = []
    for spelled in dict.fromkeys((*thinking.stop_tokens, *answer.stop_tokens, *sent)):
        tokens = len(await engine.tokenize(spelled, parse_special=True))
        if tokens == 1:
            continue
        if spelled in thinking.stop_tokens:
            meant = "It is matched as text."
        else:
            meant = "It ends no answer." if spelled in answer.stop_tokens else "It is sent as text."
        notes.append(f"{spelled} is {tokens} tokens of this model, not one. {meant}")
    return notes
