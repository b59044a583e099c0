"""Strategies of a benchmark run before it starts: what they need of its passes, and what they may cost.

The passes of a question are sampled once. Strategies that need nothing else are evaluated from them; the others take
the passes that they would have sampled alike, and ask for the rest. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from m1app.strategies.catalogue import Choice
from m1app.strategies.protocol import Task, most_generated
from m1app.strategies.starting import refusals
from m1app.wording import counted

_ROOM_BESIDES_PASSES = 2
"""A strategy that asks more than passes gets as many tokens again for it."""
_TOKENS_OF_A_PASSAGE = 400
"""Passages have up to 250 words."""
_TOKENS_OF_A_ROUND = 32
"""Room for what ends a thinking, which is generated and overruled in each forced round."""


@dataclass(frozen=True, slots=True)
class StrategyEstimate:
    """The most that a strategy may generate for a question."""

    choice: Choice
    tokens_at_most: int
    asked_at_most: int
    """Tokens of these that the run's passes do not have."""


def passes_needed(choices: Sequence[Choice]) -> int:
    """Passes of a run that strategies answered from them draw on, at least 1."""
    return max((each.passes for each in choices if each.kind.from_run), default=1)


def default_budget(choices: Sequence[Choice], thinking_tokens: int, answer_cap_tokens: int) -> int:
    """Tokens that let every strategy ask all its passes or calls, and as much again where it asks for more than passes.

    Args:
        choices: the strategies; at least one.
        thinking_tokens: the run's largest thinking budget.
        answer_cap_tokens: most tokens of an answer.
    """
    return max(
        _of_passes(one, thinking_tokens, answer_cap_tokens)
        * (1 if one.kind.from_pool or one.kind.has_calls_only else _ROOM_BESIDES_PASSES)
        for one in choices
    )


def _of_passes(choice: Choice, thinking_tokens: int, answer_cap_tokens: int) -> int:
    return choice.passes * of_one_pass(choice, thinking_tokens, answer_cap_tokens)


def of_one_pass(choice: Choice, thinking_tokens: int, answer_cap_tokens: int) -> int:
    """The most that one pass of a strategy generates, with its answer and a look at the options."""
    overruled = choice.force_rounds * _TOKENS_OF_A_ROUND
    return most_generated(thinking=thinking_tokens, overruled=overruled, answer=answer_cap_tokens, looks=1)


def refusal(choices: Sequence[Choice], task: Task) -> str:
    """Why one of the strategies would refuse every question of a run with such tasks; empty if none does.

    Args:
        choices: the strategies; those that need more than the task to start are taken to start.
        task: of a question with options.
    """
    starting = [each for each in choices if not each.kind.starts_others]
    found = refusals(starting, task)
    return next((f"{each.title}: {found[each.text]}" for each in starting if each.text in found), "")


def estimates(
    choices: Sequence[Choice], budget_tokens: int, thinking_tokens: int, answer_cap_tokens: int
) -> tuple[StrategyEstimate, ...]:
    """What each strategy may cost; arguments as in `default_budget`, and the budget of each."""
    found = []
    for each in choices:
        passes = _of_passes(each, thinking_tokens, answer_cap_tokens)
        most = min(budget_tokens, passes) if each.kind.from_pool else budget_tokens
        found.append(StrategyEstimate(each, most, 0 if each.kind.from_run else most))
    return tuple(found)


def strategy_facts(found: Sequence[StrategyEstimate], passes: int, shared_at_most: int) -> list[tuple[str, str]]:
    """What a dry run says of strategies, as name and text; empty without any.

    Args:
        found: the estimate of each.
        passes: of each question.
        shared_at_most: tokens of the whole run that strategies need not generate.
    """
    if not found:
        return []
    facts = []
    for each in found:
        asked = "new requests" if each.asked_at_most else "no new requests: the stored passes are enough"
        facts.append((each.choice.title, f"at most {each.tokens_at_most:,} tokens per question, {asked}{_read(each)}"))
    pool = f"{counted(passes, 'pass', 'passes')} per question, sampled once, save at most {shared_at_most:,} tokens"
    return [*facts, ("Pool", pool)]


def _read(estimate: StrategyEstimate) -> str:
    """What it reads besides; empty if it searches nothing."""
    passages = estimate.choice.kind.passages(estimate.choice.options)
    if not passages:
        return ""
    tokens = passages * _TOKENS_OF_A_PASSAGE
    return f"; it also reads at most {counted(passages, 'passage')}, up to about {tokens:,} tokens"
