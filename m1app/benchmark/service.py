"""Benchmark runs: estimated, planned, launched as jobs, run and resumed; renamed, tagged, archived and deleted."""

import asyncio
import secrets
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from m1app.access.audit import record
from m1app.access.discarding import discard
from m1app.access.person import Permission, needs
from m1app.benchmark.errors import BenchmarkRefused
from m1app.benchmark.estimate import BenchmarkEstimate, estimate_run
from m1app.benchmark.recipe import BenchmarkRecipe, recipe_of
from m1app.benchmark.rescoring import Rescoring, rescore
from m1app.benchmark.runner import BenchmarkRunner
from m1app.engines.service import EngineService
from m1app.errors import AppError
from m1app.jobs.queue import JobQueue
from m1app.judging.service import JudgingService
from m1app.runs.errors import ProbeRefused
from m1app.runs.owners import may_be_alive, this_process
from m1app.runs.probe_request import MAX_SEED
from m1app.runs.strategies import StrategyService
from m1app.runs.sweeps import SweepService
from models.errors import ModelsError
from models.profiles import Profiles
from storage.benchmarks.records import BenchmarkRun, RunState
from storage.benchmarks.repository import BenchmarkRepository, PlannedItem
from storage.database import Database, Session
from storage.errors import StorageError
from storage.jobs.records import Job, JobKind, JobProgress, NewJob, Resource
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.trash.records import Deletion, Extent, TrashKind
from storage.trash.repository import TrashRepository

_LEAST_PROMPT_TOKENS = 64
"""Tokens of a short question with its wording; longer ones that do not fit are recorded as failed individually."""
_NEVER_RUN = "This run was imported: its answers come from files, and its engine is not known."
_SILENCE_SECONDS = 60.0
"""After this long, a process on another machine counts as gone; local ones can be checked."""


class BenchmarkService:
    """Plans, runs, names and deletes benchmarks. Methods that take a run id may raise RecordNotFound."""

    def __init__(
        self,
        database: Database,
        sweeps: SweepService,
        strategies: StrategyService,
        engines: EngineService,
        profiles: Profiles,
        jobs: JobQueue,
        judging: JudgingService,
    ) -> None:
        """Args:
        database: stores runs.
        sweeps: runs their sweeps; a separate instance with room for `MAX_IN_FLIGHT`.
        strategies: runs their strategies; likewise.
        engines: the engines in use.
        profiles: the models' thinking formats.
        jobs: accepts launched runs.
        judging: has answers to open questions judged.
        """
        self._database = database
        self._sweeps = sweeps
        self._strategies = strategies
        self._engines = engines
        self._profiles = profiles
        self._jobs = jobs
        self._judging = judging

    @needs(Permission.READ)
    async def estimate(self, recipe: BenchmarkRecipe) -> BenchmarkEstimate:
        """Dry run: estimate what `recipe` will do.

        Raises:
            BenchmarkRefused: a field is out of range, or a set does not exist.
            StorageError: the database cannot be read.
        """
        recipe = recipe.checked()
        await self._check_corpora(recipe)
        sets = await self._sets(recipe)
        asked = recipe.models or await self._default_models()

        def read(session: Session) -> tuple[float | None, int]:
            repository = QuestionSetRepository(session)
            open_questions = sum(repository.count_open(each.id, recipe.limit) for each in sets)
            return BenchmarkRepository(session).tokens_per_second(asked), open_questions

        rate, open_questions = await self._database.read(read)
        questions = sum(min(each.question_count, recipe.limit or each.question_count) for each in sets)
        return await asyncio.to_thread(estimate_run, recipe, questions, open_questions, rate)

    @needs(Permission.READ)
    async def has_open_questions(self, question_sets: Sequence[str]) -> bool:
        """Whether a run of these sets, by name, has answers for a judge."""
        return await self._database.read(lambda s: QuestionSetRepository(s).has_open_questions(question_sets))

    @needs(Permission.MANAGE)
    async def plan(self, recipe: BenchmarkRecipe) -> BenchmarkRun:
        """Store a run with its items, without asking anything yet.

        Raises:
            BenchmarkRefused: as in `estimate`, or a budget exceeds a model's context.
            ModelsError: an engine cannot be reached, or does not serve a model.
            StorageError: the run could not be stored.
        """
        return await self._database.write(await self.checked_plan(recipe))

    @needs(Permission.MANAGE)
    async def checked_plan(
        self, recipe: BenchmarkRecipe, tags: Sequence[str] = ()
    ) -> Callable[[Session], BenchmarkRun]:
        """Check a run, and return what stores it in a transaction, such as that of the study it is a part of.

        Args:
            recipe: the run.
            tags: of the run.

        Raises:
            BenchmarkRefused, ModelsError: as `plan`.
        """
        recipe = recipe.checked()
        await self._check_corpora(recipe)
        sets = await self._sets(recipe)
        models = recipe.models or (await self._default_model(),)
        for model in models:
            await self._check_context(recipe, model)
        seed = recipe.seed
        if seed is None and recipe.temperature > 0:
            # Strategies count on from the seeds of the passes.
            seed = secrets.randbelow(MAX_SEED // 2 if recipe.strategies else MAX_SEED - recipe.passes)
        if recipe.profile:
            # A name of this installation may stand for another text when the run is resumed; an id does not.
            recipe = recipe.model_copy(update={"profile": self._profiles.get(recipe.profile).id})
        run = recipe.new_run(models, seed)

        def store(session: Session) -> BenchmarkRun:
            kept = BenchmarkRepository(session).add(run, _items(session, sets, recipe.limit, len(models)))
            record(session, "benchmark_run.plan", kept.id)
            return BenchmarkRepository(session).describe(kept.id, tags=tags) if tags else kept

        return store

    @needs(Permission.MANAGE)
    async def launch(
        self, recipe: BenchmarkRecipe, *, priority: int = 0, executor: str = "local"
    ) -> tuple[BenchmarkRun, Job]:
        """Plan a run and launch it as a job; raises like `plan`, and JobRefused."""
        run = await self.plan(recipe)
        job = NewJob(
            kind=JobKind.BENCHMARK,
            name=run.name,
            recipe=recipe_of(run).model_dump(mode="json"),
            subject_id=run.id,
            resource=Resource.CPU,
            priority=priority,
            executor=executor,
        )
        try:
            return run, await self._jobs.submit(job)
        except AppError:
            await self._database.write(lambda s: BenchmarkRepository(s).forget(run.id))
            raise

    @needs(Permission.MANAGE)
    async def checked_extension(self, run_id: str, limit: int) -> Callable[[Session], BenchmarkRun]:
        """Return what lets a run that is over ask more questions of each set; without more, it changes nothing.

        What it returns raises BenchmarkRefused too: the run may change before the transaction.

        Args:
            run_id: id of a run with a limit.
            limit: its new one.

        Raises:
            RecordNotFound: no record has that id.
            BenchmarkRefused: it asks all questions already, is running, or a set of it was deleted.
        """
        run = await self._get(run_id)
        _check_extension(run, limit)
        sets = await self._sets(recipe_of(run))

        def store(session: Session) -> BenchmarkRun:
            now = BenchmarkRepository(session).get(run_id)
            asked = _check_extension(now, limit)
            items = _items(session, sets, limit - asked, len(now.models), offset=asked)
            changed = BenchmarkRepository(session).extend(run_id, limit, items)
            record(session, "benchmark_run.extend", run_id, limit=limit, items=changed.items)
            return changed

        return store

    @needs(Permission.READ)
    async def recipe_of(self, run_id: str) -> BenchmarkRecipe:
        """Return the recipe of a run; raises RecordNotFound, StorageError, and BenchmarkRefused if imported."""
        run = await self._get(run_id)
        if run.state is RunState.IMPORTED:
            raise BenchmarkRefused("run", f"{_NEVER_RUN} Choose its question sets to run them here.")
        return recipe_of(run)

    @needs(Permission.MANAGE)
    async def run(
        self,
        run_id: str,
        *,
        on_progress: Callable[[JobProgress], None] = lambda _: None,
        is_stopping: asyncio.Event | None = None,
    ) -> BenchmarkRun:
        """Ask every question of the run that has no results yet; return the finished run.

        Args:
            run_id: id of a planned, stopped, failed or interrupted run.
            on_progress: called for every result, and every two seconds.
            is_stopping: set it to stop; sweeps in progress are kept and resumed next time.

        Raises:
            RecordNotFound: no record has that id.
            AppError: another process runs it, or it was imported.
            ModelsError: the engine stayed down; the run is marked failed and can be resumed.
            StorageError: results could not be stored; likewise.
        """
        run = await self._claim(run_id)
        stopping = is_stopping or asyncio.Event()
        runner: BenchmarkRunner | None = None
        state, error = RunState.FAILED, ""
        try:
            runner = BenchmarkRunner(
                run,
                self._sweeps,
                self._strategies,
                self._judging,
                self._engines,
                self._profiles,
                self._database,
                on_progress,
                stopping,
            )
            state = await runner.work()
        except asyncio.CancelledError:
            state = RunState.STOPPED
            raise
        except (ModelsError, AppError, StorageError) as exc:
            error = str(exc)
            raise
        except Exception as exc:
            error = f"An unexpected error ended this run ({type(exc).__name__}); the log has the details."
            raise
        finally:
            self._sweeps.stop_all()
            self._strategies.stop_all()
            seconds = runner.seconds if runner else run.seconds
            await asyncio.shield(self._end(run_id, state, error, seconds))
        return await self._get(run_id)

    @needs(Permission.MANAGE)
    async def rescore(self, run_id: str, on_progress: Callable[[int, int], None] = lambda *_: None) -> Rescoring:
        """Read a run's answers again by the present version of the rule `strict`; raises as `rescoring.rescore`."""
        return await rescore(self._database, self._profiles, run_id, on_progress)

    @needs(Permission.MANAGE)
    async def rename(self, run_id: str, name: str) -> BenchmarkRun:
        """Rename a run; raises AppError for a blank name."""
        if not name.strip():
            raise AppError("The name is empty; enter one.")
        return await self._describe(run_id, "benchmark_run.rename", name=name.strip())

    @needs(Permission.MANAGE)
    async def set_tags(self, run_id: str, tags: Sequence[str]) -> BenchmarkRun:
        """Replace the run's tags."""
        words = [tag.strip() for tag in tags if tag.strip()]
        return await self._describe(run_id, "benchmark_run.tag", tags=words)

    @needs(Permission.MANAGE)
    async def archive(self, run_id: str, is_archived: bool) -> BenchmarkRun:
        """Archive or unarchive a run."""
        action = "benchmark_run.archive" if is_archived else "benchmark_run.unarchive"
        return await self._describe(run_id, action, is_archived=is_archived)

    @needs(Permission.MANAGE)
    async def delete(self, run_id: str) -> tuple[Deletion, Extent]:
        """Move a run to the trash, with its results and all traces that nobody has annotated.

        Raises:
            RecordNotFound: no such run.
            AppError: it is running.
        """

        def store(session: Session) -> tuple[Deletion, Extent]:
            if BenchmarkRepository(session).get(run_id).state is RunState.RUNNING:
                raise AppError("This run is running; stop its job first.")
            extent = TrashRepository(session).extent(TrashKind.BENCHMARK_RUN, run_id)
            return discard(session, TrashKind.BENCHMARK_RUN, run_id), extent

        return await self._database.write(store)

    def mark_interrupted(self) -> int:
        """Mark running runs whose process is gone; return their number."""
        return self._database.write_now(lambda s: BenchmarkRepository(s).mark_interrupted(_is_alive))

    async def aclose(self) -> None:
        """Stop the runs of this process."""
        await self._sweeps.aclose()
        await self._strategies.aclose()

    async def _describe(self, run_id: str, action: str, **changes: Any) -> BenchmarkRun:
        def store(session: Session) -> BenchmarkRun:
            changed = BenchmarkRepository(session).describe(run_id, **changes)
            record(session, action, run_id)
            return changed

        return await self._database.write(store)

    async def _get(self, run_id: str) -> BenchmarkRun:
        return await self._database.read(lambda s: BenchmarkRepository(s).get(run_id))

    async def _claim(self, run_id: str) -> BenchmarkRun:
        """Claim the run for this process and queue its failed items again."""

        run = await self._get(run_id)
        if run.state is RunState.IMPORTED:
            raise BenchmarkRefused("run", f"{_NEVER_RUN} It cannot be resumed.")
        models = run.models
        guessing = {await asyncio.to_thread(self._engines.speculation, model) for model in models}

        def claim(session: Session) -> BenchmarkRun:
            runs = BenchmarkRepository(session)
            if not runs.claim(run_id, this_process(), _is_alive):
                raise AppError("This run is running in another process; stop it there first.")
            runs.note_speculation(run_id, guessing.pop() if len(guessing) == 1 else None)
            runs.reopen_failed(run_id)
            return runs.get(run_id)

        return await self._database.write(claim)

    async def _end(self, run_id: str, state: RunState, error: str, seconds: float) -> None:
        await self._database.write(lambda s: BenchmarkRepository(s).end(run_id, this_process(), state, error, seconds))

    async def _check_corpora(self, recipe: BenchmarkRecipe) -> None:
        try:
            await self._strategies.check_corpora(recipe.choices)
        except ProbeRefused as exc:
            raise BenchmarkRefused(exc.field, str(exc)) from exc

    async def _sets(self, recipe: BenchmarkRecipe) -> Sequence[QuestionSet]:
        kept = {each.name: each for each in await self._database.read(lambda s: QuestionSetRepository(s).all())}
        missing = [name for name in recipe.question_sets if name not in kept]
        if missing:
            there = ", ".join(sorted(kept)) or "none yet; import one first"
            raise BenchmarkRefused("question_sets", f"Question set {missing[0]!r} not found. Available: {there}.")
        return [kept[name] for name in recipe.question_sets]

    async def _default_models(self) -> tuple[str, ...]:
        """The model used if none is named; empty while the engine is down."""
        try:
            return (await self._default_model(),)
        except ModelsError:
            return ()

    async def _default_model(self) -> str:
        return self._engines.name_of("", await self._engines.engine().describe())

    async def _check_context(self, recipe: BenchmarkRecipe, model: str) -> None:
        await self._engines.prepare(model)
        info = await self._engines.engine(model).describe()
        most = info.context_length - recipe.answer_cap_tokens - _LEAST_PROMPT_TOKENS
        if max(recipe.budgets) > most:
            raise BenchmarkRefused(
                "budgets",
                f"A thinking budget of {max(recipe.budgets):,} tokens does not fit into the context of {info.model}, "
                f"which is {info.context_length:,} tokens, with a question and an answer of up to "
                f"{recipe.answer_cap_tokens:,}. Choose at most {max(0, most):,}, or a larger context.",
            )


def _check_extension(run: BenchmarkRun, limit: int) -> int:
    """How many questions per set a run asks that may be extended to `limit`; raises BenchmarkRefused."""
    if run.limit is None or limit <= run.limit:
        raise BenchmarkRefused("limit", f"{run.name} cannot be extended to {limit:,} questions per set.")
    if run.state is RunState.RUNNING:
        raise BenchmarkRefused("limit", f"{run.name} is running; stop it first.")
    return run.limit


def _items(
    session: Session, sets: Sequence[QuestionSet], limit: int | None, models: int, *, offset: int = 0
) -> list[PlannedItem]:
    """Question by question, each for every model, so that several servers are busy at the same time."""
    repository = QuestionSetRepository(session)
    return [
        PlannedItem(set_number, model_number, question.id)
        for set_number, each in enumerate(sets)
        for question in repository.questions(each.id, limit=limit, offset=offset)
        for model_number in range(models)
    ]


def _is_alive(owner: str, heard_at: datetime) -> bool:
    if owner.rpartition(":")[0] == this_process().rpartition(":")[0]:
        return may_be_alive(owner)
    return datetime.now(UTC) - heard_at < timedelta(seconds=_SILENCE_SECONDS)
