"""Asks one checkpoint its questions: the thinking pass of the app, and the rule strict for the answers."""

import asyncio
from collections.abc import Callable, Sequence

from m1app.question.answers.scoring import lead_in, score
from m1app.question.wording import render_question
from m1app.training.accuracy.answers import AnswerFile, CheckpointAnswer
from m1app.training.accuracy.questions import AskedQuestion
from m1app.training.recipe import TrainingRecipe
from models.engine.protocol import Engine
from models.errors import ContextOverflow, EngineError
from models.profiles import Profile
from models.thinking.budget_forcing import Markers
from models.thinking.prompting import bind_markers, build_prompt
from models.thinking.thinking_pass import PassSettings
from models.thinking.whole_pass import run_whole_pass

_AT_ONCE = 16
"""Of a server that does not say how many requests it runs at once, as vLLM, which lets the others wait."""
_TRIES = 3
_RETRY_SECONDS = 0.5
_KEPT_CHARACTERS = 2000


async def ask_checkpoint(
    engine: Engine,
    profile: Profile,
    recipe: TrainingRecipe,
    questions: Sequence[AskedQuestion],
    step: int,
    kept: AnswerFile,
    on_answer: Callable[[int], None] = lambda _: None,
) -> tuple[CheckpointAnswer, ...]:
    """Ask what was not answered before, greedily, as many at once as the engine runs; return all answers.

    Args:
        engine: serves the checkpoint.
        profile: the new model's.
        recipe: with the budgets.
        questions: all of them.
        step: of the checkpoint.
        kept: the answers so far, which grow.
        on_answer: told how many are answered.

    Raises:
        EngineError: the engine failed three times.
        OSError: an answer cannot be kept.
    """
    found = await asyncio.to_thread(kept.of_step, step)
    markers = await bind_markers(engine, profile)
    settings = PassSettings(recipe.accuracy_budget_tokens, 0, recipe.accuracy_answer_tokens)
    slots = asyncio.Semaphore((await engine.describe()).parallel_requests or _AT_ONCE)

    async def ask(number: int) -> None:
        async with slots:
            answer = await _answer(engine, profile, markers, settings, questions[number], step, number)
        await asyncio.to_thread(kept.add, answer)
        found[number] = answer
        on_answer(len(found))

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(len(questions)):
                if number not in found:
                    group.create_task(ask(number))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return tuple(found[number] for number in range(len(questions)))


async def _answer(
    engine: Engine,
    profile: Profile,
    markers: Markers,
    settings: PassSettings,
    question: AskedQuestion,
    step: int,
    number: int,
) -> CheckpointAnswer:
    options = dict(question.options)
    user = render_question(profile.prompt, question.stem, options, question.target)
    prompt = await build_prompt(engine, profile, profile.chat.default_system, user)
    for tries in range(1, _TRIES + 1):
        try:
            found = await run_whole_pass(engine, prompt.token_ids, markers, settings)
            break
        except ContextOverflow as exc:
            return CheckpointAnswer(step, number, None, False, 0, 0, "", str(exc))
        except EngineError:
            if tries == _TRIES:
                raise
            await asyncio.sleep(_RETRY_SECONDS * 4 ** (tries - 1))
    scored = score(lead_in(found.close) + found.answer, options, question.target)
    return CheckpointAnswer(
        step,
        number,
        scored.letter,
        bool(scored.is_correct),
        found.thinking_tokens,
        found.tokens_generated,
        found.answer[:_KEPT_CHARACTERS],
    )
