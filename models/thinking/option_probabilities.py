"""How probable each option is as the answer, read from the engine's logprobs at the option's letter.

One token is generated after the profile's option prefix; the probabilities of all tokens that spell an option's
letter ("B", " B") are added up. They are not normalized over the options: a model that prefers to say something
else is visible. Letters outside the engine's top candidates count as 0. None if the engine returns no logprobs.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from models.engine.protocol import CompletionRequest, Engine, TokenIds, TokenLogprob

TOP_LOGPROBS = 20
"""The most that vLLM returns by default."""


@dataclass(frozen=True, slots=True)
class OptionProbabilities:
    """The engine's probability of each option as the next token."""

    by_letter: Mapping[str, float] | None
    """0-1 each; the remainder to 1 belongs to tokens that are not an option's letter. None without logprobs."""
    tokens_generated: int
    prompt_tokens_cached: int = 0
    """Prompt tokens that the engine says it had in its cache."""


async def option_probabilities(engine: Engine, prompt_ids: TokenIds, letters: Collection[str]) -> OptionProbabilities:
    """Ask for one token after `prompt_ids` and read the letters' probabilities; raises EngineError."""
    request = CompletionRequest(prompt_ids, max_tokens=1, top_logprobs=TOP_LOGPROBS, is_whole=True)
    candidates: tuple[TokenLogprob, ...] = ()
    generated = cached = 0
    async with aclosing(engine.stream(request)) as chunks:
        async for chunk in chunks:
            generated += len(chunk.token_ids) + chunk.tokens_unreported
            cached = max(cached, chunk.prompt_tokens_cached or 0)
            candidates = candidates or next(iter(chunk.top_logprobs), ())
    return OptionProbabilities(letter_mass(candidates, letters) if candidates else None, generated, cached)


def letter_mass(candidates: Sequence[TokenLogprob], letters: Collection[str]) -> dict[str, float]:
    """Probability of each letter among `candidates`; 0 for letters that are not there."""
    mass = dict.fromkeys(letters, 0.0)
    for candidate in candidates:
        letter = candidate.text.strip()
        if letter in mass:
            mass[letter] = min(1.0, mass[letter] + math.exp(candidate.logprob))  # a sum is above 1 by rounding
    return mass
