"""Homes that earlier versions made are opened unharmed by this one.

tests/homes/VERSION.tar.gz is a whole M1_HOME, and VERSION.expected.json what that version's own services said of it;
README.md there says how both were made. Nothing of them is ever made anew. No engine is needed.
"""

import hashlib
import io
import json
import os
import sqlite3
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from m1app.annotation.exchange import ExportFormat, ImportFormat
from m1app.benchmark.queries import QuestionFilter
from m1app.bootstrap import Services, build_services
from m1app.runs.strategy_export import strategy_run_json
from m1app.runs.sweep_export import sweep_json
from m1app.runs.trace_export import trace_json
from m1app.settings import Settings
from m1app.training.data_card import card_json
from m1app.training.recipe import TrainingRecipe
from storage.annotations.records import AnnotationContent, CaseFilter, CaseOrder, Part
from storage.jobs.records import JobKind, JobState
from storage.traces.listing import TraceFilter
from tests.e2e.running_app import PlainApp, running
from tests.m1app.cli.command_line import run

FOLDER = Path(__file__).with_name("homes")
NOBODY = "http://127.0.0.1:9"
EVERYTHING = 1000
Said = dict[str, Any]


@dataclass(frozen=True)
class OldHome:
    path: Path
    expected: Said

    @property
    def settings(self) -> Settings:
        return Settings(home=self.path, engine_url=NOBODY)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Services]:
        services = build_services(self.settings)
        try:
            yield services
        finally:
            await services.aclose()


@pytest.fixture(params=sorted(FOLDER.glob("*.tar.gz")), ids=lambda path: path.name.removesuffix(".tar.gz"))
def moved_home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> OldHome:
    """A home that lies elsewhere than where it was made."""
    for name in [name for name in os.environ if name.startswith("M1_")]:
        monkeypatch.delenv(name)
    expected = FOLDER / request.param.name.replace(".tar.gz", ".expected.json")
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path / "home", filter="data")
    return OldHome(tmp_path / "home", json.loads(expected.read_text(encoding="utf-8")))


@pytest.fixture
def home(moved_home: OldHome) -> OldHome:
    """The same with its catalog corrected: that names the tuned models' files by their absolute paths."""
    catalog = moved_home.path / "catalog.toml"
    text = catalog.read_text(encoding="utf-8")
    assert moved_home.expected["made_in"] in text
    catalog.write_text(text.replace(moved_home.expected["made_in"], str(moved_home.path)), encoding="utf-8")
    return moved_home


async def traces(services: Services) -> list[Said]:
    page = await services.probe.history(TraceFilter(), EVERYTHING)
    return [trace_json(await services.probe.get(each.id)) for each in page.items]


async def search(services: Services) -> Said:
    """Ids of the traces that words find, also a word's beginning, and one of the thinking alone."""
    words = ("cortisol", "anaem", "step gland", "nothing-has-this-word")
    pages = {each: await services.probe.history(TraceFilter(text=each), EVERYTHING) for each in words}
    return {each: [item.id for item in page.items] for each, page in pages.items()}


async def sweeps(services: Services) -> list[Said]:
    return [sweep_json(await services.sweeps.get(each.id)) for each in await services.sweeps.recent(EVERYTHING)]


def by_time(exported: str) -> list[Any]:
    """An export is ordered by case; the first homes' expected one is by time."""
    lines = [json.loads(line) for line in exported.split("\n") if line]
    return sorted(lines, key=lambda line: (line["created"], line["id"]))


async def annotations(services: Services) -> Said:
    exported = "".join([part async for part in services.exchange.export(ExportFormat.JSONL)])
    annotators = await services.annotations.annotators()
    return {
        "exported": by_time(exported),
        "seen_by": {name: await _cases(services, name) for name in annotators},
        "own_labels": [asdict(each) for each in services.annotations.taxonomy.labels if each.source == "This home."],
        "counts": [asdict(each) for each in await services.annotations.error_counts()],
    }


async def _cases(services: Services, annotator: str) -> list[Said]:
    """What somebody has worked on, drafts too, which are in no export."""
    page = await services.annotations.queue(CaseFilter(order=CaseOrder.RANDOM), annotator, EVERYTHING)
    newest = sorted((each.only for each in page.groups if each.only), key=lambda e: (e.created_at, e.id), reverse=True)
    views = [await services.annotations.open(each.id, annotator) for each in newest]
    shown = ("case", "assessment", "own", "reviewers", "hidden")
    return [
        {name: asdict(view)[name] for name in shown} | {"others": sorted(each.id for each in view.others)}
        for view in views
        if view.assessment
    ]


async def question_sets(services: Services) -> list[Said]:
    found = await services.question_sets.all()
    return [
        asdict(each) | {"questions": [asdict(one) for one in await services.question_sets.preview(each.id)]}
        for each in found
    ]


async def benchmarks(services: Services) -> list[Said]:
    return [await _run(services, each.id) for each in await services.benchmark_reading.runs(with_archived=True)]


async def _run(services: Services, run_id: str) -> Said:
    reading = services.benchmark_reading
    page = await reading.questions(run_id, QuestionFilter(), limit=EVERYTHING)
    return asdict(await reading.get(run_id)) | {
        "command_line": (await services.benchmarks.recipe_of(run_id)).command_line(),
        "curves": {rule: await _points(services, run_id, rule) for rule in ("strict", "m1")},
        "questions": [asdict(each) for each in page.questions],
    }


async def _points(services: Services, run_id: str, rule: str) -> list[Said]:
    """Counts, and no limits of intervals: those are a library's last digits."""
    return [
        {
            "cell": [each.model, each.question_set, each.budget_tokens, each.force_rounds],
            "n": each.n,
            "accuracy": round(each.accuracy.value, 6),
            "answered": round(each.answered_share, 6),
            "thinking_tokens": round(each.mean_thinking_tokens, 6),
            "tokens": round(each.mean_tokens, 6),
        }
        for each in await services.benchmark_reading.cells([run_id], rule)
    ]


async def jobs(services: Services) -> list[Said]:
    return [
        asdict(each)
        | {
            "artifacts": services.jobs.artifacts(each.id),
            "log": await services.jobs.log_tail(each.id, lines=EVERYTHING),
            "progress_events": services.fine_tuning.read_progress(each.id),
        }
        for each in await services.jobs.recent()
    ]


async def fine_tunings(services: Services) -> list[Said]:
    found = [each for each in await services.jobs.recent() if each.kind is JobKind.FINE_TUNING]
    results = [services.fine_tuning.result(each.id) for each in found]
    return [
        {
            "run": result[0].model_dump(mode="json"),
            "place": result[1].relative_to(services.settings.home),
            "command_line": TrainingRecipe.parse(dict(job.recipe)).command_line(),
        }
        for job, result in zip(found, results, strict=True)
        if result
    ]


async def data_sets(services: Services) -> list[Said]:
    return [
        asdict(each)
        | {
            "path": each.path.relative_to(services.settings.home),
            # The warnings are this version's words.
            "card": json.loads(card_json(services.training_data.card(each.id))) | {"warnings": []},
            "rows": [sample.as_row() for sample in services.training_data.samples(each.id)],
        }
        for each in await services.training_data.all()
    ]


async def tuned_models(services: Services) -> list[Said]:
    """With every file of theirs that the catalog names: its size and SHA-256."""
    shown = ("id", "title", "family", "parent", "context_length", "profile", "engines", "notes", "licence")
    return [
        {name: getattr(each, name) for name in shown}
        | {"files": _files(Path(str(each.source).removeprefix("file:")), services.settings.home)}
        for each in services.engines.catalog().models
        if each.parent
    ]


def _files(place: Path, home: Path) -> Said:
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    return {
        str(path.relative_to(home)): [path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()]
        for path in files
    }


async def strategy_runs(services: Services) -> list[Said]:
    return [
        strategy_run_json(await services.strategies.get(each.id))
        for each in await services.strategies.recent(EVERYTHING)
    ]


async def open_verdicts(services: Services) -> list[Said]:
    """Verdicts on answers to open questions, with the reference answers."""
    page = await services.probe.history(TraceFilter(), EVERYTHING)
    found = [await services.judging.on(each.id) for each in page.items]
    return [asdict(each) for each in found if each is not None and each.verdicts]


async def policies(services: Services) -> Said:
    return {name: (await services.policies.get(name)).model_dump() for name in await services.policies.names()}


async def left_batches(services: Services) -> Said:
    """The questions of a paste that a killed process has left, and what it had asked."""
    batch_id = await services.batches.latest()
    async with aclosing(services.batches.follow(batch_id)) as found:
        return {"id": batch_id, "progress": [asdict(each) async for each in found]}


ASKED: tuple[Callable[[Services], Awaitable[Any]], ...] = (
    traces,
    search,
    sweeps,
    annotations,
    question_sets,
    benchmarks,
    jobs,
    fine_tunings,
    data_sets,
    tuned_models,
    strategy_runs,
    open_verdicts,
    policies,
    left_batches,
)


def as_json(said: Any) -> Any:
    return json.loads(json.dumps(said, default=str))


def part_of(said: Any, expected: Any) -> Any:
    """`said` without the fields that were not known when `expected` was written."""
    if isinstance(said, dict) and isinstance(expected, dict):
        return {name: part_of(value, expected[name]) for name, value in said.items() if name in expected}
    if isinstance(said, list) and isinstance(expected, list) and len(said) == len(expected):
        return [part_of(*pair) for pair in zip(said, expected, strict=True)]
    return said


def counts(home: OldHome) -> Said:
    """Rows of every table, by SQLite alone."""
    with closing(sqlite3.connect(home.path / "m1.sqlite3")) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}


def all_of(home: OldHome, question: str) -> list[Any]:
    with closing(sqlite3.connect(home.path / "m1.sqlite3")) as database:
        return database.execute(question).fetchall()


def test_there_is_a_home_for_these_tests() -> None:
    assert list(FOLDER.glob("*.tar.gz"))


async def test_opening_an_old_home_loses_no_row(home: OldHome) -> None:
    assert all_of(home, "SELECT version_num FROM alembic_version") == [(home.expected["revision"],)]
    assert part_of(counts(home), home.expected["tables"]) == home.expected["tables"]
    async with home.opened():
        pass
    assert part_of(counts(home), home.expected["tables"]) == home.expected["tables"]
    assert all_of(home, "PRAGMA integrity_check") == [("ok",)]
    assert all_of(home, "PRAGMA foreign_key_check") == []


@pytest.mark.parametrize("ask", ASKED, ids=lambda ask: ask.__name__)
async def test_an_old_home_says_what_it_said_then(home: OldHome, ask: Callable[[Services], Awaitable[Any]]) -> None:
    if ask.__name__ not in home.expected:
        pytest.skip("this home is older than that")
    expected = home.expected[ask.__name__]
    async with home.opened() as services:
        said = as_json(await ask(services))
    assert part_of(said, expected) == expected


async def test_an_old_home_takes_its_own_annotations_back_as_unchanged(home: OldHome) -> None:
    async with home.opened() as services:
        text = "".join([part async for part in services.exchange.export(ExportFormat.JSONL)])
        report = await services.exchange.restore(io.BytesIO(text.encode()), ImportFormat.JSONL)
    assert (report.added, report.unchanged) == (0, len(home.expected["annotations"]["exported"]))


async def test_work_goes_on_in_an_old_home(home: OldHome) -> None:
    async with home.opened() as services:
        (stopped,) = await services.jobs.recent(states=[JobState.STOPPED])
        assert (await services.jobs.resume(stopped.id)).state is JobState.QUEUED
        page = await services.annotations.queue(CaseFilter(order=CaseOrder.RANDOM), "Katherine")
        said = AnnotationContent(part=Part.WHOLE, labels=("our_own",), severity="mild")
        made = await services.annotations.save(page.groups[0].only.id, "Katherine", said)
        await services.annotations.submit(made.case_id, "Katherine")
        assert "Katherine" in await services.annotations.annotators()


async def test_the_tuned_model_of_an_old_home_can_be_tuned_further_on_its_data(home: OldHome) -> None:
    (model, *_), (data, *_) = home.expected["tuned_models"], home.expected["data_sets"]
    recipe = TrainingRecipe.of_preset("cpu-trial", model["id"], f"{data['name']}:v{data['version']}")
    async with home.opened() as services:
        plan = await services.fine_tuning.plan(recipe)
    assert plan.train_samples + plan.evaluation_samples == data["samples"]
    assert (plan.profile, plan.data_sha256) == (model["profile"], data["sha256"])


async def test_a_home_that_was_moved_opens_and_finds_its_tuned_model_by_the_job(moved_home: OldHome) -> None:
    expected = moved_home.expected
    async with moved_home.opened() as services:
        found = as_json(await fine_tunings(services))
        listed = [each.id for each in services.engines.catalog().models if each.parent]
    assert part_of(found, expected["fine_tunings"]) == expected["fine_tunings"]
    assert listed == [each["id"] for each in expected["tuned_models"]]


def test_the_command_line_opens_an_old_home(home: OldHome) -> None:
    def printed(*arguments: str) -> str:
        done = run(*arguments, home=home.path, M1_ENGINE_URL=NOBODY)
        assert (done.returncode, done.stderr) == (0, ""), arguments
        return done.stdout

    expected = home.expected
    said = json.loads(printed("jobs", "list", "--json"))
    assert [(each["id"], each["state"]) for each in said] == [(each["id"], each["state"]) for each in expected["jobs"]]
    said = json.loads(printed("questions", "list", "--json"))["sets"]
    assert [(each["id"], each["question_count"]) for each in said] == [
        (each["id"], each["question_count"]) for each in expected["question_sets"]
    ]
    said = json.loads(printed("dataset", "list", "--json"))
    assert [each["sha256"] for each in said] == [each["sha256"] for each in expected["data_sets"]]
    exported = expected["annotations"]["exported"]
    assert part_of(by_time(printed("annotations", "export")), exported) == exported


def test_the_app_serves_an_old_home_with_its_old_links(home: OldHome) -> None:
    expected = home.expected
    with running(PlainApp(home.path, M1_ENGINE_URL=NOBODY), with_engine=False) as app:
        for trace in expected["traces"]:
            assert part_of(app.trace(trace["trace_id"]), trace) == trace
        for sweep in expected["sweeps"]:
            assert part_of(app.get_json(f"/sweeps/{sweep['sweep_id']}.json"), sweep) == sweep
    assert "Traceback" not in app.log()
