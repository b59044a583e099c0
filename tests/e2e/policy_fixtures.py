"""A policy that tests can choose by, as its file in the app's home."""

import json
from collections.abc import Iterator

import pytest

from tests.e2e.running_app import RunningApp

MADE_FROM = "a run of <b>ours</b>"
_EXPECTED = {"accuracy": 0.5, "low": 0.25, "high": 0.75}
_BINS = [
    {"below_bits": 0.01, "choice": "vote:k=2", "thinking_tokens": 16},
    {"below_bits": None, "choice": "budget-forcing", "thinking_tokens": 24},
]
_POLICY = {
    "version": 1,
    "made_from": MADE_FROM,
    "questions": 40,
    "pilot_tokens": 16,
    "budget_tokens": 200,
    "expected": _EXPECTED,
    "bins": [each | {"mean_tokens": 90.0, "questions": 20, "expected": _EXPECTED} for each in _BINS],
}


@pytest.fixture
def policy(app: RunningApp) -> Iterator[str]:
    """Name of a policy that is kept during the test; the toy is torn at every question."""
    file = app.home / "policies" / "torn.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(_POLICY), encoding="utf-8")
    yield "torn"
    file.unlink()
