"""How long the Annotate page is busy when a long trace is marked: `python -m benchmarks.annotate_repaint`.

A real browser, a trace of 70,000 characters with 200 marks; selects with the mouse, labels and saves with the keyboard.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

from benchmarks import report
from tests.e2e.annotate_cases import LONG, LONG_MARKS, LONG_STEM, store_cases
from tests.e2e.annotate_page import OpenAnnotatePage
from tests.e2e.browser_watch import FLAGS, chromium_path
from tests.e2e.running_app import RunningApp, closed_port, running

TARGET_MS = 100.0
"""Below what users notice."""
_WATCH_TASKS = """() => {
  window.__tasks = [];
  new PerformanceObserver((list) => window.__tasks.push(...list.getEntries().map((each) => each.duration)))
    .observe({ type: 'longtask' });
}"""


def measure(rounds: int) -> list[float]:
    """The longest task of each round in milliseconds; those under 50 ms are not reported and count as 50."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        home = Path(folder)
        store_cases(home)
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS)
        with running(RunningApp(home, M1_ENGINE_URL=f"http://127.0.0.1:{closed_port()}"), with_engine=False) as app:
            window = browser.new_page(viewport={"width": 1360, "height": 900})
            page = OpenAnnotatePage(window, app.url).open(name="Marker")
            page.open_case(LONG_STEM)
            page.wait_idle()
            longest = [_round(page, number) for number in range(3, 3 + rounds)]
            expect(page.part("own").locator("h3")).to_have_text(f"My marks ({LONG_MARKS + rounds})")
        browser.close()
    return longest


def _round(page: OpenAnnotatePage, number: int) -> float:
    places = page.places("thinking", f"{number}. Perhaps", "bowel is dead.")
    page.page.evaluate(_WATCH_TASKS)
    # Looking up elements would count as the page's work, so this only does what a user does.
    page.drag_between(*places)
    page.page.wait_for_timeout(300)
    for key in ("1", "Shift+Digit2", "Control+Enter"):
        page.page.keyboard.press(key)
    page.page.wait_for_timeout(1500)
    return float(max([50.0, *page.page.evaluate("() => window.__tasks")]))


def main() -> int:
    """Measure and print; return 1 if the best round misses the target."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.annotate_repaint", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    report.add_json_option(parser)
    options = parser.parse_args()
    machine = report.machine()
    longest = measure(options.rounds)
    # The machine may be briefly busy with something else.
    is_met = min(longest) <= TARGET_MS
    told = ", ".join(f"{each:.0f}" for each in longest)
    text = (
        f"{report.describe(machine)}\nlongest task of each round, {len(LONG):,} characters, {LONG_MARKS} marks: "
        f"{told} ms (50 is the least that is told; target: {TARGET_MS:.0f} ms, {'met' if is_met else 'MISSED'})"
    )
    report.emit({"machine": machine, "longest_ms": longest}, text, as_json=options.json)
    return int(not is_met)


if __name__ == "__main__":
    sys.exit(main())
