"""Versioned data sets on disk: whole or not there, unchanged, and described by their card."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from m1app.training.curation import Curated, CurationPlan, curate
from m1app.training.data_card import DataSource, read_card
from m1app.training.data_sets import DataSets, DataSetVersion, parse_reference
from m1app.training.errors import DataSetNotFound, DataSetRefused
from tests.m1app.training.training_cases import a_sample, some_samples

PLAN = CurationPlan(seed=4)
SOURCES = (DataSource("traces.json", "a" * 64, 9),)
SHARED = "A man of sixty has chest pain that spreads to his left arm, and sweats. What is the next step?"


@pytest.fixture
def data_sets(tmp_path: Path) -> DataSets:
    return DataSets(tmp_path / "training-data")


def curated(count: int = 8) -> Curated:
    samples = [*some_samples(count - 1), a_sample(answer="Line\u2028break | pipe. The answer is A.", source="a|b")]
    return curate([*samples, a_sample(question=SHARED)], PLAN, evaluation={"MedQA": [SHARED]})


def keep(data_sets: DataSets, name: str = "corrections", count: int = 8) -> DataSetVersion:
    return data_sets.add(name, curated(count), PLAN, SOURCES)


def test_samples_come_back_as_they_left(data_sets: DataSets) -> None:
    made = keep(data_sets)
    assert data_sets.samples(made) == curated().samples
    assert (made.id, made.samples, made.reports) == ("corrections:v1", 8, curated().reports)
    assert made.created_at.tzinfo is UTC
    assert (datetime.now(UTC) - made.created_at).total_seconds() < 60


def test_versions_count_up_and_the_newest_is_the_default(data_sets: DataSets) -> None:
    first, second = keep(data_sets), keep(data_sets, count=9)
    other = keep(data_sets, "a-other")
    assert data_sets.all() == (other, second, first)
    assert data_sets.get("corrections") == second
    assert data_sets.get("corrections", 1) == first


def test_deleting_a_version_leaves_the_others_their_numbers(data_sets: DataSets) -> None:
    keep(data_sets)
    second = keep(data_sets)
    data_sets.delete("corrections", 1)
    assert data_sets.all() == (second,)
    assert keep(data_sets).version == 3
    data_sets.delete("corrections", 2)
    data_sets.delete("corrections", 3)
    assert data_sets.all() == ()
    with pytest.raises(DataSetNotFound, match=r"not found\. Build one"):
        data_sets.get("corrections")


def test_a_version_comes_with_its_card(data_sets: DataSets) -> None:
    made = keep(data_sets)
    card = data_sets.card(made)
    assert (card.plan, card.sources, card.created_at) == (PLAN, SOURCES, made.created_at)
    assert (card.version, card.samples, card.sha256, card.reports) == (1, 8, made.sha256, made.reports)
    assert (made.path / "card.md").read_text(encoding="utf-8").startswith("# corrections, version 1\n")


@pytest.mark.parametrize("name", ["", ".hidden", "../up", "a/b", "x" * 65, "naïve", "a b"])
def test_name_that_is_no_folder_name_is_refused(data_sets: DataSets, name: str) -> None:
    with pytest.raises(DataSetRefused, match="is not a data set name"):
        keep(data_sets, name)
    with pytest.raises(DataSetNotFound):
        data_sets.get(name)


def test_missing_version_is_named_with_those_there_are(data_sets: DataSets) -> None:
    keep(data_sets)
    with pytest.raises(DataSetNotFound, match="has no version 7; available: v1"):
        data_sets.get("corrections", 7)
    with pytest.raises(DataSetNotFound, match=r"Data set 'nope' not found\. Available: corrections"):
        data_sets.delete("nope", 1)


def test_changed_samples_are_not_trained_on(data_sets: DataSets) -> None:
    made = keep(data_sets)
    (made.path / "samples.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(DataSetRefused, match="has changed since corrections:v1 was built"):
        data_sets.samples(made)


@pytest.mark.parametrize("content", ["", "{}", '{"name": 1'])
def test_damaged_card_names_its_folder(data_sets: DataSets, content: str) -> None:
    made = keep(data_sets)
    (made.path / "card.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataSetRefused, match=r"card\.json is missing or damaged .*corrections/v1"):
        data_sets.all()
    with pytest.raises(DataSetRefused):
        read_card(made.path / "card.json")


def test_version_that_could_not_be_written_leaves_nothing(data_sets: DataSets, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> str:
        raise OSError(28, "No space left on device")

    made = keep(data_sets)
    monkeypatch.setattr("m1app.training.data_sets.card_markdown", full)
    with pytest.raises(OSError, match="No space left"):
        keep(data_sets)
    assert [each.name for each in made.path.parent.iterdir()] == ["v1"]
    assert data_sets.all() == (made,)


def test_two_that_build_at_once_get_a_version_each(data_sets: DataSets) -> None:
    made: list[DataSetVersion] = []
    threads = [threading.Thread(target=lambda: made.append(keep(data_sets))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(each.version for each in made) == [1, 2, 3, 4, 5, 6]
    assert all(data_sets.card(each).version == each.version for each in made)
    assert {each.sha256 for each in made} == {replace(made[0]).sha256}


@pytest.mark.parametrize(("text", "parsed"), [("name", ("name", 0)), ("name:v12", ("name", 12))])
def test_reference_is_a_name_and_perhaps_a_version(text: str, parsed: tuple[str, int]) -> None:
    assert parse_reference(text) == parsed


@pytest.mark.parametrize("text", ["name:2", "name:v0", "name:vx", "name:latest"])
def test_reference_that_names_no_version_is_refused(text: str) -> None:
    with pytest.raises(DataSetNotFound, match="write NAME, or NAME:v2"):
        parse_reference(text)
