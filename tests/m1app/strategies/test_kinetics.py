"""The cost law, computed by hand, and what a config.json has to say."""

import json

import numpy as np
import pytest

from m1app.strategies.choosing.kinetics import ModelShape, cost
from m1app.strategies.errors import FitRefused

SMALL = ModelShape(parameters=1_000, layers=2, heads=4, shared_heads=1, head_size=8)
QWEN_7B = {
    "hidden_size": 3_584,
    "num_hidden_layers": 28,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "intermediate_size": 18_944,
    "vocab_size": 152_064,
    "tie_word_embeddings": False,
}


def shape_of(**config):
    return ModelShape.from_config(json.dumps(QWEN_7B | config).encode())


def test_the_law_is_as_published():
    found = cost(SMALL, prompt_tokens=10, tokens=20, passes=3)
    # [2 x 1000 x 20 + 2 (20 + 20) 20 x 4 x 8 x 2] x 3, and 2 (20 + 60) 20 x 1 x 8 x 2 x 562.5
    assert found.compute == (40_000 + 102_400) * 3
    assert found.memory == 51_200 * 562.5
    assert found.total == found.compute + found.memory


def test_a_long_chain_costs_more_than_as_many_tokens_in_short_ones():
    assert cost(SMALL, 10, 800).total > cost(SMALL, 10, 100, passes=8).total


def test_passes_share_the_cache_of_their_prompt():
    one, eight = cost(SMALL, 1_000, 1), cost(SMALL, 1_000, 1, passes=8)
    assert eight.compute == 8 * one.compute
    assert eight.memory < 1.01 * one.memory


def test_lengths_may_be_an_array_and_their_costs_are_not_that_of_their_mean():
    lengths = np.array([10, 1_990])
    assert cost(SMALL, 10, lengths).total.shape == (2,)
    assert cost(SMALL, 10, lengths).total.mean() > cost(SMALL, 10, 1_000).total


def test_a_configuration_has_the_numbers_of_the_law():
    shape = shape_of()
    assert shape == ModelShape(shape.parameters, 28, 28, 4, 128)
    assert shape.parameters == pytest.approx(7.6156e9, rel=1e-3), "as Qwen2.5-7B says of itself"
    assert shape_of(head_dim=64).head_size == 64


def test_of_a_mixture_of_experts_the_used_parameters_count():
    """Qwen3-30B-A3B: 30.5 billion parameters, 3.3 of them for a token."""
    shape = shape_of(
        hidden_size=2_048,
        num_hidden_layers=48,
        num_attention_heads=32,
        head_dim=128,
        num_experts=128,
        num_experts_per_tok=8,
        moe_intermediate_size=768,
        vocab_size=151_936,
    )
    assert shape.parameters == pytest.approx(3.35e9, rel=0.02)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "config.json is not a model's configuration"),
        (b"[" * 100_000, "not a model's configuration"),
        (b'{"a": 1}', "does not say its num_hidden_layers"),
        (json.dumps(QWEN_7B | {"hidden_size": "many"}).encode(), "does not say its hidden_size"),
        (json.dumps(QWEN_7B | {"num_attention_heads": -1}).encode(), "does not say its num_attention_heads"),
        (json.dumps(QWEN_7B | {"kv_lora_rank": 512}).encode(), "latent attention is not in the cost law"),
    ],
    ids=["empty", "deep", "missing", "text", "negative", "latent"],
)
def test_a_configuration_that_does_not_say_enough_is_refused(content, said):
    with pytest.raises(FitRefused) as refused:
        ModelShape.from_config(content)
    assert said in str(refused.value)
    assert str(refused.value).endswith(".")


@pytest.mark.parametrize("used", [0, -1, "8", 1_000, None])
def test_experts_that_cannot_be_counted_are_all_counted(used):
    config = {"num_experts": 4, "moe_intermediate_size": 100}
    assert shape_of(**config, num_experts_per_tok=used).parameters == shape_of(**config).parameters
