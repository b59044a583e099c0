"""The Admin page as users see it."""

import json
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from tests.e2e.probe_page import WAIT_MS, cap_answer

HOSTILE = "<img src=x onerror=window.__hit=1>"
QUESTIONS = [
    {"question": f"Which vitamin is missing in scurvy? {HOSTILE}", "options": {"A": "Vitamin C", "B": HOSTILE}},
    {"question": "Which organ makes insulin?", "options": {"A": "Pancreas", "B": "Spleen", "C": "Liver"}},
    {"question": "Which cells carry oxygen?", "options": {"A": "Red cells", "B": "Platelets"}},
]


def write_set(folder: Path, name: str, questions: Sequence[dict[str, object]] = QUESTIONS) -> Path:
    """A file of one question set in m1's evaluation layout; the right option is A."""
    rows = [{**each, "answer": each["options"]["A"], "answer_idx": "A"} for each in questions]  # type: ignore[index]
    path = folder / f"{name}.json"
    path.write_text(json.dumps({name: rows}), encoding="utf-8")
    return path


class OpenAdminPage:
    """One open Admin page."""

    def __init__(self, page: Page, origin: str) -> None:
        self.page = page
        self.origin = origin
        self.start = page.locator("#admin-start")
        self.dry_run = page.locator("#admin-dry-run")
        self.message = page.locator("#admin-launch-message")
        self.command = page.locator("#admin-launch-command [data-part=command]")
        self.hint = page.locator("#admin-launch-command [data-part=hint]")
        self.estimate = page.locator("#admin-launch [data-part=estimate]")
        self.jobs = page.locator("#admin-jobs tr[data-job]")
        self.sets = page.locator("#admin-sets tr[data-set]")
        self.choice = page.locator("#admin-question-sets")
        self.name = self.box("name")
        self.own_budgets = self.box("own-budgets")

    def open(self, path: str = "/admin/") -> "OpenAdminPage":
        """Load the page; return when it is usable."""
        self.page.goto(self.origin + path)
        self.wait_usable()
        return self

    def wait_usable(self) -> None:
        """Return when the page has asked the app what there is."""
        said = "#admin-launch-command :is([data-part=hint], [data-part=command]):not(:empty)"
        parts = ("job]:not([hidden])", "compared]:not([hidden])", "notice]:not(:empty)")
        chosen = ", ".join(f"#admin-jobs [data-part={part}" for part in parts)
        shown = self.page.locator(f"{said}, {chosen}").filter(visible=True)
        shown.first.wait_for()

    def wait_sets(self) -> "OpenAdminPage":
        """Turn to the question sets; returns when they are listed."""
        self.tab("Question sets")
        self.of_sets("empty").or_(self.sets.first).first.wait_for()
        return self

    def tab(self, name: str) -> "OpenAdminPage":
        """Turn to a tab."""
        self.page.get_by_role("tab", name=name, exact=True).click()
        return self

    def box(self, name: str) -> Locator:
        """A text box of the form."""
        return self.page.locator(f"#admin-{name}").locator("input, textarea").first

    def problem(self, place: str) -> Locator:
        """The error shown at a place in the form."""
        return self.page.locator(f"#admin-problem-{place}")

    def job(self, part: str) -> Locator:
        """A part of the chosen job."""
        return self.page.locator(f'#admin-jobs [data-part="{part}"]')

    def of_sets(self, part: str) -> Locator:
        """A part of the question sets' tab."""
        return self.page.locator(f'#admin-sets [data-part="{part}"]')

    def import_file(self, path: Path) -> None:
        """Send a file; returns at once."""
        self.tab("Question sets")
        self.of_sets("file-form").locator("input[name=file]").set_input_files(path)
        self.page.get_by_role("button", name="Import file").click()

    def choose_set(self, name: str) -> None:
        """Choose a set in the form."""
        self.choice.locator("input").click()
        self.page.get_by_role("option", name=name).click()
        self.page.keyboard.press("Escape")
        expect(self.choice).to_contain_text(name)

    def choose_strategies(self, *listed: str, typed: str = "") -> None:
        """Choose strategies from the list by their titles, and type one."""
        box = self.page.locator("#admin-strategies input")
        for title in listed:
            box.click()
            self.page.get_by_role("option", name=title, exact=True).click()
        if typed:
            box.fill(typed)
            box.press("Enter")
        self.page.keyboard.press("Escape")

    def chips(self, group: str, *wanted: str) -> None:
        """Leave exactly these chips of "budgets" or "rounds" chosen."""
        for chip in self.page.locator(f"#admin-{group} label").all():
            if chip.locator("input").is_checked() != (chip.inner_text().strip() in wanted):
                chip.click()

    def fill_small(self, set_name: str, name: str, budgets: str = "16 32") -> None:
        """A run that the embedded model answers quickly."""
        self.tab("New benchmark")
        self.choose_set(set_name)
        self.name.fill(name)
        self.chips("budgets")
        self.own_budgets.fill(budgets)
        self.chips("rounds", "0")
        cap_answer(self.page, 8)
        expect(self.command).to_contain_text("--answer-cap 8", timeout=WAIT_MS)

    def launch(self) -> str:
        """Start what the form holds; gives the job's id, once the page shows it."""
        self.start.click()
        self.job("job").wait_for()
        self.page.wait_for_url("**/admin/?job=*", timeout=WAIT_MS)
        return self.page.url.rpartition("=")[2]

    def wait_state(self, state: str) -> None:
        """Return when the chosen job is in a state."""
        expect(self.job("state")).to_have_text(state, timeout=WAIT_MS)

    def expect_inert(self) -> None:
        """No untrusted text has become markup."""
        assert self.page.evaluate("window.__hit") is None
        shown = self.page.locator("#admin-sets, #admin-jobs, #admin-launch-command, #admin-launch, #admin-engines")
        assert shown.locator("img, script, iframe, [onerror], [onload]").count() == 0
