"""One pass to a thinking budget, with forced rounds: what m1 does (arXiv 2504.00869), and what a probe is."""

from m1app.strategies.methods.passes import Passes, thinking_share
from m1app.strategies.protocol import Growth, Strategy, Task, Verdict


def budget_forcing(task: Task, *, looks: bool = True) -> Strategy:
    """Think to the budget, force rounds at natural stops, answer.

    Args:
        task: with or without options.
        looks: whether the options' probabilities are asked for.
    """
    passes = Passes(task, thinking_share(task, 1), wants_probabilities=looks, growth=Growth.NOTHING)
    actions = passes.begin()
    while passes.running:
        event = yield actions
        actions = passes.take(event)
    return the_pass(passes)


def the_pass(passes: Passes) -> Verdict:
    """The verdict of the one pass that there is."""
    only = passes.all[0]
    if only.error:
        return Verdict(None, "", only.error)
    thought = only.thought
    tokens = thought.tokens if thought else 0
    return Verdict(only.letter, only.answer, f"One pass of {tokens:,} thinking tokens.", only.key)
