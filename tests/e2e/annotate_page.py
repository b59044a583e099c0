"""The Annotate page as users see it."""

import json
import urllib.request
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.probe_page import WAIT_MS

# Where a stretch of a pane's text begins and ends on the screen: the left edge of its first character, the right edge
# of its last one.
_PLACES = """([part, first, last]) => {
  const pane = document.querySelector(`#annotate-page [data-part="${part}"]`);
  const text = pane.textContent;
  const start = text.indexOf(first);
  const end = text.indexOf(last, start) + last.length;
  const place = (at) => {
    const walker = document.createTreeWalker(pane, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(), before = 0; node; before += node.length, node = walker.nextNode()) {
      if (at < before + node.length) return [node, at - before];
    }
  };
  const box = (from, to) => {
    const range = document.createRange();
    range.setStart(...place(from));
    const [node, offset] = place(to - 1);
    range.setEnd(node, offset + 1);
    range.startContainer.parentElement.scrollIntoView({ block: 'nearest' });
    return range.getBoundingClientRect();
  };
  const size = (at) => (text.codePointAt(at) > 0xffff ? 2 : 1);
  const [a, b] = [box(start, start + size(start)), box(end - 1, end)];
  return [a.left + 1, a.top + a.height / 2, b.right, b.top + b.height / 2];
}"""
_PAINTED = """name => [...(CSS.highlights.get(name) || [])].map((r) => {
  const range = document.createRange();
  range.setStart(r.startContainer, r.startOffset);
  range.setEnd(r.endContainer, r.endOffset);
  return range.toString();
})"""


class OpenAnnotatePage:
    """One open Annotate page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.annotator = self.part("annotator")
        self.rows = page.locator("#annotate-page tr[data-case]")
        self.groups = page.locator("#annotate-page tr[data-group]")
        self.progress = self.part("progress")
        self.thinking = self.part("thinking")
        self.answer = self.part("answer")
        self.form = self.part("form")
        self.quote = self.form.locator("blockquote q")
        self.comment = self.form.get_by_label("Comment")
        self.fact = self.form.get_by_label("Corrected fact")
        self.save = self.form.get_by_role("button", name="Save", exact=True)
        self.cancel = self.form.get_by_role("button", name="Cancel", exact=True)
        self.own = page.locator('#annotate-page [data-part="own"] .m1-mark-card')
        self.submit = page.locator('#annotate-page [data-part="submit"] button')
        self.submitted = self.part("submitted")
        self.review = self.part("review")
        self.suggestions = page.locator("#annotate-page .m1-suggestion")
        self.notice = self.part("notice")

    def part(self, name: str) -> Locator:
        return self.page.locator(f'#annotate-page [data-part="{name}"]')

    def problem(self, field: str) -> Locator:
        """What is said to be wrong with a field."""
        return self.page.locator(f'#annotate-page [data-problem="{field}"]').first

    def open(self, path: str = "/annotate/", name: str = "") -> "OpenAnnotatePage":
        """Load the page, and give a name; returns when it can be used."""
        self.page.goto(self.origin + path)
        if "case=" not in path:
            expect(
                self.page.locator("#annotate-page :is(tr[data-case], tr[data-group], .m1-empty:not([hidden]))").first
            ).to_be_visible(timeout=WAIT_MS)
        else:
            self.part("case").wait_for()
        if name:
            self.name(name)
        return self

    def name(self, name: str) -> None:
        self.annotator.fill(name)
        self.annotator.press("Enter")
        self.wait_idle()

    def wait_idle(self) -> None:
        """Return when everything that the page asked was answered."""
        self.page.wait_for_timeout(50)
        expect(self.page.locator('#annotate-page .m1-annotate[aria-busy="true"]')).to_have_count(0, timeout=WAIT_MS)

    def open_case(self, stem: str) -> None:
        self.rows.filter(has_text=stem).get_by_text(stem).click()
        expect(self.part("stem")).to_have_text(stem, timeout=WAIT_MS)
        expect(self.part("case")).to_be_visible()

    def drag(self, part: str, first: str, last: str) -> None:
        """Select with the mouse, from the beginning of `first` to the end of the next `last`."""
        self.drag_between(*self.places(part, first, last))

    def places(self, part: str, first: str, last: str) -> tuple[float, float, float, float]:
        """Where a stretch begins and ends in the window, once it was scrolled into view and stands still.

        A list that has just grown shorter moves what is below it with the next frame only.
        """
        seen, now = None, self._places_after_frame(part, first, last)
        while seen != now:
            seen, now = now, self._places_after_frame(part, first, last)
        return now

    def _places_after_frame(self, part: str, first: str, last: str) -> tuple[float, float, float, float]:
        self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
        x1, y1, x2, y2 = self.page.evaluate(_PLACES, [part, first, last])
        return x1, y1, x2, y2

    def drag_between(self, x1: float, y1: float, x2: float, y2: float) -> None:
        self.page.mouse.move(x1, y1)
        self.page.mouse.down()
        self.page.mouse.move((x1 + x2) / 2, (y1 + y2) / 2, steps=4)
        self.page.mouse.move(x2, y2, steps=4)
        self.page.mouse.up()

    def click_text(self, part: str, text: str) -> None:
        """Click into the first letter of a text."""
        x, y, *_ = self.places(part, text, text)
        self.page.mouse.click(x + 2, y)

    def painted(self, name: str) -> list[str]:
        """The texts that a paint covers."""
        return [str(text) for text in self.page.evaluate(_PAINTED, name)]

    def severity(self, name: str) -> None:
        self.form.get_by_role("radio", name=name, exact=True).check()

    def mark(
        self,
        part: str,
        first: str,
        last: str,
        key: str,
        severity: str = "moderate",
        comment: str = "",
    ) -> None:
        """Mark with the mouse and keep it."""
        expected = self.own.count() + 1
        self.drag(part, first, last)
        expect(self.quote).to_be_visible()
        self.page.keyboard.press(key)
        self.severity(severity)
        if comment:
            self.comment.fill(comment)
        self.save.click()
        expect(self.part("own").locator("h3")).to_have_text(f"My marks ({expected})", timeout=WAIT_MS)

    def submit_case(self) -> None:
        """Submit the open case, with or without marks; the next one opens, or the queue."""
        self.submit.click()
        sure = self.submit.get_by_text("Press again to confirm: no errors found")
        if not self.own.count():
            sure.click()
        expect(self.submitted).to_contain_text("Submitted.", timeout=WAIT_MS)

    def submit_and_review(self) -> None:
        """Submit the open case, and return to it: others' marks are shown now."""
        self.submit_case()
        self.submitted.get_by_role("button", name="See it with others' marks").click()
        expect(self.part("submit")).to_contain_text("You have submitted this case.", timeout=WAIT_MS)

    def case_ids(self) -> list[str]:
        """Ids of the listed cases, in order."""
        return [str(each) for each in self.rows.evaluate_all("rows => rows.map((row) => row.dataset.case)")]

    def exported(self) -> list[dict[str, Any]]:
        """All annotations, as the download gives them."""
        with urllib.request.urlopen(f"{self.origin}/annotations.jsonl", timeout=30) as response:
            return [json.loads(line) for line in response.read().decode().splitlines() if line.strip()]

    def scrolls_sideways(self) -> bool:
        return bool(
            self.page.evaluate("() => document.documentElement.scrollWidth > document.documentElement.clientWidth")
        )
