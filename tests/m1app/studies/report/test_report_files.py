"""The report of a study as files: the same numbers in all of them, inert whatever names hold, nothing to load."""

import csv
import errno
import io
import json
import os
import re
import zipfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.studies.records import StudyOutcome, Verdict
from m1app.studies.report.claims import amount
from m1app.studies.report.errors import ReportRefused
from m1app.studies.report.files import archive, check_target, write_files
from m1app.studies.report.manifest_file import parse_manifest
from m1app.studies.report.service import StudyReporting
from m1app.wording import points
from tests.m1app.benchmark.benchmark_samples import questions_of
from tests.m1app.runs.trace_samples import HOSTILE
from tests.m1app.studies.report.study_samples import STUDY, a_study
from tests.m1app.studies.report.test_manifest import LEARNED, TESTED, UNTESTED

pytestmark = pytest.mark.usefixtures("no_settings")
HOSTILE_NAME = "</title></script><script>window.__hit=1</script>"
HOSTILE_SET = "=cmd|'/c'!A1 <img src=x onerror=alert(1)> \\input{/etc/passwd} 100%"


class Page(HTMLParser):
    """What a browser would find in the report."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.figures: list[dict[str, Any]] = []
        self.texts: list[str] = []
        self._within = ""
        self.feed(text)

    @property
    def text(self) -> str:
        return "\n".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = str(dict(attrs).get("type", tag))

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "application/json":
            self.figures.append(json.loads(data))
        elif self._within not in ("script", "style"):
            self.texts.append(data)


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    services = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", model=""))
    yield services
    await services.aclose()


def reporting(services: Services) -> StudyReporting:
    return StudyReporting(
        services.database, services.sweeps, services.engines, services.settings, code_version=lambda: "c0ffee"
    )


async def files_of(services: Services, outcome: StudyOutcome) -> Mapping[str, str]:
    return {name: content.decode() for name, content in (await reporting(services).files(outcome)).items()}


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


async def test_a_claim_has_the_same_numbers_in_the_page_in_latex_in_csv_and_in_the_manifest(services: Services) -> None:
    outcome = await a_study(services.database)
    files = await files_of(services, outcome)
    page, latex, rows = Page(files["report.html"]).text, files["tables/claims.tex"], rows_of(files["claims.csv"])
    manifest = parse_manifest(files["manifest.json"].encode(), "manifest.json")
    for given, row, claim in zip(outcome.claims, rows, manifest.claims, strict=True):
        for name in ("estimate", "low", "high", "p", "p_adjusted", "p_against", "p_against_adjusted", "paper"):
            value = getattr(given, name)
            assert getattr(claim, name) == value
            assert row[name] == ("" if value is None else repr(value))
        assert (int(row["n"]), claim.n, claim.verdict, row["verdict"]) == (
            given.n,
            given.n,
            given.verdict,
            given.verdict,
        )
    gains, breaks, larger = manifest.claims
    assert (amount(gains.kind, gains.estimate), amount(breaks.kind, breaks.estimate)) == ("+19.0 points", "6.7%")
    shown = ["✓ holds", "+19.0 points", "+6.1 to +31.9", "+3.2 points", "100", "0.003", "0.005", "0.999", "1.000"]
    assert "\n".join(shown) in page
    in_latex = "Thinking helps. & holds & +19.0 points & +6.1 to +31.9 & +3.2 points & 100 & 0.003 & 0.005"
    assert in_latex in latex
    assert r"Forcing breaks right answers. & not decidable & 6.7\% & 2.3\% to 17.9\% & -- & 45 & 0.071 & 0.071" in latex
    assert "A loss from 128 to 2,048 tokens." in page and "exact McNemar test" in page
    assert larger.verdict is Verdict.NOT_MEASURED and larger.estimate is None and "– not measured" in page


async def test_accuracies_are_those_of_the_stored_results_beside_the_papers(services: Services) -> None:
    outcome = await a_study(services.database)
    files = await files_of(services, outcome)
    page, rows = Page(files["report.html"]).text, rows_of(files["accuracies.csv"])
    medqa = next(each for each in outcome.readings if each.question_set == "MedQA")
    at, best = medqa.at_one_budget, medqa.best_of_budgets
    assert f"{at.value:.1%} ({at.low:.1%} to {at.high:.1%})\n70.3%\n{best.value:.1%}" in page
    (row,) = [each for each in rows if each["question_set"] == "MedQA"]
    assert (float(row["at_one_budget"]), float(row["paper_best_of_budgets"])) == (at.value, 0.7519)
    cells = rows_of(files["cells.csv"])
    assert len(cells) == len(outcome.cells["main"]) == 18
    assert {each["question_set"] for each in cells} == {"MedQA", "NEJM", "Macro average"}
    manifest = parse_manifest(files["manifest.json"].encode(), "manifest.json")
    right = {(e.question_set, e.budget_tokens, e.force_rounds): (e.right, e.answers) for e in manifest.cells}
    assert len(right) == 12
    assert right["MedQA", 2048, 0] == (round(at.value * 60), 60)
    assert "Macro average" not in {each.question_set for each in manifest.cells}


async def test_curves_have_the_papers_dashed_in_the_colour_of_the_model_that_plays_its_part(services: Services) -> None:
    page = Page((await files_of(services, await a_study(services.database)))["report.html"])
    # Three panels of curves, three of rounds, one of flips.
    assert len(page.figures) == 7
    lines = {trace["name"]: trace["line"] for trace in page.figures[0]["data"] if "name" in trace}
    paper = {name: line for name, line in lines.items() if name.endswith("(paper)")}
    assert {line["dash"] for line in paper.values()} == {"dash", "longdash", "dashdot"}
    assert paper["m1-7B-23K (paper)"]["color"] == lines["m1-7b"]["color"] != paper["m1-32B-1K (paper)"]["color"]
    gained, lost = page.figures[6]["data"]
    assert gained["name"] == "wrong became right" and min(gained["y"]) >= 0 >= max(lost["y"])


async def test_hostile_names_and_questions_are_text_and_nothing_is_loaded(services: Services) -> None:
    said = {
        "Does thinking help?": HOSTILE_NAME,
        "Budgets": HOSTILE_NAME,
        "NEJM": HOSTILE_SET,
        "Thinking helps.": HOSTILE,
    }
    text = STUDY
    for words, hostile in said.items():
        text = text.replace(f'"{words}"', json.dumps(hostile, ensure_ascii=False))
    questions = {"MedQA": questions_of("MedQA", 60, HOSTILE), HOSTILE_SET: questions_of("NEJM", 40)}
    outcome = await a_study(services.database, text=text, model=HOSTILE_NAME, questions=questions, with_sweeps=2)
    outcome = replace(outcome, protocol_differences=(HOSTILE,))
    files = await files_of(services, outcome)
    page = Page(files["report.html"])
    counts = {tag: sum(name == tag for name, _ in page.tags) for tag in ("script", "img", "a", "iframe", "link")}
    # One program, one that draws, the data of each chart and its picture for paper.
    assert counts == {"script": 2 + len(page.figures), "img": len(page.figures), "a": 0, "iframe": 0, "link": 0}
    assert not [given for _, given in page.tags if {"src", "href", "onerror", "onload"} & set(given)]
    assert page.texts.count(HOSTILE_NAME) >= 2
    policies = [given["content"] for tag, given in page.tags if tag == "meta" and "http-equiv" in given]
    assert len(policies) == 1 and str(policies[0]).startswith("default-src 'none'")
    assert not re.search(r"url\(|@import", files["report.html"].partition("<body>")[0])
    tables = "".join(content for name, content in files.items() if name.endswith(".tex"))
    assert r"\input{/" not in tables and r"\textbackslash{}input\{/etc/passwd\} 100\%" in tables
    assert {row["question_set"] for row in rows_of(files["cells.csv"])} == {"MedQA", f"'{HOSTILE_SET}", "Macro average"}
    assert not [each for each in files if not re.fullmatch(r"[a-z0-9/.-]+", each)]


async def test_a_demonstrations_verdicts_are_marked_as_meaningless_everywhere(services: Services) -> None:
    files = await files_of(services, await a_study(services.database, is_demo=True))
    page = Page(files["report.html"])
    assert page.text.count("mean nothing") >= 3 and page.text.count("(meaningless)") == 3
    assert "the verdicts mean nothing" in files["tables/claims.tex"]
    assert json.loads(files["manifest.json"])["study"]["is_demo"] is True
    serious = Page((await files_of(services, await a_study(services.database)))["report.html"])
    assert "meaningless" not in serious.text and "mean nothing" not in serious.text


async def test_a_study_without_an_answer_has_a_report_that_says_so(services: Services) -> None:
    outcome = replace(await a_study(services.database, done=0), readings=(), cells={"main": ()})
    page = Page((await files_of(services, outcome))["report.html"])
    assert page.figures == [] and page.text.count("No answers yet.") == 5


async def test_files_are_the_study_itself_its_tables_figures_and_the_manifest_last(services: Services) -> None:
    outcome = await a_study(services.database)
    files = await files_of(services, outcome)
    assert list(files)[-1] == "manifest.json" and files["study.toml"] == STUDY
    assert {name for name in files if name.startswith("figures/")} == {
        *(f"figures/figure-1.{number}.json" for number in (1, 2, 3)),
        *(f"figures/forcing.{number}.json" for number in (1, 2, 3)),
        "figures/flips.json",
    }
    figure = json.loads(files["figures/figure-1.1.json"])
    assert (
        set(figure) == {"title", "data", "layout"} and figure["title"] == "Accuracy by thinking budget: Macro average"
    )


async def test_files_are_written_into_a_new_folder_or_one_archive_and_replace_nothing(tmp_path: Path) -> None:
    files = {"report.html": b"<p>", "tables/claims.tex": b"%", "manifest.json": b"{}"}
    folder, zipped = tmp_path / "a" / "report", tmp_path / "report.zip"
    for target in (folder, zipped):
        check_target(target)
        write_files(files, target)
        with pytest.raises(ReportRefused, match=r"is not empty|already exists"):
            check_target(target)
    assert (folder / "tables" / "claims.tex").read_bytes() == b"%"
    with zipfile.ZipFile(zipped) as opened:
        assert {name: opened.read(name) for name in opened.namelist()} == files
    assert archive(files) == zipped.read_bytes()
    file = tmp_path / "notes"
    file.write_text("mine")
    with pytest.raises(ReportRefused, match="is a file"):
        check_target(file)


def test_a_disk_that_fills_leaves_no_part_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ReportRefused, match=r"report.zip.*: No space left on device. Free some space"):
        write_files({"report.html": b"<p>"}, tmp_path / "report.zip")
    assert not list(tmp_path.iterdir())


async def test_methods_and_limitations_say_what_was_done_and_what_is_missing(services: Services) -> None:
    page = Page((await files_of(services, await a_study(services.database, done=70, with_sweeps=3)))["report.html"])
    text = " ".join(page.text.split())
    for said in (
        "the questions of MedQA (60) and NEJM (40) were asked of 1 model at thinking budgets of 128, 512 and 2,048",
        "m1-7b played the role small (weights not recorded), on llama.cpp b11549 with the profile m1.",
        "greedily (temperature 0)",
        "The rule is m1, which reproduces the published scorer",
        "Claims were tested by exact McNemar test and exact binomial test; p-values are one-sided, corrected for 2",
        "Budgets is stopped: 30 of 100 questions are not asked yet.",
        "Run more was not run. No model plays large.",
        "No model played the role large.",
        "Claim breaks is not decidable with n = 45. Four of five studies of this size would notice 11.0% or more",
        "Which weights answered for small is known by name only.",
        "the variation between samples is not measured",
    ):
        assert said in text
    assert f"{points(0.142).removeprefix('+')} points or more" in text


async def test_own_facts_and_fine_tuning_data_have_tables_in_the_page(services: Services) -> None:
    without = Page((await files_of(services, await a_study(services.database)))["report.html"]).text
    assert "Facts that the study tested" not in without and "Fine-tuning data" not in without
    outcome = await a_study(services.database, facts=(TESTED, UNTESTED), training=LEARNED, is_demo=True)
    page = Page((await files_of(services, outcome))["report.html"]).text
    assert "It lies above the kidney.\nsmall\nKnowledge was missing\n0, 5 and 1 of 5" in page
    assert "Nobody has read where the thinking went wrong" in page and "The verdicts mean nothing." in page
    assert "mine:v1\nsmall: m1-7b\nQuestions in common, exactly or nearly: MedQA 3" in page
    assert "not known\nsmall: base\nTrained elsewhere." in page
