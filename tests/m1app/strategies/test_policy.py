"""Policy files: what they say, and every way in which one can be wrong."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.strategies.choosing.policy import Bin, Expected, Policy
from m1app.strategies.errors import PolicyRefused
from m1app.strategies.evaluating.estimators import entropy_of


def a_bin(below, choice, accuracy=0.61):
    expected = Expected(accuracy=accuracy, low=accuracy - 0.05, high=accuracy + 0.05)
    return Bin(below_bits=below, choice=choice, thinking_tokens=512, mean_tokens=900.5, expected=expected, questions=40)


def a_policy(*bins, **named):
    made = bins or (a_bin(0.3, "budget-forcing"), a_bin(0.95, "vote:k=4"), a_bin(None, "adaptive-vote:k=8:share=0.75"))
    given_fields = {
        "made_from": "run 12",
        "questions": 120,
        "pilot_tokens": 256,
        "budget_tokens": 2_000,
        "expected": Expected(accuracy=0.6, low=0.5, high=0.7),
        "bins": made,
    }
    return Policy(**(given_fields | named))


@pytest.mark.parametrize(
    ("entropy", "choice"),
    [
        (0, "budget-forcing"),
        (0.299, "budget-forcing"),
        (0.3, "vote:k=4"),
        (0.95, "adaptive-vote:k=8:share=0.75"),
        (99.0, "adaptive-vote:k=8:share=0.75"),
    ],
)
def test_a_policy_chooses_by_entropy(entropy, choice):
    assert a_policy().choose(entropy).choice == choice


def test_a_policy_says_why():
    assert a_policy().choose(0.5).why == (
        "Pilot entropy 0.50 bits: between 0.30 and 0.95, so Vote (passes 4) with 512 thinking tokens per pass; "
        "expected "
        "accuracy 61.0% (56.0% to 66.0%) from run 12, 40 questions."
    )
    assert "0.10 bits: below 0.30, so One chain with" in a_policy().choose(0.1).why
    assert "2.00 bits: 0.95 or more, so" in a_policy().choose(2).why
    assert "all questions are treated alike" in a_policy(a_bin(None, "vote:k=4")).choose(2).why
    assert a_policy().choose(2).thinking_tokens == 512


@pytest.mark.parametrize("entropy", [math.nan, math.inf, -0.1])
def test_what_is_no_entropy_is_an_error(entropy):
    with pytest.raises(ValueError, match="no entropy"):
        a_policy().choose(entropy)


def test_a_policy_that_is_saved_is_read_as_it_was():
    policy = a_policy()
    assert Policy.from_json(policy.to_json()) == policy


def changed(**fields):
    """The file with a field changed; a bin's with its place: bins_0_choice."""
    data = json.loads(a_policy().to_json())
    for name, value in fields.items():
        if name.startswith("bins_"):
            _, place, key = name.split("_", 2)
            data["bins"][int(place)][key] = value
        else:
            data[name] = value
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "It is not JSON."),
        (b"\xff\xfe", "It is not JSON."),
        (b"[" * 60_000, "It is not JSON."),
        (b" " * 64_001, "The policy has 64,001 bytes; a policy has at most 64,000."),
        (b"[]", "object"),
        (b"{}", "made_from: Field required."),
        (changed(version=2), "Its version is not 1, the version that this app reads."),
        (changed(run_me="rm -rf"), "run_me: Extra inputs are not permitted."),
        (changed(bins=[]), "bins: "),
        (changed(bins=[json.loads(a_policy().to_json())["bins"][2]] * 17), "bins: "),
        (
            changed(bins_0_choice="lottery:k=3"),
            "There is no strategy named 'lottery'. Choose one of budget-forcing, vote",
        ),
        (changed(bins_0_choice="vote:k=9999"), "Passes of Vote is 9999; enter a whole number from 1 to 128."),
        (changed(bins_0_choice="auto:policy=other"), "A policy cannot choose a policy."),
        (changed(model="m" * 401), "model: "),
        (changed(bins_0_choice="vote:k=4,vote:k=8"), "names more than one strategy."),
        (changed(bins_1_below_bits=0.3), "The borders of the bins have to ascend."),
        (changed(bins_1_below_bits=None), "All bins but the last need an upper border, and the last has none."),
        (changed(bins_2_below_bits=2.0), "All bins but the last need an upper border, and the last has none."),
        (changed(bins_0_below_bits=-1), "bins.0.below_bits: "),
        (changed(bins_0_thinking_tokens=10**9), "bins.0.thinking_tokens: "),
        (changed(bins_0_thinking_tokens="512"), "bins.0.thinking_tokens: "),
        (changed(budget_tokens=0), "budget_tokens: "),
        (changed(expected={"accuracy": 1.2, "low": 0, "high": 1}), "expected.accuracy: "),
        (changed(made_from="x" * 201), "made_from: "),
        (a_policy().to_json().replace(b"900.5", b"NaN", 1), "bins.0.mean_tokens: "),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else "",
)
def test_a_file_that_is_no_policy_is_refused_with_what_is_wrong(content, said):
    with pytest.raises(PolicyRefused) as refused:
        Policy.from_json(content)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 1_500


@given(st.binary(max_size=200))
def test_any_bytes_are_a_policy_or_refused(content):
    with pytest.raises(PolicyRefused):
        Policy.from_json(content)


@pytest.mark.parametrize(
    ("weights", "bits"),
    [((), 0), ((0, 0), 0), ((5,), 0), ((1, 1), 1), ((0.3, 0.3, 0.3, 0.3, 0), 2), ((3, 1), 0.8112781)],
)
def test_the_entropy_of_votes_and_probabilities(weights, bits):
    assert entropy_of(weights) == pytest.approx(bits)


def test_the_most_that_a_policy_costs_is_its_pilot_and_its_most_expensive_bin():
    policy = a_policy(a_bin(0.3, "budget-forcing"), a_bin(None, "adaptive-vote:k=8"), pilot_passes=2)
    assert policy.most_tokens(100) == 2 * (256 + 100 + 1) + 8 * (512 + 100 + 1)
