"""Fits of a run in words, as tables and as files, the same on the page and on the command line."""

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any

from m1app.benchmark.descriptions import caution
from m1app.benchmark.run_fits import Along, CurvePoint, FittedCurve, RunFits
from m1app.benchmark.tables import Table, TableCell, TableRow
from m1app.spreadsheet import harmless
from m1app.strategies.choosing.fits import Interval, Saturation
from m1app.wording import counted, percent, percent_with_interval, points

COLUMNS = (
    *("run", "model", "question_set", "force_rounds", "rule", "curve", "n", "questions", "tokens", "accuracy", "low"),
    *("high", "fitted", "residual", "gain_of_doubling", "gain_low", "gain_high", "eflops"),
)
_ALL_SETS = "all sets"
_FARTHEST = 10
"""Times the last point; what is extrapolated beyond means nothing."""
_MISFIT = 0.02
"""Accuracy, 0-1, by which the law may miss a curve without a word."""


def curve_title(curve: FittedCurve, fits: RunFits) -> str:
    """What a chart or a table of the curve is headed."""
    if curve.along is Along.BUDGET:
        return "Accuracy by thinking budget"
    return f"Accuracy by {curve.along.value}, {fits.drawn_at_tokens:,} tokens of thinking each"


def saturation_sentence(curve: FittedCurve, gain: float) -> str:
    """Where the fitted law saturates; why it was not fitted, if so."""
    fit = curve.saturation
    if fit is None:
        return curve.problem
    if curve.is_flat:
        return f"The curve is flat: every point has {percent(fit.points[0].observed)}. More does not pay here."
    step = "one more pass" if curve.along is not Along.BUDGET else f"{curve.unit:,} more tokens"
    interval = fit.saturates_at_interval(gain)
    low, high = _steps(curve, interval.low), _steps(curve, interval.high)
    width = f"95% interval {low} to {high}" if low != high else "in 95% of the resamples too"
    sentence = (
        f"The law saturates at {_steps(curve, fit.saturates_at(gain))} ({width}): from there {step} would add less "
        f"than {_gain(gain)}. With more and more, the accuracy would approach "
        f"{_share(fit.highest, fit.highest_interval)}; each step closes {_share(fit.p, fit.p_interval)} of what is "
        f"left to it. Root of the mean squared residual: {fit.error * 100:.1f} points."
    )
    return " ".join(filter(None, (sentence, _beyond(curve, fit, gain), _misfit(fit))))


def _beyond(curve: FittedCurve, fit: Saturation, gain: float) -> str:
    is_beyond = fit.saturates_at(gain) * curve.unit > curve.points[-1].n
    return "That is beyond the last point: an extrapolation." if is_beyond else ""


def _misfit(fit: Saturation) -> str:
    """A curve can fall, and rise in other ways than the law."""
    fall = max(each.observed for each in fit.points) - fit.points[-1].observed
    if fall >= _MISFIT:
        return (
            f"The curve falls by {fall * 100:.1f} points at its end. The law can only rise, so trust the points: more "
            "tokens do harm here."
        )
    return "The law fits this curve poorly: trust the points." if fit.error >= _MISFIT else ""


def payoff_sentence(curve: FittedCurve, gain: float) -> str:
    """Where a doubling stops paying, without any law."""
    payoff = curve.payoff
    if payoff is None:
        return "" if curve.saturation is None else curve.problem
    low = _amount(curve, payoff.low)
    if payoff.stops_at is None:
        still = f"The last doubling still gains {_gain(gain)} or more: the run does not show where more stops paying."
        is_early = payoff.low < curve.points[-1].n
        return f"{still} By the interval, that may be as early as {low}." if is_early else still
    high = f"to {_amount(curve, payoff.high)}" if payoff.high is not None else "or more, perhaps beyond the run"
    at = _amount(curve, payoff.stops_at)
    return f"From {at} on, no doubling gains {_gain(gain)} (95% interval {low} {high})."


def _gain(gain: float) -> str:
    return f"{gain * 100:g} point{'' if gain == 0.01 else 's'}"


def _steps(curve: FittedCurve, n: float) -> str:
    """N of the law; what lies far beyond the points is only said to."""
    most = _FARTHEST * curve.points[-1].n
    found = n * curve.unit
    return _amount(curve, found) if found <= most else f"more than {_amount(curve, most)}"


def _amount(curve: FittedCurve, n: float) -> str:
    if curve.along is not Along.BUDGET:
        return counted(round(n), "pass", "passes")
    return f"{round(n):,} tokens"


def _share(value: float, interval: Interval) -> str:
    return percent_with_interval(value, interval.low, interval.high)


def fit_notes(fits: RunFits) -> Iterator[str]:
    """What a reader must know of these numbers, in sentences."""
    asked = f"{counted(fits.questions, 'question')}, {counted(fits.passes, 'pass', 'passes')} each."
    yield f"{asked} Intervals are 95% bootstrap intervals over questions; those of accuracies are Wilson's."
    if few := caution(fits.questions):
        yield few
    if fits.passes == 1:
        yield "The run asked each question once, so there is no curve over passes: start one with 4 or more passes."
    yield fits.no_cost or (
        "Cost: floating-point operations of the mean question; reading the cache from memory is counted as operations, "
        "as in Kinetics."
    )


def fit_table(curve: FittedCurve, fits: RunFits) -> Table:
    """A row for each point: measured, fitted, the residual, and the gain for a doubling since the point before."""
    heads = ["Thinking budget" if curve.along is Along.BUDGET else "Passes", "Tokens per question"]
    heads += ["Accuracy (95% interval)", "Fitted", "Residual, points", "Points gained by a doubling"]
    if not fits.no_cost:
        heads.append("Cost per question, TFLOP")
    return Table(tuple(heads), 0, tuple(_rows(curve, with_cost=not fits.no_cost)))


def _rows(curve: FittedCurve, *, with_cost: bool) -> Iterator[TableRow]:
    for place, point in enumerate(curve.points):
        found = point.accuracy
        cells = [f"{point.n:,}", f"{point.tokens:,.0f}", percent_with_interval(found.value, found.low, found.high)]
        fitted = curve.saturation.points[place] if curve.saturation else None
        cells += [percent(fitted.fitted), points(fitted.residual)] if fitted else ["–", "–"]
        step = curve.payoff.doublings[place - 1] if curve.payoff and place else None
        low, high = (points(step.interval.low), points(step.interval.high)) if step else ("", "")
        cells.append(f"{points(step.gain)} ({low} to {high})" if step else "–")
        if with_cost:
            cells.append(f"{(point.cost or 0) / 1e12:,.3g}")
        yield TableRow(tuple(map(TableCell, cells)))


def fits_json(fits: RunFits) -> dict[str, Any]:
    """All numbers; accuracies and gains are 0 to 1, and N of the law counts in `unit`."""
    return {
        "run": fits.run_name,
        "model": fits.model,
        "question_set": fits.question_set or None,
        "force_rounds": fits.force_rounds,
        "rule": fits.rule,
        "questions": fits.questions,
        "passes": fits.passes,
        "drawn_at_tokens": fits.drawn_at_tokens,
        "gain": fits.gain,
        "no_cost": fits.no_cost or None,
        "curves": [_curve_json(each, fits) for each in fits.curves],
    }


def _curve_json(curve: FittedCurve, fits: RunFits) -> dict[str, Any]:
    fit, payoff = curve.saturation, curve.payoff
    interval = fit.saturates_at_interval(fits.gain) if fit else None
    return {
        "curve": curve.along.value,
        "unit": curve.unit,
        "problem": curve.problem or None,
        "saturation": fit
        and {
            "highest": _with_interval(fit.highest, fit.highest_interval),
            "p": _with_interval(fit.p, fit.p_interval),
            "saturates_at": fit.saturates_at(fits.gain),
            "saturates_at_low": interval and interval.low,
            "saturates_at_high": interval and interval.high,
            "error": fit.error,
        },
        "stops_paying": payoff and {"at": payoff.stops_at, "low": payoff.low, "high": payoff.high},
        "points": [_point_json(curve, place, point) for place, point in enumerate(curve.points)],
    }


def _with_interval(value: float, interval: Interval) -> dict[str, float]:
    return {"value": value, "low": interval.low, "high": interval.high}


def _point_json(curve: FittedCurve, place: int, point: CurvePoint) -> dict[str, Any]:
    fitted = curve.saturation.points[place] if curve.saturation else None
    step = curve.payoff.doublings[place - 1] if curve.payoff and place else None
    found = point.accuracy
    return {
        "n": point.n,
        "tokens": point.tokens,
        "accuracy": None if math.isnan(found.value) else found.value,
        "low": found.low,
        "high": found.high,
        "fitted": fitted and fitted.fitted,
        "residual": fitted and fitted.residual,
        "gain_of_doubling": step and step.gain,
        "gain_low": step and step.interval.low,
        "gain_high": step and step.interval.high,
        "eflops": point.cost,
    }


def fits_json_file(fits: RunFits) -> bytes:
    """`fits_json` as a file."""
    return json.dumps(fits_json(fits), ensure_ascii=False, allow_nan=False).encode()


def fits_csv_file(fits: RunFits) -> bytes:
    """A row for each point of each curve, as CSV with a byte order mark."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS)
    writer.writeheader()
    shared = {"run": fits.run_name, "model": fits.model, "question_set": fits.question_set or _ALL_SETS}
    shared |= {"force_rounds": str(fits.force_rounds), "rule": fits.rule, "questions": str(fits.questions)}
    for curve in fits.curves:
        for place, point in enumerate(curve.points):
            row = shared | {"curve": curve.along.value} | _point_json(curve, place, point)
            writer.writerow({name: harmless(value) for name, value in row.items()})
    return ("\ufeff" + out.getvalue()).encode()
