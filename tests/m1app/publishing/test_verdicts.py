"""Verdicts as characters, and how they change."""

from dataclasses import replace

import pytest

from m1app.publishing.verdicts import Changes, changes_between, verdict_code
from storage.benchmarks.records import BenchmarkItem, BenchmarkResult, ItemState

ITEM = BenchmarkItem(
    id="i" * 32, run_id="r" * 32, position=0, question_set="MedQA", model="m1-7b", question_id="q" * 32,
    state=ItemState.DONE, attempts=1, error="",
)  # fmt: skip
RESULT = BenchmarkResult(
    item_id=ITEM.id, pass_number=0, budget_tokens=128, force_rounds=0, letter="A", is_correct=True, m1_letter="A",
    m1_is_correct=True, thinking_tokens=5, tokens_if_separate=9, checkpoint_id=None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("item", "result", "code"),
    [
        (ITEM, RESULT, "r"),
        (ITEM, replace(RESULT, letter="B", is_correct=False), "w"),
        (ITEM, replace(RESULT, letter=None, is_correct=False), "n"),
        (ITEM, replace(RESULT, letter=None, is_correct=None), "o"),
        (replace(ITEM, state=ItemState.FAILED), replace(RESULT, letter=None, is_correct=False), "f"),
        (replace(ITEM, state=ItemState.WAITING), None, "-"),
        (None, None, "-"),
    ],
)
def test_each_verdict_has_its_character(item: BenchmarkItem, result: BenchmarkResult | None, code: str) -> None:
    assert verdict_code(item, result) == code


def test_changes_count_what_is_scored_in_both_cells() -> None:
    assert changes_between("rrrwnfo-r", "rwnrwwrr-") == Changes(1, 2, 1, 2)
