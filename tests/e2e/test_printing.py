"""Traces and sweeps on paper: all their text, in black on white, and nothing to press."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import BrowserContext, Page

from storage.database import Database
from storage.naming import Naming
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.sweeps.records import SweepOutcome
from storage.sweeps.repository import SweepRepository
from storage.traces.records import Segment, SegmentKind, ThinkingFinishReason, TraceOutcome, TraceState
from storage.traces.repository import TraceRepository
from tests.e2e.compare_page import OpenComparePage
from tests.e2e.pdf_text import count_pages, words_on_paper
from tests.e2e.probe_page import ProbePage
from tests.e2e.running_app import RunningApp
from tests.storage.samples import a_checkpoint, a_sweep, a_trace, answer, begin, finish, think

QUESTION = NewQuestion(
    stem="A violinist cannot extend her wrist after a night on an armchair. Which nerve is it?",
    options={"A": "Radial, in the spiral groove", "B": "Ulnar, at the elbow"},
    target="A",
)
LINES = [f"Thought {number}: the wrist does not extend, the triceps does." for number in range(120)]
OUTCOME = TraceOutcome(
    state=TraceState.COMPLETED,
    thinking_finish_reason=ThinkingFinishReason.NATURAL,
    answer_letter="A",
    is_correct=True,
    option_probabilities={"A": 0.75, "B": 0.125},
    seconds=1.5,
    tokens_generated=90,
)
CONTROLS = (
    "Runagain",
    "Newquestion",
    "Downloaded",
    "DownloadJSON",
    "Copylink",
    "History",
    "Search",
    "Showmore",
    "Delete",
)


@pytest.fixture
def database(app: RunningApp) -> Iterator[Database]:
    opened = Database(f"sqlite:///{app.home / 'm1.sqlite3'}")
    yield opened
    opened.dispose()


def is_there(text: str, paper: str) -> bool:
    return "".join(text.split()) in paper


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_trace_is_printed_in_full_without_controls(
    new_tab: Callable[..., Page], app_in_use: RunningApp, database: Database, scheme: str
) -> None:
    trace = begin(database, QUESTION)
    wait = Segment(kind=SegmentKind.WAIT, text="Wait", token_ids=(1,), token_count=1)
    finish(database, trace, think("\n".join(LINES)), wait, think("Yes."), answer("The answer is A."), outcome=OUTCOME)
    with database.session() as session:
        TraceRepository(session).set_naming(trace.id, Naming("Saturday night palsy", ("teaching",)))
    page = new_tab(color_scheme=scheme)
    probe = ProbePage(page, app_in_use.url).open(f"/?trace={trace.id}")
    probe.wait_over()
    page.locator("#trace-strip [data-part=name]").wait_for()
    pdf = page.pdf(format="A4")
    paper = words_on_paper(pdf)
    wanted = [QUESTION.stem, *(f"{letter}. {text}" for letter, text in QUESTION.options.items()), *LINES, "Yes."]
    wanted += [
        "Saturday night palsy",
        "teaching",
        "The answer is A.",
        "Target: A",
        "Right: A",
        "75.0%",
        "not medical advice",
    ]
    # Behind "Tokens and settings", which nobody has opened.
    wanted += ["Prompt SHA-256", trace.prompt_sha256, trace.model, "force round (inserted)"]
    assert [text for text in wanted if not is_there(text, paper)] == [], paper[-600:]
    assert [word for word in CONTROLS if word in paper] == []
    assert 2 <= count_pages(pdf) <= 8
    page.emulate_media(media="print")
    colours = (
        "() => [document.body, document.querySelector('#trace-pane p')].map((e) => getComputedStyle(e).backgroundColor)"
    )
    assert page.evaluate(colours)[0] == "rgb(255, 255, 255)"
    ink = "() => getComputedStyle(document.querySelector('#trace-pane [data-part=thinking] p')).color"
    assert page.evaluate(ink) == "rgb(0, 0, 0)"


def test_a_sweep_is_printed_with_every_column_in_full(
    new_context: Callable[..., BrowserContext], app_in_use: RunningApp, database: Database
) -> None:
    thinking = "\n".join(LINES)
    with database.session() as session:
        asked = QuestionRepository(session).upsert(QUESTION)
        sweeps, traces = SweepRepository(session), TraceRepository(session)
        sweep = sweeps.add(a_sweep(asked.id, budgets=(64, 512), force_rounds=(0,), models=("smollm2-135m",)))
        one = traces.add(replace(a_trace(asked.id), sweep_id=sweep.id))
        traces.close(one.id, OUTCOME, [think(thinking, token_count=512)])
        for budget, characters, letter in ((64, 900, "B"), (512, len(thinking), "A")):
            cut = a_checkpoint(
                one.id,
                cells=((budget, 0),),
                cut_tokens=budget,
                cut_characters=characters,
                text=f"After {budget} tokens the answer is {letter}.",
                letter=letter,
                is_correct=letter == "A",
            )
            traces.add_checkpoint(cut)
        sweeps.save(sweep.id, SweepOutcome(state=TraceState.COMPLETED, tokens_generated=600), "host:1")
    page = new_context().new_page()
    compare = OpenComparePage(page, app_in_use.url).open(f"/compare/?sweep={sweep.id}")
    compare.wait_over()
    compare.columns.nth(1).wait_for()
    pdf = page.pdf(format="A4")
    paper = words_on_paper(pdf)
    wanted = [QUESTION.stem, *(f"{letter}. {text}" for letter, text in QUESTION.options.items()), *LINES]
    wanted += ["After 64 tokens the answer is B.", "After 512 tokens the answer is A.", "Flips", "not medical advice"]
    assert [text for text in wanted if not is_there(text, paper)] == [], paper[-600:]
    assert [word for word in CONTROLS if word in paper] == []
    assert count_pages(pdf) >= 2
    assert "not printed" not in paper and "more distinct cut" not in paper
    # Columns that are not open are named as missing.
    page.locator("#sweep-columns .m1-chooser > summary").first.click()
    page.locator("#sweep-columns .m1-chooser input").first.click()
    compare.columns.nth(1).wait_for(state="detached")
    fewer = words_on_paper(page.pdf(format="A4"))
    assert is_there("Only columns open on the page are printed. 1 more distinct cut of this pass is not.", fewer)
    page.locator("#sweep-columns .m1-band > summary").first.click()
    folded = words_on_paper(page.pdf(format="A4"))
    assert is_there("The columns of this pass are collapsed on the page, so they are not printed.", folded)
