"""Which samples of a version a search and a filter find."""

import pytest
from pydantic import ValidationError

from m1app.training.curation_steps import DroppedSample
from m1app.training.sample_charts import domain_chart, length_chart
from m1app.training.sample_index import SampleIndex, SampleQuery
from m1app.training.samples import sample_key
from tests.m1app.training.training_cases import a_sample

KEPT = (
    a_sample(question="Which gland makes cortisol?", domain="Endocrinology", source="exam", reasoning="r" * 50),
    a_sample(question="Which salt is low in Addison's disease?", domain="", source="exam", reasoning="r" * 900),
    a_sample(question="Où se forme l'insuline ?", domain="Endocrinology", source="other", reasoning="Le PANCRÉAS"),
)
DROPPED = (
    DroppedSample(a_sample(question="A repeated one", source="other"), "deduplicate", "repeats the question of x"),
    DroppedSample(a_sample(question="One of the exam", domain="Surgery"), "overlap", "shares 90%"),
)
INDEX = SampleIndex(KEPT, DROPPED)


@pytest.mark.parametrize(
    ("query", "questions"),
    [
        ({}, ["Which gland", "Which salt", "Où se forme"]),
        ({"state": ""}, ["Which gland", "Which salt", "Où se forme", "A repeated", "One of the"]),
        ({"state": "dropped"}, ["A repeated", "One of the"]),
        ({"state": "overlap"}, ["One of the"]),
        ({"domain": "Endocrinology"}, ["Which gland", "Où se forme"]),
        ({"domain": ""}, ["Which salt"]),
        ({"source": "other", "state": ""}, ["Où se forme", "A repeated"]),
        ({"least": 51}, ["Which salt"]),
        ({"most": 11}, ["Où se forme"]),
        ({"least": 900, "most": 900}, ["Which salt"]),
        ({"order": "short"}, ["Où se forme", "Which gland", "Which salt"]),
        ({"order": "long"}, ["Which salt", "Which gland", "Où se forme"]),
        ({"text": "SALT  which"}, ["Which salt"]),
        ({"text": "PANCRÉAS", "state": "kept"}, ["Où se forme"]),
        ({"text": "le pancréas insuline"}, ["Où se forme"]),
        ({"text": "nothing of the kind"}, []),
        ({"text": "thyroid", "state": "overlap"}, ["One of the"]),
    ],
)
def test_a_query_finds_these(query: dict, questions: list[str]) -> None:
    found = INDEX.find(SampleQuery(**query))
    assert len(found) == len(questions)
    assert all(each.question.startswith(start) for each, start in zip(found, questions, strict=True))


def test_a_random_order_stays_the_same_and_is_not_that_of_the_file() -> None:
    index = SampleIndex([a_sample(question=f"q{n}") for n in range(30)], [])
    drawn = [each.key for each in index.find(SampleQuery(order="drawn"))]
    assert drawn == sorted(each.key for each in index.all)
    assert drawn != [each.key for each in index.all]


def test_a_sample_is_found_by_its_key() -> None:
    key = sample_key(KEPT[1])
    (found,) = INDEX.find(SampleQuery(text=key.upper()))
    assert (found.key, INDEX.sample(found)) == (key, KEPT[1])
    assert INDEX.sample(INDEX.get(sample_key(DROPPED[0].sample))[0]) == DROPPED[0].sample
    assert INDEX.get("0" * 12) == []


def test_words_are_not_found_across_two_samples() -> None:
    index = SampleIndex([a_sample(answer="ends in ab"), a_sample(question="cd begins", answer="x")], [])
    assert index.find(SampleQuery(text="abcd")) == []
    assert len(index.find(SampleQuery(text="ab begins"))) == 0


def test_what_can_be_filtered_by_is_counted() -> None:
    facets = INDEX.facets
    assert (facets.kept, facets.dropped) == (3, 2)
    assert facets.steps == {"deduplicate": 1, "overlap": 1}
    assert facets.domains == {"Endocrinology": 3, "": 1, "Surgery": 1}
    assert facets.sources == {"exam": 3, "other": 2}


@pytest.mark.parametrize("wrong", [{"order": "random"}, {"offset": -1}, {"text": "x" * 201}, {"unknown": 1}])
def test_a_query_of_another_kind_is_refused(wrong: dict) -> None:
    with pytest.raises(ValidationError):
        SampleQuery(**wrong)


def test_an_empty_version_has_nothing_to_find() -> None:
    empty = SampleIndex([], [])
    assert empty.find(SampleQuery(text="a")) == []
    assert length_chart([])["said"] == "0 samples"
    assert domain_chart([])["said"] == ""


def test_lengths_are_counted_in_bars_of_a_round_width() -> None:
    chart = length_chart(INDEX.find(SampleQuery()))
    (bars,) = chart["data"]
    assert (bars["x"][0], sum(bars["y"]), len(bars["x"])) == (25.0, 3, 19)
    assert bars["customdata"][1] == "50 to 99"
    assert chart["said"].endswith("the median has 50, the longest 900")


def test_domains_are_counted_and_the_rest_together() -> None:
    samples = [a_sample(question=f"q{n}", domain=f"<b>{n:02}</b>" if n else "") for n in range(30)]
    chart = domain_chart(SampleIndex(samples, []).find(SampleQuery()))
    (bars,) = chart["data"]
    assert (len(bars["y"]), bars["x"][-1], bars["customdata"][-1]) == (21, 10, "10 others")
    assert "no domain" in chart["said"]
    assert all("<" not in name for name in bars["customdata"])
