"""A strategy that chooses another one by a policy: a pilot is asked, and its entropy decides (arXiv 2502.06703).

The pilot's passes are "pilot/0" and so on; the chosen strategy makes its own requests within the rest of the budget,
with the seeds that follow. Where nothing can be chosen, or it answers nothing, the pilot's answer stands.

`Show("policy", ...)`: `entropy` in bits, `choice` as it is written, `thinking_tokens` of each of its passes, `why`, and
`pilot_passes`; before the pilot has ended only `pilot_passes`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from m1app.strategies.errors import StrategyRefused
from m1app.strategies.evaluating.estimators import entropy_of
from m1app.strategies.methods.passes import Pass, Passes, normalized
from m1app.strategies.methods.voting import tally
from m1app.strategies.protocol import Action, Chooser, Chosen, Show, Strategy, Task, Verdict, most_generated

_BESIDES_TOKENS = 8
"""Of a pilot: the look, and what ended its thinking and its answer."""


def auto(task: Task, policy: str, start: Callable[[str, Task], Strategy]) -> Strategy:
    """Ask the pilot, choose, and let the chosen strategy answer.

    Args:
        task: with the policy among its `policies`.
        policy: its name.
        start: starts a strategy as it is written, for a task.

    Raises:
        StrategyRefused: there is no such policy, or the budget is too small for its pilot.
    """
    chooser = _chooser(task, policy)
    pilots = Passes(task, _thinking(task, chooser.pilot_tokens), wants_probabilities=True, name="pilot")
    actions: list[Action] = [action for _ in range(chooser.pilot_passes) for action in pilots.begin()]
    actions.append(Show("policy", {"pilot_passes": chooser.pilot_passes}))
    while pilots.running:
        event = yield actions
        actions = pilots.take(event)
    entropy = _entropy(pilots.answered)
    if entropy is None:
        return _of_pilot(pilots, _why_not(pilots))
    chosen = chooser.choose(entropy)
    shown = Show("policy", _picture(chooser, entropy, chosen))
    try:
        verdict = yield from _beginning_with(shown, start(chosen.choice, _rest(task, pilots, chosen)))
    except StrategyRefused as exc:
        verdict = Verdict(None, "", str(exc))
    if verdict.letter is None and not verdict.answer:
        verdict = _of_pilot(pilots, f"{verdict.why} The pilot's answer is used.")
    return replace(verdict, why=f"{chosen.why} {verdict.why}", last_shown=(shown, *verdict.last_shown))


def _chooser(task: Task, policy: str) -> Chooser:
    chooser = task.policies.get(policy)
    if chooser is None:
        raise StrategyRefused(f"There is no policy named {policy[:80]!r}." if policy else "No policy is named.")
    thinking, answer = _thinking(task, chooser.pilot_tokens), task.answer_cap_tokens
    pilot = chooser.pilot_passes * most_generated(thinking=thinking, answer=answer, looks=1)
    least = pilot + most_generated(thinking=1, answer=answer, looks=1)
    if task.budget_tokens < least:
        raise StrategyRefused(
            f"A budget of {task.budget_tokens:,} tokens is too small for the policy's pilot, of up to {pilot:,} "
            f"tokens, and an answer. Allow at least {least:,} tokens."
        )
    return chooser


def _thinking(task: Task, tokens: int) -> int:
    """As the policy says, where it fits the model's context."""
    return tokens if task.most_thinking_tokens is None else min(tokens, task.most_thinking_tokens)


def _entropy(pilots: Sequence[Pass]) -> float | None:
    """Of the pilots' mean probabilities, or of their votes if some have none; None if that says nothing."""
    weights: dict[str, float] = {}
    shares = [normalized(each.probabilities) for each in pilots]
    if pilots and all(shares):
        for each in shares:
            for letter, share in each.items():
                weights[letter] = weights.get(letter, 0.0) + share
        return entropy_of(list(weights.values()))
    # The votes of one pass always agree.
    return entropy_of(list(tally(pilots).votes.values())) if len(pilots) > 1 else None


def _why_not(pilots: Passes) -> str:
    error = next((each.error for each in pilots.all if each.error), "")
    reason = f"The pilot failed: {error}" if error else "The engine reports no option probabilities."
    stands = " The pilot's answer is used." if pilots.answered else ""
    return f"{reason} So no strategy could be chosen.{stands}"


def _of_pilot(pilots: Passes, why: str) -> Verdict:
    leader = tally(pilots.answered).leader
    won = next((each for each in pilots.answered if each.said == leader), None)
    return Verdict(won.letter, won.answer, why, won.key) if won else Verdict(None, "", why)


def _rest(task: Task, pilots: Passes, chosen: Chosen) -> Task:
    """What the chosen strategy is given."""
    spent = sum(each.tokens + each.answer_tokens + _BESIDES_TOKENS for each in pilots.all)
    return replace(
        task,
        budget_tokens=max(1, task.budget_tokens - spent),
        thinking_tokens=_thinking(task, chosen.thinking_tokens),
        seed=task.seed + len(pilots.all),
    )


def _picture(chooser: Chooser, entropy: float, chosen: Chosen) -> dict[str, object]:
    return {
        "pilot_passes": chooser.pilot_passes,
        "entropy": entropy,
        "choice": chosen.choice,
        "thinking_tokens": chosen.thinking_tokens,
        "why": chosen.why,
    }


def _beginning_with(action: Action, strategy: Strategy) -> Strategy:
    """A strategy with one more action at its beginning."""
    try:
        actions: Sequence[Action] = [action, *next(strategy)]
        while True:
            actions = strategy.send((yield actions))
    except StopIteration as stop:
        verdict: Verdict = stop.value
        return verdict
    finally:
        strategy.close()
