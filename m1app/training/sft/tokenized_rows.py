"""Rendered samples as token ids and labels.

The parts of a completion are tokenized one by one, as the app sends them when it asks the model: a delimiter and the
text before it must not melt into one token that the model never sees then.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of a token that no loss is taken on."""


@dataclass(frozen=True, slots=True)
class TokenizedRows:
    """Samples that fit, ready for the trainer, and how many did not."""

    rows: list[dict[str, list[int]]]
    """input_ids and labels of equal length; labels are IGNORED over the prompt."""
    too_long: int


def tokenize_rows(
    rows: Iterable[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, block_size: int
) -> TokenizedRows:
    """Token ids of the rows of at most `block_size` tokens; a longer one would lose its answer and is left out."""
    kept, too_long = [], 0
    for row in rows:
        prompt = token_ids(tokenizer, row["prompt"])
        texts = [text for _, text in row["parts"]] if row.get("parts") else [row["completion"]]
        completion = [each for text in texts for each in token_ids(tokenizer, text)]
        if len(prompt) + len(completion) > block_size:
            too_long += 1
        else:
            kept.append({"input_ids": prompt + completion, "labels": [IGNORED] * len(prompt) + completion})
    return TokenizedRows(kept, too_long)


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Ids of a piece of template or text; spelled-out special tokens count as such."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
