"""Plans a fine-tuning: checks a recipe against its data, its base and the machine, and estimates what it takes."""

import asyncio
import hashlib
from dataclasses import dataclass
from pathlib import Path

from m1app.settings import Settings
from m1app.training.accuracy.cost import accuracy_notes
from m1app.training.accuracy.lora_serving import check_server
from m1app.training.accuracy.questions import AccuracyQuestions, check_context, check_unlearned
from m1app.training.base_model import BaseModel, find_base
from m1app.training.curation import CurationPlan
from m1app.training.curation_steps import StepReport
from m1app.training.data_building import TrainingDataService
from m1app.training.data_card import held_words
from m1app.training.data_sets import parse_reference
from m1app.training.environment import environment_state
from m1app.training.errors import DataSetNotFound, RecipeRefused
from m1app.training.estimate import estimate_training
from m1app.training.machine import devices_for, examine_machine
from m1app.training.plan import FineTuningPlan, hub_access, notes_on
from m1app.training.preferences.pairs import PreferencePair
from m1app.training.preview import choose_samples, without_count
from m1app.training.recipe import Objective, TrainingRecipe
from m1app.training.recipe_check import check_before_data, check_with_data
from m1app.training.sample_files import read_sample_file
from m1app.training.samples import TrainingSample
from m1app.training.training_rows import choose_profile, split_rows, with_template
from models.profiles import Profiles
from models.weights.catalog import Catalog

_OF_A_FILE = CurationPlan()
"""A file is curated as `dataset build` curates it without options."""
_PAIRS_WANTED = (
    "Objective dpo learns from preference pairs: build a data set of them above, or with `dataset build --pairs`."
)


@dataclass(frozen=True, slots=True)
class _Data:
    name: str
    sha256: str
    samples: tuple[TrainingSample, ...] | tuple[PreferencePair, ...]
    """Preference pairs for objective "dpo"."""
    reports: tuple[StepReport, ...] = ()

    @property
    def learned(self) -> list[TrainingSample]:
        """What is learned: of pairs, the better sides."""
        return [each.chosen_sample if isinstance(each, PreferencePair) else each for each in self.samples]


class FineTuningPlanner:
    """Makes plans; downloads no weights."""

    def __init__(
        self, settings: Settings, profiles: Profiles, data: TrainingDataService, questions: AccuracyQuestions
    ) -> None:
        """Args:
        settings: the app's settings.
        profiles: the models' thinking formats.
        data: has the data sets.
        questions: draws what checkpoints are asked.
        """
        self._settings = settings
        self._profiles = profiles
        self._data = data
        self._questions = questions

    async def plan(self, recipe: TrainingRecipe, *, is_here: bool = True) -> FineTuningPlan:
        """Raises as `FineTuningService.plan`; this machine's resources only count if it trains here."""
        base = await asyncio.to_thread(self.base, recipe)
        machine = await asyncio.to_thread(examine_machine, self._settings.home)
        trains_here = machine if is_here and not recipe.gpus_per_node else None
        check_before_data(recipe, base, trains_here)
        base = await asyncio.to_thread(with_template, recipe, base, self._profiles, hub_access(self._settings))
        profile = choose_profile(recipe, base, self._profiles)
        check_server(recipe, base, self._settings)
        check_context(recipe, min(self._settings.context_length, base.context_length))
        asked = await asyncio.to_thread(self._questions.draw, recipe)
        data = await self._read(recipe.data, recipe.objective)
        evaluation = await self._evaluation_data(recipe)
        await asyncio.to_thread(check_unlearned, asked, data.learned, recipe.accuracy_set)
        rows = await asyncio.to_thread(split_rows, data.samples, recipe, base, profile, evaluation)
        devices = devices_for(recipe, machine)
        estimate = estimate_training(recipe, base, len(rows.train), rows.longest_tokens, devices)
        check_with_data(recipe, rows, estimate, trains_here)
        told = accuracy_notes(recipe, len(asked), estimate.steps)
        return FineTuningPlan(
            recipe=recipe,
            base=base,
            profile=profile.id,
            data=data.name,
            data_sha256=data.sha256,
            train_samples=len(rows.train),
            evaluation_samples=len(rows.evaluation),
            rows=rows,
            preview=choose_samples(without_count(rows.all, recipe.block_size), len(rows.train)),
            reports=(*data.reports, *rows.reports),
            estimate=estimate,
            machine=machine,
            command_line=recipe.command_line(),
            environment=await asyncio.to_thread(environment_state, self._settings),
            asked=asked,
            accuracy_notes=told,
            notes=notes_on(recipe, machine, rows, accuracy=told),
        )

    def base(self, recipe: TrainingRecipe) -> BaseModel:
        """The model that training starts from; the catalog is read each time: a model tuned meanwhile may be it."""
        catalog = Catalog.load(extra=self._settings.home / "catalog.toml")
        return find_base(recipe.base, catalog, self._settings.models_directory)

    def in_full(self, recipe: TrainingRecipe, plan: FineTuningPlan) -> TrainingRecipe:
        """Return the recipe with absolute paths, since the job's worker runs in another folder, and with the versions
        that names of data sets mean now: there may be later ones when the job starts."""
        base = plan.base.location if plan.base.entry is None else recipe.base
        data = Path(recipe.data)
        is_file = plan.data == data.name and data.is_file()
        changes = {"base": base, "data": str(data.absolute()) if is_file else plan.data}
        if named := recipe.evaluation_data:
            path = Path(named)
            changes["evaluation_data"] = str(path.absolute()) if path.is_file() else self._data.get(named).id
        return recipe.model_copy(update=changes)

    async def _read(self, reference: str, objective: Objective) -> _Data:
        """Read a stored data set, else a file, curated like a data set.

        Raises:
            RecipeRefused: the data set does not hold what the objective learns from.
        """
        try:
            parse_reference(reference)
            found = await asyncio.to_thread(self._data.get, reference)
        except DataSetNotFound:
            path = Path(reference)
            if not await asyncio.to_thread(path.is_file):
                if path.name == reference and not path.suffix:
                    raise
                raise RecipeRefused("data", f"File {reference} not found. Check its name and folder.") from None
            if objective == "dpo":
                raise RecipeRefused("data", f"{path.name} is a file of samples. {_PAIRS_WANTED}") from None
            collected = await self._data.collect([path], _OF_A_FILE)
            digest = await asyncio.to_thread(lambda: hashlib.sha256(path.read_bytes()).hexdigest())
            return _Data(path.name, digest, tuple(collected.curated.samples), tuple(collected.curated.reports))
        if (found.kind == "pairs") != (objective == "dpo"):
            held = f"{found.id} holds {held_words(found.kind, found.samples)}."
            advice = _PAIRS_WANTED if objective == "dpo" else "Choose a data set of samples, or objective dpo."
            raise RecipeRefused("data", f"{held} {advice}")
        return _Data(found.id, found.sha256, await asyncio.to_thread(self._data.read, reference))

    async def _evaluation_data(self, recipe: TrainingRecipe) -> tuple[TrainingSample, ...] | tuple[PreferencePair, ...]:
        """The samples or pairs of the recipe's evaluation data: a data set's, or all of a file."""
        named = recipe.evaluation_data
        if not named:
            return ()
        path = Path(named)
        if await asyncio.to_thread(path.is_file) and recipe.objective == "sft":
            return (await read_sample_file(path)).samples
        try:
            return (await self._read(named, recipe.objective)).samples
        except RecipeRefused as exc:
            raise RecipeRefused("evaluation_data", f"evaluation_data: {exc}") from exc
        except DataSetNotFound as exc:
            raise RecipeRefused("evaluation_data", str(exc)) from exc
