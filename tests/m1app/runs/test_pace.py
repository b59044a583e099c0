"""How fast a model has been lately, from its own traces."""

import pytest

from m1app.runs.pace import Pace, pace_of
from storage.traces.records import MeasuredRate


def rate(per_second: float, model: str = "m1-7b", engine: str = "embedded", *, is_pass: bool = False) -> MeasuredRate:
    return MeasuredRate(model, engine, is_pass, per_second)


@pytest.mark.parametrize(
    ("rates", "model", "expected"),
    [
        ([], "m1-7b", None),
        ([rate(9, "other"), rate(9, engine="vllm")], "m1-7b", None),
        ([rate(12), rate(4, "other"), rate(20), rate(8)], "m1-7b", Pace(12, 3)),
        ([rate(1), rate(2), rate(3), rate(4), rate(5), rate(600)], "m1-7b", Pace(3, 5)),
        ([rate(2, is_pass=True), rate(12)], "m1-7b", Pace(12, 1)),
        ([rate(2, is_pass=True)], "m1-7b", Pace(2, 1)),
        ([rate(7, "whatever it serves"), rate(9, engine="vllm")], "", Pace(7, 1)),
    ],
)
def test_the_pace_is_the_middle_of_the_models_own_latest_runs(
    rates: list[MeasuredRate], model: str, expected: Pace | None
) -> None:
    assert pace_of(rates, model, "embedded") == expected


def test_words_say_what_was_measured() -> None:
    assert Pace(12.34, 5).words == "12 tokens/s, measured over the last 5 runs"
    assert Pace(2.34, 1).words == "2.3 tokens/s, measured in the last run"
    assert Pace(12.0, 5).seconds_for(480) == 40
