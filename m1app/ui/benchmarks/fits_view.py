"""Fits of the Benchmarks page: what is asked for, and what is found as dictionaries. Pure."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from m1app.benchmark.charts.saturation import saturation_figure
from m1app.benchmark.fit_table import curve_title, fit_notes, fit_table, payoff_sentence, saturation_sentence
from m1app.benchmark.run_fits import DEFAULT_GAIN, FittedCurve, RunFits
from m1app.benchmark.strategy_comparison import PassSelection
from m1app.ui.benchmarks.query import BadAddress, cell_of, rule_of


def pass_choice_of(run_id: str, values: Mapping[str, Any]) -> PassSelection:
    """Which passes are asked for; raises BadAddress."""
    budget, rounds = cell_of(values.get("cell"))
    return PassSelection(
        run_id=run_id,
        model=str(values.get("model", "")),
        question_set=str(values.get("set", "")),
        force_rounds=rounds,
        budget_tokens=budget,
        rule=rule_of(values),
    )


def gain_of(values: Mapping[str, Any]) -> float:
    """The accuracy, 0-1, that more has to add; it is asked for in points. Raises BadAddress."""
    asked = values.get("gain") or DEFAULT_GAIN * 100
    try:
        return float(asked) / 100
    except (TypeError, ValueError) as exc:
        raise BadAddress(f"“{str(asked)[:40]}” is not a number of points. Enter one such as 1 or 0.5.") from exc


def fits_value(fits: RunFits) -> dict[str, Any]:
    """The curves with their charts and tables, and what a reader must know of them."""
    return {"curves": [_curve(each, fits) for each in fits.curves], "note": " ".join(fit_notes(fits))}


def _curve(curve: FittedCurve, fits: RunFits) -> dict[str, Any]:
    figure, key = saturation_figure(curve)
    return {
        "title": curve_title(curve, fits),
        "name": curve.along.value,
        "figure": figure,
        "key": [asdict(entry) for entry in key],
        "saturation": saturation_sentence(curve, fits.gain),
        "payoff": payoff_sentence(curve, fits.gain),
        "table": asdict(fit_table(curve, fits)),
    }
