"""Fine-tuning: planned with an estimate, launched as a job, run there, and monitored."""

import asyncio
import hashlib
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from m1app.access.person import Permission, needs
from m1app.errors import AppError
from m1app.jobs.code_version import git_commit
from m1app.jobs.files import JobFiles
from m1app.jobs.queue import JobQueue
from m1app.question_sets.hub import HUB_PLACE
from m1app.settings import Settings
from m1app.training.accuracy.cost import accuracy_notes
from m1app.training.accuracy.lora_serving import check_server
from m1app.training.accuracy.measuring import AccuracyMeasuring
from m1app.training.accuracy.questions import AccuracyQuestions, check_context, check_unlearned
from m1app.training.base_model import BaseModel, find_base
from m1app.training.curation import CurationPlan
from m1app.training.curation_steps import StepReport
from m1app.training.data_building import TrainingDataService
from m1app.training.data_card import held_words
from m1app.training.data_sets import parse_reference
from m1app.training.environment import environment_state, install
from m1app.training.errors import DataSetNotFound, RecipeRefused, TrainingError
from m1app.training.estimate import estimate_training
from m1app.training.events import last_ending, read_events
from m1app.training.exported_template import exported_template, stop_tokens
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.machine import devices_for, examine_machine
from m1app.training.plan import FineTuningPlan, hub_access, notes_on
from m1app.training.preferences.pairs import PreferencePair
from m1app.training.preview import choose_samples, without_count
from m1app.training.process import run_training
from m1app.training.recipe import Objective, TrainingRecipe
from m1app.training.recipe_check import check_before_data, check_with_data
from m1app.training.rendering import RenderedSample
from m1app.training.sample_files import read_sample_file
from m1app.training.samples import TrainingSample
from m1app.training.training_rows import SplitRows, choose_profile, end_of_turn_of, row_of, split_rows, with_template
from m1app.training.tuned_models import TunedModels
from models.profiles import Profiles
from models.profiles.chat_template import pieces_of
from models.weights.catalog import Catalog
from models.weights.download import download
from storage.errors import not_found
from storage.jobs.records import Job, JobKind, JobProgress, NewJob, Resource

_OF_A_FILE = CurationPlan()
"""A file is curated as `dataset build` curates it without options."""
_HUB_PAGE = re.compile(r"https://huggingface\.co/([\w.-]+/[\w.-]+)/?")
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


class FineTuningService:
    """Fine-tunes models."""

    def __init__(
        self,
        settings: Settings,
        profiles: Profiles,
        jobs: JobQueue,
        data: TrainingDataService,
        questions: AccuracyQuestions,
    ) -> None:
        self._settings = settings
        self._questions = questions
        self._profiles = profiles
        self._jobs = jobs
        self._data = data
        self._files = JobFiles(settings.jobs_directory)
        self._tuned = TunedModels(settings)

    @needs(Permission.MANAGE)
    async def plan(self, recipe: TrainingRecipe) -> FineTuningPlan:
        """Check a recipe against data, base and machine, and estimate its cost; downloads no weights.

        Raises:
            RecipeRefused: a field cannot be satisfied here; `field` names it.
            TrainingError: the data cannot be used.
            UnknownProfile: the recipe names a profile that does not exist.
        """
        plan, _ = await self._prepare(recipe)
        return plan

    @needs(Permission.MANAGE)
    async def launch(self, recipe: TrainingRecipe, priority: int = 0, executor: str = "local") -> Job:
        """Run the recipe as a job if it passes `plan`; raises like `plan`, and JobRefused."""
        if recipe.gpus_per_node and executor != "ray":
            raise RecipeRefused(
                "gpus_per_node",
                "Cluster GPUs are reserved through Ray: choose the executor ray (M1_RAY_ADDRESS is the cluster's "
                "address), or "
                "leave out nodes and gpus_per_node to train on all GPUs of this machine.",
            )
        # Another machine is checked where the job runs.
        plan, _ = await self._prepare(recipe, is_here=executor == "local")
        return await self._jobs.submit(
            NewJob(
                kind=JobKind.FINE_TUNING,
                name=recipe.name or f"{plan.base.id} on {plan.data}",
                recipe=_in_full(recipe, plan).model_dump(mode="json"),
                # A job spread over a cluster reserves its GPUs itself.
                resource=Resource.GPU if recipe.precision == "bf16" and not recipe.gpus_per_node else Resource.CPU,
                priority=priority,
                executor=executor,
            )
        )

    @needs(Permission.MANAGE)
    async def run(
        self,
        job: Job,
        artifacts: Path,
        report: Callable[[JobProgress], None],
        is_stopping: asyncio.Event,
    ) -> bool:
        """Run or resume a job: install, prepare, train, publish. Completed steps are not repeated.

        Returns:
            True if the new model is in the catalog; False if it was stopped.

        Raises:
            AppError: it failed; the message says why and what to do.
            ModelsError: the base model's weights could not be downloaded.
        """
        try:
            async with AsyncExitStack() as after_failure:
                after_failure.push_async_callback(asyncio.to_thread, self._tuned.release, job.id)
                is_finished = await self._advance(job, TrainingFolder(artifacts), report, is_stopping)
                # A stopped job keeps its model's name.
                after_failure.pop_all()
        except TrainingError as exc:
            raise AppError(str(exc)) from exc
        return is_finished

    async def _advance(
        self, job: Job, folder: TrainingFolder, report: Callable[[JobProgress], None], is_stopping: asyncio.Event
    ) -> bool:
        report(JobProgress(message=await asyncio.to_thread(self.environment_state)))
        if not await install(self._settings, is_stopping):
            return False
        if folder.run_file.is_file():
            await asyncio.to_thread(self._tuned.settle, folder, job.id)
        else:
            report(JobProgress(message="Preparing the data."))
            await self._write(TrainingRecipe.parse(dict(job.recipe)), folder, job.id)
        if not await self._train(folder, report, is_stopping):
            return False
        await asyncio.to_thread(self._publish, folder, job.id)
        return True

    async def _train(
        self, folder: TrainingFolder, report: Callable[[JobProgress], None], is_stopping: asyncio.Event
    ) -> bool:
        """Train, with the accuracy of checkpoints measured beside it; False if it was stopped."""
        accuracy = AccuracyMeasuring(folder, self._settings, self._profiles)
        async with accuracy.beside(is_stopping):
            # Twice if the accuracies decide which checkpoint is exported.
            while not await asyncio.to_thread(_is_trained, folder):
                if not await run_training(folder, self._settings, report, is_stopping):
                    return False
                if not await accuracy.settle(report, is_stopping):
                    return False
            return await accuracy.settle(report, is_stopping)

    @needs(Permission.MANAGE)
    def environment_state(self) -> str:
        """Whether the training environment is installed; if not, what the first fine-tuning will install."""
        return environment_state(self._settings)

    @needs(Permission.MANAGE)
    def read_progress(self, job_id: str) -> list[dict[str, Any]]:
        """Return the events of a job's training so far, every step once; see `m1app.training.events`.

        Raises:
            RecordNotFound: the job id is invalid.
        """
        return list(read_events(self._folder(job_id).progress_file))

    @needs(Permission.MANAGE)
    def result(self, job_id: str) -> tuple[TrainingRun, Path] | None:
        """Return what was decided for a finished job, and the new model's folder; None before it is finished."""
        folder = self._folder(job_id)
        if not folder.run_file.is_file():
            return None
        run = folder.run()
        place = self._tuned.find(run.model_id, job_id)
        return (run, place) if place else None

    def _folder(self, job_id: str) -> TrainingFolder:
        try:
            return TrainingFolder(self._files.artifacts_folder(job_id))
        except ValueError as exc:
            raise not_found("job", job_id) from exc

    async def _prepare(self, recipe: TrainingRecipe, *, is_here: bool = True) -> tuple[FineTuningPlan, SplitRows]:
        """Return the plan and its rows; this machine's resources only count if it trains here."""
        base = await asyncio.to_thread(self._base, recipe)
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
        plan = FineTuningPlan(
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
            environment=await asyncio.to_thread(self.environment_state),
            asked=asked,
            accuracy_notes=told,
            notes=notes_on(recipe, machine, rows, accuracy=told),
        )
        return plan, rows

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

    async def _write(self, recipe: TrainingRecipe, folder: TrainingFolder, job_id: str) -> None:
        """Download the base if that is up to the app, check everything on the training machine, write the folder."""
        base = await asyncio.to_thread(self._base, recipe)
        if base.entry is not None and base.kind == "gguf":
            await asyncio.to_thread(
                download,
                base.entry,
                self._settings.models_directory,
                hub_url=self._settings.hub_url,
                hub_token=self._settings.hub_token.get_secret_value(),
            )
        plan, rows = await self._prepare(recipe)
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

    def _catalog(self) -> Catalog:
        """Reload the catalog each time: a model tuned meanwhile may be the next base."""
        return Catalog.load(extra=self._settings.home / "catalog.toml")

    def _base(self, recipe: TrainingRecipe) -> BaseModel:
        return find_base(recipe.base, self._catalog(), self._settings.models_directory)

    def _sample_prompt(self, plan: FineTuningPlan, usual: RenderedSample) -> str:
        """The prompt up to the start of thinking, as the app asks."""
        rendered = usual
        if plan.recipe.sample_question:
            sample = TrainingSample(plan.recipe.sample_question, {}, None, "-", "-")
            everything = plan.recipe.model_copy(update={"evaluation_share": 0.0, "evaluation_data": ""})
            rendered = split_rows([sample], everything, plan.base, self._profiles.get(plan.profile)).train[0]
        return rendered.prompt + "".join(text for kind, text in rendered.parts if kind == "open")

    def _publish(self, folder: TrainingFolder, job_id: str) -> None:
        base = self._base(folder.recipe())
        place = self._tuned.publish(folder, base, job_id)
        folder.remove_checkpoints()
        if not (place / "model").is_dir():
            raise AppError(f"The finished model is missing in {place}; start the fine-tuning again.")


def _origin(base: BaseModel) -> dict[str, Any]:
    """What the card says of the base: its repository on the hub, and its licence."""
    entry = base.entry
    if entry is None:
        return {}
    page = _HUB_PAGE.fullmatch(entry.licence_url)
    repo = entry.hub_repo or (page[1] if page else "")
    return {"base_repo": repo, "licence": entry.licence, "licence_url": entry.licence_url}


def _in_full(recipe: TrainingRecipe, plan: FineTuningPlan) -> TrainingRecipe:
    """Return the recipe with absolute paths: the job's worker runs in another folder."""
    base = plan.base.location if plan.base.entry is None else recipe.base
    path = Path(recipe.data)
    is_file = plan.data == path.name and path.is_file()
    changes = {"base": base, "data": str(path.absolute()) if is_file else recipe.data}
    evaluation = Path(recipe.evaluation_data)
    if recipe.evaluation_data and evaluation.is_file():
        changes["evaluation_data"] = str(evaluation.absolute())
    return recipe.model_copy(update=changes)


def _is_trained(folder: TrainingFolder) -> bool:
    """Whether only publishing remains, or even that was done before the worker was killed."""
    ending = last_ending(read_events(folder.progress_file))
    return ending is not None and ending["event"] == "finished"
