"""Previews samples as they are trained on: rendered, counted, and which are too long for a block."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from m1app.errors import log_words
from m1app.training.errors import NoChatTemplate
from m1app.training.preferences.pairs import PreferencePair
from m1app.training.rendered_length import is_surely_longer
from m1app.training.rendering import (
    ApplyChatTemplate,
    Messages,
    RenderedSample,
    closes_thinking_itself,
    end_of_turn,
    holds_delimiter,
    render,
    render_pair,
    stand_in_messages,
)
from m1app.training.samples import TrainingSample
from models.engine.protocol import ChatMessage, Engine
from models.errors import ModelsError
from models.profiles import Profile

_log = logging.getLogger(__name__)

_SHOWN_SAMPLES = 3
"""Samples shown in a plan, besides one that is left out."""
_COUNT_SECONDS, _SHOW_SECONDS = 10.0, 5.0
"""How long users wait for token counts of all samples, and of the shown ones."""
_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class SampleTokens:
    """Tokens of one rendered sample, part by part, as training counts them."""

    prompt: int
    parts: tuple[int, ...]
    """Tokens of each part, in order."""

    @property
    def total(self) -> int:
        """Tokens of prompt and completion."""
        return self.prompt + sum(self.parts)


@dataclass(frozen=True, slots=True)
class PreviewedSample:
    """One sample as it is trained on."""

    rendered: RenderedSample
    tokens: SampleTokens | None
    """None if no engine has counted them."""
    note: str = ""
    """Why it is left out of training; empty if it is not."""


@dataclass(frozen=True, slots=True)
class Preview:
    """Rendered samples, and notes on the profile."""

    profile: str
    samples: tuple[PreviewedSample, ...]
    notes: tuple[str, ...]


async def preview_samples(
    samples: Sequence[TrainingSample | PreferencePair], profile: Profile, engine: Engine | None, max_tokens: int
) -> Preview:
    """Render the samples. Args and errors as in `TrainingDataService.preview`."""
    template = await _template(profile, engine)
    shown = [await _preview(sample, profile, template, engine, max_tokens) for sample in samples]
    notes = []
    if not closes_thinking_itself(profile):
        notes.append(
            f"Profile {profile.id} ends the thinking with words, not with a special token: the model will write "
            "them itself, and the app may write them again. Train with m1 or a think profile to avoid that."
        )
    return Preview(profile.id, tuple(shown), tuple(notes))


def choose_samples(samples: Sequence[PreviewedSample], learnt: int) -> tuple[PreviewedSample, ...]:
    """Choose the samples to show: some of the first `learnt`, the training samples, and one that is left out."""
    fitting = (each for each in samples[:learnt] if not each.note)
    left_out = (each for each in samples if each.note)
    return (*islice(fitting, _SHOWN_SAMPLES), *islice(left_out, 1))


def without_count(samples: Sequence[RenderedSample], block_size: int) -> list[PreviewedSample]:
    """Samples without token counts; those that cannot fit into a block are marked as left out."""
    return [
        PreviewedSample(each, None, _too_long(None, block_size) if is_surely_longer(each, block_size) else "")
        for each in samples
    ]


async def measure(engine: Engine, samples: Sequence[RenderedSample], block_size: int) -> list[PreviewedSample]:
    """Count the samples in order with `engine`, for up to ten seconds."""
    measured: list[PreviewedSample] = []
    try:
        async with asyncio.timeout(_COUNT_SECONDS):
            for start in range(0, len(samples), _AT_ONCE):
                batch = samples[start : start + _AT_ONCE]
                measured += await asyncio.gather(*(_measure_one(engine, each, block_size) for each in batch))
    except (TimeoutError, ModelsError) as exc:
        _log.info("%d of %d samples were counted: %s", len(measured), len(samples), log_words(exc) or "out of time")
    return measured


async def with_tokens(engine: Engine, shown: Sequence[PreviewedSample]) -> tuple[PreviewedSample, ...]:
    """Return the samples with their token counts, including those that `measure` skipped."""
    try:
        async with asyncio.timeout(_SHOW_SECONDS):
            tokens = await asyncio.gather(*(_count(engine, each.rendered) for each in shown))
    except (TimeoutError, ModelsError) as exc:
        _log.info("the samples of a plan were not counted: %s", log_words(exc) or "out of time")
        return tuple(shown)
    return tuple(replace(each, tokens=count) for each, count in zip(shown, tokens, strict=True))


async def _measure_one(engine: Engine, sample: RenderedSample, block_size: int) -> PreviewedSample:
    # A token has at least one byte, so most samples need no counting to fit into a long block.
    if all(len(each.prompt.encode()) + len(each.completion.encode()) <= block_size for each in sample.responses):
        return PreviewedSample(sample, None)
    tokens = await _count(engine, sample)
    return PreviewedSample(sample, tokens, await _note(engine, sample, tokens, block_size))


async def _note(engine: Engine, sample: RenderedSample, tokens: SampleTokens, block_size: int) -> str:
    """Why a sample, or either response of a pair, is longer than a block; empty if neither is."""
    note = _too_long(tokens, block_size)
    if note or sample.rejected is None:
        return note
    return _too_long(await _count(engine, sample.rejected), block_size)


async def _count(engine: Engine, sample: RenderedSample) -> SampleTokens:
    texts = (sample.prompt, *(text for _, text in sample.parts))
    prompt, *parts = await asyncio.gather(*(engine.tokenize(text, parse_special=True) for text in texts))
    return SampleTokens(len(prompt), tuple(map(len, parts)))


def _too_long(tokens: SampleTokens | None, block_size: int) -> str:
    """Note for a sample longer than a block; empty if it is not."""
    if tokens is None:
        return f"It has more than the {block_size:,} tokens of a block."
    too_many = block_size and tokens.total > block_size
    return f"It has {tokens.total:,} tokens, more than the {block_size:,} of a block." if too_many else ""


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
    sample: TrainingSample | PreferencePair,
    profile: Profile,
    template: ApplyChatTemplate,
    engine: Engine | None,
    max_tokens: int,
) -> PreviewedSample:
    end = end_of_turn(profile)
    rendered = (
        render_pair(sample, profile, "as-asked", template, end)
        if isinstance(sample, PreferencePair)
        else render(sample, profile, "as-asked", template, end)
    )
    note = "It contains a chat template token." if holds_delimiter(sample, profile) else ""
    if engine is None:
        return PreviewedSample(rendered, None, note)
    tokens = await _count(engine, rendered)
    return PreviewedSample(rendered, tokens, await _note(engine, rendered, tokens, max_tokens) or note)
