"""Why a vLLM server did not start, from the last lines of its log. Pure."""

import re
from collections.abc import Sequence

_MESSAGE_CHARACTERS = 600
_EXCEPTION = re.compile(r"(?:^|[ \]])((?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception)): (\S.*)$")
_FOLLOWS = re.compile(r"engine (core )?(process )?(initialization )?failed|see root cause", re.IGNORECASE)
"""Errors of the processes that wait for the one that failed."""
_ADVICE = (
    (
        r"couldn't connect|cannot connect|connection error|offline mode|name resolution|max retries",
        "It could not download the model. Check the network and M1_HUB_URL, or choose a folder that has the weights.",
    ),
    (
        r"gated repo|access to (this )?model .* is restricted|401 client error|403 client error",
        "The model's licence must be accepted on the hub. Then set M1_HUB_TOKEN to a read token of that account.",
    ),
    (
        r"not a valid model identifier|repository not found|404 client error",
        "The hub has no repository with this name. Check the name.",
    ),
    (
        r"out of memory|kv cache is needed|no available memory for the cache|less than desired gpu memory",
        "It needs more memory than there is. Set a shorter context or a quantisation, close other programs that use "
        "the GPU, or lower the share of GPU memory that vLLM takes.",
    ),
    (
        r"no space left on device",
        "The disk is full. vLLM downloads into its own cache (HF_HOME). Free some space there and start it again.",
    ),
)


def explain_failure(lines: Sequence[str]) -> str | None:
    """What failed, and what to do where that is known; None if no line names an error."""
    found = [match for match in map(_EXCEPTION.search, lines) if match]
    causes = [match for match in found if not _FOLLOWS.search(match[2])] or found
    if not causes:
        return None
    kind, message = causes[-1][1].rpartition(".")[2], causes[-1][2]
    cut = message if len(message) <= _MESSAGE_CHARACTERS else f"{message[:_MESSAGE_CHARACTERS]}…"
    said = "\n".join(lines).lower()
    advice = next((f" {advice}" for pattern, advice in _ADVICE if re.search(pattern, said)), "")
    return f"The vLLM server could not start.{advice} It said: {kind}: {cut}"
