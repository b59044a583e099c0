"""The trajectory as a figure: what a chart that grows must keep still, and what must be readable."""

import itertools
import math
from typing import Any

import pytest

from m1app.ui.compare.trajectory import trajectory_figure
from storage.traces.records import Checkpoint
from tests.m1app.ui.compare.test_sweep_view import CUTS

BUDGETS = (8, 16, 32, 64)


def figure(points: tuple[Checkpoint, ...] = CUTS, letters: str = "AB") -> dict[str, Any]:
    return trajectory_figure(letters, "A", BUDGETS, points, [6])


def test_axes_stay_still_while_points_are_added() -> None:
    ranges = {
        (str(figure(CUTS[:count])["axes"][kind]["range"]), figure(CUTS[:count])["layout"]["uirevision"])
        for count in range(1, len(CUTS) + 1)
        for kind in ("linear",)
    }
    assert len(ranges) == 1
    both = figure()["axes"]
    assert all(axis["fixedrange"] for axis in (*both.values(), figure()["layout"]["yaxis"]))


def test_logarithmic_ticks_are_the_budgets() -> None:
    axis = figure()["axes"]["log"]
    assert (axis["tickvals"], axis["ticktext"]) == ([8, 16, 32, 64], ["8", "16", "32", "64"])
    assert axis["range"][0] < math.log10(4) < math.log10(64) < axis["range"][1]


def test_labels_of_many_budgets_do_not_touch() -> None:
    budgets = tuple(range(100, 4100, 100))
    axis = trajectory_figure("AB", None, budgets, CUTS, [])["axes"]["linear"]
    gaps = [after - before for before, after in itertools.pairwise(axis["tickvals"])]
    assert min(gaps) >= (axis["range"][1] - axis["range"][0]) / 13
    assert axis["tickvals"][-1] == 4000


@pytest.mark.parametrize("letters", ["AB", "ABCDEFGHIJ"])
def test_letters_at_the_ends_of_the_lines_do_not_touch(letters: str) -> None:
    labels = [trace for trace in figure(letters=letters)["data"] if trace["mode"] == "text"]
    places = sorted(label["y"][0] for label in labels)
    assert len(labels) == len(letters)
    assert all(after - before > 0.06 for before, after in itertools.pairwise(places))
    assert 0 <= places[0] <= places[-1] <= 1


def test_lines_differ_by_more_than_their_colour_and_the_target_stands_out() -> None:
    lines = [trace for trace in figure(letters="ABCDE")["data"] if trace["mode"] == "lines+markers"]
    assert len({line["line"]["dash"] for line in lines}) == 5
    assert (lines[0]["line"]["width"], lines[0]["marker"]["symbol"]) == (3, "circle")
    assert {line["marker"]["symbol"] for line in lines[1:]} == {"circle-open"}


def test_the_ground_is_transparent_for_light_and_dark_pages() -> None:
    layout = figure()["layout"]
    assert {layout["paper_bgcolor"], layout["plot_bgcolor"]} == {"rgba(0,0,0,0)"}
