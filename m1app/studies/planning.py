"""Plans a study: finds its sets and models, estimates its cost, and plans its benchmark runs."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m1app.benchmark.service import BenchmarkService
from m1app.engines.service import EngineService
from m1app.errors import AppError
from m1app.question_sets.service import QuestionSetService
from m1app.studies.checking import Resolved, resolve
from m1app.studies.errors import StudyRefused
from m1app.studies.estimate import CostPart, StudyEstimate, summed, tokens_of_questions
from m1app.studies.library import StudyFile
from m1app.studies.set_facts import set_facts
from m1app.studies.start_facts import OverlapFacts, StartFacts
from m1app.studies.study_file import Study, StudyRun
from m1app.wording import counted
from models.errors import ModelsError
from storage.benchmarks.repository import BenchmarkRepository
from storage.database import Database, Session
from storage.question_sets.records import QuestionSet

_TAG = "study"


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRequest:
    """A study to start, and what is to play its parts."""

    file: StudyFile
    name: str = ""
    """Of the started study; empty takes the file's."""
    models: Mapping[str, str]
    """Role -> served model; roles that are not in it are proposed. Empty leaves an optional role out."""
    sets: Mapping[str, str]
    """The study's name of a set -> a set of this installation; others are found by their names."""
    allows_other_sizes: bool = False
    """Whether sets of another size than the official one may be asked."""
    limit: int | None = None
    """Most questions per set, in place of the file's; None keeps that."""
    training_file: Path | None = None
    """Fine-tuning data that the sets are compared with."""

    @property
    def study(self) -> Study:
        """The file's study with the limit; raises StudyRefused for a file that cannot be used."""
        if self.file.study is None:
            raise StudyRefused("name", self.file.problem)
        return self.file.study.limited(self.limit)


@dataclass(frozen=True, slots=True)
class PlannedStudy:
    """A study whose benchmark runs are planned."""

    models: Mapping[str, str]
    """Role -> served model."""
    sets: Mapping[str, str]
    """The study's name of each set -> that of the set of this installation."""
    runs: Mapping[str, str]
    """Id of a run in the file -> id of its benchmark run."""
    facts: StartFacts


class StudyPlanner:
    """Finds, estimates and plans what a study names; asks nothing."""

    def __init__(
        self,
        database: Database,
        home: Path,
        benchmarks: BenchmarkService,
        question_sets: QuestionSetService,
        engines: EngineService,
    ) -> None:
        """Args:
        database: has the planned runs.
        home: M1_HOME.
        benchmarks: plans the runs.
        question_sets: has the sets.
        engines: serve the models.
        """
        self._database = database
        self._home = home
        self._benchmarks = benchmarks
        self._question_sets = question_sets
        self._engines = engines

    async def estimate(self, request: StudyRequest) -> StudyEstimate:
        """What a study may cost, whether or not it can be started yet."""
        study = request.study
        resolved = await self._resolve(request, await self._served())
        kept = {each.name: each for each in await self._question_sets.all()}
        parts = [
            await self._cost(study, run, name, role, resolved, kept)
            for run in study.runs
            for name in run.question_sets
            for role in run.models
            if role in resolved.models or not study.model_of(role).is_optional
        ]
        return summed(study, parts, resolved)

    async def plan(self, request: StudyRequest, name: str) -> PlannedStudy:
        """Plan a benchmark run for each run that has a model; raises as `StudyService.start`.

        Args:
            request: the study.
            name: of the started study.
        """
        study = request.study
        resolved = await self._resolve(request, await self._engines.models())
        if resolved.problems:
            raise StudyRefused(
                resolved.problems[0].field, "\n".join(each.text_with_command for each in resolved.problems)
            )
        if resolved.other_sizes and not request.allows_other_sizes:
            raise StudyRefused(
                "sets",
                "\n".join(resolved.other_sizes) + "\nImport the official set, or allow sets of another size: the study "
                "then names this as a difference.",
            )
        facts = await self._facts(study, resolved, request)
        runs: dict[str, str] = {}
        try:
            for run in study.runs:
                if any(role in resolved.models for role in run.models):
                    recipe = run.recipe(f"{name}: {run.id}", resolved.sets, resolved.models)
                    runs[run.id] = (await self._benchmarks.plan(recipe)).id
                    await self._benchmarks.set_tags(runs[run.id], [_TAG, name])
        except BaseException:
            # Nothing is left of a study of which a part is refused.
            await asyncio.shield(self.forget(runs.values()))
            raise
        return PlannedStudy(resolved.models, resolved.sets, runs, facts)

    async def import_sets(self, request: StudyRequest) -> Sequence[str]:
        """Import the missing sets of a study from where its file says; return notes of the imports.

        Raises:
            StudyRefused: nothing is missing, or the file does not say where a missing set is.
            InvalidQuestionSet: one cannot be imported.
        """
        study = request.study
        resolved = await self._resolve(request, None)
        missing = [each for each in study.question_sets if each.name not in resolved.sets]
        if not missing:
            raise StudyRefused("sets", "All sets of the study are here.")
        if unknown := [each.name for each in missing if not each.hub and not each.is_library]:
            raise StudyRefused(
                "sets", f"The file does not say where {', '.join(unknown)} can be found. Import it on the Admin page."
            )
        repositories = dict.fromkeys(each.hub for each in missing if each.hub and not each.is_library)
        reports = [await self._question_sets.import_library()] if any(each.is_library for each in missing) else []
        reports += [await self._question_sets.import_hub(repository) for repository in repositories]
        imported = [f"{each.name}: {counted(each.question_count, 'question')}" for one in reports for each in one.sets]
        return [*imported, *(note for each in reports for note in each.notes)]

    async def forget(self, benchmark_ids: Iterable[str]) -> None:
        """Remove planned runs that nothing was asked for."""
        ids = tuple(benchmark_ids)

        def forget(session: Session) -> None:
            for each in ids:
                BenchmarkRepository(session).forget(each)

        await self._database.write(forget)

    async def _served(self) -> Sequence[str] | None:
        try:
            return await self._engines.models()
        except ModelsError:
            return None

    async def _resolve(self, request: StudyRequest, served: Sequence[str] | None) -> Resolved:
        kept = await self._question_sets.all()
        return resolve(request.study, kept, served, request.sets, request.models)

    async def _cost(
        self,
        study: Study,
        run: StudyRun,
        name: str,
        role: str,
        resolved: Resolved,
        kept: Mapping[str, QuestionSet],
    ) -> CostPart:
        own, model = resolved.sets.get(name, ""), resolved.models.get(role, "")
        recipe = run.recipe("", {each: resolved.sets.get(each, each) for each in run.question_sets}, {role: model})
        recipe = recipe.model_copy(update={"question_sets": (own or name,), "models": (model,) if model else ()})
        if own in kept and model:
            found = await self._benchmarks.estimate(recipe)
            return CostPart(run.id, name, role, model, found.items, found.tokens_at_most, found.seconds_at_most)
        size = kept[own].question_count if own in kept else study.set_of(name).size
        questions = None if size is None else min(size, run.limit or size)
        tokens = None if questions is None else tokens_of_questions(recipe, questions)
        return CostPart(run.id, name, role, model, questions, tokens, None)

    async def _facts(self, study: Study, resolved: Resolved, request: StudyRequest) -> StartFacts:
        kept = {each.name: each for each in await self._question_sets.all()}
        chosen = {name: kept[own] for name, own in resolved.sets.items()}
        overlaps: tuple[OverlapFacts, ...] = ()
        note = ""
        try:
            found = await self._question_sets.overlaps([each.id for each in chosen.values()], request.training_file)
            overlaps = tuple(OverlapFacts(first=o.first, second=o.second, sentence=o.sentence) for o in found)
        except AppError as exc:
            note = f"Overlaps were not compared: {exc}"
        default = self._engines.default_model
        has_demo = self._engines.is_demo and any(
            name == default or self._engines.is_default(name) for name in resolved.models.values()
        )
        return StartFacts(
            limit=request.limit,
            is_demo=study.is_toy or has_demo,
            sets=await asyncio.to_thread(set_facts, self._home, study, chosen),
            overlaps=overlaps,
            overlap_note=note,
        )
