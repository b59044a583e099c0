"""Erasing a trace, a question or a person: what goes, what stays, and that no byte is left."""

import errno
import io
import json
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from m1app.bootstrap import Services
from m1app.privacy.errors import ErasureRefused
from m1app.privacy.file_search import SearchedFiles, search_files
from storage.annotations.names import NameRepository
from storage.benchmarks.repository import BenchmarkRepository
from storage.database import Database
from storage.errors import InvalidRecord, RecordNotFound
from storage.open_verdicts.records import Judgement, NewOpenVerdict
from storage.open_verdicts.repository import OpenVerdictRepository
from storage.people.records import Role
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from storage.questions.repository import QuestionRepository
from storage.traces.records import Segment, SegmentKind
from storage.trash.records import TrashKind
from storage.trash.repository import TrashRepository
from tests.m1app.privacy.homes import MARKER, asking, ended, holding, services_over_script
from tests.storage.samples import answer, begin, discard, finish, think
from tests.storage.trash.scenario import annotate, asked_run

pytestmark = pytest.mark.usefixtures("no_settings")

LONG = f"A woman who collects {MARKER} minerals has a cough. Which test comes first?"
THOUGHT = f"{MARKER}dust causes silicosis in those who grind it for a living."
ASKED = NewQuestion(stem=LONG, options={"A": "Radiograph", "B": f"{MARKER} level"}, target="A")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    async with services_over_script(tmp_path) as (made, _):
        yield made


def stored(services: Services, question: NewQuestion = ASKED) -> str:
    trace = begin(services.database, question, prompt_text=question.stem)
    finish(services.database, trace, think(THOUGHT), answer(f"The {MARKER} answer is A."))
    return trace.id


def question_id(services: Services, trace_id: str) -> str:
    with services.database.session(is_read_only=True) as session:
        return (
            session.connection().exec_driver_sql("SELECT question_id FROM trace WHERE id = ?", (trace_id,)).scalar_one()
        )


def end_sweeps(services: Services) -> None:
    with services.database.session() as session:
        session.connection().exec_driver_sql("UPDATE sweep SET state = 'completed'")


async def test_no_byte_of_an_erased_question_is_left_in_the_home(services: Services, tmp_path: Path) -> None:
    trace_id = stored(services)
    asked = await ended(services, await services.probe.start(asking(f"{LONG} Why?")))
    other = stored(services, NewQuestion(stem="Why is the sky blue?"))
    with services.database.session() as session:
        QuestionSetRepository(session).add("minerals", "a file", "m1", "", [ASKED, NewQuestion(stem="Why?")])
    run = asked_run(services.database, LONG)
    end_sweeps(services)
    discard(services.database, TrashKind.TRACE, trace_id)
    assert holding(tmp_path, MARKER) != set()
    for each in (question_id(services, trace_id), asked.question.id):
        await services.erasure.erase_question(each)
    with services.database.session(is_read_only=True) as session:
        swept = (
            session.connection().exec_driver_sql("SELECT id FROM question WHERE stem LIKE '%A woman%'").scalars().all()
        )
    for each in swept:
        await services.erasure.erase_question(each)
    await services.erasure.erase_trace(other)  # Its text has the marker too; its question stays.
    assert holding(tmp_path, MARKER) == set()
    counts = services.database.row_counts()
    assert (counts["trace"], counts["sweep"], counts["deletion"], counts["benchmark_item"]) == (0, 0, 0, 0)
    with services.database.session(is_read_only=True) as session:
        kept = BenchmarkRepository(session).get(run.run.id)
        assert (kept.items, kept.items_done) == (0, 0)
        sizes = {each.name: each.question_count for each in QuestionSetRepository(session).all()}
    assert sizes["minerals"] == 1
    assert services.database.check_fully() == ()


async def test_the_search_index_forgets_the_words(services: Services) -> None:
    trace_id = stored(services)
    await services.erasure.erase_question(question_id(services, trace_id))
    assert services.database.file is not None
    with sqlite3.connect(services.database.file) as connection:
        connection.execute("CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, search_index, row)")
        words = {term for (term,) in connection.execute("SELECT term FROM temp.words")}
    assert not {word for word in words if MARKER.casefold() in word}


async def test_the_audit_log_says_that_it_was_erased_by_ids_and_counts(services: Services) -> None:
    trace_id = stored(services)
    annotate(services.database, trace_id)
    with pytest.raises(ErasureRefused, match="1 annotation"):
        await services.erasure.erase_trace(trace_id)
    report = await services.erasure.erase_trace(trace_id, with_annotations=True)
    (entry,) = await services.access.audit.after(0)
    assert (entry.action, entry.subject) == ("trace.erase", trace_id)
    assert (entry.details["traces"], entry.details["annotations"], entry.details["questions"]) == (1, 1, 0)
    assert entry.details == report.counts
    counts = services.database.row_counts()
    gone = ("trace", "segment", "annotation", "annotation_revision", "annotation_label", "assessment")
    assert [counts[table] for table in gone] == [0] * len(gone)
    assert counts["question"] == 1


async def test_a_dry_run_changes_nothing(services: Services) -> None:
    trace_id = stored(services)
    before = services.database.row_counts()
    report = await services.erasure.erase_question(question_id(services, trace_id), is_dry_run=True)
    assert (report.counts["traces"], report.counts["questions"]) == (1, 1)
    await services.access.accounts.add("Ada", Role.ADMIN, "correct horse battery")
    await services.access.accounts.add("Bea", Role.ADMIN, "correct horse battery")
    entries = len(await services.access.audit.after(0))
    await services.erasure.erase_person("Ada", is_dry_run=True)
    after = services.database.row_counts()
    assert {**after, "account": 0, "audit_entry": 0} == {**before, "account": 0, "audit_entry": 0}
    assert (after["account"], after["audit_entry"]) == (2, entries)


async def test_what_is_running_is_not_erased(services: Services) -> None:
    trace = begin(services.database, ASKED)
    with pytest.raises(ErasureRefused, match="Stop it"):
        await services.erasure.erase_trace(trace.id)
    with pytest.raises(RecordNotFound):
        await services.erasure.erase_question("0" * 32)


async def test_a_pass_goes_alone_and_the_last_one_takes_its_sweep(services: Services) -> None:
    (item,) = asked_run(services.database, "heart").items
    end_sweeps(services)
    first, second = item.trace_ids
    assert (await services.erasure.erase_trace(first)).counts["sweeps"] == 0
    assert (await services.erasure.erase_trace(second)).counts["sweeps"] == 1
    assert services.database.row_counts()["sweep"] == 0


async def test_files_of_the_home_that_contain_it_are_named_and_removed_if_asked_for(
    services: Services, tmp_path: Path
) -> None:
    trace_id = stored(services)
    version = tmp_path / "training-data" / "minerals" / "v1"
    version.mkdir(parents=True)
    (version / "samples.jsonl").write_text(json.dumps({"reasoning": f"So: \n{THOUGHT}"}) + "\n")
    (version / "card.md").write_text("A card.")
    (tmp_path / "jobs" / "1").mkdir(parents=True)
    (tmp_path / "jobs" / "1" / "log.txt").write_text(f"x{LONG}x")
    (tmp_path / "jobs" / "1" / "other.txt").write_text("Nothing of it.")
    asked = question_id(services, trace_id)
    report = await services.erasure.erase_question(asked, is_dry_run=True, with_files=True)
    names = {str(path.relative_to(tmp_path)) for path in report.files}
    assert names == {"training-data/minerals/v1/samples.jsonl", "jobs/1/log.txt"}
    assert all(path.exists() for path in report.files)
    await services.erasure.erase_question(asked, with_files=True)
    assert (version.exists(), (tmp_path / "jobs" / "1" / "other.txt").exists()) == (False, True)
    assert holding(tmp_path, MARKER) == set()


async def test_files_that_only_share_phrases_with_it_stay(services: Services, tmp_path: Path) -> None:
    """What the app inserts, what other questions have too, and what is short say nothing about where a text is from."""
    closing = "Let me check every option once more before I give the final answer to this question."
    common = "Which of the following is the most appropriate next step in the management of this patient?"
    stored(services, NewQuestion(stem=f"A man has gout.\n{common}"))
    trace = begin(services.database, NewQuestion(stem=f"A man faints.\n{common}"))
    close = Segment(kind=SegmentKind.CLOSE, text=closing, token_ids=(1,), token_count=1)
    wait = Segment(kind=SegmentKind.WAIT, text=closing.upper(), token_ids=(1,), token_count=1)
    finish(services.database, trace, think("So B."), wait, think(f"{common}\nHm."), close, answer(f"{closing} B."))
    for number, text in enumerate((closing, closing.upper(), common, "So B.", f"{closing} B.")):
        version = tmp_path / "training-data" / f"unrelated {number}" / "v1"
        version.mkdir(parents=True)
        (version / "samples.jsonl").write_text(json.dumps({"reasoning": text}))
    report = await services.erasure.erase_question(trace.question_id, with_files=True)
    assert (report.removed, report.files) == ((), ())
    assert len(list(tmp_path.glob("training-data/*/v1/samples.jsonl"))) == 5


async def test_a_thought_that_two_traces_have_is_removed_with_the_second(services: Services, tmp_path: Path) -> None:
    first, second = stored(services), stored(services)
    file = tmp_path / "thoughts.txt"
    file.write_text(THOUGHT)
    assert (await services.erasure.erase_trace(first, with_files=True)).removed == ()
    assert (await services.erasure.erase_trace(second, with_files=True)).removed == (file,)
    assert not file.exists()


def search(services: Services, *passages: str) -> SearchedFiles:
    return search_files(passages, services.settings, services.database.file, lambda line: False)


def test_a_passage_is_found_across_the_blocks_in_which_a_file_is_read(services: Services, tmp_path: Path) -> None:
    (tmp_path / "far.txt").write_bytes(b"." * ((1 << 20) - 10) + LONG.encode())
    assert search(services, LONG) == SearchedFiles((tmp_path / "far.txt",))
    assert search(services, "Short.") == SearchedFiles()


@pytest.mark.parametrize("name", ["m1.db", "records"])
async def test_the_database_is_no_file_to_remove_whatever_its_name(tmp_path: Path, name: str) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    async with services_over_script(home, database_url=f"sqlite:///{home / name}") as (services, _):
        trace_id = stored(services)
        aside = home / "replaced-1" / f"{name}-wal"
        aside.parent.mkdir()
        aside.write_text(THOUGHT)
        assert holding(home, MARKER) == {f"{name}-wal", f"replaced-1/{name}-wal"}
        report = await services.erasure.erase_trace(trace_id, with_files=True)
        assert (report.removed, report.files, report.copies) == ((), (), (aside.parent,))
        assert services.database.check_fully() == ()


async def test_a_database_with_a_relative_address_is_no_copy_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("own.sqlite3", "other.sqlite3"):
        made = Database(f"sqlite:///{name}")
        made.migrate()
        made.dispose()
    (tmp_path / "link.sqlite3").symlink_to(tmp_path / "own.sqlite3")
    for own in ("own.sqlite3", "link.sqlite3"):
        async with services_over_script(tmp_path, database_url=f"sqlite:///{own}") as (services, _):
            assert services.database.file == tmp_path / own
            report = await services.erasure.erase_trace(stored(services))
            assert report.copies == (tmp_path / "other.sqlite3",)


async def test_what_cannot_be_read_or_removed_is_said_and_the_rest_is_done(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A superuser's tests may read and remove everything, so the system's answers are scripted."""
    asked = question_id(services, stored(services))
    version = tmp_path / "training-data" / "minerals" / "v1"
    version.mkdir(parents=True)
    unread = [tmp_path / "secret.txt", tmp_path / "unsearchable" / "thought.txt"]
    unread[1].parent.mkdir()
    files = [tmp_path / "a.txt", tmp_path / "b.txt", version / "samples.jsonl", *unread]
    for file in files:
        file.write_text(THOUGHT)
    refuse(monkeypatch, os, "unlink", "a.txt", "samples.jsonl")
    refuse(monkeypatch, io, "open", "secret.txt")
    refuse(monkeypatch, os, "stat", "thought.txt")
    refuse(monkeypatch, os, "scandir", "closed")
    (tmp_path / "closed").mkdir()
    planned = await services.erasure.erase_question(asked, with_files=True, is_dry_run=True)
    assert (set(planned.files), planned.problems) == (set(files[:3]), ())
    assert set(planned.unread) == {*unread, tmp_path / "closed"}
    report = await services.erasure.erase_question(asked, with_files=True)
    assert (report.removed, set(report.files)) == ((files[1],), {files[0], files[2]})
    assert [each.partition(" (Permission denied)")[0] for each in report.problems] == [
        f"{file} could not be removed" for file in (files[0], files[2])
    ]
    assert report.unread == planned.unread
    monkeypatch.undo()
    assert holding(tmp_path, MARKER) == {str(file.relative_to(tmp_path)) for file in (files[0], *files[2:])}


def refuse(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *files: str) -> None:
    """Make a function of the system deny permission for files with these names."""
    real = getattr(module, name)

    def refusing(file: Any, *args: Any, **kwargs: Any) -> Any:
        if Path(str(file)).name in files:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return real(file, *args, **kwargs)

    monkeypatch.setattr(module, name, refusing)


async def test_backups_that_may_hold_it_are_named(services: Services) -> None:
    trace_id = stored(services)
    made = services.backups.make()
    report = await services.erasure.erase_trace(trace_id)
    assert report.copies == (made.file,)


@pytest.mark.parametrize("is_removing", [False, True])
async def test_a_person_leaves_no_name(services: Services, tmp_path: Path, is_removing: bool) -> None:
    await services.access.accounts.add("Boss", Role.ADMIN, "correct horse battery")
    account = await services.access.accounts.add(MARKER, Role.ANNOTATOR, "correct horse battery")
    trace_id = stored(services, NewQuestion(stem="Why?"))
    await services.erasure.erase_trace(trace_id)
    trace = begin(services.database, NewQuestion(stem="Why?"))
    finish(services.database, trace, think("Because."))
    annotate(services.database, trace.id, MARKER)
    annotate(services.database, trace.id, "Boss")
    report = await services.erasure.erase_person(account.id, with_annotations=is_removing)
    assert report.counts["accounts"] == 1
    assert holding(tmp_path, MARKER) == set()
    with services.database.session(is_read_only=True) as session:
        names = [each.name for each in NameRepository(session).all()]
    assert names[0] == "Boss" and len(names) == (1 if is_removing else 2)
    entry = (await services.access.audit.after(0))[-1]
    assert (entry.action, entry.subject) == ("person.erase", account.id)


async def test_a_name_that_differs_in_case_from_an_account_is_somebody_else(services: Services) -> None:
    await services.access.accounts.add("Boss", Role.ADMIN, "correct horse battery")
    await services.access.accounts.add("Anna", Role.ANNOTATOR, "correct horse battery")
    trace = begin(services.database, NewQuestion(stem="Why?"))
    finish(services.database, trace, think("Because."))
    annotate(services.database, trace.id, "anna")
    annotate(services.database, trace.id, "Anna")
    report = await services.erasure.erase_person("anna", with_annotations=True)
    assert (report.counts["accounts"], report.counts["removed_annotations"]) == (0, 1)
    assert [each.name for each in await services.access.accounts.all()] == ["Anna", "Boss"]
    with services.database.session(is_read_only=True) as session:
        assert [each.name for each in NameRepository(session).all()] == ["Anna"]
    with pytest.raises(RecordNotFound):
        await services.erasure.erase_person("ANNA")


async def test_the_last_administrator_and_unknown_names_are_refused(services: Services) -> None:
    await services.access.accounts.add("Boss", Role.ADMIN, "correct horse battery")
    with pytest.raises(InvalidRecord, match="last administrator"):
        await services.erasure.erase_person("Boss")
    with pytest.raises(RecordNotFound):
        await services.erasure.erase_person("Nobody")
    assert services.database.row_counts()["account"] == 1


async def test_what_cannot_be_overwritten_yet_is_said(services: Services) -> None:
    trace_id = stored(services)
    assert services.database.file is not None
    with sqlite3.connect(services.database.file) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM trace").fetchone()
        report = await services.erasure.erase_trace(trace_id)
        assert "erase leftovers" in report.problems[0]
        reader.rollback()
    assert await services.erasure.scrub() == ""
    assert services.database.row_counts()["trace"] == 0


def test_the_trash_has_no_deletion_of_what_is_gone(services: Services) -> None:
    with services.database.session(is_read_only=True) as session:
        assert TrashRepository(session).all() == ()


def judged(services: Services, trace_id: str, person: str) -> None:
    """A reference answer, a model's verdict with its reason, and a person's."""
    with services.database.session() as session:
        verdicts = OpenVerdictRepository(session)
        for is_person, by in ((False, "toy"), (True, person)):
            verdicts.put(
                NewOpenVerdict(
                    trace_id=trace_id,
                    judgement=Judgement.RIGHT,
                    reference=f"{MARKER} level",
                    is_person=is_person,
                    judged_by=by,
                    reason=f"It names {MARKER}.",
                )
            )
    with services.database.session() as session:
        QuestionRepository(session).set_reference(question_id(services, trace_id), f"{MARKER} level")


async def test_reference_answer_and_verdicts_go_with_their_question(services: Services, tmp_path: Path) -> None:
    trace_id = stored(services, NewQuestion(stem=LONG))
    judged(services, trace_id, "a" * 32)
    assert holding(tmp_path, MARKER)
    await services.erasure.erase_question(question_id(services, trace_id))
    assert holding(tmp_path, MARKER) == set()


@pytest.mark.parametrize("is_removing", [False, True])
async def test_a_persons_verdicts_go_with_their_annotations(services: Services, is_removing: bool) -> None:
    await services.access.accounts.add("Boss", Role.ADMIN, "correct horse battery")
    account = await services.access.accounts.add("Anna", Role.ANNOTATOR, "correct horse battery")
    trace_id = stored(services, NewQuestion(stem=LONG))
    judged(services, trace_id, account.id)
    await services.erasure.erase_person(account.id, with_annotations=is_removing)
    with services.database.session(is_read_only=True) as session:
        left = OpenVerdictRepository(session).on(trace_id)
    assert [each.is_person for each in left].count(True) == (0 if is_removing else 1)
    assert [each.judged_by for each in left if not each.is_person] == ["toy"]
