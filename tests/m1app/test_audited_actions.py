"""What managing, asking and handing out leave in the audit log: who did what, by ids."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from m1app.access.person import Person, acting_as
from m1app.annotation.exchange import ExportFormat, ImportFormat
from m1app.bootstrap import Services, build_services
from m1app.jobs.errors import JobRefused
from m1app.knowledge.vectors import CorpusVectors
from m1app.publishing.site import PublishedSite
from m1app.runs.probe_request import ProbeRequest
from m1app.settings import Settings
from m1app.training.curation import CurationPlan
from storage.open_verdicts.records import Judgement
from storage.people.records import Role
from storage.questions.records import NewQuestion
from tests.e2e.admin_page import write_set
from tests.m1app.annotation.cases import as_file, note, stored_trace
from tests.m1app.benchmark.test_service import keep_set, recipe, services_at
from tests.m1app.jobs.job_cases import a_job
from tests.m1app.knowledge.meanings import serving_meanings
from tests.m1app.publishing.site_samples import ANNOTATORS, annotate, store_site_run
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.m1app.training.training_cases import jsonl, some_samples
from tests.models.engine.scripted_server import Script, serving
from tests.storage.samples import answer, begin, finish

pytestmark = [pytest.mark.usefixtures("no_settings")]

ADA = Person("a" * 32, Role.ADMIN, "Ada", "192.0.2.7")
EVE = Person("e" * 32, Role.REVIEWER, "Eve", "192.0.2.8")


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    made = build_services(Settings(home=tmp_path / "home", engine_url="http://127.0.0.1:9"))
    with acting_as(ADA):
        yield made
    await made.aclose()


async def said(services: Services) -> list[tuple[str, str]]:
    """Actions and subjects; all of them were Ada's."""
    entries = await services.access.audit.after(0)
    assert {(entry.person, entry.address) for entry in entries} == {(ADA.id, ADA.address)}
    return [(entry.action, entry.subject) for entry in entries]


async def test_jobs(services: Services) -> None:
    job = await services.jobs.submit(a_job("named by somebody"))
    await services.jobs.set_priority(job.id, 7)
    await services.jobs.stop(job.id)
    with pytest.raises(JobRefused):
        await services.jobs.set_priority(job.id, 1000)
    await services.jobs.resume(job.id)
    with pytest.raises(JobRefused):
        await services.jobs.resume(job.id)
    actions = ["job.submit", "job.priority", "job.stop", "job.resume"]
    assert await said(services) == [(action, job.id) for action in actions]
    entries = await services.access.audit.after(0)
    assert (entries[0].details["kind"], entries[1].details) == ("benchmark", {"priority": 7})
    assert "named by somebody" not in str(entries)


async def test_question_sets(services: Services, tmp_path: Path) -> None:
    path = write_set(tmp_path, "vitamins")
    (kept,) = (await services.question_sets.import_file(path)).sets
    await services.question_sets.import_file(path)  # Nothing new.
    halves = await services.question_sets.split(kept.id)
    await services.question_sets.delete(kept.id)
    splits = [("question_set.split", half.id) for half in halves]
    expected = [("question_set.import", kept.id), *splits, ("question_set.delete", kept.id)]
    assert await said(services) == expected
    assert (await services.access.audit.after(0))[0].details == {"questions": 3}


async def test_a_published_site(services: Services, tmp_path: Path) -> None:
    run = store_site_run(services.database)
    annotate(services.database, run.item_ids[0])
    site = PublishedSite("A site", [run.run_id], annotators=ANNOTATORS[:1])
    await services.sites.publish(site, tmp_path / "site")
    assert await said(services) == [("benchmark_run.publish", run.run_id)]
    assert (await services.access.audit.after(0))[0].details == {"sets_with_texts": 1, "annotations": 1}


async def test_corpora(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "sheets.txt"
    path.write_text("Fragments bind digoxin.")
    corpus = (await services.corpora.add(path, licence="named by somebody")).corpus
    await services.corpora.add(path, licence="named by somebody")  # Nothing new.
    deletion = await services.corpora.delete(corpus.id)
    await services.trash.restore(deletion.id)
    actions = ["corpus.add", "corpus.delete", "corpus.restore"]
    assert await said(services) == [(action, corpus.id) for action in actions]
    assert (await services.access.audit.after(0))[0].details == {"passages": 1, "version": 1}


async def test_vectors_of_corpora(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "sheets.txt"
    path.write_text("Fragments bind digoxin.")
    corpus = (await services.corpora.add(path, licence="unknown")).corpus
    with serving_meanings() as server:
        settings = Settings(home=tmp_path, embedding_url=server.url, embedding_model="meanings")
        vectors = CorpusVectors(services.database, settings)
        await vectors.make(corpus)
        await vectors.make(corpus)  # Nothing new.
        await vectors.forget(corpus)
    actions = ["corpus.add", "corpus.make_vectors", "corpus.delete_vectors"]
    assert await said(services) == [(action, corpus.id) for action in actions]


async def test_training_data(services: Services, tmp_path: Path) -> None:
    path = tmp_path / "samples.jsonl"
    path.write_bytes(jsonl([sample.as_row() for sample in some_samples(9)]))
    made = await services.training_data.build([path], CurationPlan(), "mixed")
    await services.training_data.delete("mixed")
    assert await said(services) == [("training_data.build", made.sha256), ("training_data.delete", made.sha256)]
    assert (await services.access.audit.after(0))[0].details == {"version": 1, "samples": 9}


async def test_annotations_that_leave_and_arrive(services: Services, tmp_path: Path) -> None:
    case_id = stored_trace(services.database)
    await services.annotations.save(case_id, "", note())
    await services.annotations.submit(case_id, "")
    await services.annotations.reopen(case_id, "")
    await services.annotations.submit(case_id, "")
    text = "".join([part async for part in services.exchange.export(ExportFormat.JSONL)])
    await services.exchange.restore(as_file(text), ImportFormat.JSONL)
    entries = await services.access.audit.after(0)
    assert [(entry.action, entry.details) for entry in entries] == [
        ("annotation.created", {}),
        ("case.submit", {}),
        ("case.reopen", {}),
        ("case.submit", {}),
        ("annotation.export", {"format": "jsonl"}),
        ("annotation.import", {"added": 0, "unchanged": 1, "missing": 0, "kept": 0, "is_complete": True}),
    ]


async def test_marks_and_reviews(services: Services) -> None:
    case_id = stored_trace(services.database)
    mark = await services.annotations.save(case_id, "", note(comment="words of Ada"))
    mark = await services.annotations.save(
        case_id, "", note(comment="others"), annotation_id=mark.id, revision=mark.revision
    )
    await services.annotations.submit(case_id, "")
    with acting_as(EVE):
        await services.annotations.submit(case_id, "")
        await services.annotations.agree(mark.id, "")
        await services.annotations.agree(mark.id, "")  # Nothing new.
        await services.annotations.dispute(mark.id, "", "words of Eve")
        mark = await services.annotations.adjudicate(mark.id, "", is_upheld=True, reason="words of Eve")
    await services.annotations.withdraw(mark.id, "", mark.revision)
    entries = await services.access.audit.after(0)
    assert [(entry.person, entry.action, entry.subject) for entry in entries] == [
        (ADA.id, "annotation.created", mark.id),
        (ADA.id, "annotation.edited", mark.id),
        (ADA.id, "case.submit", case_id),
        (EVE.id, "case.submit", case_id),
        (EVE.id, "annotation.agreed", mark.id),
        (EVE.id, "annotation.disputed", mark.id),
        (EVE.id, "annotation.adjudicated", mark.id),
        (ADA.id, "annotation.withdrawn", mark.id),
    ]
    assert "words of" not in str(entries)


async def test_runs_that_are_asked_planned_launched_and_described(tmp_path: Path) -> None:
    with serving(Script(answering(lambda _: RIGHT))) as script:
        async with services_at(tmp_path, script.url) as services:
            keep_set(services)
            with acting_as(ADA):
                request = ProbeRequest(stem="Why?", thinking_budget_tokens=16, profile="plain-chatml")
                trace = await services.probe.start(request)
                sweep = await services.sweeps.start(recipe().sweep("").asking(trace.question))
                run, job = await services.benchmarks.launch(recipe())
                await services.benchmarks.rename(run.id, "somebody's words")
                await services.benchmarks.set_tags(run.id, ["somebody's words"])
                await services.benchmarks.archive(run.id, True)
                await services.benchmarks.archive(run.id, False)
                # The questions of a run are not asked one by one.
                await services.benchmarks.run(run.id)
                assert await said(services) == [
                    ("trace.ask", trace.id),
                    ("sweep.ask", sweep.sweep.id),
                    ("benchmark_run.plan", run.id),
                    ("job.submit", job.id),
                    ("benchmark_run.rename", run.id),
                    ("benchmark_run.tag", run.id),
                    ("benchmark_run.archive", run.id),
                    ("benchmark_run.unarchive", run.id),
                ]
                assert "words" not in str(await services.access.audit.after(0))


async def test_verdicts_on_open_answers(services: Services) -> None:
    trace = begin(services.database, NewQuestion(stem="Why do sailors bleed?"))
    finish(services.database, trace, answer("Scurvy."))
    await services.judging.say(trace.id, "words of Ada", Judgement.RIGHT)
    assert await said(services) == [("answer.verdict", trace.id)]
    assert "words of Ada" not in str(await services.access.audit.after(0))
