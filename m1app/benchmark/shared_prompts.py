"""Prompt tokens of requests that a strategy took from the run's own passes, as a live run would have been charged.

An engine with a prefix cache computes the question's prompt once, and after that what each request adds to it: what
closes the thinking, and the lead to a letter. That is what is counted. Pure.
"""

from collections.abc import Mapping, Sequence

from m1app.runs.stored_passes import StoredPass
from storage.strategies.records import StrategyRequest


def shared_prompts(requests: Sequence[StrategyRequest], stored: Sequence[StoredPass]) -> tuple[int, int]:
    """Tokens of the prompts of shared requests that are new, and that are in the cache.

    Args:
        requests: of one strategy on one question; those that were asked have been charged.
        stored: the question's passes.
    """
    by_trace = {each.trace_id: each for each in stored}
    new = cached = 0
    before: dict[str, int] = {}
    """Tokens up to the end of each shared thinking, by its key."""
    for each in (each for each in requests if each.is_shared):
        thinking = before.get(each.key.rpartition("/")[0])
        if thinking is not None:
            new, cached = new + each.injected, cached + thinking
            continue
        prompt = _prompt_tokens(each, by_trace)
        before[each.key] = prompt + each.tokens
        if len(before) == 1:
            new += prompt
        else:
            cached += prompt
    return new, cached


def _prompt_tokens(thinking: StrategyRequest, by_trace: Mapping[str, StoredPass]) -> int:
    if thinking.prompt_ids or thinking.trace_id not in by_trace:
        return len(thinking.prompt_ids)
    return len(by_trace[thinking.trace_id or ""].prompt_ids)
