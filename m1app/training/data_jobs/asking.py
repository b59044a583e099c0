"""Asks a served model about samples, several at once, and keeps each reply as soon as it is there."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from m1app.question.wording import render_question
from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.ledger import Ledger
from m1app.strategies.drivers.served_models import OneModel, ServedModel
from m1app.strategies.protocol import (
    Answer,
    Answered,
    Chat,
    Failed,
    Finish,
    Growth,
    Refused,
    Start,
    Strategy,
    Think,
    Thought,
    Verdict,
    most_tokens,
)
from m1app.training.data_jobs.domains import Domains
from m1app.training.data_jobs.recipe import DataAction, DataJobRecipe
from m1app.training.data_jobs.replies import Replies, Reply
from m1app.training.errors import DataJobFailed
from m1app.training.samples import TrainingSample
from m1app.wording import counted
from models.thinking.prompting import build_prompt

TAG_TOKENS = 32
"""Most tokens of a domain's name."""
_MOST_AT_ONCE = 8
_FAILURES_IN_A_ROW = 8
_COUNTED_SAMPLES = 16
"""Samples whose prompts are counted, spread over all of them."""


@dataclass(frozen=True, slots=True)
class DataJobEstimate:
    """What a job would ask at most."""

    model: str
    requests: int
    prompt_tokens: int
    """Of all of them, about."""
    most_generated: int
    """Tokens."""

    @property
    def words(self) -> str:
        """In a sentence."""
        return (
            f"{self.model} would be asked about {counted(self.requests, 'question')}: about {self.prompt_tokens:,} "
            f"prompt tokens, and at most {self.most_generated:,} generated ones."
        )


class Asking:
    """The requests of one recipe to one model."""

    def __init__(self, recipe: DataJobRecipe, served: ServedModel, domains: Domains) -> None:
        self._recipe = recipe
        self._served = served
        self._domains = domains
        slots = served.info.parallel_requests or 2
        # Half of what the engine runs at once is left to people.
        self._at_once = max(1, min(_MOST_AT_ONCE, slots // 2))

    async def estimate(self, samples: Sequence[TrainingSample]) -> DataJobEstimate:
        """What asking about these samples would take at most; raises EngineError."""
        step = max(1, len(samples) // _COUNTED_SAMPLES)
        some = samples[::step][:_COUNTED_SAMPLES]
        counts = []
        for sample in some:
            prompt = await build_prompt(
                self._served.engine, self._served.profile, self._served.system, self._asked(sample)
            )
            counts.append(len(prompt.token_ids))
        mean = sum(counts) / len(counts) if counts else 0
        return DataJobEstimate(
            self._served.name, len(samples), round(mean * len(samples)), self._most_tokens() * len(samples)
        )

    async def ask_all(
        self,
        samples: Sequence[tuple[str, TrainingSample]],
        replies: Replies,
        on_progress: Callable[[int], None],
        is_stopping: asyncio.Event,
    ) -> bool:
        """Ask about the samples that have no reply yet.

        Args:
            samples: by key.
            replies: where they are kept.
            on_progress: called with the number of samples that have a reply.
            is_stopping: set it to stop; requests that run are cancelled.

        Returns:
            Whether all were asked.

        Raises:
            DataJobFailed: the engine failed some of them, or several in a row; the others are kept.
        """
        waiting = iter([each for each in dict(samples).items() if each[0] not in replies.known])
        failed: list[str] = []
        in_a_row = 0

        async def work() -> None:
            nonlocal in_a_row
            for key, sample in waiting:
                reply, problem = await self._ask(sample)
                if problem:
                    failed.append(problem)
                    in_a_row += 1
                    if in_a_row >= _FAILURES_IN_A_ROW:
                        raise DataJobFailed(f"The engine failed {in_a_row} requests in a row: {problem}")
                    continue
                in_a_row = 0
                await asyncio.to_thread(replies.add, key, reply)
                on_progress(len(replies.known))

        on_progress(len(replies.known))
        if await _until_stopped([work() for _ in range(self._at_once)], is_stopping):
            return False
        if failed:
            raise DataJobFailed(
                f"The engine failed {counted(len(failed), 'request')}: {failed[0]} Resume the job to ask these again."
            )
        return True

    async def _ask(self, sample: TrainingSample) -> tuple[Reply, str]:
        """The reply, or what went wrong."""
        got: list[Reply] = []
        ledger = Ledger(self._most_tokens() + self._served.delimiter_tokens)
        driver = Driver(
            self._strategy(sample, got),
            OneModel(self._served),
            ledger,
            (),
            options=sample.options,
            temperature=self._recipe.temperature,
            is_watched=False,
        )
        verdict = await driver.run()
        return (replace(got[0], generated=ledger.generated), "") if got else (Reply(""), verdict.why)

    def _asked(self, sample: TrainingSample) -> str:
        if self._recipe.action is DataAction.TAG:
            shown = "\n".join((sample.question, *(f"{letter}. {text}" for letter, text in sample.options.items())))
            return self._domains.asked(shown)
        return render_question(self._served.profile.prompt, sample.question, dict(sample.options), sample.target)

    def _most_tokens(self) -> int:
        delimiters = self._served.delimiter_tokens
        return sum(most_tokens(each, delimiters) for each in self._requests(Chat("")))

    def _requests(self, chat: Chat) -> tuple[Think, Answer] | tuple[Answer]:
        recipe = self._recipe
        if recipe.action is DataAction.TAG:
            return (Answer(key="tag", after=chat, cap_tokens=TAG_TOKENS, seed=recipe.seed),)
        thinking = Think(
            key="think", budget_tokens=recipe.thinking_tokens, seed=recipe.seed, chat=chat, growth=Growth.NOTHING
        )
        return thinking, Answer(key="answer", after="think", cap_tokens=recipe.answer_tokens)

    def _strategy(self, sample: TrainingSample, got: list[Reply]) -> Strategy:
        """Ask once; the reply is put into `got`."""
        reply = Reply("")
        for request in self._requests(Chat(self._asked(sample))):
            event = yield [Start(request)]
            while not isinstance(event, Thought | Answered | Failed | Refused):
                event = yield []
            if isinstance(event, Failed):
                return Verdict(None, "", event.error)
            if isinstance(event, Refused):
                return Verdict(None, "", "The request did not fit in the budget.")
            if isinstance(event, Thought):
                reply = replace(reply, reasoning=event.text, is_whole=event.finish is not Finish.BUDGET)
            else:
                reply = replace(reply, answer=event.text, is_whole=reply.is_whole and event.is_whole)
        got.append(reply)
        return Verdict(None, reply.answer, "")


async def _until_stopped(works: Sequence[Coroutine[Any, Any, None]], is_stopping: asyncio.Event) -> bool:
    """Run coroutines together until they end or are to stop; whether they were stopped. Raises what one raises."""
    tasks = [asyncio.ensure_future(each) for each in works]
    stopping = asyncio.ensure_future(is_stopping.wait())
    left = set(tasks)
    try:
        while left and not is_stopping.is_set():
            done, _ = await asyncio.wait({*left, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for each in done - {stopping}:
                each.result()
            left -= done
        return bool(left)
    finally:
        for each in (*tasks, stopping):
            each.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
