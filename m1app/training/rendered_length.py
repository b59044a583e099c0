"""Tokens of rendered samples before a tokenizer has counted them. A special token is one, however long its spelling."""

from m1app.training.rendering import RenderedSample, split_specials

_FEW_CHARACTERS = 3.0
"""Characters per token: English has four or more; numbers and other languages fewer."""
_MANY_CHARACTERS = 4.5
"""More than plain English has; a sample that is too long by this is certainly too long."""


def estimated_tokens(sample: RenderedSample) -> int:
    """Tokens of prompt and completion (of a pair, the longer one), on the high side; for estimates of memory."""
    return _tokens(sample, _FEW_CHARACTERS)


def least_tokens(sample: RenderedSample) -> int:
    """The same on the low side."""
    return _tokens(sample, _MANY_CHARACTERS)


def is_surely_longer(sample: RenderedSample, block_size: int) -> bool:
    """Whether a sample has so many characters that it is almost certainly longer than a block."""
    return least_tokens(sample) > block_size


def _tokens(sample: RenderedSample, characters_per_token: float) -> int:
    found = [split_specials(each.prompt + each.completion) for each in sample.responses]
    return max(specials + round(characters / characters_per_token) for specials, characters in found)
