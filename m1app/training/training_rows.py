"""Training rows: rendered as the app will ask, split by a seed, in the base model's chat template."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from m1app.training.base_model import BaseModel, HubAccess, with_hub_template
from m1app.training.curation_steps import StepReport
from m1app.training.errors import NoChatTemplate
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
from models.profiles.chat_template import pieces_of

_CHATML = "<|im_start|>"
_CHARACTERS_PER_TOKEN = 3.0
"""Characters per token: English has four or more; numbers and other languages fewer. Only for estimates."""


@dataclass(frozen=True, slots=True)
class SplitRows:
    """Rendered samples, split."""

    train: tuple[RenderedSample, ...]
    evaluation: tuple[RenderedSample, ...]
    """Held out; never trained on."""
    reports: tuple[StepReport, ...]
    """What was left out when rendering."""

    @property
    def all(self) -> tuple[RenderedSample, ...]:
        """Training samples, then held-out ones."""
        return (*self.train, *self.evaluation)

    @property
    def longest_tokens(self) -> int:
        """Estimated tokens of the longest sample."""
        return max(map(estimated_tokens, self.all), default=0)


def choose_profile(recipe: TrainingRecipe, base: BaseModel, profiles: Profiles) -> Profile:
    """Choose the new model's profile.

    The recipe's; else the base's own if it marks the end of thinking with a token; else m1's for a model that knows
    ChatML, as m1's own base did; else the base's. Raises UnknownProfile.
    """
    if recipe.profile:
        return profiles.get(recipe.profile)
    own = _own_profile(base, profiles)
    if closes_thinking_itself(own):
        return own
    return profiles.get("m1") if _CHATML in (own.chat.template or base.chat_template) else own


def with_template(recipe: TrainingRecipe, base: BaseModel, profiles: Profiles, hub: HubAccess) -> BaseModel:
    """Return the base with its chat template, downloaded from the hub if a profile leaves the prompt to it. Blocks.

    Raises UnknownProfile; an unavailable template is not an error here, since another profile may be chosen.
    """
    profile = profiles.get(recipe.profile) if recipe.profile else _own_profile(base, profiles)
    return with_hub_template(base, hub) if profile.chat.source == "engine" else base


def split_rows(
    samples: Sequence[TrainingSample], recipe: TrainingRecipe, base: BaseModel, profile: Profile
) -> SplitRows:
    """Render the samples and hold some out, always the same ones for a given seed.

    The training process, which has the tokenizer, checks for samples that are too long.

    Raises:
        NoChatTemplate: the profile leaves the prompt to the base, which has no template, or none here yet.
    """
    rendered = render_all(
        samples,
        profile,
        recipe.rendering,
        template_of(base),
        _end_of_turn(profile, base),
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
    """Return the sample as a row of train.jsonl."""
    return {"prompt": sample.prompt, "completion": sample.completion, "parts": [list(part) for part in sample.parts]}


def estimated_tokens(sample: RenderedSample) -> int:
    """Estimated tokens of prompt and completion, on the high side."""
    return round((len(sample.prompt) + len(sample.completion)) / _CHARACTERS_PER_TOKEN)


def template_of(base: BaseModel) -> ApplyChatTemplate:
    """Return a renderer of the base model's own chat template that works like transformers.

    It raises ValueError if the template is missing or broken, and NoChatTemplate if that is unknown because the model
    is not on this machine.
    """

    def apply(messages: Messages) -> str:
        if not base.chat_template:
            raise _template_missing(base)
        return "".join(pieces_of(base.chat_template, messages, base.special_tokens))

    return apply


def _template_missing(base: BaseModel) -> Exception:
    if not base.template_missing:
        return ValueError(f"{base.id} has none")
    return NoChatTemplate(
        f"The chat template of {base.id} is not available yet: {base.template_missing} Or choose a profile with its "
        "own template (profile=m1), or name a folder on this machine with the complete model."
    )


def _own_profile(base: BaseModel, profiles: Profiles) -> Profile:
    return profiles.get(base.entry.profile) if base.entry else profiles.match(base.id, base.location).profile


def _end_of_turn(profile: Profile, base: BaseModel) -> str:
    """The first of the profile's stop tokens in the base's own template, if that template is used."""
    if profile.chat.source == "profile":
        return end_of_turn(profile)
    template = base.chat_template
    named = base.special_tokens.get("eos_token", "") if "eos_token" in template else ""
    used = (token for token in profile.answer.stop_tokens if token in template or token == named)
    return next(used, end_of_turn(profile))


def _held_out(recipe: TrainingRecipe, samples: int) -> int:
    return max(1, round(recipe.evaluation_share * samples)) if recipe.evaluation_share and samples > 1 else 0
