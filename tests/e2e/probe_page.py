"""The Probe page as users see it: what can be typed, pressed and read."""

import re
from collections.abc import Sequence

from playwright.sync_api import Locator, Page, expect

WAIT_MS = 240_000
"""Generous, because the machine may be busy and timing is not tested."""

ANSWER_CAP = 16
"""Answers are short unless a test is about their length, because they take the most time on a busy machine."""

OPEN_QUESTION = "Name one sign of anaemia."
"""The embedded model thinks about it briefly and stops by itself."""
LONG_QUESTION = "What does insulin do?"
"""The embedded model thinks about it to the end of any budget."""
LONG_BUDGET = 1400
"""Lasts long enough to do something meanwhile, and fits the small context of the tests."""
WITH_OPTIONS = """A 30-year-old man has fatigue and pale skin. His haemoglobin is 82 g/L. What does he have?
A. Anaemia
B. Polycythaemia
C. Leukocytosis
Answer: A"""


class ProbePage:
    """One open Probe page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.question = page.locator("#question textarea")
        self.options = page.locator("#options textarea")
        self.target = page.locator("#target").locator("input, textarea")
        self.budget = page.locator("#budget input")
        self.budget_slider = page.locator("#budget-slider input[type=range]")
        self.rounds = page.get_by_label("number input for Force rounds")
        self.temperature = page.get_by_label("number input for Temperature")
        self.seed = page.locator("#seed").locator("input, textarea")
        self.library = page.locator("#library input")
        self.run = page.locator("#run")
        self.stop = page.locator("#stop")
        self.again = page.locator("#again")
        self.new = page.locator("#new")
        self.message = page.locator("#message")
        self.explanation = page.locator("#explanation")
        self.search = page.locator("#search").locator("input, textarea")
        self.rows = page.locator("#history tr[data-trace]")
        self.thinking = self.part("thinking")
        self.answer = self.part("answer")
        self.state = self.part("state")
        self.notice = self.part("notice")
        self.verdict = self.part("verdict")
        self.waits = self.thinking.locator(".m1-wait")

    def part(self, name: str) -> Locator:
        """A part of the trace pane."""
        return self.page.locator(f'#trace-pane [data-part="{name}"]')

    def header(self, name: str) -> Locator:
        """A part of the header."""
        return self.page.locator(f'#header [data-part="{name}"]')

    def open(self, path: str = "/") -> "ProbePage":
        """Load the page; return when it is usable."""
        self.page.goto(self.origin + path)
        self.wait_usable()
        return self

    def reload(self) -> None:
        self.page.reload()
        self.wait_usable()

    def wait_usable(self) -> None:
        self.run.wait_for()
        # The history is filled by the page's first event: handlers answer from here on.
        self.page.locator("#history tr[data-trace], #history [data-part=empty]:not(:empty)").first.wait_for()

    def ask(
        self, question: str, *, budget: int = 64, rounds: int = 0, options: Sequence[str] = (), target: str = ""
    ) -> None:
        """Fill the form and press Run."""
        self.fill(question, budget=budget, rounds=rounds, options=options, target=target)
        self.run.click()

    def fill(
        self, question: str, *, budget: int = 64, rounds: int = 0, options: Sequence[str] = (), target: str = ""
    ) -> None:
        self.question.fill(question)
        if options:
            self.options.fill("\n".join(options))
        if target:
            self.target.fill(target)
        self.set_number(self.budget, budget)
        self.set_number(self.rounds, rounds)
        self.cap_answer()

    def cap_answer(self, tokens: int = ANSWER_CAP) -> None:
        """Let the answer be short."""
        cap_answer(self.page, tokens)

    def set_number(self, field: Locator, value: float | str) -> None:
        """Type a number and leave the field, which commits it."""
        field.fill(str(value))
        field.press("Tab")

    def wait_streaming(self, characters: int = 80) -> str:
        """Return the thinking so far once there is some of it; the run goes on."""
        self.page.wait_for_function(
            "n => document.querySelector('#trace-pane [data-part=thinking]')?.textContent.length >= n",
            arg=characters,
            timeout=WAIT_MS,
        )
        return self.text_of(self.thinking)

    def wait_state(self, *states: str) -> None:
        """Return when the pane says one of `states`."""
        expect(self.state).to_have_text(re.compile("|".join(states)), timeout=WAIT_MS)

    def wait_over(self, state: str = "Done") -> None:
        """Return when the trace is over and the controls are free again."""
        self.wait_state(state)
        expect(self.run).to_be_enabled(timeout=WAIT_MS)
        expect(self.stop).to_be_disabled(timeout=WAIT_MS)

    def wait_message(self, text: str) -> None:
        """Return when the form's message has `text`."""
        expect(self.message).to_contain_text(text, timeout=WAIT_MS)

    def text_of(self, pane: Locator) -> str:
        """Paragraphs of a pane as lines; exact, unlike inner_text."""
        return str(pane.evaluate("p => Array.from(p.children, line => line.textContent).join('\\n')"))

    def wait_trace_id(self) -> str:
        """Return the trace that the address names, once it names one."""
        self.page.wait_for_url(re.compile(r"\?trace=[0-9a-f]{32}$"), timeout=WAIT_MS)
        return self.page.url.rpartition("=")[2]

    def row(self, trace_id: str) -> Locator:
        """A trace's row of the history."""
        return self.page.locator(f'#history tr[data-trace="{trace_id}"]')

    def choose(self, label: str, option: str) -> None:
        """Take an option of a dropdown of the history; the form above it has a "Model" too."""
        self.page.get_by_label(label, exact=True).last.click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than its window."""
        return bool(
            self.page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )


def cap_answer(page: Page, tokens: int = ANSWER_CAP) -> None:
    """Set the answer cap of a page's form, which is behind "Advanced"."""
    box = page.get_by_label("Answer cap (tokens)")
    if not box.is_visible():
        page.get_by_role("button", name="Advanced").click()
    box.fill(str(tokens))
    box.press("Tab")
