"""Jobs that ask a model about samples: estimated, asked, resumed, and made a new version."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from m1app.bootstrap import Services, build_services
from m1app.jobs.worker import JobContext
from m1app.settings import Settings
from m1app.training.curation import CurationPlan, curate
from m1app.training.data_jobs.job import data_job_runner
from m1app.training.data_jobs.recipe import DataJobRecipe
from m1app.training.data_jobs.replies import Replies, Reply
from m1app.training.errors import DataJobFailed, DataJobRefused, TooLittleData
from storage.jobs.records import JobKind, JobProgress
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion
from tests.m1app.training.data_jobs.teacher import MODEL, teacher
from tests.m1app.training.training_cases import a_sample, some_samples
from tests.models.engine.scripted_server import Script, serving

COUNT = 12


@asynccontextmanager
async def served(folder: Path, script: Script) -> AsyncIterator[Services]:
    """An app with that teacher, and the data set exam:v1."""
    with serving(script) as engine:
        services = build_services(
            Settings(home=folder / "home", engine_url=engine.url, model=MODEL, cpu_jobs=0), is_worker=True
        )
        plan = CurationPlan()
        curated = curate([*some_samples(COUNT), a_sample(answer="The answer is B.")], plan, evaluation={})
        services.training_data.data_sets.add("exam", curated, plan, ())
        try:
            services.engines.start()
            await asyncio.to_thread(services.engines.wait_ready, 60.0)
            yield services
        finally:
            await services.aclose()


@pytest.fixture
def folder(tmp_path: Path, no_settings: None) -> Path:
    (tmp_path / "job").mkdir()
    return tmp_path


def tags(**changes: Any) -> DataJobRecipe:
    return DataJobRecipe.parse({"action": "tag", "source": "exam:v1"} | changes)


def distilled(**changes: Any) -> DataJobRecipe:
    values = {"action": "distill", "source": "exam:v1", "name": "taught", "thinking_tokens": 64, "answer_tokens": 32}
    return DataJobRecipe.parse(values | changes)


async def test_domains_become_those_of_a_new_version_and_others_are_refused(folder: Path) -> None:
    named = teacher(domain=lambda number: "Diagnosis." if number % 3 else "cardiology")
    told: list[JobProgress] = []
    async with served(folder, named) as services:
        made = await services.data_jobs.run(tags(), folder / "job", on_progress=told.append)
        assert made is not None
        assert (made.id, made.samples) == ("exam:v2", COUNT)
        samples = services.training_data.samples("exam:v2")
        assert [each.domain for each in samples] == ["diagnosis" if n % 3 else "Endocrinology" for n in range(COUNT)]
        report = made.reports[-1]
        assert report.title.endswith(
            "named the domain of 8 samples; 4 replies refused because they were not on the list"
        )
        assert report.examples == ("refused 4 x: cardiology",)
        card = services.training_data.card("exam:v2")
        assert card.history.parent == "exam:v1"
        assert len(services.training_data.data_sets.dropped(made)) == 1
        actions = [each.action for each in await services.access.audit.after(0)]
        assert actions[-1] == "training_data.tag"
    assert (told[0].done, told[-1].done, told[-1].total) == (0, COUNT, COUNT)
    assert told[-1].message == "Made exam:v2 of 12 samples."


async def test_a_draw_over_domains_uses_the_tags(folder: Path) -> None:
    named = teacher(domain=lambda number: "diagnosis" if number < COUNT - 2 else "surgery")
    async with served(folder, named) as services:
        await services.data_jobs.run(tags(), folder / "job")
        samples = services.training_data.samples("exam:v2")
        drawn = curate(samples, CurationPlan(balance="domain", limit=8), evaluation={}).samples
        assert sum(each.domain == "surgery" for each in drawn) == 2


async def test_an_estimate_asks_nothing(folder: Path) -> None:
    script = teacher()
    async with served(folder, script) as services:
        found = await services.data_jobs.estimate(distilled(limit=5))
        assert (found.model, found.requests, found.most_generated) == (MODEL, 5, 5 * (64 + 32))
        assert 5 * 100 < found.prompt_tokens < 5 * 2_000
        assert found.words.startswith(f"{MODEL} would be asked about 5 questions: about ")
        assert (await services.data_jobs.estimate(tags())).most_generated == COUNT * 32
    assert script.completions == []


async def test_a_stopped_job_goes_on_where_it_was(folder: Path) -> None:
    gate = threading.Event()
    script = teacher(gate=gate)
    async with served(folder, script) as services:
        stopping = asyncio.Event()

        def stop_at(progress: JobProgress) -> None:
            if progress.done:
                stopping.set()

        assert await services.data_jobs.run(tags(), folder / "job", on_progress=stop_at, is_stopping=stopping) is None
        gate.set()
        asked = len(script.completions)
        assert await services.data_jobs.run(tags(), folder / "job") is not None
        assert len(script.completions) - asked == COUNT - 1
        again = await services.data_jobs.run(tags(), folder / "job")
        assert again is not None
        assert again.id == "exam:v2"
        assert len(script.completions) - asked == COUNT - 1


async def test_what_the_engine_fails_is_asked_again_by_the_next_attempt(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0.0)
    broken = {3}
    async with served(folder, teacher(fails=lambda number: number in broken)) as services:
        with pytest.raises(DataJobFailed, match=r"failed 1 request: .* Resume the job"):
            await services.data_jobs.run(tags(), folder / "job")
        assert len(Replies(folder / "job" / "replies.jsonl").known) == COUNT - 1
        broken.clear()
        assert await services.data_jobs.run(tags(), folder / "job") is not None


async def test_an_engine_that_fails_everything_ends_the_job_early(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0.0)
    async with served(folder, teacher(fails=lambda number: True)) as services:
        with pytest.raises(DataJobFailed, match="8 requests in a row"):
            await services.data_jobs.run(tags(), folder / "job")


async def test_distilled_reasoning_is_verified_and_cut_replies_are_left_out(folder: Path) -> None:
    def answer(number: int) -> str:
        return {1: "The answer is B.", 2: "I cannot help with that."}.get(number, "The answer is A. Adrenal gland.")

    script = teacher(answer=answer, thinking_end=lambda number: "length" if number == 0 else "stop")
    async with served(folder, script) as services:
        made = await services.data_jobs.run(distilled(), folder / "job")
        assert made is not None
        assert (made.id, made.samples) == ("taught:v1", COUNT - 3)
        sample = services.training_data.samples("taught")[0]
        assert (sample.reasoning, sample.answer) == (
            "The cortex of ward 3 makes it.",
            "The answer is A. Adrenal gland.",
        )
        why = {each.why for each in services.training_data.data_sets.dropped(made)}
        assert why == {
            "the teacher's reply was cut at its limit of tokens",
            "its answer names another option",
            "its answer names no single option",
        }
        assert "1 was cut at its limit of tokens" in made.reports[0].title
        card = services.training_data.card("taught")
        assert card.sources[0].name == f"exam:v1, answered by {MODEL}"
        assert card.history.parent == "exam:v1"


async def test_questions_of_a_set_are_distilled_although_it_is_evaluated(folder: Path) -> None:
    async with served(folder, teacher()) as services:
        questions = [
            NewQuestion(stem=each.question, options=dict(each.options), target=each.target, tags=("Endocrine",))
            for each in some_samples(COUNT)
        ]
        open_one = NewQuestion(stem="What is adrenal1 for?")
        with services.database.session() as session:
            QuestionSetRepository(session).add("pool", "pool.json", "exam", "0" * 64, [*questions, open_one])
        made = await services.data_jobs.run(distilled(source="questions:pool"), folder / "job")
        assert made is not None
        assert made.samples == COUNT
        card = services.training_data.card(made.id)
        assert card.plan.learn_from == ("pool",)
        assert {each.domain for each in services.training_data.samples(made.id)} == {"Endocrine"}


async def test_domains_become_the_first_tag_of_a_set_s_questions(folder: Path) -> None:
    named = teacher(domain=lambda number: "diagnosis" if number else "cardiology")
    async with served(folder, named) as services:
        questions = [
            NewQuestion(stem=each.question, options=dict(each.options), target=each.target, tags=("step 1", "surgery"))
            for each in some_samples(9)
        ]
        with services.database.session() as session:
            kept = QuestionSetRepository(session).add("pool", "pool.json", "exam", "0" * 64, questions)
        done = await services.data_jobs.run(tags(source="questions:pool"), folder / "job")
        assert done is not None
        assert done.words == "8 questions of pool tagged; 1 reply refused."
        with services.database.session() as session:
            found = [each.tags for each in QuestionSetRepository(session).questions(kept.id)]
        assert found == [("step 1", "surgery"), *[("diagnosis", "step 1")] * 8]
        assert (await services.access.audit.after(0))[-1].action == "questions.tag"
        assert len(await services.training_data.all()) == 1


async def test_too_few_verified_replies_are_no_data_set(folder: Path) -> None:
    async with served(folder, teacher(answer=lambda number: "The answer is C.")) as services:
        with pytest.raises(TooLittleData, match="0 of 12 samples are left"):
            await services.data_jobs.run(distilled(), folder / "job")


async def test_a_job_is_launched_with_the_version_that_a_name_means_now(folder: Path) -> None:
    async with served(folder, teacher()) as services:
        job = await services.data_jobs.launch(tags(source="exam"))
        assert (job.kind, job.name, job.recipe["source"]) == (JobKind.TRAINING_DATA, "Domains of exam:v1", "exam:v1")


async def test_a_worker_runs_the_job_to_its_version_or_stops(folder: Path) -> None:
    async with served(folder, teacher()) as services:
        run = data_job_runner(services.data_jobs, services.engines)
        job = await services.data_jobs.launch(tags())
        stopping = asyncio.Event()
        stopping.set()
        assert await run(JobContext(job, folder / "job", stopping)) is False
        assert await run(JobContext(job, folder / "job", asyncio.Event())) is True
        assert services.training_data.get("exam").version == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"action": "draw", "source": "exam"}, "action"),
        ({"action": "distill", "source": "exam"}, "a name for the new data set is missing"),
        ({"action": "distill", "source": "exam", "name": "../up"}, "is not a data set name"),
        ({"action": "tag", "source": "exam:1"}, "does not name a data set"),
        ({"action": "tag", "source": "exam", "limit": 0}, "limit"),
        ({"action": "tag", "source": "exam", "temperature": "hot"}, "temperature"),
    ],
)
def test_a_recipe_that_cannot_be_carried_out_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(DataJobRefused, match=message):
        DataJobRecipe.parse(values)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: tags(), "python -m m1app dataset tag exam:v1"),
        (lambda: tags(model="a b", limit=9), "python -m m1app dataset tag exam:v1 --model 'a b' --limit 9"),
        (
            lambda: distilled(seed=4, temperature=0.5),
            "python -m m1app dataset distill exam:v1 --name taught --thinking 64 --answer 32 --temperature 0.5"
            " --seed 4",
        ),
    ],
)
def test_a_recipe_has_a_command_line(make: Callable[[], DataJobRecipe], words: str) -> None:
    assert make().command_line() == words


async def test_samples_without_targets_cannot_be_distilled(folder: Path) -> None:
    async with served(folder, teacher()) as services:
        plan = CurationPlan(verified_only=False)
        open_ones = [a_sample(question=f"Why {n}?", options={}, target=None) for n in range(9)]
        services.training_data.data_sets.add("open", curate(open_ones, plan, evaluation={}), plan, ())
        with pytest.raises(DataJobRefused, match="only questions with a target can be distilled"):
            await services.data_jobs.estimate(distilled(source="open"))


def test_replies_survive_a_line_that_a_kill_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    Replies(path).add("a", Reply("one", generated=3))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"key": "b", "ans')
    replies = Replies(path)
    replies.add("c", Reply("two\u2028lines"))
    assert Replies(path).known == {"a": Reply("one", generated=3), "c": Reply("two\u2028lines")}
    assert json.loads(path.read_text(encoding="utf-8").split("\n")[0])["key"] == "a"
