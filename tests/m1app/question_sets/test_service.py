"""Importing question sets: whole or not at all, once, with what is repeated and what overlaps; and from a hub."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from m1app.question_sets.column_mapping import ColumnMapping
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.question_sets.import_options import ImportOptions
from m1app.question_sets.service import QuestionSetService
from m1app.settings import Settings
from storage.database import Database
from storage.errors import RecordNotFound
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.repository import QuestionRepository
from storage.trash.repository import TrashRepository
from tests.m1app.question_sets import hostile_producers
from tests.m1app.question_sets.hub_stand_in import HubStandIn, serving_hub
from tests.m1app.question_sets.question_set_samples import as_jsonl, as_parquet, content_of, m1_row, rows_of

TREMOR = (
    "A 54-year-old carpenter has had a tremor of the right hand for two years. It is worst at rest and stops when he "
    "reaches for a tool. Which disease is it?"
)
REPOS = {
    "openlifescienceai/medmcqa": {
        "README.md": b"A card without metadata.",
        "data/train-00000-of-00001.parquet": as_parquet(rows_of("medmcqa.jsonl")),
        "data/validation-00000-of-00001.parquet": as_parquet(rows_of("medmcqa.jsonl")[:2]),
    },
    "UCSC-VLAA/m1_eval_data": {"m1_eval_data.json": content_of("m1_eval_data.json")},
    "some/sets": {
        "README.md": b"---\nconfigs:\n- config_name: one\n  data_files: a.csv\n"
        b"- config_name: two\n  data_files: b.csv\n---\n",
        "a.csv": content_of("plain.csv"),
        "b.csv": content_of("plain.csv"),
    },
}


@pytest.fixture(scope="module")
def hub() -> Iterator[HubStandIn]:
    with serving_hub(REPOS, token="a-token") as hub:
        yield hub


def write(folder: Path, name: str, *rows: dict[str, object]) -> Path:
    path = folder / name
    path.write_bytes(as_jsonl(list(rows)))
    return path


def stored_stems(database: Database) -> set[str]:
    with database.session(is_read_only=True) as session:
        return {each.stem for each in QuestionRepository(session).recent(100_000)}


async def names(sets: QuestionSetService) -> list[str]:
    return [each.name for each in await sets.all()]


async def test_a_file_of_several_sets_is_imported_whole_and_can_be_previewed(
    sets: QuestionSetService, tmp_path: Path
) -> None:
    path = tmp_path / "m1_eval_data.json"
    path.write_bytes(content_of("m1_eval_data.json"))
    report = await sets.import_file(path)
    assert [(each.name, each.question_count, each.layout) for each in report.sets] == [
        ("Lancet", 2, "m1"),
        ("NEJM", 1, "m1"),
        ("MedXpertQA", 1, "m1"),
    ]
    assert {each.source for each in report.sets} == {"m1_eval_data.json"}
    assert (dict(report.duplicates), report.overlaps, report.notes) == (
        {"Lancet": 0, "NEJM": 0, "MedXpertQA": 0},
        (),
        (),
    )
    lancet = report.sets[0]
    assert [each.target for each in await sets.preview(lancet.id)] == ["A", "C"]
    assert [each.target for each in await sets.preview(lancet.id, limit=1, offset=1)] == ["C"]
    (found,) = await sets.preview(lancet.id, text="limps")
    assert found.source == "Lancet"
    named = await sets.import_file(path, name="copy of")
    assert [each.name for each in named.sets] == ["copy of Lancet", "copy of NEJM", "copy of MedXpertQA"]


async def test_repeated_questions_are_kept_once_and_counted(sets: QuestionSetService, tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", m1_row(), m1_row(1), m1_row(question=f"  {m1_row()['question']} "), m1_row(1))
    report = await sets.import_file(path)
    assert report.duplicates == {"a": 2}
    assert [each.stem for each in await sets.preview(report.sets[0].id)] == [
        m1_row()["question"],
        m1_row(1)["question"],
    ]


async def test_the_same_file_again_gives_the_same_set_and_says_so(sets: QuestionSetService, tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", m1_row(), m1_row(1))
    first, again = await sets.import_file(path), await sets.import_file(path)
    assert again.sets == first.sets
    assert len(again.notes) == 1
    assert again.notes[0].startswith("a already exists, imported ")
    assert len(await sets.all()) == 1
    renamed = await sets.import_file(path, name="b")
    assert (renamed.notes, renamed.sets[0].question_count) == ((), 2)


async def test_another_file_under_a_taken_name_is_refused_and_nothing_of_it_is_kept(
    sets: QuestionSetService, database: Database, tmp_path: Path
) -> None:
    await sets.import_file(write(tmp_path, "a.jsonl", m1_row()))
    path = write(tmp_path, "b.jsonl", m1_row(1))
    with pytest.raises(
        InvalidQuestionSet, match=r"named 'a' already exists with different content \(from a\.jsonl.*another name"
    ):
        await sets.import_file(path, name="a")
    assert stored_stems(database) == {m1_row()["question"]}


async def test_the_same_file_by_another_layout_is_other_content(sets: QuestionSetService, tmp_path: Path) -> None:
    path = tmp_path / "mmlu.jsonl"
    path.write_bytes(content_of("mmlu-pro.jsonl"))
    report = await sets.import_file(path)
    assert report.notes == ("mmlu: 1 question in other subjects was left out; layout mmlu-pro-all includes it.",)
    with pytest.raises(InvalidQuestionSet, match="with different content"):
        await sets.import_file(path, layout="mmlu-pro-all")
    every = await sets.import_file(path, layout="mmlu-pro-all", name="all of it")
    assert every.sets[0].question_count == 3


async def test_a_broken_row_keeps_the_whole_file_out(
    sets: QuestionSetService, database: Database, tmp_path: Path
) -> None:
    with pytest.raises(InvalidQuestionSet, match=r"a\.jsonl, line 2: column answer_idx"):
        await sets.import_file(write(tmp_path, "a.jsonl", m1_row(), m1_row(1, answer_idx="Q")))
    assert (await sets.all(), stored_stems(database)) == ((), set())


@pytest.mark.parametrize("name", ["two\nlines", "x" * 201, "nul\0"])
async def test_a_name_that_cannot_be_one_is_refused(sets: QuestionSetService, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidQuestionSet, match="as the set's name, expected up to 200 printable characters"):
        await sets.import_file(write(tmp_path, "a.jsonl", m1_row()), name=name)


async def test_a_file_that_is_not_there_is_named(sets: QuestionSetService, tmp_path: Path) -> None:
    with pytest.raises(InvalidQuestionSet, match=r"none\.jsonl: the file cannot be read \(No such file"):
        await sets.import_file(tmp_path / "none.jsonl")


async def test_overlap_with_sets_that_are_here_is_shown_with_the_closest_pair(
    sets: QuestionSetService, tmp_path: Path
) -> None:
    await sets.import_file(write(tmp_path, "old.jsonl", m1_row(question=TREMOR), m1_row()))
    near = TREMOR.replace("carpenter", "joiner")
    report = await sets.import_file(write(tmp_path, "new.jsonl", m1_row(question=near), m1_row(5, question="Why?")))
    (overlap,) = report.overlaps
    assert (overlap.first, overlap.second, overlap.count) == ("new", "old", 1)
    ((one, other, share),) = overlap.pairs
    assert (one, other) == (near, TREMOR)
    assert 0.5 < share < 1
    everything = await sets.overlaps([each.id for each in await sets.all()])
    assert [(each.first, each.second, each.count) for each in everything] == [("new", "old", 1)]


async def test_an_import_stays_with_a_note_if_comparing_it_fails(
    sets: QuestionSetService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sets.import_file(write(tmp_path, "old.jsonl", m1_row(TREMOR)))
    monkeypatch.setattr("m1app.question_sets.comparison.COMPARED_LISTS", f"{hostile_producers.__name__}:out_of_memory")
    report = await sets.import_file(write(tmp_path, "new.jsonl", m1_row(TREMOR)))
    assert report.overlaps == ()
    assert [note for note in report.notes if "not compared" in note and "more memory or time" in note]
    assert await names(sets) == ["new", "old"]
    with pytest.raises(InvalidQuestionSet, match="Compare fewer or smaller"):
        await sets.overlaps([each.id for each in await sets.all()])


async def test_sets_are_compared_outside_of_the_app(
    sets: QuestionSetService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("compared in the app")

    monkeypatch.setattr("m1app.question_sets.overlap._distinct", refuse)
    await sets.import_file(write(tmp_path, "old.jsonl", m1_row(TREMOR)))
    assert (await sets.import_file(write(tmp_path, "new.jsonl", m1_row(TREMOR)))).overlaps[0].count == 1
    assert not list((tmp_path / "home").glob("upload-*"))


async def test_overlap_within_a_file_is_shown_and_at_most_fifty_pairs(sets: QuestionSetService, tmp_path: Path) -> None:
    rows = [m1_row(number, question=f"{TREMOR} He is patient number {number}.") for number in range(60)]
    (tmp_path / "op4.jsonl").write_bytes(as_jsonl(rows))
    await sets.import_file(tmp_path / "op4.jsonl")
    report = await sets.import_file(tmp_path / "op4.jsonl", name="op5")
    assert (report.overlaps[0].count, len(report.overlaps[0].pairs)) == (60, 50)
    assert {share for *_, share in report.overlaps[0].pairs} == {1.0}


async def test_overlap_with_fine_tuning_data_comes_first(sets: QuestionSetService, tmp_path: Path) -> None:
    one = await sets.import_file(write(tmp_path, "one.jsonl", m1_row(question=TREMOR)))
    two = await sets.import_file(write(tmp_path, "two.jsonl", m1_row(question=TREMOR, answer_idx="B", answer="Optic")))
    training = write(tmp_path, "traces.jsonl", {"prompt": f"Think. {TREMOR}", "reasoning": "..."})
    ids = [one.sets[0].id, two.sets[0].id]
    found = await sets.overlaps(ids, training)
    assert [(each.first, each.second) for each in found] == [
        ("one", "traces.jsonl"),
        ("two", "traces.jsonl"),
        ("one", "two"),
    ]
    assert await sets.overlaps(ids[:1], write(tmp_path, "other.jsonl", {"question": "Why?"})) == ()
    with pytest.raises(InvalidQuestionSet, match=r"bad\.jsonl, line 1"):
        await sets.overlaps(ids, write(tmp_path, "bad.jsonl", {"text": "x"}))


async def test_a_deleted_set_is_gone_with_its_questions(
    sets: QuestionSetService, database: Database, tmp_path: Path
) -> None:
    report = await sets.import_file(write(tmp_path, "a.jsonl", m1_row()))
    deletion = await sets.delete(report.sets[0].id)
    assert await sets.all() == ()
    database.write_now(lambda s: TrashRepository(s).purge(deletion.id, 10))
    assert stored_stems(database) == set()
    for ask in (sets.delete, sets.preview):
        with pytest.raises(RecordNotFound, match="It may have been deleted"):
            await ask(report.sets[0].id)
    with pytest.raises(RecordNotFound):
        await sets.overlaps([report.sets[0].id])


async def test_a_large_file_is_written_in_short_transactions(
    sets: QuestionSetService, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that goes on beside an import must get its turn to write."""
    written: list[int] = []
    upsert_all = QuestionRepository.upsert_all
    add_kept = QuestionSetRepository.add_kept

    def counted(self: QuestionRepository, questions: list[object]) -> tuple[str, ...]:
        written.append(len(stored_stems(database)))
        return upsert_all(self, questions)  # type: ignore[arg-type]

    def in_the_end(self: QuestionSetRepository, *arguments: object) -> QuestionSet:
        written.append(-len(stored_stems(database)))
        return add_kept(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(QuestionRepository, "upsert_all", counted)
    monkeypatch.setattr(QuestionSetRepository, "add_kept", in_the_end)
    path = tmp_path / "large.parquet"
    path.write_bytes(as_parquet([m1_row(number) for number in range(2500)]))
    report = await sets.import_file(path)
    assert report.sets[0].question_count == 2500
    assert written == [0, 1000, 2000, -2500]
    assert len(await sets.preview(report.sets[0].id, text="Patient 2417")) == 1


def with_hub(database: Database, settings: Settings, url: str, *, is_offline: bool = False) -> QuestionSetService:
    changes = {"hub_url": url, "hub_token": SecretStr("a-token"), "hub_offline": is_offline}
    return QuestionSetService(database, settings.model_copy(update=changes))


async def test_a_dataset_of_the_hub_is_imported_by_its_usual_split_and_offline_from_what_was_downloaded(
    database: Database, settings: Settings, hub: HubStandIn
) -> None:
    report = await with_hub(database, settings, hub.url).import_hub("openlifescienceai/medmcqa")
    (made,) = report.sets
    assert (made.name, made.layout, made.question_count) == ("medmcqa validation", "medmcqa", 2)
    assert made.source == "hub:openlifescienceai/medmcqa validation"
    assert hub.tokens == {"Bearer a-token"}
    hub.asked.clear()
    offline = with_hub(database, settings, hub.url, is_offline=True)
    again = await offline.import_hub("https://huggingface.co/datasets/openlifescienceai/medmcqa")
    assert (again.sets, len(again.notes)) == ((made,), 1)
    with pytest.raises(InvalidQuestionSet, match="M1_HUB_OFFLINE is set, so only datasets that were downloaded before"):
        await offline.import_hub("some/sets")
    assert hub.asked == []


async def test_the_columns_of_a_dataset_of_the_hub_are_looked_at_and_chosen(
    database: Database, settings: Settings, hub: HubStandIn
) -> None:
    sets = with_hub(database, settings, hub.url)
    sample = await sets.sample_hub("openlifescienceai/medmcqa")
    assert (sample.layout, {"question", "opa", "cop"} <= set(sample.columns)) == ("medmcqa", True)
    assert await sets.all() == ()
    columns = ColumnMapping("question", ("opa", "opb", "opc", "opd"), "cop", "0")
    chosen = await sets.sample_hub("openlifescienceai/medmcqa", options=ImportOptions(columns))
    report = await sets.import_hub("openlifescienceai/medmcqa", options=ImportOptions(columns))
    stored = await sets.preview(report.sets[0].id)
    assert [(row.stem, row.target) for row in chosen.rows] == [(each.stem, each.target) for each in stored]


async def test_m1_evaluation_data_of_the_hub_is_one_file_with_every_set(
    database: Database, settings: Settings, hub: HubStandIn
) -> None:
    service = with_hub(database, settings, hub.url)
    report = await service.import_hub("ucsc-vlaa/M1_eval_data", name="m1:")
    assert [each.name for each in report.sets] == ["m1: Lancet", "m1: NEJM", "m1: MedXpertQA"]
    assert report.sets[0].source == "hub:UCSC-VLAA/m1_eval_data m1_eval_data.json"
    with pytest.raises(InvalidQuestionSet, match="leave config and split empty"):
        await service.import_hub("UCSC-VLAA/m1_eval_data", split="test")


async def test_a_part_has_to_be_named_where_a_dataset_has_several(
    database: Database, settings: Settings, hub: HubStandIn
) -> None:
    service = with_hub(database, settings, hub.url)
    with pytest.raises(InvalidQuestionSet, match=r"hub:some/sets: found several configs \(one, two\)"):
        await service.import_hub("some/sets")
    report = await service.import_hub("some/sets", config="two")
    assert (report.sets[0].name, report.sets[0].layout) == ("sets two train", "plain")
    with pytest.raises(InvalidQuestionSet, match="found no split 'dev', expected one of train"):
        await service.import_hub("some/sets", config="two", split="dev")


async def test_a_dataset_that_cannot_be_had_says_what_to_check(
    database: Database, settings: Settings, hub: HubStandIn
) -> None:
    with pytest.raises(InvalidQuestionSet, match=r"hub:no/such: .*accept it on the hub and set M1_HUB_TOKEN"):
        await with_hub(database, settings, hub.url).import_hub("no/such")
    with pytest.raises(InvalidQuestionSet, match="Check the network and M1_HUB_URL"):
        await with_hub(database, settings, "http://127.0.0.1:9").import_hub("UCSC-VLAA/m1_eval_data")


@pytest.mark.parametrize("repo", ["", "data", "../data", "/etc/passwd", "a/b/c", "http://example.org/a/b"])
async def test_only_the_name_of_a_repository_reaches_for_the_hub(
    sets: QuestionSetService, monkeypatch: pytest.MonkeyPatch, repo: str
) -> None:
    monkeypatch.setattr("m1app.question_sets.service.download_from_hub", None)
    with pytest.raises(InvalidQuestionSet, match="expected a hub repository such as"):
        await sets.import_hub(repo)


async def test_several_right_options_come_back_from_what_the_preview_prints(
    sets: QuestionSetService, tmp_path: Path
) -> None:
    path = tmp_path / "french.jsonl"
    path.write_bytes(content_of("frenchmedmcqa-several.jsonl"))
    (imported,) = (await sets.import_file(path)).sets
    found = await sets.preview(imported.id)
    assert [each.target for each in found] == ["A, C", "B"]
    rows = [{"question": each.stem, "options": dict(each.options), "answer_idx": each.target} for each in found]
    again = await sets.import_file(write(tmp_path, "again.jsonl", *rows))
    assert [each.target for each in await sets.preview(again.sets[0].id)] == ["A, C", "B"]
