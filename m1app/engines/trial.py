"""A first look at a model: does it generate, does it think and answer in its profile's form, and how fast is it?"""

import time
from contextlib import aclosing
from dataclasses import dataclass

from m1app.question.answers.scoring import lead_in, score
from m1app.question.wording import render_question
from models.engine.protocol import CompletionRequest, Engine
from models.profiles import Profile
from models.thinking.prompting import bind_markers, build_prompt
from models.thinking.thinking_pass import PassSettings
from models.thinking.whole_pass import run_whole_pass

_TOKENS = 8
_BUDGET_TOKENS, _ANSWER_CAP_TOKENS = 64, 64
_QUESTION = "Which vitamin's lack causes scurvy?"
_OPTIONS = {"A": "Vitamin A", "B": "Vitamin C", "C": "Vitamin D", "D": "Vitamin K"}
_TARGET = "B"


@dataclass(frozen=True, slots=True)
class Trial:
    """What a model did."""

    text: str
    """Its first tokens."""
    tokens_per_second: float
    thinking_tokens: int
    ends_thinking: bool
    """Whether it ended its thinking by itself, within `_BUDGET_TOKENS`."""
    answer: str
    letter: str | None
    """The option that its answer names; None if it names none."""
    is_right: bool


async def try_out(engine: Engine, profile: Profile) -> Trial:
    """Ask a model for eight tokens, then one easy question with little to think; raises EngineError."""
    user = render_question(profile.prompt, _QUESTION, _OPTIONS)
    prompt = await build_prompt(engine, profile, profile.chat.default_system, user)
    markers = await bind_markers(engine, profile)
    request = CompletionRequest(prompt.token_ids + markers.opening.token_ids, _TOKENS)
    text, times = "", list[float]()
    async with aclosing(engine.stream(request)) as chunks:
        async for chunk in chunks:
            text += chunk.text
            times += [time.monotonic()] * len(chunk.token_ids)
    settings = PassSettings(_BUDGET_TOKENS, 0, _ANSWER_CAP_TOKENS)
    found = await run_whole_pass(engine, prompt.token_ids, markers, settings)
    scored = score(lead_in(found.close) + found.answer, _OPTIONS, _TARGET)
    spent = times[-1] - times[0] if len(times) > 1 else 0.0
    rate = (len(times) - 1) / spent if spent else 0.0
    return Trial(
        text,
        rate,
        found.thinking_tokens,
        found.ends_thinking,
        found.answer.strip(),
        scored.letter,
        bool(scored.is_correct),
    )
