"""Drawing samples: evenly, in order, and the same with the same seed; and what each step leaves out. `test_curation`
tests the other steps."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from m1app.training.curation import CurationPlan, curate
from m1app.training.curation_steps import draw
from m1app.training.samples import sample_key
from tests.m1app.training.training_cases import a_sample, some_samples


def test_draw_is_even_over_domains_and_their_sources() -> None:
    samples = [
        *some_samples(80, domain="Heart", source="big"),
        *[a_sample(question=f"Rare {n}?", domain="Eye", source="small") for n in range(12)],
        *[a_sample(question=f"Scarce {n}?", domain="Heart", source="small") for n in range(12)],
    ]
    kept, found, _ = draw(samples, "domain", 20, seed=1)
    by_domain = Counter(sample.domain for sample in kept)
    by_source = Counter(sample.source for sample in kept if sample.domain == "Heart")
    assert by_domain["Eye"] >= 6
    assert by_source["small"] >= 2
    assert found.kept == 20
    assert {example.partition(":")[0] for example in found.examples} == {"Heart", "Eye"}


def test_draw_says_when_there_is_no_domain_to_balance() -> None:
    _, found, _ = draw(some_samples(20, domain=""), "domain", 10, seed=1)
    assert "no sample has a domain" in found.title


@given(st.integers(0, 30), st.integers(1, 40), st.sampled_from(["none", "domain", "source"]), st.integers(0, 3))
def test_draw_takes_as_many_as_asked_each_once_in_order(count: int, limit: int, balance: str, seed: int) -> None:
    samples = [a_sample(question=str(n), domain=str(n % 3), source=str(n % 2)) for n in range(count)]
    kept, found, dropped = draw(samples, balance, limit, seed)
    numbers = [int(sample.question) for sample in kept]
    assert len(numbers) == min(count, limit) == found.kept
    assert numbers == sorted(set(numbers))
    assert {each.sample.question for each in dropped} == {each.question for each in samples} - {
        each.question for each in kept
    }
    assert draw(samples, balance, limit, seed) == (kept, found, dropped)


EVALUATED = "A man of sixty has chest pain that spreads to his left arm and he sweats what is done next"


def test_what_each_step_leaves_out_is_kept_with_the_reason() -> None:
    sample = a_sample()
    again = a_sample(source="copy")
    plan = CurationPlan(min_reasoning_characters=5)
    samples = [
        *some_samples(8),
        sample,
        again,
        a_sample(question=EVALUATED),
        a_sample(question="Wrong?", answer="The answer is B."),
        a_sample(question="Silent?", answer="Who knows."),
        a_sample(question="Short?", reasoning="no"),
    ]
    found = curate(samples, plan, evaluation={"MedQA": [EVALUATED]})
    assert [(each.step, each.sample.question.partition(" ")[0], each.why) for each in found.dropped] == [
        ("overlap", "A", f"shares 100% of its runs of 8 words with MedQA: {EVALUATED}"),
        ("verify", "Wrong?", "its answer names another option"),
        ("verify", "Silent?", "its answer names no single option"),
        ("length", "Short?", "too little reasoning, or no answer"),
        ("deduplicate", "Which", f"repeats the question of {sample_key(sample)}, from exam"),
    ]
    assert len(found.samples) + len(found.dropped) == len(samples)
