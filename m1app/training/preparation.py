"""Prepares a training where it runs: downloads its base, decides what its plan leaves open, writes its folder."""

import asyncio
import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from m1app.jobs.code_version import git_commit
from m1app.question_sets.hub import HUB_PLACE
from m1app.settings import Settings
from m1app.training.base_model import BaseModel
from m1app.training.data_building import TrainingDataService
from m1app.training.errors import TrainingError
from m1app.training.exported_template import exported_template, stop_tokens
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.machine import devices_for
from m1app.training.plan import FineTuningPlan
from m1app.training.planning import FineTuningPlanner
from m1app.training.recipe import TrainingRecipe
from m1app.training.rendering import RenderedSample
from m1app.training.samples import TrainingSample
from m1app.training.training_rows import end_of_turn_of, row_of, split_rows
from m1app.training.tuned_models import TunedModels
from models.profiles import Profiles
from models.profiles.chat_template import pieces_of
from models.weights.download import download

_HUB_PAGE = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/?")


class Preparation:
    """Writes folders of trainings."""

    def __init__(
        self,
        settings: Settings,
        profiles: Profiles,
        planner: FineTuningPlanner,
        data: TrainingDataService,
        tuned: TunedModels,
    ) -> None:
        """Args:
        settings: the app's settings.
        profiles: the models' thinking formats.
        planner: checks everything again, on this machine.
        data: knows the sources of data sets.
        tuned: reserves the new model's name.
        """
        self._settings = settings
        self._profiles = profiles
        self._planner = planner
        self._data = data
        self._tuned = tuned

    async def write(self, recipe: TrainingRecipe, folder: TrainingFolder, job_id: str) -> None:
        """Download the base if that is up to the app, check everything on the training machine, write the folder."""
        base = await asyncio.to_thread(self._planner.base, recipe)
        if base.entry is not None and base.kind == "gguf":
            await asyncio.to_thread(
                download,
                base.entry,
                self._settings.models_directory,
                hub_url=self._settings.hub_url,
                hub_token=self._settings.hub_token.get_secret_value(),
            )
        plan = await self._planner.plan(recipe)
        rows = plan.rows
        shown = rows.evaluation[:1] or rows.train[:1]
        run = TrainingRun(
            model_id=await asyncio.to_thread(
                self._tuned.reserve, recipe.name or f"{plan.base.id}-{recipe.preset}", job_id
            ),
            base_id=plan.base.id,
            base_kind=plan.base.kind,
            base_location=plan.base.location,
            base_revision=plan.base.revision,
            **_origin(plan.base),
            profile=plan.profile,
            data=plan.data,
            data_sha256=plan.data_sha256,
            data_repos=await asyncio.to_thread(self._data_repos, plan.data),
            git_commit=await asyncio.to_thread(git_commit),
            **self._as_rendered(plan),
            sample_prompt=self._sample_prompt(plan, shown[0]),
            context_length=plan.base.context_length,
            threads=recipe.threads or max(1, plan.machine.cores // 2),
            devices=recipe.gpus_per_node or devices_for(recipe, plan.machine),
            nodes=recipe.nodes if recipe.gpus_per_node else 0,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        train, evaluation = (
            [row_of(each, recipe.objective) for each in found] for found in (rows.train, rows.evaluation)
        )
        await asyncio.to_thread(folder.write, recipe, run, train, evaluation, map(asdict, plan.asked))

    def _data_repos(self, reference: str) -> tuple[str, ...]:
        """Data sets of the hub among the sources of a stored data set."""
        try:
            sources = self._data.card(reference).sources
        except TrainingError:  # A file.
            return ()
        found = (each.name.removeprefix(HUB_PLACE).split()[0] for each in sources if each.name.startswith(HUB_PLACE))
        return tuple(dict.fromkeys(found))

    def _as_rendered(self, plan: FineTuningPlan) -> dict[str, Any]:
        """What the new model's files say of how it is asked: as its samples were rendered."""
        profile = self._profiles.get(plan.profile)
        end = end_of_turn_of(profile, plan.base)
        own = profile.own_data if plan.recipe.rendering == "own-data" else None
        template = exported_template(profile, plan.base.chat_template, end)
        messages = [{"role": "user", "content": (own or profile.prompt).with_options}]
        return {
            "chat_template": template,
            "stop_tokens": stop_tokens(profile, end),
            "asked_as": "".join(pieces_of(template, messages, plan.base.special_tokens)),
        }

    def _sample_prompt(self, plan: FineTuningPlan, usual: RenderedSample) -> str:
        """The prompt up to the start of thinking, as the app asks."""
        rendered = usual
        if plan.recipe.sample_question:
            sample = TrainingSample(plan.recipe.sample_question, {}, None, "-", "-")
            everything = plan.recipe.model_copy(update={"evaluation_share": 0.0, "evaluation_data": ""})
            rendered = split_rows([sample], everything, plan.base, self._profiles.get(plan.profile)).train[0]
        return rendered.prompt + "".join(text for kind, text in rendered.parts if kind == "open")


def _origin(base: BaseModel) -> dict[str, Any]:
    """What the card says of the base: its repository on the hub, and its licence."""
    entry = base.entry
    if entry is None:
        return {}
    page = _HUB_PAGE.fullmatch(entry.licence_url)
    repo = entry.hub_repo or (page[1] if page else "")
    return {"base_repo": repo, "licence": entry.licence, "licence_url": entry.licence_url}
