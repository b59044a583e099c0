"""Export a resampling: JSON with everything, CSV with a row for each rollout."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from m1app.resampling.service import ResamplingSnapshot
from m1app.resampling.strategy import SIDES
from m1app.runs.strategy_export import strategy_run_json
from m1app.spreadsheet import harmless
from storage.strategies.records import StrategyRequest

_CSV_FIELDS = (
    *("run_id", "side", "seed", "state", "letter", "case_letter", "is_same", "sentence"),
    *("thinking_tokens", "answer_tokens", "thinking", "answer", "error"),
)


def resampling_json(snapshot: ResamplingSnapshot) -> dict[str, Any]:
    """One JSON object: the sentence, the rollouts of both sides, how they differ, and the run with its ledger."""
    of, compared = snapshot.of, snapshot.compared
    return {
        "resampling": asdict(of) | {"before_ids": list(of.before_ids), "after_ids": list(of.after_ids)},
        "rollouts": list(_rollouts(snapshot)),
        "compared": asdict(compared) if compared.n else None,
        "run": strategy_run_json(snapshot.run),
    }


def resampling_csv(snapshot: ResamplingSnapshot) -> str:
    """A header and one row per rollout (RFC 4180); text that looks like a formula is prefixed with a quote."""
    made = io.StringIO()
    writer = csv.DictWriter(made, _CSV_FIELDS)
    writer.writeheader()
    for each in _rollouts(snapshot):
        row = each | {"run_id": snapshot.of.run_id, "sentence": snapshot.of.sentence}
        writer.writerow({name: harmless(value) for name, value in row.items()})
    return made.getvalue()


def _rollouts(snapshot: ResamplingSnapshot) -> Iterator[dict[str, Any]]:
    latest = {each.key: each for each in snapshot.run.strategies[0].requests}
    for side in SIDES:
        for number, each in enumerate(snapshot.rollouts[side]):
            is_answered = each["state"] == "answered"
            yield {
                "side": side,
                "seed": snapshot.run.run.seed + number,
                "state": each["state"],
                "letter": each["letter"],
                "case_letter": snapshot.of.letter,
                "is_same": each["letter"] == snapshot.of.letter if is_answered else None,
                **_written(latest, f"{side}/{number}"),
                "error": each["error"],
            }


def _written(latest: Mapping[str, StrategyRequest], key: str) -> dict[str, Any]:
    thinking, answer = latest.get(key), latest.get(f"{key}/answer")
    return {
        "thinking_tokens": thinking.tokens if thinking else 0,
        "answer_tokens": answer.tokens if answer else 0,
        "thinking": thinking.text if thinking else "",
        "answer": answer.text if answer else "",
    }
