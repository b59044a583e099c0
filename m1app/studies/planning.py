"""Plans a study: finds its sets and models, estimates its cost, and plans its benchmark runs."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from m1app.benchmark.service import BenchmarkService
from m1app.engines.served_name import read_served_name
from m1app.engines.service import EngineService
from m1app.errors import AppError
from m1app.question_sets.service import QuestionSetService
from m1app.studies.checking import Resolved, resolve
from m1app.studies.errors import StudyRefused
from m1app.studies.estimate import FACT_TESTS, CostPart, StudyEstimate, summed, tokens_of_questions
from m1app.studies.fact_testing import check_facts, fact_tasks, most_tokens_of_a_fact
from m1app.studies.library import StudyFile
from m1app.studies.set_facts import set_facts
from m1app.studies.start_facts import OverlapFacts, StartFacts
from m1app.studies.study_file import Study, StudyRun
from m1app.studies.training_checks import PlayedRole, TrainingChecks
from m1app.wording import counted
from models.errors import ModelsError
from storage.benchmarks.records import BenchmarkRun
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
    """A study whose benchmark runs can be stored."""

    models: Mapping[str, str]
    """Role -> served model."""
    sets: Mapping[str, str]
    """The study's name of each set -> that of the set of this installation."""
    runs: Mapping[str, Callable[[Session], BenchmarkRun]]
    """Id of a run in the file -> what stores its benchmark run."""
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
        training: TrainingChecks,
    ) -> None:
        """Args:
        database: has the questions and the speed of earlier runs.
        home: M1_HOME.
        benchmarks: checks the runs.
        question_sets: has the sets.
        engines: serve the models.
        training: compares the sets with what was learned from.
        """
        self._database = database
        self._home = home
        self._benchmarks = benchmarks
        self._question_sets = question_sets
        self._engines = engines
        self._training = training

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
            if role in _cast_of(study, resolved)
        ]
        return summed(study, [*parts, *await self._costs_of_facts(study, resolved)], resolved)

    async def plan(self, request: StudyRequest, name: str) -> PlannedStudy:
        """Check a benchmark run for each run that has a model, and store nothing; raises as `StudyService.start`.

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
                "\n".join(resolved.other_sizes) + "\nImport the official set, or allow sets of another size; the "
                "study then lists this as a difference.",
            )
        if study.facts:
            await self._database.read(lambda session: check_facts(session, study, resolved.sets))
        facts = await self._facts(study, resolved, request)
        runs = {
            run.id: await self._benchmarks.checked_plan(
                run.recipe(f"{name}: {run.id}", resolved.sets, resolved.models), [_TAG, name]
            )
            for run in study.runs
            if any(role in resolved.models for role in run.models)
        }
        return PlannedStudy(resolved.models, resolved.sets, runs, facts)

    async def import_sets(self, request: StudyRequest) -> Sequence[str]:
        """Import the missing sets of a study from where its file says; return notes of the imports.

        Raises:
            StudyRefused: the file does not say where a missing set is.
            InvalidQuestionSet: one cannot be imported.
        """
        study = request.study
        resolved = await self._resolve(request, None)
        missing = [each for each in study.question_sets if each.name not in resolved.sets]
        if not missing:
            # No refusal: a command that was killed after its import is given again.
            return ["All sets of the study are already imported."]
        if unknown := [each.name for each in missing if not each.hub and not each.is_library]:
            raise StudyRefused(
                "sets", f"The file does not say where to get {', '.join(unknown)}. Import it on the Admin page."
            )
        repositories = dict.fromkeys(each.hub for each in missing if each.hub and not each.is_library)
        reports = [await self._question_sets.import_library()] if any(each.is_library for each in missing) else []
        reports += [await self._question_sets.import_hub(repository) for repository in repositories]
        imported = [f"{each.name}: {counted(each.question_count, 'question')}" for one in reports for each in one.sets]
        return [*imported, *(note for each in reports for note in each.notes)]

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

    async def _costs_of_facts(self, study: Study, resolved: Resolved) -> Sequence[CostPart]:
        testing = study.fact_tests
        if testing is None:
            return ()
        of_one = most_tokens_of_a_fact(testing, study.run(testing.run).answer_cap_tokens)
        counts = Counter(
            (each.fact.question_set, each.role)
            for each in fact_tasks(study, {role: resolved.models.get(role, "") for role in _cast_of(study, resolved)})
        )
        parts = []
        for (name, role), facts in counts.items():
            tokens, model = facts * of_one, resolved.models.get(role, "")
            rate = await self._rate(model) if model else None
            parts.append(CostPart(FACT_TESTS, name, role, model, facts, tokens, tokens / rate if rate else None))
        return parts

    async def _rate(self, model: str) -> float | None:
        return await self._database.read(lambda s: BenchmarkRepository(s).tokens_per_second([model]))

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
            fact_tests=len(fact_tasks(study, resolved.models)),
            sets=await asyncio.to_thread(set_facts, self._home, study, chosen),
            overlaps=overlaps,
            overlap_note=note,
            training=await self._training.of(self._roles(study, resolved), chosen),
        )

    def _roles(self, study: Study, resolved: Resolved) -> Sequence[PlayedRole]:
        def model_id(served: str) -> str:
            return read_served_name(self._engines.named(served).model).model

        return [
            PlayedRole(each, resolved.models[each.role], model_id(resolved.models[each.role]))
            for each in study.models
            if each.role in resolved.models
        ]


def _cast_of(study: Study, resolved: Resolved) -> frozenset[str]:
    """The roles that take part: those that a model plays, and those that one has to play."""
    return frozenset(each.role for each in study.models if each.role in resolved.models or not each.is_optional)
