"""The Thinking page as users see it."""

from playwright.sync_api import Locator, Page, expect

from tests.e2e.probe_page import WAIT_MS


class OpenThinkingPage:
    """One open Thinking page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.text = self.part("text")
        self.written = page.locator('#thinking-editor textarea[name="text"]')
        self.problem = self.part("problem")
        self.start = self.part("start")

    def part(self, name: str) -> Locator:
        """A part of the editor."""
        return self.page.locator(f'#thinking-editor [data-part="{name}"]')

    def open(self, path: str) -> "OpenThinkingPage":
        """Load the page; return when it shows a thinking."""
        self.page.goto(self.origin + path)
        return self.wait_shown()

    def wait_shown(self) -> "OpenThinkingPage":
        """Return when it shows a thinking."""
        expect(self.text.locator("[data-sentence]").first).to_be_visible(timeout=WAIT_MS)
        return self

    def choose_first_sentence(self) -> str:
        """Choose it with the keyboard; return it."""
        self.text.focus()
        self.page.keyboard.press("ArrowDown")
        expect(self.written).not_to_have_value("")
        return self.written.input_value()

    def is_refused(self, text: str, said: str) -> None:
        """Expect a text to be refused, and to stay."""
        self.written.fill(text)
        self.start.click()
        expect(self.problem).to_contain_text(said, timeout=WAIT_MS)
        expect(self.written).to_have_value(text)
