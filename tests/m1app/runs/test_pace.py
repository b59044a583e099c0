"""How fast a model has been lately, from its own traces."""

import pytest

from m1app.runs.pace import LikelyTokens, Pace, pace_of, time_words
from storage.traces.records import MeasuredLength, MeasuredRate


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


def natural(thinking: int, rounds: int = 0, answer: int | None = 20) -> MeasuredLength:
    return MeasuredLength(thinking, rounds, True, answer)


def spent(thinking: int, rounds: int = 0, answer: int | None = 20) -> MeasuredLength:
    return MeasuredLength(thinking, rounds, False, answer)


def likely(
    lengths: list[MeasuredLength], budgets: tuple[int, ...] = (1000,), rounds: tuple[int, ...] = (0,), cap: int = 100
) -> LikelyTokens | None:
    return Pace(10.0, 5, tuple(lengths)).likely_tokens(budgets, rounds, cap)


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([], None),
        ([spent(500), spent(1000)], None),
        ([natural(200)], LikelyTokens(220, 220)),
        ([natural(100), natural(200), natural(300), natural(400), natural(900)], LikelyTokens(220, 420)),
        # What went on to a smaller budget may go on to this one.
        ([natural(200), spent(200), spent(200)], LikelyTokens(220, 1020)),
        ([natural(5000)], LikelyTokens(1020, 1020)),
        ([natural(200, answer=4000)], LikelyTokens(300, 300)),
        ([natural(200, answer=None)], LikelyTokens(200, 300)),
    ],
)
def test_what_is_likely_comes_from_the_middle_half_of_the_models_own_runs(
    lengths: list[MeasuredLength], expected: LikelyTokens | None
) -> None:
    assert likely(lengths) == expected


def test_more_force_rounds_may_take_as_much_longer_and_fewer_less() -> None:
    assert likely([natural(200)], rounds=(2,)) == LikelyTokens(220, 620)
    assert likely([natural(600, rounds=2)]) == LikelyTokens(220, 620)


def test_a_sweep_answers_at_the_places_where_its_passes_are_cut() -> None:
    # A pass of 200 tokens is cut at 64, 128 and its end; larger budgets have no cut of their own.
    assert likely([natural(200)], budgets=(64, 128, 256, 1024)) == LikelyTokens(260, 260)
    assert likely([natural(200)], budgets=(64, 128), rounds=(0,)) == LikelyTokens(168, 168)


def test_lengths_are_those_of_the_models_latest_runs_by_themselves() -> None:
    rates = [
        MeasuredRate("m1-7b", "embedded", False, 5.0, natural(7)),
        MeasuredRate("m1-7b", "embedded", False, 5.0),
        MeasuredRate("m1-7b", "embedded", True, 5.0, natural(8, answer=None)),
        MeasuredRate("other", "embedded", False, 5.0, natural(9)),
    ]
    assert pace_of(rates, "m1-7b", "embedded") == Pace(5.0, 2, (natural(7),))
    many = [MeasuredRate("m1-7b", "embedded", False, 5.0, natural(each)) for each in range(40)]
    pace = pace_of(many, "m1-7b", "embedded")
    assert pace and pace.lengths == tuple(natural(each) for each in range(20))


@pytest.mark.parametrize(
    ("seconds", "most", "words"),
    [
        (None, 80, "up to about 80 s"),
        ((10, 25), 80, "about 10–25 s; at most 80 s"),
        ((12, 12.2), 80, "about 12 s; at most 80 s"),
        ((2.5, 8.1), 80, "about 2.5–8.1 s; at most 80 s"),
        ((50, 300), 3000, "about 50 s – 5 min; at most 50 min"),
        ((79, 80), 80, "up to about 80 s"),
    ],
)
def test_the_time_says_what_is_likely_and_the_most(
    seconds: tuple[float, float] | None, most: float, words: str
) -> None:
    assert time_words(seconds, most) == words
