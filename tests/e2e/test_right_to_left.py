"""Arabic and Hebrew: paragraphs run from right to left, while letters of options and marks stay where they are."""

from collections.abc import Callable, Iterator
from io import BytesIO

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from storage.database import Database
from storage.questions.records import NewQuestion
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason, TraceOutcome, TraceState
from tests.e2e.annotate_page import OpenAnnotatePage
from tests.e2e.probe_page import ProbePage
from tests.e2e.running_app import RunningApp, closed_port, running
from tests.storage.samples import begin, finish

ARABIC = "ما الفيتامين الناقص في داء الأسقربوط؟"
HEBREW = "איזה ויטמין חסר בצפדינה?"
QUESTIONS = {
    ARABIC: ({"A": "فيتامين ج", "B": "فيتامين د"}, "الأسقربوط هو نقص فيتامين ج (vitamin C).", "فيتامين"),
    HEBREW: ({"A": "ויטמין C", "B": "ויטמין D"}, "צפדינה היא חוסר של ויטמין C, לכן התשובה A.", "חוסר"),
}

# The place in the window of each character of an element or a text box that is not a space.
_PLACES = """e => {
  const walker = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
  const places = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode())
    for (let i = 0; i < node.length; i++) {
      const range = document.createRange();
      range.setStart(node, i);
      range.setEnd(node, i + 1);
      const box = range.getBoundingClientRect();
      if (node.data[i].trim()) places.push((box.left + box.right) / 2);
    }
  return places;
}"""


@pytest.fixture(scope="module")
def traces() -> dict[str, str]:
    """Becomes the ids of the traces by question."""
    return {}


@pytest.fixture(scope="module")
def two_scripts_app(tmp_path_factory: pytest.TempPathFactory, traces: dict[str, str]) -> Iterator[RunningApp]:
    home = tmp_path_factory.mktemp("home")
    database = Database(f"sqlite:///{home / 'm1.sqlite3'}")
    database.migrate()
    for stem, (options, thinking, _) in QUESTIONS.items():
        trace = begin(database, NewQuestion(stem=stem, options=options, target="A"))
        outcome = TraceOutcome(
            state=TraceState.COMPLETED,
            thinking_finish_reason=ThinkingFinishReason.NATURAL,
            answer_letter="A",
            is_correct=True,
            tokens_generated=9,
        )
        parts = [(SegmentKind.THINK, f"{thinking}\nIn English."), (SegmentKind.ANSWER, thinking)]
        segments = [Segment(kind=kind, text=text, token_ids=(1, 2), token_count=2) for kind, text in parts]
        finish(database, trace, *segments, outcome=outcome)
        traces[stem] = trace.id
    database.dispose()
    with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as started:
        yield started


@pytest.fixture
def app_in_use(two_scripts_app: RunningApp) -> RunningApp:
    return two_scripts_app


def runs_from_right(shown: Locator) -> bool:
    """Whether a text begins at the right end of its box and goes on to the left."""
    places: list[float] = shown.evaluate(_PLACES)
    right = shown.evaluate("e => e.getBoundingClientRect().right - parseFloat(getComputedStyle(e).paddingRight)")
    return places[0] > places[1] > places[2] and right - places[0] < 20


def box_runs_from_right(box: Locator) -> bool:
    """Whether what is drawn of a text box's short text is on its right; its letters have no places to ask for."""
    drawn = Image.open(BytesIO(box.screenshot())).convert("L")
    middle = drawn.width // 2
    left, right = drawn.crop((4, 4, middle, drawn.height - 20)), drawn.crop((middle, 4, drawn.width - 4, 60))
    dark = [sum(part.histogram()[:128]) for part in (left, right)]
    return dark[0] == 0 < dark[1]


@pytest.mark.parametrize("stem", QUESTIONS, ids=["arabic", "hebrew"])
def test_trace_runs_from_right_to_left_and_its_letters_stay(
    page: Page, app_in_use: RunningApp, traces: dict[str, str], stem: str
) -> None:
    probe = ProbePage(page, app_in_use.url).open(f"/?trace={traces[stem]}")
    probe.wait_over()
    expect(probe.question).to_have_value(stem)
    assert box_runs_from_right(probe.question)
    assert runs_from_right(probe.thinking.locator("p").first)
    assert not runs_from_right(probe.thinking.locator("p").last)
    assert runs_from_right(probe.answer.locator("p").first)
    for row in probe.part("options").locator(".m1-option").all():
        letter, text = (row.locator(part).bounding_box() for part in (".m1-letter", ".m1-option-text"))
        assert letter and text
        assert letter["x"] + letter["width"] <= text["x"]
        assert runs_from_right(row.locator(".m1-option-text"))
    assert runs_from_right(probe.row(traces[stem]).locator(".m1-stem a"))


@pytest.mark.parametrize("stem", QUESTIONS, ids=["arabic", "hebrew"])
def test_marks_are_where_they_were_made(
    new_tab: Callable[..., Page], app_in_use: RunningApp, traces: dict[str, str], stem: str
) -> None:
    word = QUESTIONS[stem][2]
    page = OpenAnnotatePage(new_tab(), app_in_use.url).open("/annotate/", "Dana")
    assert runs_from_right(page.rows.filter(has_text=stem).locator(".m1-stem a"))
    page.open_case(stem)
    page.wait_idle()
    assert runs_from_right(page.part("stem"))
    line = page.thinking.locator("p").first
    text = str(line.evaluate("e => e.textContent"))
    spaces = text[: text.index(word)].count(" ")
    first = text.index(word) - spaces
    places: list[float] = line.evaluate(_PLACES)
    box = line.bounding_box()
    assert box
    # From the right edge of the word's first letter to the left edge of its last one.
    height = box["y"] + box["height"] / 2
    last = first + len(word) - 1
    start = (places[first] + places[first - 1]) / 2 if first else box["x"] + box["width"]
    page.drag_between(start - 1, height, (places[last] * 3 - places[last - 1]) / 2, height)
    expect(page.quote).to_have_text(word)
    page.page.keyboard.press("1")
    page.severity("mild")
    page.save.click()
    expect(page.own).to_have_count(1)
    assert page.painted("m1-severity-mild") == [word]
