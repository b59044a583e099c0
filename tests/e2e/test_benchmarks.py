"""The Benchmarks page in a real browser: curves, rules, reference lines, transitions, questions, links."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Route, expect

from tests.e2e.benchmark_fixtures import OpenPage, app_in_use, benchmarks_app, open_page, runs
from tests.e2e.benchmark_page import (
    HOSTILE_RUN,
    HOSTILE_TAG,
    KEYWORD_STEM,
    MEDQA_QUESTIONS,
    OpenBenchmarksPage,
)
from tests.e2e.browser_watch import screenshot
from tests.e2e.probe_page import WAIT_MS
from tests.e2e.running_app import RunningApp
from tests.e2e.stored_traces import HOSTILE_MODEL, HOSTILE_STEM

__all__ = ["app_in_use", "benchmarks_app", "open_page", "runs"]
TWO_ROUNDS = ["m1-7b · 0 rounds", "m1-7b · 1 round"]
PAPER = ["m1-7B-1K (paper)", "m1-7B-23K (paper)", "m1-32B-1K (paper)"]


def percent(share: float) -> str:
    return f"{share:.1%}"


def test_curves_of_a_stored_run_are_the_numbers_below_them(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']}")
    page.wait_drawn()
    expect(page.chosen).to_have_count(1)
    expect(page.chosen).to_contain_text("100 of 100 questions")
    expect(page.chosen).to_contain_text("2 failed")
    lines = page.wait_lines(TWO_ROUNDS)
    assert lines[0]["x"] == [128, 512, 2048]
    numbers = page.numbers()
    assert [row[3] for row in numbers] == ["128", "512", "2,048"] * 2
    assert [row[5].split()[0] for row in numbers] == [percent(y) for line in lines for y in line["y"]]
    page.box("set").select_option("*")
    page.wait_drawn(3)
    page.box("rounds").select_option("1")
    page.wait_lines(["m1-7b"], plot=2)
    page.expect_address(r"set=\*&rounds=1$|set=%2A&rounds=1$")


def test_scoring_rule_is_switched_and_both_stand_in_the_numbers(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']}&set=MedQA")
    page.wait_drawn()
    strict = page.wait_lines(TWO_ROUNDS)
    rows = page.numbers()
    page.choose_rule("m1")
    page.expect_address("rule=m1")
    page.page.wait_for_function(
        "old => document.querySelector('#benchmarks-page .m1-plot').data.find((t) => t.name).y[0] !== old",
        arg=strict[0]["y"][0],
        timeout=WAIT_MS,
    )
    m1 = page.lines()
    # The published scorer guesses, so it never finds less.
    assert all(a <= b for one, other in zip(strict, m1, strict=True) for a, b in zip(one["y"], other["y"], strict=True))
    assert [row[5].split()[0] for row in rows] == [percent(y) for line in strict for y in line["y"]]
    assert [row[6].split()[0] for row in rows] == [percent(y) for line in m1 for y in line["y"]]


def test_every_chart_draws_what_its_name_says(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']}&set=MedQA")
    page.wait_drawn()
    page.choose_chart("by rounds")
    lines = page.wait_lines(["m1-7b · 128 tokens", "m1-7b · 512 tokens", "m1-7b · 2,048 tokens"])
    assert lines[0]["x"] == [0, 1]
    page.choose_chart("by cost")
    lines = page.wait_lines([*TWO_ROUNDS, "Pareto front"])
    assert lines[2]["y"] == sorted(lines[2]["y"])
    assert set(lines[2]["x"]) <= {x for line in lines[:2] for x in line["x"]}
    page.choose_chart("Thinking used")
    lines = page.wait_lines([*TWO_ROUNDS, "the whole budget"])
    assert all(used <= budget for used, budget in zip(lines[0]["y"], lines[0]["x"], strict=True))
    page.choose_chart("Answered")
    lines = page.wait_lines(TWO_ROUNDS)
    assert all(0.5 < y <= 1 for line in lines for y in line["y"])


def test_the_papers_curves_are_off_until_switched_on(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']}&set=MedQA&rounds=0")
    page.wait_drawn()
    page.wait_lines(["m1-7b"])
    page.box("paper").check()
    lines = page.wait_lines(["m1-7b", *PAPER])
    assert lines[3]["y"][0] == pytest.approx(0.7651)
    expect(page.part("panels")).to_contain_text("arXiv 2504.00869, Figure 1 and Table 1: 1,273 questions")
    page.tab("Table")
    expect(page.readings).to_contain_text("m1-32B-1K")
    expect(page.part("readings-note")).to_contain_text("maximum over its thinking budgets")


def test_table_has_both_readings_and_marks_the_optimistic_one(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']}&tab=table&at=128")
    rows = page.readings.locator("tbody tr")
    expect(rows).to_have_count(4, timeout=WAIT_MS)
    expect(page.readings.locator("th")).to_have_text(["Model", "Rounds", "Reading", "Macro average", "MedQA", "NEJM"])
    at, best = (rows.nth(i).locator("td").all_inner_texts() for i in (0, 1))
    assert (at[2], best[2]) == ("at 128 tokens", "best budget of each (optimistic)")
    values = [[float(text.partition("%")[0]) for text in row[3:]] for row in (at, best)]
    assert [b >= a for a, b in zip(*values, strict=True)] == [True] * 3
    expect(rows.nth(1).locator(".m1-optimistic")).to_have_count(1)
    assert re.fullmatch(r"\d+\.\d% \(\d+\.\d% to \d+\.\d%\), n = 60", at[4])
    expect(rows.nth(0).locator("td").nth(4).locator("span")).to_have_attribute("title", "at 128 tokens")


def test_accuracy_by_tag_has_intervals_cautions_pages_a_search_and_files(
    open_page: OpenPage, runs: dict[str, str]
) -> None:
    page = open_page(f"?run={runs['base']}&tab=tags")
    table = page.part("tags-table")
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(50, timeout=WAIT_MS)
    expect(table.locator("th")).to_have_text(["Tag", "n", "128 tokens", "512 tokens", "2,048 tokens"])
    first = rows.nth(0).locator("td").all_inner_texts()
    assert first[:2] == ["Endocrinology", "60"]
    assert all(re.fullmatch(r"\d+\.\d% \(\d+\.\d% to \d+\.\d%\)", text) for text in first[2:])
    expect(rows.nth(1).locator("td").first).to_have_text("(no tag)")
    # Forty questions without a tag are enough, one of a topic is not.
    expect(table.locator(".m1-few")).to_have_count(48)
    expect(rows.nth(2).locator(".m1-few")).to_have_attribute("title", re.compile(r"^Few questions \(n = 1\)"))
    screenshot(page.page, "benchmarks-tags-all.png")
    expect(page.part("tags-place")).to_have_text("1 – 50 of 62")
    page.part("tags-later").click()
    expect(rows).to_have_count(12, timeout=WAIT_MS)
    page.expect_address("part=2")
    page.box("among").fill("endo")
    expect(rows).to_have_count(1, timeout=WAIT_MS)
    page.expect_address("among=endo")
    with_no_rounds = rows.nth(0).locator("td").all_inner_texts()
    assert with_no_rounds == first
    page.box("forced").select_option("1")
    expect(rows.nth(0).locator("td").nth(2)).not_to_have_text(first[2], timeout=WAIT_MS)
    with page.page.expect_download() as download:
        page.part("tags-files").get_by_text("CSV").click()
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert lines[1].startswith("Endocrinology,60,m1-7b,128,1,strict,")
    assert len(lines) == 4
    page.box("among").fill("nothing like it")
    expect(page.part("tags-note")).to_have_text("No tag matches.", timeout=WAIT_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_accuracy_by_tag_fits_a_narrow_window_and_a_hostile_tag_is_text(
    open_page: OpenPage, runs: dict[str, str], scheme: str
) -> None:
    page = open_page(f"?run={runs['hostile']}&tab=tags", viewport={"width": 400, "height": 900}, color_scheme=scheme)
    expect(page.part("tags-table")).to_contain_text(HOSTILE_TAG, timeout=WAIT_MS)
    assert not page.scrolls_sideways()
    screenshot(page.page, f"benchmarks-tags-{scheme}.png")


def test_a_band_of_the_flow_leads_to_its_questions_their_sweeps_and_annotation(
    open_page: OpenPage, runs: dict[str, str]
) -> None:
    page = open_page(f"?run={runs['base']}&tab=transitions&set=MedQA")
    expect(page.comparison).to_contain_text("Exact McNemar test", timeout=WAIT_MS)
    counts = {row.get_attribute("data-way"): int(row.locator("td").nth(1).inner_text()) for row in page.ways.all()}
    assert sum(counts.values()) == MEDQA_QUESTIONS
    assert counts["wrong-right"] > 0
    expect(page.part("curve").locator("tbody tr")).to_have_count(2, timeout=WAIT_MS)
    # The bands are in the order of the counts; those without a question are not drawn.
    drawn = [way for way, count in counts.items() if count]
    band = page.part("flow").locator("path.sankey-link").nth(drawn.index("wrong-right"))
    box = band.bounding_box()
    assert box
    page.page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.expect_address("verdict=wrong-right")
    expect(page.questions).to_have_count(min(50, counts["wrong-right"]), timeout=WAIT_MS)
    expect(page.place).to_contain_text(f"of {counts['wrong-right']}")
    row = page.questions.first
    expect(row).to_contain_text("wrong")
    expect(row).to_contain_text("A, right")
    case = row.get_by_text("Annotate").get_attribute("href")
    item = row.get_attribute("data-item")
    row.locator(".m1-stem a").click()
    expect(page.page.locator('#sweep-view [data-part="question"]')).to_contain_text("MedQA case", timeout=WAIT_MS)
    assert page.page.url.endswith(f"/compare/?sweep={item}")
    page.page.goto(page.origin + str(case))
    expect(page.page.locator('#annotate-page [data-part="stem"]')).to_contain_text("MedQA case", timeout=WAIT_MS)


def test_the_flow_can_be_read_and_followed_with_the_keyboard(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']}&tab=transitions&set=MedQA&before=128-0&after=128-1")
    expect(page.comparison).to_contain_text("Exact McNemar test", timeout=WAIT_MS)
    stayed = page.page.get_by_role("button", name="Show the questions: stayed wrong")
    stayed.focus()
    page.page.keyboard.press("Enter")
    expect(page.box("verdict")).to_have_value("wrong-wrong", timeout=WAIT_MS)
    expect(page.box("from")).to_have_value("128-0")
    expect(page.box("cell")).to_have_value("128-1")
    tab = page.page.get_by_role("tab", name="Questions", exact=True)
    tab.focus()
    for _ in range(3):  # Past Fits and Strategies.
        page.page.keyboard.press("ArrowLeft")
    expect(page.page.get_by_role("tab", name="Transitions", exact=True)).to_have_attribute("aria-selected", "true")


def test_questions_are_searched_filtered_and_paged(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']}&tab=questions")
    expect(page.place).to_have_text("1 – 50 of 100", timeout=WAIT_MS)
    page.page.get_by_role("button", name="Later").click()
    expect(page.place).to_have_text("51 – 100 of 100", timeout=WAIT_MS)
    page.expect_address("part=2")
    page.page.reload()
    expect(page.place).to_have_text("51 – 100 of 100", timeout=WAIT_MS)
    expect(page.page.get_by_role("button", name="Later")).to_be_disabled()
    page.box("text").fill("koilonychia")
    expect(page.questions).to_have_count(1, timeout=WAIT_MS)
    expect(page.questions).to_contain_text(KEYWORD_STEM)
    expect(page.questions).to_contain_text("failed")
    page.box("text").fill("no such word")
    expect(page.part("no-questions")).to_contain_text("No question matches these words", timeout=WAIT_MS)
    page.box("text").fill("")
    page.box("verdict").select_option("failed")
    expect(page.questions).to_have_count(2, timeout=WAIT_MS)
    page.box("verdict").select_option("right")
    expect(page.questions.first).to_contain_text("A, right", timeout=WAIT_MS)
    assert all("right" in text for text in page.questions.locator(".m1-mark").all_inner_texts())


def test_runs_are_filtered_and_compared_on_the_same_chart(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']}&set=MedQA&rounds=0")
    page.wait_lines(["m1-7b"])
    page.page.get_by_label("Compare Larger").check()
    page.wait_lines(["Base · m1-7b", "Larger · m1-32b"])
    page.box("set").select_option("")
    page.wait_lines(["Base · m1-7b"])
    expect(page.part("curves-note")).to_contain_text("(only one set): Larger")
    page.box("set").select_option("MedQA")
    page.wait_lines(["Base · m1-7b", "Larger · m1-32b"])
    page.expect_address(f"run={runs['base']},{runs['larger']}&")
    expect(page.chosen).to_have_count(2)
    search = page.page.get_by_label("Name", exact=True)
    search.fill("larg")
    expect(page.runs).to_have_count(1, timeout=WAIT_MS)
    # A chosen run stays chosen when the filter hides it.
    expect(page.chosen).to_have_count(2)
    search.fill("")
    page.page.get_by_label("Tag", exact=True).fill("night")
    expect(page.runs).to_have_text([re.compile("Base")], timeout=WAIT_MS)
    page.page.get_by_label("Compare Base").uncheck()
    page.wait_lines(["m1-32b"])


def test_a_choice_made_while_a_filter_is_typed_is_drawn(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']},{runs['larger']}&set=MedQA&rounds=0")
    page.wait_lines(["Base · m1-7b", "Larger · m1-32b"])

    def send_late(route: Route) -> None:
        page.page.wait_for_timeout(1000)
        route.continue_()

    # The typed filter asks for the runs a moment later, and so overtakes the answer to the choice.
    page.page.route("**/queue/join*", send_late)
    try:
        page.page.get_by_label("Tag", exact=True).fill("night")
        page.page.get_by_label("Compare Base").uncheck()
        page.wait_lines(["m1-32b"])
        expect(page.chosen).to_have_count(1)
        expect(page.runs).to_have_count(1, timeout=WAIT_MS)
    finally:
        page.page.unroute_all(behavior="wait")


def test_a_link_keeps_the_whole_view(
    open_page: OpenPage, new_context: Callable[..., BrowserContext], runs: dict[str, str], app_in_use: RunningApp
) -> None:
    page = open_page(f"?run={runs['base']}")
    page.wait_drawn()
    page.choose_rule("m1")
    page.choose_chart("by rounds")
    page.box("set").select_option("NEJM")
    page.box("budget").select_option("512")
    lines = page.wait_lines(["m1-7b"])
    other = OpenBenchmarksPage(new_context().new_page(), app_in_use.url)
    other.page.goto(page.page.url)
    assert other.wait_lines(["m1-7b"]) == lines
    expect(other.page.locator('input[name="m1-rule"][value="m1"]')).to_be_checked()
    expect(other.box("set")).to_have_value("NEJM")
    expect(other.box("budget")).to_have_value("512")
    other.page.reload()
    assert other.wait_lines(["m1-7b"]) == lines
    # Going back shows the view before.
    page.page.go_back()
    expect(page.box("budget")).to_have_value("", timeout=WAIT_MS)


def test_the_newest_run_is_shown_when_the_link_names_none(open_page: OpenPage) -> None:
    page = open_page()
    page.wait_drawn()
    expect(page.chosen).to_contain_text(HOSTILE_RUN)
    expect(page.page.locator(".m1-nav [aria-current]")).to_have_text("Benchmarks")


def test_a_link_to_a_run_that_is_gone_says_so(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={'0' * 32},{runs['larger']}")
    expect(page.notice).to_contain_text("not found", timeout=WAIT_MS)
    expect(page.chosen).to_have_count(1)
    page.wait_lines(["m1-32b"])


def test_an_address_that_cannot_be_read_falls_back_or_says_so(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['base']}&tab=pie&chart=pie&set=none&rounds=9&model=%3Cb%3E&part=x")
    page.wait_lines(TWO_ROUNDS)
    page.tab("Questions")
    expect(page.place).to_have_text("1 – 50 of 100", timeout=WAIT_MS)


def test_hostile_names_and_questions_are_shown_as_text(open_page: OpenPage, runs: dict[str, str]) -> None:
    page = open_page(f"?run={runs['hostile']},{runs['larger']}")
    page.wait_drawn()
    expect(page.chosen.first).to_contain_text(HOSTILE_RUN)
    expect(page.chosen.first).to_contain_text("<b>tag</b>")
    expect(page.key.first).to_contain_text(HOSTILE_MODEL)
    for tab in ("Table", "Transitions", "Questions"):
        page.tab(tab)
        expect(page.page.locator("#benchmarks-page [aria-busy=false]")).to_have_count(1, timeout=WAIT_MS)
    expect(page.questions.first).to_contain_text(HOSTILE_STEM, timeout=WAIT_MS)
    page.tab("Curves")
    page.plots.first.hover()
    assert page.page.evaluate("window.__hit") is None
    assert page.page.locator("#benchmarks-page").locator("img, script, iframe, i, b, [onerror]").count() == 0


@pytest.mark.parametrize("width", [1360, 400])
def test_every_view_fits_the_window(open_page: OpenPage, runs: dict[str, str], width: int) -> None:
    page = open_page(f"?run={runs['base']},{runs['larger']}&paper=1", viewport={"width": width, "height": 844})
    for scheme in ("light", "dark"):
        page.wait_drawn()
        for tab in ("Curves", "Table", "Transitions", "Questions"):
            page.tab(tab)
            expect(page.page.locator("#benchmarks-page [aria-busy=false]")).to_have_count(1, timeout=WAIT_MS)
            assert not page.scrolls_sideways()
            screenshot(page.page, f"benchmarks-{tab.lower()}-{scheme}-{width}.png")
        page.page.get_by_role("button", name="Dark / light").click()
        page.tab("Curves")
