"""Samples as they are trained on, for a person to look at: rendered, with tokens counted."""

from collections.abc import Sequence
from dataclasses import dataclass

from m1app.training.errors import NoChatTemplate
from m1app.training.rendering import (
    ApplyChatTemplate,
    Messages,
    RenderedSample,
    closes_thinking_itself,
    end_of_turn,
    holds_delimiter,
    render,
    stand_in_messages,
)
from m1app.training.samples import TrainingSample
from models.engine.protocol import ChatMessage, Engine
from models.profiles import Profile


@dataclass(frozen=True, slots=True)
class PreviewedSample:
    """One sample as it is trained on."""

    rendered: RenderedSample
    prompt_tokens: int | None
    """None where nobody counts."""
    part_tokens: tuple[int, ...]
    """Tokens of each of the rendered parts, in their order; empty where nobody counts."""
    note: str
    """Why it would be left out of a training; empty when it would not."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Rendered samples, and what to know of the profile."""

    profile: str
    samples: tuple[PreviewedSample, ...]
    notes: tuple[str, ...]


async def preview_samples(
    samples: Sequence[TrainingSample], profile: Profile, engine: Engine | None, max_tokens: int
) -> Preview:
    """Render the samples. Args and errors as `TrainingDataService.preview`."""
    template = await _template(profile, engine)
    shown = [await _preview(sample, profile, template, engine, max_tokens) for sample in samples]
    notes = []
    if not closes_thinking_itself(profile):
        notes.append(
            f"Profile {profile.id} ends the thinking with words, not with a special token: the model will write "
            "them itself, and the app may write them again. Train with m1 or a think profile to avoid that."
        )
    return Preview(profile.id, tuple(shown), tuple(notes))


async def _template(profile: Profile, engine: Engine | None) -> ApplyChatTemplate:
    if profile.chat.source == "profile":
        return _not_called
    if engine is None:
        raise NoChatTemplate(
            f"Profile {profile.id} uses the base model's chat template, but no engine serves it. Name "
            "a served model, or choose a profile with its own template, such as m1."
        )
    asked = stand_in_messages(profile)
    rendered = await engine.apply_chat_template([ChatMessage(each["role"], each["content"]) for each in asked])
    return lambda _: rendered


def _not_called(messages: Messages) -> str:
    raise ValueError(f"the profile has its own template for these {len(messages)} messages")


async def _preview(
    sample: TrainingSample, profile: Profile, template: ApplyChatTemplate, engine: Engine | None, max_tokens: int
) -> PreviewedSample:
    rendered = render(sample, profile, profile.prompt, template, end_of_turn(profile))
    note = "It contains a chat template token." if holds_delimiter(sample, profile) else ""
    if engine is None:
        return PreviewedSample(rendered, None, (), note)
    texts = (rendered.prompt, *(text for _, text in rendered.parts))
    prompt, *parts = [len(await engine.tokenize(text, parse_special=True)) for text in texts]
    if max_tokens and prompt + sum(parts) > max_tokens:
        note = f"It has {prompt + sum(parts):,} tokens, more than the {max_tokens:,} of a block."
    return PreviewedSample(rendered, prompt, tuple(parts), note)
