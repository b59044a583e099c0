"""The Fine-tune tab as users see it, and a training's progress without a training."""

import json
from pathlib import Path

from playwright.sync_api import Locator, expect

from m1app.training.events import EventWriter
from tests.e2e.admin_page import HOSTILE, OpenAdminPage

ORGANS = ("heart", "liver", "kidney", "lung", "spleen", "pancreas", "thyroid", "stomach", "bladder", "retina")


def write_traces(folder: Path, count: int = 20) -> Path:
    """A file of reasoning traces, self-written and hostile; two ask the same, and one contradicts its target."""
    rows = [
        {
            "question": f"Ward {number} asks about the {ORGANS[number % 10]}: which drug number {number} harms it?",
            "options": {"A": f"Drug {number}", "B": f"Salt {number}"},
            "answer": f"Salt {number}",
            "answer_idx": "B",
            "reasoning": f"Salt {number} gathers in the {ORGANS[number % 10]}. {HOSTILE}",
            "response": f"The answer is B. {HOSTILE}",
        }
        for number in range(count)
    ]
    rows += [rows[0], {**rows[1], "question": "Which one does contradict here?", "response": "The answer is A."}]
    path = folder / "traces.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return path


def write_preferences(home: Path, job_id: str) -> None:
    """What a training on preference pairs says of four steps."""
    writer = EventWriter(home / "jobs" / job_id / "artifacts" / "progress.jsonl")
    writer.write("started", 0, steps=4, samples=6, evaluation_samples=2, too_long=0)
    writer.write("evaluated", 0, eval_loss=0.69, reward_margin=0.0, pair_accuracy=0.5)
    for step in range(1, 5):
        figures = {"reward_margin": 0.1 * step, "pair_accuracy": 0.25 * step, "tokens_per_second": 88.0}
        writer.write("log", step, loss=0.69 - step / 20, learning_rate=1e-4, gradient_norm=1.0, **figures)
    writer.write("evaluated", 4, eval_loss=0.5, reward_margin=0.35, pair_accuracy=1.0)


def write_progress(home: Path, job_id: str, first: int, last: int, steps: int = 30) -> None:
    """What a training says of its steps from `first` to `last`; step 0 is the base model."""
    writer = EventWriter(home / "jobs" / job_id / "artifacts" / "progress.jsonl")
    if first == 0:
        writer.write("started", 0, steps=steps, samples=18, evaluation_samples=2, too_long=0)
        writer.write("evaluated", 0, eval_loss=2.5)
        writer.write("sample", 0, prompt="?", text=f"The base model says {HOSTILE}", tokens=8)
        writer.write("accuracy", 0, set="exam", correct=1, n=4, value=0.25, low=0.046, high=0.699)
    for step in range(max(1, first), last + 1):
        rate = 1e-3 * (1 - step / steps)
        values = {"gradient_norm": 1.0, "epoch": step / 10, "tokens": step * 900, "tokens_per_second": 88.0}
        writer.write("log", step, loss=2.5 - step / 20, learning_rate=rate, samples_per_second=0.5, **values)
    writer.write("evaluated", last, eval_loss=2.4 - last / 25)
    writer.write("accuracy", last, set="exam", correct=2, n=4, value=0.5, low=0.15, high=0.85)
    writer.write("sample", last, prompt="?", text=f"After {last} steps it says {HOSTILE}", tokens=8)


class TrainingPage:
    """The Fine-tune tab of an open Admin page."""

    def __init__(self, admin: OpenAdminPage) -> None:
        self.admin = admin
        self.page = admin.page
        self.rows = self.page.locator("#admin-training-data tr[data-id]")
        self.start = self.page.locator("#admin-training-start")
        self.command = self.page.locator("#admin-training-command [data-part=command]")
        self.hint = self.page.locator("#admin-training-command [data-part=hint]")
        self.plan_button = self.page.locator("#admin-training-plan-button")
        self.message = self.page.locator("#admin-training-message")

    def open(self) -> "TrainingPage":
        """Turn to the tab; returns when the data sets are listed."""
        self.admin.tab("Fine-tune")
        self.of_data("empty").or_(self.rows.first).first.wait_for()
        return self

    def of_data(self, part: str) -> Locator:
        """A part of the training data."""
        return self.page.locator(f'#admin-training-data [data-part="{part}"]')

    def plan(self, part: str) -> Locator:
        """A part of the area below the form."""
        return self.page.locator(f'#admin-training-plan [data-part="{part}"]')

    def box(self, name: str) -> Locator:
        """A box of the form."""
        return self.page.locator(f"#admin-training-{name}").locator("input, textarea").first

    def problem(self, place: str) -> Locator:
        """The error shown at a place in the form."""
        return self.page.locator(f"#admin-problem-training-{place}")

    def field(self, name: str) -> Locator:
        """A field of the form that builds a data set."""
        return self.of_data("form").locator(f"[name={name}]")

    def open_build(self) -> None:
        """Open the form that builds a data set, which is closed when there is one already."""
        if not self.of_data("form").is_visible():
            self.of_data("build-box").locator("summary").first.click()

    def build(self, file: Path, name: str) -> None:
        """Build a data set from a file; returns when it is listed."""
        self.open_build()
        self.field("file").set_input_files(file)
        self.field("name").fill(name)
        self.page.get_by_role("button", name="Build", exact=True).click()
        expect(self.rows.filter(has_text=name).first).to_be_visible()

    def expect_inert(self) -> None:
        """No untrusted text has become markup."""
        assert self.page.evaluate("window.__hit") is None
        shown = self.page.locator("#admin-training-data, #admin-training-command, #admin-training-plan, #admin-jobs")
        assert shown.locator("img, script, iframe, [onerror], [onload]").count() == 0
