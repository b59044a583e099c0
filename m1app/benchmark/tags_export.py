"""Accuracy by tag as CSV and JSON: a row for each tag and budget."""

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any

from m1app.benchmark.descriptions import caution
from m1app.benchmark.tag_summaries import TagPage
from m1app.spreadsheet import harmless

COLUMNS = (
    "tag",
    "questions",
    "model",
    "budget_tokens",
    "force_rounds",
    "rule",
    "accuracy",
    "low",
    "high",
    "caution",
    "is_imported",
)


def tags_csv(page: TagPage, rule: str) -> bytes:
    """CSV with a byte order mark; accuracies and their 95% limits are 0 to 1."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    writer.writerows({name: harmless(value) for name, value in row.items()} for row in _rows(page, rule))
    return ("\ufeff" + out.getvalue()).encode()


def tags_json(page: TagPage, rule: str) -> bytes:
    """The same rows as one JSON object, with the number of tags there are."""
    return json.dumps({"tags": page.total, "rows": list(_rows(page, rule))}, ensure_ascii=False).encode()


def _rows(page: TagPage, rule: str) -> Iterator[dict[str, Any]]:
    for each in page.tags:
        for budget, found in zip(page.budgets, each.accuracies, strict=True):
            yield {
                "tag": each.tag,
                "questions": each.questions,
                "model": page.model,
                "budget_tokens": budget or None,
                "force_rounds": page.force_rounds,
                "rule": rule,
                "accuracy": None if math.isnan(found.value) else found.value,
                "low": found.low,
                "high": found.high,
                "caution": caution(each.questions),
                "is_imported": page.is_imported,
            }
