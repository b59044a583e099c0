"""Reads how probable a sample's target is after a reasoning: one token asked of a served model for each reasoning.

The context is the text that training would see: the prompt as the app asks it, the opening, the reasoning, the closing
that a natural end has, and what precedes the option's letter.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from m1app.question.wording import render_question
from m1app.strategies.drivers.served_models import ServedModel
from m1app.training.pruning.probe_cache import Probabilities, ProbeCache, probe_key
from m1app.training.pruning.records import ProbeCosts
from m1app.training.rendering import reasoning_part
from m1app.training.samples import TrainingSample
from models.engine.protocol import TokenIds
from models.errors import EngineError
from models.thinking.option_probabilities import OptionProbabilities, option_probabilities
from models.thinking.prompting import build_prompt

_MOST_AT_ONCE = 8
_TRIES = 3
_RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class SampleContext:
    """What precedes and follows a sample's reasoning."""

    letters: tuple[str, ...]
    before: TokenIds
    after: TokenIds


class LetterProbe:
    """Asks one served model. Methods raise EngineError after three tries."""

    def __init__(self, served: ServedModel, cache: ProbeCache | None, check: Callable[[], None]) -> None:
        """Args:
        served: the model.
        cache: what was asked before; None keeps nothing.
        check: called before each request; what it raises ends the probing.
        """
        self._served = served
        self._cache = cache
        self._check = check
        # Half of what the engine runs at once is left to people.
        slots = served.info.parallel_requests or 2
        self._slots = asyncio.Semaphore(max(1, min(_MOST_AT_ONCE, slots // 2)))
        self.costs = ProbeCosts()
        """Of all probes so far."""
        self._has_probabilities = True

    async def tokens(self, reasoning: str) -> TokenIds:
        """Token ids of a reasoning with what separates it from its delimiters."""
        markers = self._served.markers
        text = reasoning_part(reasoning, markers.opening.text, markers.natural_close.text)
        return await self._served.engine.tokenize(text, parse_special=False)

    async def context(self, sample: TrainingSample) -> SampleContext:
        """What precedes and follows the sample's reasoning."""
        served = self._served
        user = render_question(served.profile.prompt, sample.question, dict(sample.options), sample.target)
        prompt = await build_prompt(served.engine, served.profile, served.system, user)
        markers = served.markers
        after = markers.natural_close.token_ids + markers.option_prefix.token_ids
        return SampleContext(tuple(sample.options), prompt.token_ids + markers.opening.token_ids, after)

    def fits(self, context: SampleContext, reasoning: TokenIds) -> bool:
        """Whether a reasoning and one token more fit the model's context."""
        needed = len(context.before) + len(reasoning) + len(context.after) + 1
        return needed <= self._served.info.context_length

    async def probabilities(self, context: SampleContext, reasoning: TokenIds) -> Probabilities | None:
        """The letters' probabilities after a reasoning; None if the engine returns none: it is not asked again. Raises
        OSError if they cannot be kept."""
        ids = context.before + reasoning + context.after
        key = probe_key(self._served.name, ids, context.letters)
        if self._cache and (known := self._cache.get(key)) is not None:
            self.costs = self.costs.plus(ProbeCosts(reused=1))
            return known
        async with self._slots:
            if not self._has_probabilities:
                return None
            found = await self._asked(ids, context.letters)
            if found.by_letter is None:
                self._has_probabilities = False
            elif self._cache:
                await asyncio.to_thread(self._cache.add, key, found.by_letter)
        return found.by_letter

    async def _asked(self, ids: TokenIds, letters: tuple[str, ...]) -> OptionProbabilities:
        for tries in range(1, _TRIES + 1):
            self._check()
            sent = ProbeCosts(requests=1, prompt_tokens=len(ids))
            try:
                found = await option_probabilities(self._served.engine, ids, letters)
            except EngineError:
                self.costs = self.costs.plus(sent)
                if tries == _TRIES:
                    raise
                await asyncio.sleep(_RETRY_SECONDS * 4 ** (tries - 1))
                continue
            cached, generated = min(found.prompt_tokens_cached, len(ids)), found.tokens_generated
            self.costs = self.costs.plus(replace(sent, cached_tokens=cached, generated_tokens=generated))
            return found
        raise AssertionError
