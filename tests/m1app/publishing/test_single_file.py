"""A trace or a sweep as one HTML file, which needs nothing else and runs nothing that somebody wrote."""

import base64
import hashlib
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from m1app.publishing.single_file import sweep_html, trace_html
from m1app.runs.sweep_reading import PassSnapshot, SweepSnapshot
from storage.database import Database
from storage.sweeps.repository import SweepRepository
from tests.m1app.annotation.cases import stored_sweep
from tests.m1app.runs.trace_samples import COMPLETED, HOSTILE


class _File(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.within: dict[str, str] = {}
        self._at = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._at = str(dict(attrs).get("id") or tag)

    def handle_endtag(self, tag: str) -> None:
        self._at = ""

    def handle_data(self, data: str) -> None:
        self.within[self._at] = self.within.get(self._at, "") + data

    @property
    def value(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.within["data"])
        return found

    @property
    def policy(self) -> str:
        return next(str(a["content"]) for tag, a in self.tags if tag == "meta" and "http-equiv" in a)


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_a_trace_is_a_pass_with_one_answer() -> None:
    file = _File(trace_html(COMPLETED))
    question = file.value["question"]
    assert (question["stem"], question["target"]) == ("Which gland makes cortisol?", "A")
    (own,) = question["passes"]
    assert [text for _, text, _ in own["segments"]] == ["The adrenal cortex", " Wait", ", yes."]
    (cell,) = own["cells"]
    assert (cell["budget"], cell["rounds"], cell["verdict"], cell["letter"]) == (1024, 1, "r", "A")
    answer = own["answers"][cell["answer"]]
    assert (answer["text"], answer["cut"]) == (" A", len(COMPLETED.thinking_text))
    assert ["model", "smollm2-135m"] in file.value["facts"]
    assert file.value["prompts"] == [["smollm2-135m", COMPLETED.prompt_text]]


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"answer_letter": "B", "is_correct": False}, "w"),
        ({"answer_letter": None, "is_correct": False}, "n"),
        ({"answer_letter": "A", "is_correct": None}, "o"),
    ],
)
def test_a_trace_has_the_verdict_that_it_was_given(changes: dict[str, Any], verdict: str) -> None:
    (own,) = _File(trace_html(replace(COMPLETED, **changes))).value["question"]["passes"]
    assert own["cells"][0]["verdict"] == verdict


def test_a_sweep_has_every_cell_and_its_flips(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'm1.sqlite3'}")
    database.migrate()
    sweep_id, *_ = stored_sweep(database)
    with database.session(is_read_only=True) as session:
        kept = SweepRepository(session).get(sweep_id)
    database.dispose()
    snapshot = SweepSnapshot(kept.sweep, tuple(PassSnapshot(each.trace, each.checkpoints) for each in kept.passes))
    (own,) = _File(sweep_html(snapshot)).value["question"]["passes"]
    verdicts = {(each["budget"], each["rounds"]): each["verdict"] for each in own["cells"]}
    assert verdicts == {(64, 0): "-", (128, 0): "w", (64, 2): "-", (128, 2): "-"}
    assert [each["kind"] for each in own["flips"]] == ["right to wrong"]


def test_the_policy_allows_the_files_own_script_and_style_and_nothing_else() -> None:
    file = _File(trace_html(COMPLETED))
    assert "default-src 'none'" in file.policy and "unsafe" not in file.policy
    assert f"script-src '{digest(file.within['script'])}'" in file.policy
    assert f"style-src '{digest(file.within['style'])}'" in file.policy


def test_hostile_texts_are_data() -> None:
    question = replace(COMPLETED.question, stem=f"</script><script>{HOSTILE}", options={"A": HOSTILE, "B": "b"})
    hostile = replace(COMPLETED, question=question, model=HOSTILE, name=f"</title>{HOSTILE}", prompt_text=HOSTILE)
    file = _File(trace_html(hostile))
    assert sorted(tag for tag, _ in file.tags if tag in ("script", "img", "iframe")) == ["script", "script"]
    assert not [a for _, a in file.tags if {"src", "href", "onerror", "onload"} & set(a)]
    assert file.value["question"]["stem"] == question.stem
