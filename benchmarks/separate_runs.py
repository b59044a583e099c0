"""Runs one cell separately, like the published code, and counts the tokens requested from an engine.

Budget as max_tokens, "Wait" appended at a natural stop below the budget, closed, answered (UCSC-VLAA/m1,
src/eval/inference_keep_think.py), with the exact accounting of docs/adr/0002-exact-budget.md.
"""

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from m1app.question.answers.scoring import lead_in, score
from m1app.runs.pass_plan import PassPlan
from models.engine.protocol import CompletionChunk, CompletionRequest, Engine, FinishReason, TokenIds
from models.thinking.budget_forcing import ThinkingFinish, choose_wait, closing
from models.thinking.option_probabilities import option_probabilities
from models.thinking.sweep import Cell
from models.thinking.think_parser import ThinkParser


@dataclass(slots=True)
class Cost:
    """What an engine was asked for."""

    generated: int = 0
    prompt: int = 0
    cached: int = 0
    """Prompt tokens from its prefix cache, if reported."""

    @property
    def hit_rate(self) -> float:
        """Share of the prompt tokens that were cached."""
        return self.cached / self.prompt if self.prompt else 0.0


class CountingEngine:
    """Forwards all requests and counts their tokens."""

    def __init__(self, engine: Engine, cost: Cost) -> None:
        self._engine = engine
        self._cost = cost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[CompletionChunk, None]:
        """See `Engine.stream`."""
        self._cost.prompt += len(request.prompt_ids)
        async with aclosing(self._engine.stream(request)) as chunks:
            async for chunk in chunks:
                self._cost.generated += len(chunk.token_ids) + chunk.tokens_unreported
                self._cost.cached += chunk.prompt_tokens_cached or 0
                yield chunk


@dataclass(frozen=True, slots=True)
class SeparateRun:
    """One cell, run alone."""

    thinking_ids: TokenIds
    answer: str
    letter: str | None
    thinking_generated: int
    answer_generated: int
    thinking_seconds: float
    answer_seconds: float


async def run_alone(plan: PassPlan, engine: Engine, cell: Cell) -> SeparateRun:
    """The published protocol for one cell: generate to the budget, append "Wait" at stops below it, close, answer."""
    markers = plan.markers
    base = plan.prompt.token_ids + markers.opening.token_ids
    began, cost = time.monotonic(), Cost()
    counted = CountingEngine(engine, cost)
    thinking: TokenIds = ()
    rounds, finish = 0, ThinkingFinish.BUDGET
    while True:
        text, ids, is_stop = await _generate(
            counted, base + thinking, cell.budget_tokens - len(thinking), plan, is_fresh=not thinking
        )
        thinking += ids
        wait = choose_wait(markers, text).token_ids
        if not is_stop:
            break
        if rounds == cell.force_rounds or len(thinking) + len(wait) + 1 > cell.budget_tokens:
            finish = ThinkingFinish.NATURAL
            break
        thinking += wait
        rounds += 1
    thinking_generated, thought_at = cost.generated, time.monotonic()
    close = closing(markers, finish, ends_line=text.endswith("\n"))
    parser = ThinkParser(markers.answer_stop_token_ids, (), markers.stop_token_texts)
    answer = await _read(counted, parser, _request(plan, base + thinking + close.token_ids, is_answer=True))
    context = base + thinking + close.token_ids
    if plan.request.options:
        await option_probabilities(counted, context + markers.option_prefix.token_ids, tuple(plan.request.options))
    scored = score(lead_in(close.text) + answer[0], dict(plan.request.options), plan.request.target)
    return SeparateRun(
        thinking,
        answer[0],
        scored.letter,
        thinking_generated,
        cost.generated - thinking_generated,
        thought_at - began,
        time.monotonic() - thought_at,
    )


async def _generate(
    engine: Engine, context: TokenIds, room: int, plan: PassPlan, *, is_fresh: bool
) -> tuple[str, TokenIds, bool]:
    markers = plan.markers
    parser = ThinkParser(markers.stop_token_ids, markers.stop_texts, markers.stop_token_texts)
    request = replace(_request(plan, context, is_answer=False), max_tokens=room, is_fresh=is_fresh)
    return await _read(engine, parser, request)


def _request(plan: PassPlan, context: TokenIds, *, is_answer: bool) -> CompletionRequest:
    settings, markers = plan.settings, plan.markers
    return CompletionRequest(
        context,
        settings.answer_cap_tokens,
        settings.temperature,
        settings.top_p,
        settings.seed,
        markers.answer_stop_token_ids if is_answer else markers.stop_token_ids,
    )


async def _read(engine: Engine, parser: ThinkParser, request: CompletionRequest) -> tuple[str, TokenIds, bool]:
    text = ""
    ids: TokenIds = ()
    async with aclosing(engine.stream(request)) as chunks:
        async for chunk in chunks:
            delta = parser.feed(chunk.text, chunk.token_ids, is_stop=chunk.finish_reason is FinishReason.STOP)
            text, ids = text + delta.text, ids + delta.token_ids
            if parser.has_ended:
                break
    rest = parser.flush()
    return text + rest.text, ids + rest.token_ids, parser.has_ended
