"""Charts and tables from cells that are written down here."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.charts.flow import flow_figure
from m1app.benchmark.charts.kinds import Chart
from m1app.benchmark.charts.lines import ChartChoice
from m1app.benchmark.charts.panels import Panel, panels
from m1app.benchmark.descriptions import caution, comparison_words
from m1app.benchmark.intervals import FEW_QUESTIONS, PairedComparison, Proportion
from m1app.benchmark.queries import Transitions
from m1app.benchmark.statistics import clustered_accuracy
from m1app.benchmark.tables import accuracy_table, curve_table, points_table, reading_rows, tags_table
from m1app.benchmark.tag_summaries import TagPage, TagSummary

HOSTILE = "<b>x</b> <a href='https://elsewhere.test'>y</a>"


def a_cell(**changes: Any) -> CellSummary:
    values: dict[str, Any] = {
        "run_id": "r1",
        "model": "m1-7b",
        "question_set": "MedQA",
        "budget_tokens": 128,
        "force_rounds": 0,
        "n": 100,
        "accuracy": Proportion(0.5, 0.4, 0.6, 100),
        "answered_share": 0.9,
        "mean_thinking_tokens": 120.0,
        "mean_tokens": 140.0,
    }
    return CellSummary(**(values | changes))


def share(value: float, n: int = 100) -> Proportion:
    return Proportion(value, value - 0.1, value + 0.1, n)


CELLS = tuple(
    a_cell(
        question_set=name,
        budget_tokens=budget,
        force_rounds=rounds,
        accuracy=share(value + 0.02 * rounds),
        mean_thinking_tokens=budget * 0.9,
        mean_tokens=budget + 20.0 + rounds,
    )
    for name, values in {"MedQA": (0.5, 0.7, 0.6), "NEJM": (0.4, 0.3, 0.5), "": (0.45, 0.5, 0.55)}.items()
    for budget, value in zip((512, 128, 2048), values, strict=True)
    for rounds in (0, 1)
)


def drawn(choice: ChartChoice, cells: tuple[CellSummary, ...] = CELLS, **names: str) -> tuple[Panel, ...]:
    return panels(cells, choice, names or {"r1": "Base"})


def lines(panel: Panel) -> list[dict[str, Any]]:
    return [trace for trace in panel.figure["data"] if not trace.get("meta", {}).get("is_band")]


def test_accuracy_stands_against_rising_budgets_with_a_band_per_line() -> None:
    (panel,) = drawn(ChartChoice(question_sets=("MedQA",), force_rounds=0))
    band, line = panel.figure["data"]
    assert (line["x"], line["y"]) == ([128, 512, 2048], [0.7, 0.5, 0.6])
    assert band["x"] == [128, 512, 2048, 2048, 512, 128]
    assert band["y"] == pytest.approx([0.8, 0.6, 0.7, 0.5, 0.4, 0.6])
    axis = panel.figure["layout"]["xaxis"]
    assert (axis["type"], axis["tickvals"], axis["ticktext"]) == ("log", [128, 512, 2048], ["128", "512", "2,048"])
    assert panel.figure["layout"]["yaxis"]["range"][0] == pytest.approx(0.4)
    low, high = axis["range"]
    assert low < math.log10(128) and math.log10(2048) < high


def test_each_set_has_its_panel_and_an_unknown_one_none() -> None:
    found = drawn(ChartChoice(question_sets=("", "MedQA", "NEJM", "nothing")))
    assert [panel.title for panel in found] == ["Macro average", "MedQA", "NEJM"]


def test_lines_are_named_by_what_differs_and_dashed_by_rounds() -> None:
    (panel,) = drawn(ChartChoice(question_sets=("MedQA",)))
    assert [(entry.name, entry.colour, entry.dash) for entry in panel.key] == [
        ("m1-7b · 0 rounds", 0, "solid"),
        ("m1-7b · 1 round", 0, "dash"),
    ]


def test_runs_that_are_compared_are_told_apart_by_name_and_colour_in_their_order() -> None:
    cells = (*CELLS, *(a_cell(run_id="r2", budget_tokens=budget) for budget in (128, 512)))
    (panel,) = drawn(ChartChoice(question_sets=("MedQA",), force_rounds=0), cells, r2="New", r1="Base")
    assert [(entry.name, entry.colour) for entry in panel.key] == [("New · m1-7b", 0), ("Base · m1-7b", 1)]


def test_accuracy_against_rounds_has_a_line_per_budget_with_bars() -> None:
    (panel,) = drawn(ChartChoice(chart=Chart.ROUNDS, question_sets=("MedQA",)))
    assert [line["name"].partition(" · ")[2] for line in lines(panel)] == ["128 tokens", "512 tokens", "2,048 tokens"]
    first = lines(panel)[0]
    assert (first["x"], first["y"]) == ([0, 1], pytest.approx([0.7, 0.72]))
    assert first["error_y"]["array"] == pytest.approx([0.1, 0.1])
    assert panel.figure["layout"]["xaxis"]["tickvals"] == [0, 1]


def test_accuracy_against_cost_marks_the_cells_that_none_beats() -> None:
    (panel,) = drawn(ChartChoice(chart=Chart.COST, question_sets=("MedQA",)))
    front = panel.figure["data"][-1]
    assert (front["name"], front["x"]) == ("Pareto front", [148.0, 149.0])
    assert front["y"] == pytest.approx([0.7, 0.72])


def test_thinking_used_is_drawn_against_the_whole_budget() -> None:
    (panel,) = drawn(ChartChoice(chart=Chart.THINKING, question_sets=("MedQA",), force_rounds=0))
    line, whole = panel.figure["data"]
    assert line["y"] == pytest.approx([115.2, 460.8, 1843.2])
    assert whole["x"] == whole["y"] == [128, 512, 2048]


def test_the_answered_share_is_drawn_up_to_all() -> None:
    (panel,) = drawn(ChartChoice(chart=Chart.ANSWERED, question_sets=("MedQA",), force_rounds=0))
    assert panel.figure["data"][0]["y"] == [0.9, 0.9, 0.9]
    assert panel.figure["layout"]["yaxis"]["range"][1] > 1


def test_the_papers_curves_come_only_when_asked_for_and_where_it_has_the_set() -> None:
    plain, asked = (drawn(ChartChoice(question_sets=("MedQA",), with_paper=with_paper)) for with_paper in (False, True))
    assert not [line for line in lines(plain[0]) if "paper" in line["name"]]
    names = [line["name"] for line in lines(asked[0])][-3:]
    assert names == ["m1-7B-1K (paper)", "m1-7B-23K (paper)", "m1-32B-1K (paper)"]
    assert "1,273 questions" in asked[0].note
    assert 8192 in asked[0].figure["layout"]["xaxis"]["tickvals"]
    own = tuple(a_cell(question_set="my own") for _ in range(1))
    (without,) = drawn(ChartChoice(question_sets=("my own",), with_paper=True), own)
    assert (len(lines(without)), without.note) == (1, "The paper has no figures for my own.")


def test_plotly_shows_hostile_names_as_they_are() -> None:
    (panel,) = drawn(ChartChoice(), (a_cell(model=HOSTILE, question_set=""),))
    assert panel.figure["data"][0]["name"] == "&lt;b&gt;x&lt;/b&gt; &lt;a href='https://elsewhere.test'&gt;y&lt;/a&gt;"
    assert panel.key[0].name == HOSTILE


def test_crowded_budgets_keep_labels_that_do_not_touch() -> None:
    cells = tuple(a_cell(budget_tokens=budget) for budget in range(100, 2000, 10))
    (panel,) = drawn(ChartChoice(question_sets=("MedQA",)), cells)
    ticks = panel.figure["layout"]["xaxis"]["tickvals"]
    assert 5 < len(ticks) <= 13
    assert all(math.log2(b / a) >= math.log2(1990 / 100) / 12 for a, b in pairwise(ticks))


def test_readings_are_at_one_budget_and_at_the_best_of_each_set() -> None:
    row = reading_rows(CELLS, 2048)[0]
    assert (row.force_rounds, row.at_budget["MedQA"].value, row.at_budget[""].value) == (0, 0.6, 0.55)
    assert (row.at_best["MedQA"].value, row.at_best["MedQA"].budget_tokens) == (0.7, 128)
    assert (row.at_best["NEJM"].value, row.at_best["NEJM"].budget_tokens) == (0.5, 2048)
    # As the paper averages: the mean of the sets' maxima, each at a budget of its own.
    assert row.at_best[""].value == pytest.approx(0.6)
    assert (row.at_best[""].budget_tokens, row.at_best[""].low) == (None, None)


def test_of_equally_good_budgets_the_lowest_is_the_best() -> None:
    cells = [a_cell(budget_tokens=budget, accuracy=share(0.5)) for budget in (512, 128)]
    assert reading_rows(cells, 512)[0].at_best["MedQA"].budget_tokens == 128


def test_accuracy_table_marks_what_is_optimistic_and_what_is_the_papers() -> None:
    table = accuracy_table(CELLS, 2048, {"r1": "Base"}, with_paper=True)
    assert table.heads == ("Model", "Rounds", "Reading", "Macro average", "MedQA", "NEJM")
    at, best = table.rows[:2]
    assert [cell.text for cell in at.cells] == [
        *("m1-7b", "0", "at 2,048 tokens", "55.0% (45.0% to 65.0%), n = 100"),
        *("60.0% (50.0% to 70.0%), n = 100", "50.0% (40.0% to 60.0%), n = 100"),
    ]
    assert at.cells[4].title == "at 2,048 tokens"
    assert [cell.text for cell in best.cells[3:5]] == [
        "60.0% (no interval), n = 200",
        "70.0% (60.0% to 80.0%), n = 100",
    ]
    assert best.cells[2].mark == "optimistic"
    paper = {row.cells[0].text: row for row in table.rows if row.kind == "paper"}
    assert [cell.text for cell in paper["m1-32B-1K"].cells[3:]] == ["–", "83.5%", "73.1%"]
    assert (paper["m1-32B-1K"].cells[2].mark, paper["Med42-8B"].cells[2].mark) == ("optimistic", "")
    assert len(paper) == 25


def test_a_set_that_was_not_measured_at_the_budget_has_a_dash() -> None:
    cells = (a_cell(budget_tokens=128), a_cell(question_set="NEJM", budget_tokens=512))
    row = accuracy_table(cells, 512, {"r1": "Base"}, with_paper=False).rows[0]
    assert [cell.text for cell in row.cells[3:]] == ["–", "–", "50.0% (40.0% to 60.0%), n = 100"]


def test_numbers_of_curves_stand_by_both_rules_side_by_side() -> None:
    m1 = (a_cell(accuracy=Proportion(0.625, 0.5, 0.75, 100)),)
    (row,) = points_table((a_cell(),), m1, {"r1": "Base"}).rows
    assert [cell.text for cell in row.cells] == [
        "m1-7b", "MedQA", "0", "128", "100", "50.0% (40.0% to 60.0%)", "62.5% (50.0% to 75.0%)", "90.0%", "120", "140",
    ]  # fmt: skip


def transitions(*counts: int) -> Transitions:
    return Transitions(*counts, PairedComparison(0.05, 0.01, 0.09, 0.021, counts[2], counts[1], sum(counts)))


def test_flow_has_a_band_for_each_change_that_happened() -> None:
    (sankey,) = flow_figure(transitions(60, 5, 10, 25))["data"]
    assert sankey["node"]["label"] == ["Before: 65 right", "Before: 35 wrong", "After: 70 right", "After: 30 wrong"]
    assert sankey["link"]["customdata"] == ["right-right", "right-wrong", "wrong-right", "wrong-wrong"]
    assert (sankey["link"]["source"], sankey["link"]["target"]) == ([0, 0, 1, 1], [2, 3, 2, 3])
    assert sankey["link"]["value"] == [60, 5, 10, 25]


def test_flow_without_a_side_points_to_the_nodes_that_are_left() -> None:
    (sankey,) = flow_figure(transitions(0, 0, 10, 20))["data"]
    assert sankey["node"]["label"] == ["Before: 30 wrong", "After: 10 right", "After: 20 wrong"]
    assert (sankey["link"]["source"], sankey["link"]["target"]) == ([0, 0], [1, 2])


def test_comparisons_are_sentences_and_a_table_along_the_curve() -> None:
    compared = PairedComparison(0.05, 0.01, 0.09, 0.0214, 10, 5, 100)
    assert comparison_words(compared) == (
        "Accuracy changed by +5.0 points (95% interval +1.0 to +9.0, n = 100): 10 gained, 5 lost. "
        "Exact McNemar test: p = 0.021."
    )
    lost = replace(compared, difference=-0.05)
    assert comparison_words(lost).startswith("Accuracy changed by \N{MINUS SIGN}5.0 points")
    table = curve_table([(512, compared, 0.0428), (2048, compared, 0.0002)], 128)
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["128 → 512", "100", "+5.0", "+1.0 to +9.0", "10", "5", "p = 0.021", "p = 0.043"],
        ["512 → 2,048", "100", "+5.0", "+1.0 to +9.0", "10", "5", "p = 0.021", "p < 0.001"],
    ]


def test_numbers_of_few_questions_carry_a_caution_wherever_they_stand() -> None:
    few = (a_cell(n=12, accuracy=Proportion(0.5, 0.25, 0.75, 12)),)
    said = "Few questions (n = 12): read the interval, not the percentage."
    reading = accuracy_table(few, 128, {"r1": "Base"}, with_paper=False).rows[0].cells[3]
    assert (reading.mark, reading.title) == ("few", f"{said} at 128 tokens")
    assert points_table(few, (), {"r1": "Base"}).rows[0].cells[4].mark == "few"
    compared = PairedComparison(0.05, -0.3, 0.4, 1.0, 2, 1, 12)
    assert comparison_words(compared).endswith(said)
    assert curve_table([(512, compared, 1.0)], 128).rows[0].cells[1].mark == "few"
    tag = TagSummary(tag="", questions=12, accuracies=(Proportion(0.5, 0.25, 0.75, 12),))
    page = TagPage(model="m", force_rounds=0, budgets=(128,), tags=(tag,), total=1)
    (row,) = tags_table(page).rows
    assert [cell.text for cell in row.cells] == ["(no tag)", "12", "50.0% (25.0% to 75.0%)"]
    assert (row.cells[1].mark, row.cells[1].title) == ("few", said)
    assert not caution(FEW_QUESTIONS) and not caution(0)


def test_few_questions_are_few_however_often_each_was_asked() -> None:
    of_ten = clustered_accuracy([True, False] * 40, [f"q{number // 8}" for number in range(80)])
    cell = (a_cell(n=80, accuracy=of_ten),)
    assert (of_ten.n, of_ten.questions) == (80, 10)
    assert points_table(cell, (), {"r1": "Base"}).rows[0].cells[4].title == caution(10)
    assert accuracy_table(cell, 128, {"r1": "Base"}, with_paper=False).rows[0].cells[3].mark == "few"


def test_a_curve_of_one_budget_shows_its_interval() -> None:
    (panel,) = drawn(ChartChoice(chart=Chart.BUDGET, question_sets=("MedQA",)), (a_cell(),))
    (line,) = panel.figure["data"]
    assert (line["error_y"]["array"], line["error_y"]["arrayminus"]) == (pytest.approx([0.1]), pytest.approx([0.1]))


UNSTATED = {"is_imported": True, "run_id": "r2", "budget_tokens": 0, "mean_thinking_tokens": math.nan}


def test_a_cell_without_a_stated_budget_is_a_level_line_over_the_budgets_of_the_others() -> None:
    cell = a_cell(**UNSTATED, mean_tokens=math.nan, accuracy=share(0.8))
    (panel,) = drawn(ChartChoice(question_sets=("MedQA",), force_rounds=0), (*CELLS, cell), r1="Base", r2="Theirs")
    level = lines(panel)[-1]
    assert (level["x"], level["y"]) == ([128, 512.0, 2048], [0.8] * 3)
    assert level["name"] == "Theirs · m1-7b (imported), budget not stated"
    assert [round(each, 3) for each in (level["error_y"]["array"][1], level["error_y"]["arrayminus"][1])] == [0.1, 0.1]
    assert level["customdata"][0] == [
        "budget not stated, 0 rounds, n = 100", "80.0% (70.0% to 90.0%)", "90.0%", "–", "–",
    ]  # fmt: skip
    assert panel.key[-1].name == level["name"]
    assert panel.figure["layout"]["xaxis"]["tickvals"] == [128, 512, 2048]


def test_an_imported_run_alone_is_drawn_without_budgets_on_the_axis() -> None:
    cell = a_cell(**UNSTATED, mean_tokens=math.nan)
    for chart in (Chart.BUDGET, Chart.ANSWERED):
        (panel,) = drawn(ChartChoice(chart=chart, question_sets=("MedQA",)), (cell,))
        assert panel.figure["layout"]["xaxis"]["tickvals"] == []
        assert [each["name"] for each in lines(panel)] == ["m1-7b (imported), budget not stated"]


@pytest.mark.parametrize("chart", [Chart.COST, Chart.THINKING])
def test_what_a_file_does_not_say_is_not_drawn_and_a_note_names_it(chart: Chart) -> None:
    cell = a_cell(**UNSTATED, mean_tokens=math.nan)
    (panel,) = drawn(ChartChoice(chart=chart, question_sets=("MedQA",)), (*CELLS, cell), r1="Base", r2="Theirs")
    assert panel.note == "Not drawn, as its file does not say it: Theirs · m1-7b (imported) · 0 rounds."
    numbers = [value for each in panel.figure["data"] for value in (*each["x"], *each["y"])]
    assert all(value > 0 for value in numbers)
    (alone,) = drawn(ChartChoice(chart=chart, question_sets=("MedQA",)), (cell,))
    assert not [each for each in alone.figure["data"] if each["x"] and each["name"] != "the whole budget"]


def test_numbers_that_a_file_does_not_say_are_dashes_and_its_model_is_marked() -> None:
    cell = a_cell(**UNSTATED, mean_tokens=math.nan)
    (row,) = points_table([cell], [cell], {"r2": "Theirs (imported)"}).rows
    texts = [each.text for each in row.cells]
    assert (texts[0], texts[3], texts[-2:]) == ("m1-7b (imported)", "–", ["–", "–"])
    first, best = accuracy_table([cell], 0, {"r2": "Theirs (imported)"}, with_paper=False).rows
    assert [first.cells[0].text, first.cells[2].text] == ["m1-7b (imported)", "at budget not stated"]
    assert best.cells[0].text == "m1-7b (imported)"
