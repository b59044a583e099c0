"""Samples as rows to train on: rendered as the app will ask, split by a seed, addressed as the base model wants it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import jinja2.sandbox

from m1app.training.base_model import BaseModel
from m1app.training.curation_steps import StepReport
from m1app.training.recipe import TrainingRecipe
from m1app.training.rendering import (
    ApplyChatTemplate,
    Messages,
    RenderedSample,
    closes_thinking_itself,
    end_of_turn,
    render_all,
)
from m1app.training.samples import TrainingSample
from models.profiles import Profile, Profiles

_CHATML = "<|im_start|>"
_CHARACTERS_PER_TOKEN = 3.0
"""English has four and more; numbers and other languages fewer. Only estimates use it."""


@dataclass(frozen=True, slots=True)
class SplitRows:
    """Rendered samples, dealt out."""

    train: tuple[RenderedSample, ...]
    evaluation: tuple[RenderedSample, ...]
    """Held out; never learnt from."""
    reports: tuple[StepReport, ...]
    """What was left out when rendering."""

    @property
    def longest_tokens(self) -> int:
        """Estimated tokens of the longest one."""
        return max((estimated_tokens(each) for each in (*self.train, *self.evaluation)), default=0)


def choose_profile(recipe: TrainingRecipe, base: BaseModel, profiles: Profiles) -> Profile:
    """The profile that the new model will think by.

    The recipe's; else the base's own where that marks the end of thinking by a token; else m1's for a model that knows
    ChatML, as m1's own base did; else the base's. Raises UnknownProfile.
    """
    if recipe.profile:
        return profiles.get(recipe.profile)
    own = profiles.get(base.entry.profile) if base.entry else profiles.match(base.id, base.location).profile
    if closes_thinking_itself(own):
        return own
    return profiles.get("m1") if _CHATML in (own.chat.template or base.chat_template) else own


def split_rows(
    samples: Sequence[TrainingSample], recipe: TrainingRecipe, base: BaseModel, profile: Profile
) -> SplitRows:
    """Render the samples and hold some out, always the same ones for a seed.

    Whether a sample is too long is counted where the tokenizer is, in the process that trains.

    Raises:
        NoChatTemplate: the profile leaves the prompt to the base, which has no template.
    """
    rendered = render_all(
        samples,
        profile,
        profile.prompt,
        template_of(base),
        _end_of_turn(profile, base),
        max_tokens=recipe.block_size,
        count_tokens=lambda _: 0,
    )
    order = list(range(len(rendered.samples)))
    random.Random(recipe.seed).shuffle(order)
    held_out = set(order[: _held_out(recipe, len(order))])
    return SplitRows(
        train=tuple(each for index, each in enumerate(rendered.samples) if index not in held_out),
        evaluation=tuple(each for index, each in enumerate(rendered.samples) if index in held_out),
        reports=rendered.reports,
    )


def row_of(sample: RenderedSample) -> dict[str, Any]:
    """The sample as a line of train.jsonl."""
    return {"prompt": sample.prompt, "completion": sample.completion, "parts": [list(part) for part in sample.parts]}


def estimated_tokens(sample: RenderedSample) -> int:
    """Tokens of prompt and completion, on the high side."""
    return round((len(sample.prompt) + len(sample.completion)) / _CHARACTERS_PER_TOKEN)


def template_of(base: BaseModel) -> ApplyChatTemplate:
    """The base model's own chat template; what it gives raises ValueError where there is none."""

    def apply(messages: Messages) -> str:
        if not base.chat_template:
            raise ValueError(f"{base.id} brings none")
        # As transformers has it: a template is foreign code, and blocks leave no line breaks behind.
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = _refuse
        try:
            template = environment.from_string(base.chat_template)
            return template.render(messages=messages, add_generation_prompt=True, bos_token="", eos_token="")
        except jinja2.TemplateError as exc:
            raise ValueError(str(exc)) from exc

    return apply


def _refuse(message: str) -> None:
    raise jinja2.TemplateError(message)


def _end_of_turn(profile: Profile, base: BaseModel) -> str:
    """The first of the profile's stop tokens that the base's own template uses, where that template is used."""
    if profile.chat.source == "profile":
        return end_of_turn(profile)
    used = (token for token in profile.answer.stop_tokens if token in base.chat_template)
    return next(used, end_of_turn(profile))


def _held_out(recipe: TrainingRecipe, samples: int) -> int:
    return max(1, round(recipe.evaluation_share * samples)) if recipe.evaluation_share and samples > 1 else 0
