"""Training rows: rendered as the app will ask, split by a seed, in the base model's chat template."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from m1app.training.base_model import BaseModel, HubAccess, with_hub_template
from m1app.training.curation_steps import SHOWN_EXAMPLES, StepReport, shown
from m1app.training.errors import NoChatTemplate
from m1app.training.preferences.pairs import PreferencePair
from m1app.training.recipe import Objective, TrainingRecipe
from m1app.training.rendered_length import estimated_tokens
from m1app.training.rendering import (
    ApplyChatTemplate,
    Messages,
    RenderedSample,
    closes_thinking_itself,
    end_of_turn,
    render_all,
)
from m1app.training.samples import TrainingSample, question_hash
from models.profiles import Profile, Profiles
from models.profiles.chat_template import pieces_of

_CHATML = "<|im_start|>"


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
    samples: Sequence[TrainingSample | PreferencePair],
    recipe: TrainingRecipe,
    base: BaseModel,
    profile: Profile,
    evaluation: Sequence[TrainingSample | PreferencePair] = (),
) -> SplitRows:
    """Render the samples or pairs and hold some out, always the same ones for a given seed.

    The training process, which has the tokenizer, checks for samples that are too long. `evaluation` are samples of the
    recipe's evaluation data; those whose question is trained on are left out.

    Raises:
        NoChatTemplate: the profile leaves the prompt to the base, which has no template, or none here yet.
    """
    chosen = (profile, recipe.rendering, template_of(base), end_of_turn_of(profile, base))
    checkable: tuple[StepReport, ...] = ()
    if recipe.objective == "grpo":
        samples, report = _checkable(samples)
        checkable = (report,)
    rendered = render_all(samples, *chosen)
    reports = (*checkable, *rendered.reports)
    if recipe.evaluation_data:
        unseen, report = _unseen(samples, evaluation)
        apart = render_all(unseen, *chosen)
        return SplitRows(rendered.samples, apart.samples, (*reports, report, *apart.reports))
    held_out = _held_out(rendered.samples, recipe)
    return SplitRows(
        train=tuple(each for index, each in enumerate(rendered.samples) if index not in held_out),
        evaluation=tuple(each for index, each in enumerate(rendered.samples) if index in held_out),
        reports=reports,
    )


def row_of(sample: RenderedSample, objective: Objective = "sft") -> dict[str, Any]:
    """Return the sample as a row of train.jsonl.

    A preference pair has its other response as `rejected`. A question to be answered (GRPO) has the texts that
    `opens` and `closes` the thinking, and options and target to check answers against.
    """
    row = {"prompt": sample.prompt} | _response(sample)
    if objective == "grpo":
        parts = dict(sample.parts)
        asked = {"opens": parts.get("open", ""), "closes": parts.get("close", "")}
        return row | asked | {"options": dict(sample.options), "target": sample.target}
    return row | {"rejected": _response(sample.rejected)} if sample.rejected else row


def _response(sample: RenderedSample) -> dict[str, Any]:
    return {"completion": sample.completion, "parts": [list(part) for part in sample.parts]}


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


def end_of_turn_of(profile: Profile, base: BaseModel) -> str:
    """The token that ends the assistant's turn, spelled out.

    The profile's first stop token; where the base's own template is used, the first of them that it has.
    """
    if profile.chat.source == "profile":
        return end_of_turn(profile)
    template = base.chat_template
    named = base.special_tokens.get("eos_token", "") if "eos_token" in template else ""
    used = (token for token in profile.answer.stop_tokens if token in template or token == named)
    return next(used, end_of_turn(profile))


def _checkable(
    samples: Sequence[TrainingSample | PreferencePair],
) -> tuple[list[TrainingSample | PreferencePair], StepReport]:
    """The samples whose answers can be checked: GRPO's reward is the verdict on them."""
    kept = [each for each in samples if each.options and each.target]
    dropped = [shown(each.question) for each in samples if not (each.options and each.target)]
    title = f"{len(dropped):,} questions have no options or no target to check answers against"
    return kept, StepReport("reward", title, len(samples), len(kept), tuple(dropped[:SHOWN_EXAMPLES]))


def _unseen(
    samples: Sequence[TrainingSample | PreferencePair], evaluation: Sequence[TrainingSample | PreferencePair]
) -> tuple[list[TrainingSample | PreferencePair], StepReport]:
    """Evaluation samples without those whose question is trained on: their loss would show what was memorized."""
    learned = {question_hash(each.question, each.options) for each in samples}
    kept = [each for each in evaluation if question_hash(each.question, each.options) not in learned]
    seen = [shown(each.question) for each in evaluation if question_hash(each.question, each.options) in learned]
    title = f"{len(seen):,} questions of the evaluation data are trained on"
    return kept, StepReport("evaluation data", title, len(evaluation), len(kept), tuple(seen[:SHOWN_EXAMPLES]))


def _held_out(samples: Sequence[RenderedSample], recipe: TrainingRecipe) -> set[int]:
    """Places of the samples to hold out: whole questions, in the seed's order, until the recipe's share is reached.

    A question that is also trained on would show what was memorized. The question drawn last may exceed the share; one
    question alone is not held out.
    """
    order = list(range(len(samples)))
    random.Random(recipe.seed).shuffle(order)
    by_question: dict[str, list[int]] = {}
    for place in order:
        by_question.setdefault(samples[place].prompt, []).append(place)
    if not recipe.evaluation_share or len(by_question) < 2:
        return set()
    wanted = max(1, round(recipe.evaluation_share * len(samples)))
    held_out: set[int] = set()
    for places in list(by_question.values())[:-1]:
        if len(held_out) >= wanted:
            break
        held_out.update(places)
    return held_out
