"""Logs that are broken, too large or made to do harm: one message each that says what to do, and nothing imported."""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from m1app.benchmark.imports import log_reading, sources, storing
from m1app.benchmark.imports.log_reading import ImportChoice
from m1app.benchmark.imports.service import NO_CHOICE
from m1app.bootstrap import Services
from m1app.errors import AppError
from m1app.question.errors import InvalidAnswers
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.storing import SetStore
from m1app.settings import IdentifierMode
from storage.benchmarks import imports as stored_imports
from storage.benchmarks.repository import BenchmarkRepository
from storage.database import Database
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from tests.m1app.benchmark.answer_file_cases import INSPECT, json_lines
from tests.m1app.benchmark.imports.log_cases import (
    HEADER,
    MOMENT,
    harness_folder,
    harness_sample,
    inspect_json,
    inspect_log,
    inspect_sample,
    keep_glands,
    m1_folder,
    m1_row,
)

TABLES = ("benchmark_run", "benchmark_item", "benchmark_result", "benchmark_import", "benchmark_imported_answer")


def counts(services: Services) -> list[int]:
    with services.database.session(is_read_only=True) as session:
        return [session.execute(text(f"select count(*) from {table}")).scalar_one() for table in TABLES]


async def refused(services: Services, *paths: Path, choice: ImportChoice = NO_CHOICE) -> str:
    """The message; nothing is in the database, and no file is left in the home."""
    sets = len(await services.question_sets.all())
    with pytest.raises(AppError) as caught:
        await services.benchmark_imports.import_files(paths, choice)
    assert counts(services) == [0] * len(TABLES)
    assert len(await services.question_sets.all()) == sets
    assert not list(services.settings.home.glob("upload-*"))
    return str(caught.value)


def deep(depth: int) -> str:
    return "[" * depth + "]" * depth


def archive(**files: str | bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name.replace("__", "/") + ".json", content)
    return made.getvalue()


SAMPLE = json.dumps(inspect_sample(0, "ANSWER: B"))
BOMB = b'{"id": 1, "epoch": 1, "input": "' + b"x" * (65 * 2**20) + b'", "output": {}}'
FILES: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "no zip": ("log.eval", b"PK\x03\x04 and nothing more", ("not an Inspect log", "Copy the file again")),
    "a cut off zip": ("log.eval", inspect_log(inspect_sample(0, "A"))[:-30], ("not an Inspect log", "Copy the file")),
    "no samples": ("log.eval", archive(header=json.dumps(HEADER)), ("without samples", "--no-log-samples")),
    "a zip bomb": ("log.eval", archive(samples__1_epoch_1=BOMB), ("more than 64 MB", "expected a smaller one")),
    "deep JSON in a zip": ("log.eval", archive(samples__1_epoch_1=deep(200_000)), ("samples/1_epoch_1.json",)),
    "a newer version": (
        "log.eval",
        archive(samples__0_epoch_1=SAMPLE, header=json.dumps(HEADER | {"version": 3})),
        ("version 3", "expected at most 2", "Update this app"),
    ),
    "a newer version as JSON": (
        "log.json", inspect_json(inspect_sample(0, "B"), header=HEADER | {"version": 9}), ("version 9", "Update"),
    ),
    "a sample twice": (
        "log.json", inspect_json(inspect_sample(0, "B"), inspect_sample(0, "A")), ("sample 0 occurs twice", "Split"),
    ),
    "deep JSON": ("log.json", deep(200_000).encode(), ("log.json",)),
    "a table": ("log.json", b'[{"output": "B", "options": ["x", "y"], "answer_idx": "B"}]', ("table", "m1app score")),
    "nothing": ("samples_x_1.jsonl", b"", ("found no answer",)),
    "a broken line": (
        "samples_x_1.jsonl",
        json.dumps(harness_sample(0, "B")).encode() + b"\n" + json.dumps(harness_sample(1, "B")).encode()[:90],
        ("samples_x_1.jsonl, line 2", "copy it again"),
    ),
    "no texts": ("log.json", json.dumps([m1_row(0, "B", response_text=7)]).encode(), ("line 1", "response_text")),
    "no options": (
        "log.json",
        inspect_json({each: value for each, value in inspect_sample(0, "B").items() if each != "choices"}),
        ("1 answer to questions without options or text", "with options are scored"),
    ),
    "no right answer": (
        "log.json", inspect_json(inspect_sample(0, "B") | {"target": []}), ("has a right answer", "questions import"),
    ),
    "endless passes": ("log.json", inspect_json(inspect_sample(0, "B", epoch=5000)), ("1,000 answers to one",)),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
async def test_a_log_that_cannot_be_used_is_one_message_and_nothing_is_kept(
    services: Services, tmp_path: Path, case: str
) -> None:
    name, content, words = FILES[case]
    (tmp_path / name).write_bytes(content)
    message = await refused(services, tmp_path / name, choice=ImportChoice(model="m"))
    assert "\n" not in message
    for each in words:
        assert each in message


async def test_a_harness_file_with_two_evaluations_is_refused(services: Services, tmp_path: Path) -> None:
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B"), harness_sample(0, "Answer: A"))
    message = await refused(services, path)
    assert "line 2: the sample 0 occurs twice" in message
    assert "several evaluations" in message


async def test_a_log_without_a_model_asks_for_it(services: Services, tmp_path: Path) -> None:
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B"))
    (path.parent / f"results_{MOMENT}.json").unlink()
    assert "or name the model with --model" in await refused(services, path)


@pytest.mark.parametrize(
    "content", [b"{", b"[]", deep(200_000).encode(), b'{"model_name": "\xff"}', b"x" * (17 * 2**20)]
)
async def test_unreadable_results_beside_a_log_are_named(services: Services, tmp_path: Path, content: bytes) -> None:
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B"))
    (path.parent / f"results_{MOMENT}.json").write_bytes(content)
    message = await refused(services, path)
    assert message.startswith(f"results_{MOMENT}.json: ")
    assert "import the answers without it" in message.replace("to import", "import")


async def test_unreadable_verdicts_beside_a_log_are_named(services: Services, tmp_path: Path) -> None:
    path = m1_folder(tmp_path / "log", m1_row(0, "B"), correct=[True])
    path.with_suffix(".scored.json").write_text('{"correct": true,', encoding="utf-8")
    assert (await refused(services, path)).startswith("m1_eval_data.scored.json: ")


async def test_settings_beside_a_log_follow_no_alias_and_may_be_anything(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    path = m1_folder(tmp_path / "log", m1_row(0, "B"))
    lines = [
        "a: &a [x]",
        *(f"b{n}: &b{n} [*a, *a]" for n in range(50)),
        "model_path: '</script>'",
        "max_new_tokens: -1",
    ]
    path.with_name("config.yaml").write_text("\n".join([*lines, "force_think: true"]), encoding="utf-8")
    (run,) = (await services.benchmark_imports.import_files([path])).runs
    assert (run.run.models, run.run.budgets) == (("</script>",), (0,))


async def test_one_bad_log_of_several_keeps_all_of_them_out(services: Services, tmp_path: Path) -> None:
    harness_folder(tmp_path / "one", harness_sample(0, "Answer: B"))
    harness_folder(tmp_path / "two", harness_sample(0, "Answer: B"), harness_sample(0, "Answer: B"))
    await refused(services, tmp_path)


async def test_other_json_of_a_folder_is_left_out_with_its_reason(services: Services, tmp_path: Path) -> None:
    folder = harness_folder(tmp_path / "logs", harness_sample(0, "Answer: B")).parent
    (folder / "notes.json").write_text('[{"note": 1}]', encoding="utf-8")
    report = await services.benchmark_imports.import_files([folder])
    assert len(report.runs) == 1
    assert [each.partition(":")[0] for each in report.left_out] == ["notes.json, line 1 (entry 1)"]


async def test_a_folder_without_logs_and_a_name_that_is_not_there_are_messages(
    services: Services, tmp_path: Path
) -> None:
    folder = tmp_path / "logs"
    assert "there is no such file or folder" in await refused(services, folder)
    folder.mkdir()
    assert "found no log, expected samples_*.jsonl" in await refused(services, folder)
    os.mkfifo(folder / "pipe.eval")
    assert "found no log" in await refused(services, folder)
    # A pipe without an end, or somebody at the other end, would keep it waiting for ever.
    assert "found a pipe or a device" in await refused(services, folder / "pipe.eval")
    (folder / "zeros.eval").symlink_to("/dev/zero")
    assert "found a pipe or a device" in await refused(services, folder / "zeros.eval")


async def test_more_logs_than_can_be_imported_at_once_are_refused(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "MAX_FILES", 1)
    for name in ("one", "two"):
        harness_folder(tmp_path / name, harness_sample(0, "Answer: B"))
    assert "Import a part of the folder at a time" in await refused(services, tmp_path)


async def test_more_text_than_one_log_may_have_is_refused(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reading, "MAX_CHARACTERS", 500)
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B" * 200))
    assert "more than 500 characters of answers. Split the log" in await refused(services, path)


async def test_an_import_that_breaks_off_while_it_is_stored_leaves_nothing(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        raise InvalidAnswers("broken off")

    monkeypatch.setattr(stored_imports, "_result_values", broken)
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B"))
    assert await refused(services, path) == "broken off"


async def test_others_write_between_the_parts_of_an_import_and_see_nothing_of_it(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "_CHARACTERS", 1)
    path = harness_folder(tmp_path / "log", *(harness_sample(number, "Answer: B") for number in range(3)))
    keep, others = storing.RunStore._write, list[int]()

    async def watched(store: storing.RunStore, use: Any) -> Any:
        found = await keep(store, use)
        other = Database(services.settings.database_address, 0.0)
        other.write_now(lambda s: QuestionRepository(s).upsert(NewQuestion(stem="What somebody asks meanwhile?")))
        others.append(len(other.read_now(lambda s: BenchmarkRepository(s).recent())))
        return found

    monkeypatch.setattr(storing.RunStore, "_write", watched)
    report = await services.benchmark_imports.import_files([path])
    assert [each.run.items for each in report.runs] == [3]
    # Questions, run, items, three answers; after the last part it is there.
    assert others == [0, 0, 0, 0, 0, 0, 1]


async def test_what_a_killed_import_stored_is_removed_at_the_next_start(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise InvalidAnswers("killed")

    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B"), harness_sample(1, "Answer: A"))
    with monkeypatch.context() as killed:
        killed.setattr(storing, "_shown", broken)
        killed.setattr(SetStore, "_sweep", lambda *_: None)
        with pytest.raises(InvalidAnswers, match="killed"):
            await services.benchmark_imports.import_files([path])
    assert counts(services) == [1, 2, 2, 1, 2]
    services.question_sets.remove_leftovers()
    assert counts(services) == [0] * len(TABLES)
    with services.database.session(is_read_only=True) as session:
        assert session.execute(text("select count(*) from question")).scalar_one() == 0


async def test_an_unknown_question_set_is_named_with_those_that_are_there(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B"))
    message = await refused(services, path, choice=ImportChoice(question_set="Nowhere"))
    assert message == "Question set 'Nowhere' not found. Available: Glands of the body."


async def test_a_new_question_that_identifies_a_person_is_not_stored_where_that_is_blocked(
    services: Services, tmp_path: Path
) -> None:
    services.identifiers.mode = IdentifierMode.BLOCK
    doc = {"question": "Mail ada.lovelace@example.org: which gland?", "options": ["one", "two"]}
    path = harness_folder(tmp_path / "log", harness_sample(0, "Answer: B", doc=doc))
    with pytest.raises(InvalidQuestionSet, match="glands"):
        await services.benchmark_imports.import_files([path])
    assert counts(services) == [0] * len(TABLES)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
async def test_a_log_in_another_encoding_is_read(services: Services, tmp_path: Path, encoding: str) -> None:
    keep_glands(services.database)
    rows = json.dumps([m1_row(0, "Die Schilddrüse, B")], ensure_ascii=False)
    (tmp_path / "log.json").write_bytes(rows.encode(encoding))
    (run,) = (await services.benchmark_imports.import_files([tmp_path / "log.json"], ImportChoice(model="m"))).runs
    ((row,),) = [rows async for rows in services.benchmark_reading.rows(run.run.id)]
    assert "Schilddrüse" in row["answer"]


async def test_names_and_texts_of_a_log_are_cut_cleaned_and_kept(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    sample = harness_sample(0, "Answer: B\x00 \ud800 <script>", value=float("nan"))
    path = json_lines(tmp_path / "samples_x_1.jsonl", sample)
    (run,) = (await services.benchmark_imports.import_files([path], ImportChoice(model="a\nb\x00c"))).runs
    assert run.run.models == ("abc",)
    assert run.own.answers == 0
    page = [rows async for rows in services.benchmark_reading.rows(run.run.id)]
    assert page[0][0]["answer"].endswith("<script>")


async def test_unusual_values_of_inspect_are_no_verdict_and_no_number(services: Services, tmp_path: Path) -> None:
    keep_glands(services.database)
    output = INSPECT["output"] | {"usage": {"output_tokens": -5, "reasoning_tokens": 10**30}}
    sample = inspect_sample(0, "ANSWER: B") | {"output": output, "scores": {"choice": {"value": {"a": [1]}}}}
    (tmp_path / "log.json").write_bytes(inspect_json(sample))
    (run,) = (await services.benchmark_imports.import_files([tmp_path / "log.json"])).runs
    ((row,),) = [rows async for rows in services.benchmark_reading.rows(run.run.id)]
    assert (row["file_is_correct"], row["thinking_tokens"], row["tokens_if_separate"]) == (None, None, None)
