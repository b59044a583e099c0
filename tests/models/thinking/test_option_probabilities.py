"""Option probabilities: which tokens count for a letter, and what a real engine gives."""

import math
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.protocol import CompletionRequest, TokenLogprob
from models.thinking.option_probabilities import TOP_LOGPROBS, letter_mass, option_probabilities
from tests.models.engine.scripted_server import Script, chunk, serving, stream


def candidates(**probabilities: float) -> list[TokenLogprob]:
    """Tokens with these probabilities; an underscore stands for a space."""
    return [TokenLogprob(text.replace("_", " "), math.log(p)) for text, p in probabilities.items()]


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (candidates(A=0.5, B=0.25), {"A": 0.5, "B": 0.25}),
        (candidates(_A=0.5), {"A": 0.5, "B": 0.0}),
        (candidates(A=0.25, _A=0.25, __A=0.125), {"A": 0.625, "B": 0.0}),
        (candidates(The=0.5, C=0.25, AB=0.125), {"A": 0.0, "B": 0.0}),
        (candidates(a=0.5, b=0.25), {"A": 0.0, "B": 0.0}),
        ([TokenLogprob("A.", -0.5), TokenLogprob("", -0.1), TokenLogprob("\nB", 0.0)], {"A": 0.0, "B": 1.0}),
        ([TokenLogprob("A", -math.inf)], {"A": 0.0, "B": 0.0}),
        ([], {"A": 0.0, "B": 0.0}),
    ],
)
def test_a_letter_has_the_mass_of_every_token_that_spells_it(
    given_: list[TokenLogprob], expected: dict[str, float]
) -> None:
    assert letter_mass(given_, ("A", "B")) == pytest.approx(expected)


@given(st.lists(st.tuples(st.sampled_from(["A", " A", "B", "x", ""]), st.floats(0.001, 1)), max_size=20))
def test_mass_is_never_made_or_doubled(pairs: list[tuple[str, float]]) -> None:
    total = sum(p for _, p in pairs) or 1.0
    tokens = [TokenLogprob(text, math.log(p / total)) for text, p in pairs]
    mass = letter_mass(tokens, ("A", "B"))
    assert list(mass) == ["A", "B"]
    assert 0 <= sum(mass.values()) <= 1 + 1e-9
    spelled = sum(p / total for text, p in pairs if text.strip() in ("A", "B"))
    assert sum(mass.values()) == pytest.approx(spelled)


@pytest.fixture
async def engine(whole_model_endpoint: Endpoint) -> AsyncIterator[OpenAIEngine]:
    client = OpenAIEngine(lambda: whole_model_endpoint)
    yield client
    await client.aclose()


@pytest.mark.engine
async def test_a_real_engine_gives_the_probabilities_of_its_next_token(engine: OpenAIEngine) -> None:
    prompt = await engine.tokenize("A. Adrenal\nB. Thyroid\nThe right option is the letter", parse_special=False)
    letters = ("A", "B")
    found = await option_probabilities(engine, prompt, letters)
    assert found.by_letter is not None
    assert found.tokens_generated == 1
    assert list(found.by_letter) == ["A", "B"]
    assert 0 < sum(found.by_letter.values()) <= 1 + 1e-6
    request = CompletionRequest(prompt, max_tokens=1, top_logprobs=TOP_LOGPROBS)
    top = [c.top_logprobs[0] async for c in engine.stream(request) if c.top_logprobs]
    assert len(top[0]) == TOP_LOGPROBS
    assert found.by_letter == pytest.approx(letter_mass(top[0], letters), rel=0.05)


async def test_an_engine_without_logprobs_gives_none_and_not_zeros() -> None:
    with serving(Script(stream(chunk("A", [1], "length")))) as script:
        engine = OpenAIEngine(lambda: Endpoint(script.url))
        found = await option_probabilities(engine, (1, 2), ("A", "B"))
        await engine.aclose()
    assert (found.by_letter, found.tokens_generated) == (None, 1)
    assert (script.completions[0]["max_tokens"], script.completions[0]["temperature"]) == (1, 0.0)


async def test_only_the_first_position_counts() -> None:
    both = {"top_logprobs": [{"A": -0.5, " A": -3.0}, {"B": 0.0}]}
    with serving(Script(stream(chunk("A", [1], "length", logprobs=both)))) as script:
        engine = OpenAIEngine(lambda: Endpoint(script.url))
        found = await option_probabilities(engine, (1,), ("A", "B"))
        await engine.aclose()
    assert found.by_letter == pytest.approx({"A": math.exp(-0.5) + math.exp(-3.0), "B": 0.0})
    assert found.tokens_generated == 1


def test_a_sum_that_rounding_lifts_above_everything_is_1() -> None:
    halves = [TokenLogprob(text, math.log(0.5) + 1e-7) for text in ("A", " A")]
    assert letter_mass(halves, "A") == {"A": 1.0}
