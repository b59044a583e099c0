"""Rendered samples as token ids and labels.

The parts of a completion are tokenized separately, as the app sends them: a delimiter must not merge with the text
before it into a token that the model never sees at inference.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase

IGNORED = -100
"""Label of tokens excluded from the loss."""


@dataclass(frozen=True, slots=True)
class TokenizedRows:
    """Samples that fit, ready for the trainer, and the number of those that did not."""

    rows: list[dict[str, list[int]]]
    """input_ids and labels of equal length; labels are IGNORED over the prompt. Of preference pairs: prompt_ids,
    chosen_ids and rejected_ids."""
    too_long: int


def tokenize_rows(
    rows: Iterable[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, block_size: int
) -> TokenizedRows:
    """Tokenize the rows of at most `block_size` tokens; longer ones would lose their answer and are left out.

    A pair is left out if either response is longer.
    """
    kept, too_long = [], 0
    for row in rows:
        prompt = token_ids(tokenizer, row["prompt"])
        responses = [_completion(tokenizer, each) for each in (row, row.get("rejected")) if each]
        if len(prompt) + max(map(len, responses)) > block_size:
            too_long += 1
        elif len(responses) == 1:
            (completion,) = responses
            kept.append({"input_ids": prompt + completion, "labels": [IGNORED] * len(prompt) + completion})
        else:
            chosen, rejected = responses
            kept.append({"prompt_ids": prompt, "chosen_ids": chosen, "rejected_ids": rejected})
    return TokenizedRows(kept, too_long)


def _completion(tokenizer: PreTrainedTokenizerBase, response: Mapping[str, Any]) -> list[int]:
    texts = [text for _, text in response["parts"]] if response.get("parts") else [response["completion"]]
    return [each for text in texts for each in token_ids(tokenizer, text)]


def token_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """Token ids of template or text; spelled-out special tokens become those tokens."""
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])
