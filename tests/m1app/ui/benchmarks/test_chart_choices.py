"""Every kind of chart is offered, explained and titled; a kind that is forgotten somewhere would fail silently."""

import re
from pathlib import Path

from m1app.benchmark.charts.kinds import WORDS, Chart
from m1app.ui import benchmarks

_ROOM = Path(benchmarks.__file__).parent


def test_every_kind_of_chart_can_be_chosen_on_the_page() -> None:
    template = (_ROOM / "page.html").read_text(encoding="utf-8")
    assert re.findall(r'name="m1-chart" value="(\w+)"', template) == list(Chart)


def test_every_kind_of_chart_is_explained_on_the_page() -> None:
    notes = re.search(r"export const NOTES = \{(.*?)\n\};", (_ROOM / "view.js").read_text(encoding="utf-8"), re.DOTALL)
    assert notes is not None
    assert re.findall(r"^  (\w+):", notes[1], re.MULTILINE) == list(Chart)


def test_every_kind_of_chart_has_its_words() -> None:
    assert list(WORDS) == list(Chart)
