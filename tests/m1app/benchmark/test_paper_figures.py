"""The paper's figures agree with each other, and our sets find theirs."""

import pytest

from m1app.benchmark.paper_figures import paper_curves, paper_set, paper_table, reference_curves

SETS = {
    "MedMCQA", "MedQA", "PubMedQA", "MMLU-Pro", "GPQA",
    "Lancet", "MedBullets-op4", "MedBullets-op5", "MedXpertQA", "NEJM",
}  # fmt: skip


def test_every_model_has_a_curve_of_each_set_over_the_same_budgets() -> None:
    curves = paper_curves()
    assert {(curve.model, curve.question_set) for curve in curves} == {
        (model, name) for model in ("m1-7B-1K", "m1-7B-23K", "m1-32B-1K") for name in SETS
    }
    assert {tuple(budget for budget, _ in curve.points) for curve in curves} == {
        (128, 256, 512, 1024, 2048, 4096, 8192)
    }
    assert all(0.1 < share < 0.9 for curve in curves for _, share in curve.points)


def test_table_cells_of_m1_models_are_the_maxima_of_the_figure() -> None:
    best = {(curve.model, curve.question_set): max(share for _, share in curve.points) for curve in paper_curves()}
    rows = [row for row in paper_table() if row.is_maximum]
    assert [row.model for row in rows] == ["m1-7B-1K", "m1-7B-23K", "m1-32B-1K"]
    for row in rows:
        assert {name: best[row.model, name] for name in SETS} == pytest.approx(dict(row.accuracies))


def test_averages_of_the_table_are_means_of_its_cells() -> None:
    assert len(paper_table()) == 25
    for row in paper_table():
        assert set(row.accuracies) == SETS
        assert row.average == pytest.approx(sum(row.accuracies.values()) / 10, abs=1e-4)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("MedQA", "MedQA"),
        ("medqa_usmle_test", "MedQA"),
        ("MMLU-Pro (health)", "MMLU-Pro"),
        ("MedBullets_op5", "MedBullets-op5"),
        ("medbullets", ""),
        ("My NEJM questions", ""),
        ("", ""),
    ],
)
def test_our_sets_find_the_papers_by_how_their_name_begins(ours: str, theirs: str) -> None:
    assert paper_set(ours) == theirs


def test_reference_over_several_sets_is_their_mean_and_needs_each_of_them() -> None:
    one, other = (reference_curves([name])[0] for name in ("MedQA", "NEJM"))
    mean = reference_curves(["medqa-test", "NEJM"])[0]
    assert (mean.model, mean.question_set, mean.n) == ("m1-7B-1K", "", 1876)
    assert mean.points[0] == (128, pytest.approx((one.points[0][1] + other.points[0][1]) / 2))
    assert reference_curves(["MedQA", "my own set"]) == ()
    assert reference_curves([]) == ()
