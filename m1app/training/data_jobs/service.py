"""Estimates, starts and runs the jobs that ask a model about samples."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from m1app.access.audit import record
from m1app.access.person import Permission, needs
from m1app.errors import AppError
from m1app.jobs.service import JobService
from m1app.strategies.drivers.served_models import Models, ServedModel
from m1app.training.changes import History
from m1app.training.curation import Curated, CurationPlan, curate
from m1app.training.data_card import DataSource
from m1app.training.data_jobs.asking import Asking, DataJobEstimate
from m1app.training.data_jobs.domains import load_domains
from m1app.training.data_jobs.recipe import MAX_SAMPLES, QUESTIONS, DataAction, DataJobRecipe
from m1app.training.data_jobs.replies import Replies
from m1app.training.data_jobs.results import TaggedQuestions, distill, tag, tags_of
from m1app.training.data_sets import DataSets, DataSetVersion, parse_reference
from m1app.training.errors import DataJobRefused
from m1app.training.from_database import compared_questions
from m1app.training.samples import TrainingSample, question_hash
from m1app.wording import counted
from storage.database import Database, Session
from storage.jobs.records import Job, JobKind, JobProgress, NewJob
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import Question
from storage.questions.repository import QuestionRepository

REPLIES_FILE = "replies.jsonl"
RESULT_FILE = "result.json"


class DataJobService:
    """Jobs that ask about samples. Methods that read the database may raise `storage.errors.StorageError`."""

    def __init__(self, database: Database, data_sets: DataSets, models: Models, jobs: JobService) -> None:
        """Args:
        database: with question sets.
        data_sets: where samples come from and go to.
        models: finds the model that is asked.
        jobs: runs `launch`ed recipes.
        """
        self._database = database
        self._data_sets = data_sets
        self._models = models
        self._jobs = jobs

    @needs(Permission.MANAGE)
    async def estimate(self, recipe: DataJobRecipe) -> DataJobEstimate:
        """What a job would ask at most; nothing is asked.

        Raises:
            DataJobRefused: there is nothing to ask about.
            DataSetNotFound, DataSetRefused: as of its source.
            ModelsError: the model is not served, or its engine cannot be reached.
        """
        samples = await asyncio.to_thread(self._asked, recipe)
        return await self._asking(recipe, await self._models.served(recipe.model)).estimate(samples)

    @needs(Permission.MANAGE)
    async def launch(self, recipe: DataJobRecipe, *, priority: int = 0, executor: str = "local") -> Job:
        """Ask as a job; raises as `estimate`, and JobRefused."""
        pinned = await asyncio.to_thread(self._pinned, recipe)
        await asyncio.to_thread(self._asked, pinned)
        return await self._jobs.submit(
            NewJob(
                kind=JobKind.TRAINING_DATA,
                name=pinned.job_name,
                recipe=pinned.model_dump(mode="json"),
                priority=priority,
                executor=executor,
            )
        )

    @needs(Permission.MANAGE)
    async def run(
        self,
        recipe: DataJobRecipe,
        folder: Path,
        *,
        on_progress: Callable[[JobProgress], None] = lambda _: None,
        is_stopping: asyncio.Event | None = None,
    ) -> DataSetVersion | TaggedQuestions | None:
        """Ask about the samples that have no reply yet; once all have one, make the version, or tag the questions.

        Args:
            recipe: what to ask.
            folder: keeps the replies, for the next attempt; it exists.
            on_progress: called with each reply.
            is_stopping: set it to stop.

        Returns:
            The new version, or the questions that were tagged; None if it was stopped.

        Raises:
            DataJobFailed: the engine failed; the replies so far are kept.
            TooLittleData: fewer than eight distilled samples can be learned from.
        """
        if made := await asyncio.to_thread(self._made_before, folder):
            return made
        samples = await asyncio.to_thread(self._asked, recipe)
        keys = keys_of(samples)
        total = len(set(keys))
        served = await self._models.served(recipe.model)
        replies = await asyncio.to_thread(Replies, folder / REPLIES_FILE)

        def told(done: int) -> None:
            on_progress(JobProgress(done=done, total=total, unit="questions"))

        pairs = list(zip(keys, samples, strict=True))
        if not await self._asking(recipe, served).ask_all(pairs, replies, told, is_stopping or asyncio.Event()):
            return None
        if recipe.action is DataAction.TAG and recipe.source.startswith(QUESTIONS):
            name = recipe.source.removeprefix(QUESTIONS)
            tagged = await self._database.write(lambda s: _tag_questions(s, name, replies))
            on_progress(JobProgress(done=total, total=total, unit="questions", message=tagged.words))
            return tagged
        make = self._tagged if recipe.action is DataAction.TAG else self._distilled
        made = await asyncio.to_thread(make, recipe, samples, keys, replies, served.name)
        await asyncio.to_thread((folder / RESULT_FILE).write_text, json.dumps({"made": made.id}), "utf-8")
        action = f"training_data.{recipe.action.value}"
        await self._database.write(lambda s: record(s, action, made.sha256, version=made.version, samples=made.samples))
        on_progress(JobProgress(done=total, total=total, unit="questions", message=_made_words(made)))
        return made

    def _asking(self, recipe: DataJobRecipe, served: ServedModel) -> Asking:
        return Asking(recipe, served, load_domains())

    def _made_before(self, folder: Path) -> DataSetVersion | None:
        """The version that an earlier attempt made before it was killed."""
        path = folder / RESULT_FILE
        if not path.is_file():
            return None
        return self._data_sets.get(*parse_reference(str(json.loads(path.read_text(encoding="utf-8"))["made"])))

    def _pinned(self, recipe: DataJobRecipe) -> DataJobRecipe:
        """The recipe with the version that "NAME" means now."""
        if recipe.source.startswith(QUESTIONS):
            return recipe
        return recipe.model_copy(update={"source": self._data_sets.get(*parse_reference(recipe.source)).id})

    def _asked(self, recipe: DataJobRecipe) -> Sequence[TrainingSample]:
        """The samples to ask about; raises DataJobRefused if there are none, or too many."""
        samples = self._samples(recipe)[: recipe.limit]
        if recipe.action is DataAction.DISTILL:
            # A reply without a target cannot be verified, and a question need be asked only once.
            by_question = {
                question_hash(each.question, each.options): each for each in reversed(samples) if each.target
            }
            samples = tuple(reversed(by_question.values()))
        if not samples:
            raise DataJobRefused(
                f"{recipe.source} has no question to ask"
                + (
                    ": only questions with a target can be distilled, because answers are checked against it."
                    if recipe.action is DataAction.DISTILL
                    else "."
                )
            )
        if len(samples) > MAX_SAMPLES:
            raise DataJobRefused(
                f"{recipe.source} has {len(samples):,} samples, more than {MAX_SAMPLES:,}: set how many to ask about."
            )
        return samples

    def _samples(self, recipe: DataJobRecipe) -> tuple[TrainingSample, ...]:
        if not recipe.source.startswith(QUESTIONS):
            return self._data_sets.samples(self._data_sets.get(*parse_reference(recipe.source)))
        name = recipe.source.removeprefix(QUESTIONS)
        with self._database.session(is_read_only=True) as session:
            return tuple(
                TrainingSample(
                    each.stem, dict(each.options), each.target, "", "", each.tags[0] if each.tags else "", name
                )
                for each in _questions(session, name)
            )

    def _tagged(
        self,
        recipe: DataJobRecipe,
        samples: Sequence[TrainingSample],
        keys: Sequence[str],
        replies: Replies,
        model: str,
    ) -> DataSetVersion:
        base = self._data_sets.get(*parse_reference(recipe.source))
        card, dropped = self._data_sets.card(base), self._data_sets.dropped(base)
        every = self._data_sets.samples(base)
        done = tag(every, [*keys, *keys_of(every[len(samples) :])], replies.known, load_domains(), model)
        curated = Curated(done.samples, (*card.reports, done.report), dropped)
        history = replace(card.history, parent=base.id)
        return self._data_sets.add(
            base.name, curated, card.plan, card.sources, self._data_sets.pruned(base), lambda _: history
        )

    def _distilled(
        self,
        recipe: DataJobRecipe,
        samples: Sequence[TrainingSample],
        keys: Sequence[str],
        replies: Replies,
        model: str,
    ) -> DataSetVersion:
        learn_from = (recipe.source.removeprefix(QUESTIONS),) if recipe.source.startswith(QUESTIONS) else ()
        plan = CurationPlan(learn_from=learn_from)
        done = distill(samples, keys, replies.known, model)
        with self._database.session(is_read_only=True) as session:
            evaluation = compared_questions(session, learn_from)
        curated = curate(done.samples, plan, evaluation=evaluation)
        curated = Curated(curated.samples, (done.report, *curated.reports), (*done.dropped, *curated.dropped))
        sha256 = hashlib.sha256(json.dumps([each.as_row() for each in done.samples]).encode("ascii")).hexdigest()
        source = DataSource(f"{recipe.source}, answered by {model}", sha256, len(done.samples))
        parent = "" if learn_from else recipe.source
        return self._data_sets.add(recipe.name, curated, plan, (source,), made_from=lambda _: History(parent))


def keys_of(samples: Sequence[TrainingSample]) -> list[str]:
    """What names each question among the replies."""
    return [_key(each.question, each.options) for each in samples]


def _tag_questions(session: Session, name: str, replies: Replies) -> TaggedQuestions:
    """Give the questions of a set the domains that were named, in one transaction; raises AppError."""
    domains, tags, refused = load_domains(), dict[str, tuple[str, ...]](), 0
    for question in _questions(session, name):
        reply = replies.known.get(_key(question.stem, question.options))
        domain = domains.read(reply.answer) if reply else None
        refused += reply is not None and domain is None
        if domain:
            tags[question.id] = tags_of(question.tags, domain, domains)
    QuestionRepository(session).put_tags(tags)
    record(session, "questions.tag", "", questions=len(tags))
    return TaggedQuestions(name, len(tags), refused)


def _questions(session: Session, name: str) -> Sequence[Question]:
    """The questions of a set; raises AppError if there is none of this name."""
    sets = QuestionSetRepository(session)
    found = next((each for each in sets.all() if each.name == name), None)
    if found is None:
        raise AppError(f"There is no question set {name[:80]!r}. `python -m m1app questions list` lists them.")
    return sets.questions(found.id)


def _key(question: str, options: Mapping[str, str]) -> str:
    return question_hash(question, options)[:24]


def _made_words(made: DataSetVersion) -> str:
    return f"Made {made.id} of {counted(made.samples, 'sample')}."
