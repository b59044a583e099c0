"""Which strategies cannot be asked a question, found without asking: each says so before its first request. Pure."""

from collections.abc import Mapping, Sequence

from m1app.strategies.catalogue import Choice
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.protocol import Task


def check_starts(choice: Choice, task: Task) -> None:
    """Raises StrategyRefused if it cannot run this task."""
    strategy = choice.start(task)
    try:
        next(strategy)
    except StopIteration:
        pass
    finally:
        strategy.close()


def refusals(choices: Sequence[Choice], task: Task) -> Mapping[str, str]:
    """Why strategies cannot run this task: choice as it is written -> reason; those that can are left out."""
    found: dict[str, str] = {}
    for each in choices:
        try:
            check_starts(each, task)
        except StrategyRefused as exc:
            found[each.text] = str(exc)
    return found
