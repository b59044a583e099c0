"""The card of a data set: read back as it was written, and what it warns of."""

import json
from datetime import UTC, datetime
from pathlib import Path

from m1app.training.curation import Curated, CurationPlan, curate
from m1app.training.curation_steps import StepReport
from m1app.training.data_card import NOT_COMPARED, DataCard, DataSource, card_json, card_markdown, read_card
from tests.m1app.training.training_cases import a_sample, some_samples

PLAN = CurationPlan(seed=4)
SHARED = "A man of sixty has chest pain that spreads to his left arm, and sweats. What is the next step?"


def curated(count: int = 8) -> Curated:
    samples = [*some_samples(count - 1), a_sample(source="a|b"), a_sample(question=SHARED)]
    return curate(samples, PLAN, evaluation={"MedQA": [SHARED]})


def card_of(made: Curated, plan: CurationPlan = PLAN) -> DataCard:
    return DataCard(
        name="corrections",
        version=1,
        created_at=datetime(2026, 11, 22, tzinfo=UTC),
        samples=len(made.samples),
        sha256="b" * 64,
        plan=plan,
        sources=(DataSource("traces.json", "a" * 64, 9),),
        reports=made.reports,
    )


def test_a_card_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    card = card_of(curated())
    (tmp_path / "card.json").write_text(card_json(card), encoding="utf-8")
    assert read_card(tmp_path / "card.json") == card


def test_card_says_where_samples_came_from_and_what_was_done() -> None:
    content = json.loads(card_json(card_of(curated())))
    assert content["sources"] == [
        {"name": "traces.json", "sha256": "a" * 64, "samples": 9, "layout": "", "left_out": ""}
    ]
    assert (content["seed"], content["samples"], content["sha256"]) == (4, 8, "b" * 64)
    assert [step["step"] for step in content["steps"]] == ["overlap", "verify", "length", "deduplicate", "draw"]
    assert content["steps"][0]["pairs"][0][2] == 1.0
    assert "licence of their source" in content["licence_note"]
    assert "Only 8 samples" in content["warnings"][0]


def test_card_to_read_has_counts_examples_and_the_pairs() -> None:
    made = curated()
    text = card_markdown(card_of(made), made.samples)
    for words in ("# corrections, version 1", "with seed 4", "| overlap | 9 | 8 |", f"| MedQA: {SHARED} | 100% |"):
        assert words in text
    assert "| a\\|b | 1 |" in text
    assert "**Note:** Only 8 samples" in text


def test_enough_verified_samples_are_not_warned_of() -> None:
    assert card_of(curated(100)).warnings == ()


def test_unverified_data_and_data_that_was_not_compared_are_warned_of() -> None:
    plan = CurationPlan(verified_only=False, overlap_ngram=0)
    said = card_of(curate(some_samples(100), plan, evaluation={}), plan).warnings
    assert ["not required to agree" in said[0], "was not checked" in said[1]] == [True, True]


def test_sets_that_were_not_compared_are_named() -> None:
    report = StepReport(NOT_COMPARED, "", 100, 100, ("MedQA", "NEJM"))
    (said,) = card_of(Curated(tuple(some_samples(100)), (report,))).warnings
    assert said.startswith("Overlap with MedQA, NEJM was not checked")
