"""How probable each option is as the answer, read from the engine's logprobs at the option's letter.

One token is generated after the profile's option prefix; the probabilities of all tokens that spell an option's
letter ("B", " B") are added up. They are not normalized over the options: a model that would rather say something
else shows it. Letters outside the engine's top candidates count as 0. None where the engine gives no logprobs.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from models.engine.protocol import CompletionRequest, Engine, TokenIds, TokenLogprob

TOP_LOGPROBS = 20
"""The most that vLLM gives by default."""


@dataclass(frozen=True, slots=True)
class OptionProbabilities:
    """What the engine gives to each option as the next token."""

    by_letter: Mapping[str, float] | None
    """0-1 each; what is missing from 1 went to tokens that are no option's letter. None without logprobs."""
    tokens_generated: int


async def option_probabilities(engine: Engine, prompt_ids: TokenIds, letters: Collection[str]) -> OptionProbabilities:
    """Ask for one token after `prompt_ids` and read the letters' probabilities; raises EngineError."""
    request = CompletionRequest(prompt_ids, max_tokens=1, top_logprobs=TOP_LOGPROBS)
    candidates: tuple[TokenLogprob, ...] = ()
    generated = 0
    async with aclosing(engine.stream(request)) as chunks:
        async for chunk in chunks:
            generated += len(chunk.token_ids) + chunk.tokens_unreported
            candidates = candidates or next(iter(chunk.top_logprobs), ())
    return OptionProbabilities(letter_mass(candidates, letters) if candidates else None, generated)


def letter_mass(candidates: Sequence[TokenLogprob], letters: Collection[str]) -> dict[str, float]:
    """Probability of each letter among `candidates`; 0 for letters that are not there."""
    mass = dict.fromkeys(letters, 0.0)
    for candidate in candidates:
        letter = candidate.text.strip()
        if letter in mass:
            mass[letter] += math.exp(candidate.logprob)
    return mass
