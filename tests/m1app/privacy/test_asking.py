"""Questions that may identify a person, and questions that are not kept."""

import json
from pathlib import Path
from threading import get_ident

import pytest

from m1app.access.person import COMMAND_LINE
from m1app.privacy import service
from m1app.privacy.errors import IdentifiersFound
from m1app.question_sets.errors import InvalidQuestionSet
from m1app.runs.sweep_request import SweepRequest
from m1app.settings import IdentifierMode
from storage.errors import RecordNotFound
from storage.traces.listing import TraceFilter
from storage.traces.records import TraceState
from tests.m1app.benchmark.test_service import keep_set, run_to_end
from tests.m1app.privacy.homes import MARKER, asking, ended, holding, services_over_script

pytestmark = pytest.mark.usefixtures("no_settings")

IDENTIFYING = "A man (MRN 1234567), seen by jane.roe@example.org, has gout. Why?"


async def test_a_question_that_identifies_somebody_is_neither_sent_nor_stored(tmp_path: Path) -> None:
    async with services_over_script(tmp_path) as (services, script):
        for request in (
            asking(IDENTIFYING),
            asking("Why?", options={"A": "MRN 1234567", "B": "Gout"}),
            asking("Why?", system_prompt="You treat jane.roe@example.org."),
        ):
            with pytest.raises(IdentifiersFound) as refused:
                await services.probe.start(request)
            assert refused.value.may_run_anyway
            assert "roe" not in str(refused.value) and "1234567" not in str(refused.value)
        with pytest.raises(IdentifiersFound):
            await services.sweeps.start(SweepRequest(stem=IDENTIFYING, budgets=(16,), force_rounds=(0,)))
        assert script.completions == []
        assert services.database.row_counts()["question"] == 0


async def test_running_it_anyway_is_noted_by_kinds_and_counts(tmp_path: Path) -> None:
    async with services_over_script(tmp_path) as (services, _):
        trace = await ended(services, await services.probe.start(asking(IDENTIFYING), allows_identifiers=True))
        sweep = SweepRequest(stem=IDENTIFYING, budgets=(16,), force_rounds=(0,), profile="plain-chatml")
        swept = await services.sweeps.start(sweep, allows_identifiers=True)
        entries = [each for each in await services.access.audit.after(0) if each.action == "identifiers.allow"]
        counts = {"record_number": 1, "email": 1}
        assert [(each.subject, each.details) for each in entries] == [(trace.id, counts), (swept.sweep.id, counts)]
        assert {each.person for each in entries} == {COMMAND_LINE.id}


async def test_block_refuses_it_whatever_the_person_says_except_for_a_guessed_name(tmp_path: Path) -> None:
    async with services_over_script(tmp_path, identifiers=IdentifierMode.BLOCK) as (services, script):
        with pytest.raises(IdentifiersFound) as refused:
            await services.probe.start(asking(IDENTIFYING), allows_identifiers=True)
        assert not refused.value.may_run_anyway
        with pytest.raises(IdentifiersFound) as refused:
            await services.probe.start(asking("Mr. Smith has gout. Why?"))
        assert refused.value.may_run_anyway and script.completions == []
        await services.probe.start(asking("Mr. Smith has gout. Why?"), allows_identifiers=True)


async def test_a_long_question_is_searched_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = set[int]()
    monkeypatch.setattr(service, "find_identifiers", lambda _: threads.add(get_ident()) or ())
    async with services_over_script(tmp_path) as (services, _):
        await services.probe.start(asking("Why?"))
        await services.sweeps.start(SweepRequest(stem="Why?", budgets=(16,), force_rounds=(0,), profile="plain-chatml"))
    assert threads and get_ident() not in threads


async def test_off_looks_at_nothing(tmp_path: Path) -> None:
    async with services_over_script(tmp_path, identifiers=IdentifierMode.OFF) as (services, _):
        trace = await services.probe.start(asking(IDENTIFYING))
        assert [each.action for each in await services.access.audit.after(0)] == ["trace.ask"]
        assert services.probe.is_kept(trace.id)


async def test_a_question_that_is_not_kept_is_answered_and_reaches_no_file(tmp_path: Path) -> None:
    async with services_over_script(tmp_path, log_level="DEBUG") as (services, _):
        begun = await services.probe.start(asking(f"Does {MARKER} help?"), is_kept=False)
        trace = await ended(services, begun)
        assert (trace.state, bool(trace.answer_text)) == (TraceState.COMPLETED, True)
        assert (await services.probe.get(trace.id)).answer_text == trace.answer_text
        assert (services.probe.is_kept(trace.id), services.probe.save_error(trace.id)) == (False, "")
        assert (await services.probe.history(TraceFilter(), 10)).items == ()
        counts = services.database.row_counts()
        assert [counts[table] for table in ("question", "trace", "segment", "search_entry")] == [0] * 4
        entries = await services.access.audit.after(0)
        assert [(each.action, each.subject, each.details) for each in entries] == [("trace.ask_unkept", trace.id, {})]
        assert holding(tmp_path, MARKER) == set()
    assert holding(tmp_path, MARKER) == set()


async def test_a_restart_loses_what_is_not_kept(tmp_path: Path) -> None:
    async with services_over_script(tmp_path) as (services, _):
        trace = await services.probe.start(asking(f"Does {MARKER} help?"), is_kept=False)
    async with services_over_script(tmp_path) as (services, _):
        with pytest.raises(RecordNotFound):
            await services.probe.get(trace.id)
    assert holding(tmp_path, MARKER) == set()


def ward_file(path: Path, *texts: str) -> Path:
    rows = [{"question": text, "options": {"A": "Gout", "B": "Lupus"}, "answer_idx": "A"} for text in texts]
    path.write_text(json.dumps(rows))
    return path


async def test_an_import_counts_questions_that_may_identify_somebody_and_leaves_none_out(tmp_path: Path) -> None:
    path = ward_file(tmp_path / "ward.json", IDENTIFYING, "Which one causes tophi?", "Call 617-555-0134 for what?")
    async with services_over_script(tmp_path / "home") as (services, _):
        report = await services.question_sets.import_file(path)
    assert report.sets[0].question_count == 3
    (note,) = report.notes
    assert "2 questions may identify a person (1 record number, 1 e-mail address, 1 phone number)" in note
    assert "roe" not in note


async def test_where_it_is_blocked_no_set_with_such_a_question_is_imported(tmp_path: Path) -> None:
    path = ward_file(tmp_path / "ward.json", "Which one causes tophi?", IDENTIFYING)
    named = ward_file(tmp_path / "named.json", "Mr. Smith has gout. Why?")
    async with services_over_script(tmp_path / "home", identifiers=IdentifierMode.BLOCK) as (services, _):
        with pytest.raises(InvalidQuestionSet) as refused:
            await services.question_sets.import_file(path)
        assert "ward: question 2 may identify a person (1 record number, 1 e-mail address)" in str(refused.value)
        assert "roe" not in str(refused.value)
        assert services.database.row_counts()["question"] == 0
        # A name is only a guess, which blocks nothing.
        assert (await services.question_sets.import_file(named)).sets[0].question_count == 1


async def test_a_benchmark_asks_the_questions_that_were_imported_unless_they_are_blocked(tmp_path: Path) -> None:
    stems = (IDENTIFYING, "Mr. Smith has gout. Why?")
    async with services_over_script(tmp_path / "warned") as (services, _):
        keep_set(services, stems=stems)
        run = await run_to_end(services)
        assert (run.items, run.items_done, run.items_failed) == (2, 2, 0)
        assert not [each for each in await services.access.audit.after(0) if each.action == "identifiers.allow"]
    async with services_over_script(tmp_path / "blocked", identifiers=IdentifierMode.BLOCK) as (services, script):
        keep_set(services, stems=stems)
        run = await run_to_end(services)
        assert (run.items, run.items_done, run.items_failed) == (2, 1, 1)
        assert "1234567" not in json.dumps(script.completions, default=str)
