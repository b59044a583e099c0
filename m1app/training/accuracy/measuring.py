"""Measures the accuracy of checkpoints beside the training that saves them, one after the other.

What is to be measured is read from the training's folder: the weights that it keeps, and the events that say which were
measured. So a worker that was killed goes on where it was.
"""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from m1app.background import Rounds, reported, start_task
from m1app.benchmark.intervals import wilson
from m1app.settings import Settings
from m1app.training.accuracy.answers import AnswerFile, CheckpointAnswer
from m1app.training.accuracy.asking import ask_checkpoint
from m1app.training.accuracy.lora_serving import serving_adapter
from m1app.training.accuracy.questions import read_questions
from m1app.training.accuracy.serving import serving_checkpoint
from m1app.training.events import EventWriter, best_accuracy, decided_steps, read_events
from m1app.training.folder import TrainingFolder
from m1app.training.process import progress_of
from models.profiles import Profiles
from storage.jobs.records import JobProgress

_LOOK_SECONDS = 1.0


class AccuracyMeasuring:
    """Measures the checkpoints of one training; does nothing if its recipe names no question set."""

    def __init__(self, folder: TrainingFolder, settings: Settings, profiles: Profiles) -> None:
        self._folder = folder
        self._settings = settings
        self._profiles = profiles
        self._answered = ""
        """How far the checkpoint is that is being asked, in words."""

    @asynccontextmanager
    async def beside(self, is_stopping: asyncio.Event) -> AsyncIterator[None]:
        """Measure while the block runs, until it is to stop; what is not measured then is left for a resume."""
        recipe = await asyncio.to_thread(self._folder.recipe)
        if not recipe.accuracy_set:
            yield
            return
        # Now, since no other process writes to the file yet.
        writer = await asyncio.to_thread(EventWriter, self._folder.progress_file)
        measuring = start_task(self._measure_all(writer), "accuracy")
        stopper = start_task(_cancel_when(is_stopping, measuring), "accuracy-stop")
        try:
            yield
        finally:
            stopper.cancel()
            measuring.cancel()
            await asyncio.gather(measuring, stopper, return_exceptions=True)

    async def settle(self, report: Callable[[JobProgress], None], is_stopping: asyncio.Event) -> bool:
        """Wait, inside of `beside`, until every checkpoint is measured; False if it is to stop before."""
        while (step := await asyncio.to_thread(self._next_step)) is not None:
            progress = progress_of(await asyncio.to_thread(read_events, self._folder.progress_file))
            if is_stopping.is_set():
                report(replace(progress, message=f"Stopped before the accuracy at step {step:,} was measured."))
                return False
            report(replace(progress, message=f"Measuring the accuracy at step {step:,}{self._answered}."))
            await asyncio.sleep(_LOOK_SECONDS)
        # What is said last stays with the job when it is over.
        report(progress_of(await asyncio.to_thread(read_events, self._folder.progress_file)))
        return True

    async def _measure_all(self, writer: EventWriter) -> None:
        rounds = Rounds("measuring accuracy", _LOOK_SECONDS)
        while True:
            with rounds.round():
                if (step := await asyncio.to_thread(self._next_step)) is not None:
                    await self._measure(step, writer)
                    await asyncio.to_thread(self._forget_weights)
            await asyncio.sleep(rounds.pause_seconds)

    async def _measure(self, step: int, writer: EventWriter) -> None:
        """Write an event of the step's accuracy, or of why there is none."""
        problem: list[str] = []
        with reported(f"measuring the accuracy at step {step}", problem.append):
            began = time.monotonic()
            name, answers = await self._ask(step)
            found = _figures(answers) | {"set": name, "seconds": time.monotonic() - began}
            await asyncio.to_thread(writer.write, "accuracy", step, **found)
        self._answered = ""
        if problem:
            which = f"at step {step:,}" if step else "of the base model"
            message = f"The accuracy {which} could not be measured; the training continues. {problem[0]}"
            await asyncio.to_thread(writer.write, "unmeasured", step, message=message)

    async def _ask(self, step: int) -> tuple[str, tuple[CheckpointAnswer, ...]]:
        """Return the question set's name, and the answers."""
        folder = self._folder
        recipe, run = await asyncio.to_thread(folder.recipe), await asyncio.to_thread(folder.run)
        questions = await asyncio.to_thread(read_questions, folder.asked_questions)

        def count(answered: int) -> None:
            self._answered = f": {answered:,} of {len(questions):,} questions"

        serving = serving_adapter if recipe.accuracy_server else serving_checkpoint
        async with serving(folder, step, self._settings) as engine:
            kept, profile = AnswerFile(folder.asked_answers), self._profiles.get(run.profile)
            answers = await ask_checkpoint(engine, profile, recipe, questions, step, kept, count)
        return recipe.accuracy_set, answers

    def _next_step(self) -> int | None:
        """The first step that is to be measured; None if there is none now."""
        decided = decided_steps(read_events(self._folder.progress_file))
        return min((step for step in self._folder.steps_to_ask() if step not in decided), default=None)

    def _forget_weights(self) -> None:
        """Remove the weights of measured checkpoints, except those that may become the model."""
        events = read_events(self._folder.progress_file)
        best = best_accuracy(events) if self._folder.recipe().best_by == "accuracy" else None
        for step in set(self._folder.steps_to_ask()) & decided_steps(events):
            if best is None or step != best["step"]:
                shutil.rmtree(self._folder.weights_to_ask(step), ignore_errors=True)


def _figures(answers: Sequence[CheckpointAnswer]) -> dict[str, object]:
    correct = sum(each.is_correct for each in answers)
    found = wilson(correct, len(answers))
    return {
        "correct": correct,
        "n": found.n,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "tokens": sum(each.tokens_generated for each in answers),
    }


async def _cancel_when(is_stopping: asyncio.Event, task: asyncio.Task[None]) -> None:
    await is_stopping.wait()
    task.cancel()
