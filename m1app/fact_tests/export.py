"""Export a fact test: JSON with everything, CSV with a row for each seed of each arm."""

import csv
import io
from dataclasses import asdict
from typing import Any

from m1app.fact_tests.reading import ArmReading, reading_of, texts_of
from m1app.fact_tests.service import FactTestSnapshot
from m1app.fact_tests.strategy import verdict_value
from m1app.runs.strategy_export import strategy_run_json
from m1app.spreadsheet import harmless

_CSV_FIELDS = (
    *("run_id", "arm", "title", "seed", "state", "letter", "target", "is_right", "target_probability"),
    *("inserted_tokens", "thinking_tokens", "answer_tokens", "inserted", "thinking", "answer", "error"),
)


def fact_test_json(snapshot: FactTestSnapshot) -> dict[str, Any]:
    """One JSON object: what was tested, the arms with their answers, the verdict, and the run with its ledger."""
    test, reading = snapshot.test, reading_of(snapshot.test, snapshot.run)
    tested = asdict(test)
    tested["kept_ids"], tested["insertions"] = list(test.kept_ids), dict(test.insertions)
    return {
        "fact_test": tested,
        "arms": [_arm(each) for each in reading.arms],
        "verdict": verdict_value(reading.verdict),
        "prefix_cache": asdict(reading.prefix_cache) | {"said": reading.prefix_cache.said},
        "run": strategy_run_json(snapshot.run),
    }


def _arm(arm: ArmReading) -> dict[str, Any]:
    return {
        "arm": arm.arm.value,
        "title": arm.title,
        "target_probability": arm.target_probability,
        "right": {"k": sum(each.is_right for each in arm.seeds), "n": arm.right.n},
        "interval": [arm.right.low, arm.right.high],
        "tokens": asdict(arm.costs) | {"inserted": arm.inserted_tokens},
        "seeds": [asdict(each) for each in arm.seeds],
    }


def fact_test_csv(snapshot: FactTestSnapshot) -> str:
    """A header and one row per seed of each arm (RFC 4180); text that looks like a formula is prefixed with a quote."""
    made = io.StringIO()
    writer = csv.DictWriter(made, _CSV_FIELDS)
    writer.writeheader()
    for arm in reading_of(snapshot.test, snapshot.run).arms:
        for number, each in enumerate(arm.seeds):
            (texts,) = texts_of(snapshot.run, (arm.arm,), number)
            row = {
                "run_id": snapshot.test.run_id,
                "arm": arm.arm.value,
                "title": arm.title,
                "seed": each.seed,
                "state": each.state,
                "letter": each.letter,
                "target": snapshot.run.run.question.target,
                "is_right": each.is_right if each.state == "answered" else None,
                "target_probability": arm.target_probability,
                "inserted_tokens": arm.inserted_tokens,
                "thinking_tokens": texts.thinking_tokens,
                "answer_tokens": texts.answer_tokens,
                "inserted": arm.inserted,
                "thinking": texts.thinking,
                "answer": texts.answer,
                "error": each.error,
            }
            writer.writerow({name: harmless(value) for name, value in row.items()})
    return made.getvalue()
