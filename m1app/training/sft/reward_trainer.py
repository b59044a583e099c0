"""TRL's trainer by rewards (GRPO, arXiv 2402.03300) with the app's own verdict as the only reward.

Prompts are tokenized like those of samples, and answers are read with their special tokens, which mark where the
thinking ends; the library would add tokens to the one and drop them from the other.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase
from trl import GRPOTrainer

from m1app.training.answer_reward import is_right
from m1app.training.sft.resuming import Resuming
from m1app.training.sft.tokenized_rows import TokenizedRows, token_ids

Reward = Callable[..., list[float]]


class RewardTrainer(Resuming, GRPOTrainer):  # type: ignore[misc] # TRL's class is untyped
    """Trains on questions: prompt (its parts as JSON), closes, options (as JSON), target."""

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [_prompt_ids(self.processing_class, json.loads(prompt)) for prompt in prompts], None, {}


def question_rows(
    rows: Sequence[Mapping[str, Any]], tokenizer: PreTrainedTokenizerBase, block_size: int, completion_tokens: int
) -> TokenizedRows:
    """The questions whose prompt leaves room for an answer in a block, as the trainer takes them."""
    kept: list[dict[str, Any]] = []
    for row in rows:
        prompt = [row["prompt"], row["opens"]]
        if len(_prompt_ids(tokenizer, prompt)) + completion_tokens <= block_size:
            asked = {"prompt": json.dumps(prompt), "options": json.dumps(row["options"])}
            kept.append(asked | {name: row[name] for name in ("closes", "target")})
    return TokenizedRows(kept, len(rows) - len(kept))


def _prompt_ids(tokenizer: PreTrainedTokenizerBase, parts: Sequence[str]) -> list[int]:
    """The parts one by one, as the app sends them."""
    return [each for part in parts for each in token_ids(tokenizer, part)]


def verdict_reward(tokenizer: PreTrainedTokenizerBase, stop_tokens: Sequence[str]) -> Reward:
    """Return the reward function: 1 for an answer that the rule `strict` finds right, else 0."""

    def verdict(
        completion_ids: list[list[int]], closes: list[str], options: list[str], target: list[str], **_: Any
    ) -> list[float]:
        texts = [tokenizer.decode(ids, skip_special_tokens=False) for ids in completion_ids]
        asked = zip(texts, closes, options, target, strict=True)
        return [
            float(is_right(text, close, json.loads(given), right, stop_tokens)) for text, close, given, right in asked
        ]

    return verdict
