"""Makes the design of a fact test: cuts the thinking and counts tokens, with the engine that will be asked."""

import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from m1app.fact_tests.design import Arm, Design, Insertion, as_insertion
from m1app.fact_tests.errors import FactTestRefused
from m1app.fact_tests.request import FactTestRequest, run_request
from m1app.fact_tests.unrelated import candidates
from m1app.question.wording import render_question
from m1app.runs.cutting import KeptThinking, cut_before, require_same_prompt
from m1app.runs.errors import CutRefused
from m1app.runs.pass_plan import PassPlan, PassPlanner
from m1app.runs.probe_request import MAX_SEED
from m1app.strategies.prompts import fill, prompts
from models.engine.protocol import Engine
from models.thinking.prompting import build_prompt
from storage.annotations.records import Case
from storage.traces.records import Trace

prompts("fact_in_prompt")  # Read now, since tests are designed on the event loop.


@dataclass(frozen=True, slots=True)
class Designed:
    """A design, and what is kept to explain it."""

    design: Design
    unrelated_fact: str
    kept: KeptThinking


async def make_design(request: FactTestRequest, case: Case, trace: Trace, planner: PassPlanner) -> Designed:
    """Cut the thinking and tokenize what is inserted.

    Raises:
        FactTestRefused: the engine is asked something else than the trace was, or the fact does not fit.
        ProbeRefused: the budget does not fit the model's context.
        ModelsError: the engine cannot be reached or does not serve the model.
    """
    plan = await planner.plan(run_request(trace, case).probe)
    try:
        require_same_prompt(plan.prompt.token_ids, trace, "Ask the question again, and mark the new trace.")
        kept = await cut_before(plan.engine, trace.segments, request.mark_start)
    except CutRefused as exc:
        raise FactTestRefused("case", str(exc)) from exc
    insertions, unrelated = await _insertions(request, case, plan.engine, kept.text_before)
    thinking_tokens = _tokens_left(case, kept, insertions)
    prompt = ""
    if request.has_prompt_arm:
        prompt = _prompt_with(request.fact, case, plan)
        await _check_prompt(prompt, plan, len(kept.token_ids) + thinking_tokens)
    design = Design(
        kept_ids=kept.token_ids,
        text_before=kept.text_before,
        insertions=insertions,
        prompt=prompt,
        target=case.question.target or "",
        seeds=request.seeds,
        first_seed=secrets.randbelow(MAX_SEED // 2) if request.first_seed is None else request.first_seed,
        thinking_tokens=thinking_tokens,
        force_rounds=max(0, case.force_rounds - len(kept.waits)),
        temperature=plan.settings.temperature,
        answer_cap_tokens=trace.answer_cap_tokens,
    )
    return Designed(design, unrelated, kept)


async def _insertions(
    request: FactTestRequest, case: Case, engine: Engine, text_before: str
) -> tuple[Mapping[Arm, Insertion], str]:
    """What each arm inserts, and the unrelated fact."""

    async def of(fact: str) -> Insertion:
        text = as_insertion(fact, text_before)
        return Insertion(text, await engine.tokenize(text, parse_special=False))

    fact = await of(request.fact)
    question = (case.question.stem, *case.question.options.values())
    unrelated, chosen = await _nearest(candidates(request.fact, question), fact, of)
    found = {Arm.NOTHING: Insertion(), Arm.FACT: fact, Arm.UNRELATED: unrelated}
    if request.has_prompt_arm:
        found[Arm.PROMPT] = Insertion()
    if request.wrong_fact:
        found[Arm.WRONG] = await of(request.wrong_fact)
    return found, chosen


async def _nearest(
    texts: Sequence[str], fact: Insertion, of: Callable[[str], Awaitable[Insertion]]
) -> tuple[Insertion, str]:
    """The text whose tokens are nearest in number to the fact's, the first among equals."""
    made = [(await of(text), text) for text in texts]
    return min(made, key=lambda each: abs(len(each[0].token_ids) - len(fact.token_ids)))


def _tokens_left(case: Case, kept: KeptThinking, insertions: Mapping[Arm, Insertion]) -> int:
    """Tokens of thinking that every arm may generate: what the budget leaves after cut and longest insertion."""
    longest = max(len(each.token_ids) for each in insertions.values())
    budget, used = case.thinking_budget_tokens, len(kept.token_ids)
    left = budget - used - longest
    if left < 1:
        raise FactTestRefused(
            "fact",
            f"The longest fact is {longest:,} tokens, and the budget of {budget:,} leaves {max(0, budget - used):,} "
            f"after the {used:,} before the mark, so there is no room to think. Shorten the fact, or mark an earlier "
            "passage.",
        )
    return left


def _prompt_with(fact: str, case: Case, plan: PassPlan) -> str:
    asked = case.question
    question = render_question(plan.match.profile.prompt, asked.stem, dict(asked.options), asked.target)
    return fill("fact_in_prompt", "with_fact", fact=as_insertion(fact, ""), question=question)


async def _check_prompt(prompt: str, plan: PassPlan, thinking_tokens: int) -> None:
    built = await build_prompt(plan.engine, plan.match.profile, plan.system, prompt)
    more = len(built.token_ids) - len(plan.prompt.token_ids)
    if thinking_tokens + more > plan.most_thinking_tokens:
        raise FactTestRefused(
            "arms",
            f"With the fact in the prompt, {thinking_tokens + more - plan.most_thinking_tokens:,} tokens do not fit "
            "in the model's context. Turn off arm D, or shorten the fact.",
        )
