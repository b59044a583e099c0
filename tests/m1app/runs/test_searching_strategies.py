"""Strategies that search the app's corpora: what they may find, what is stored, and a run that goes on after a kill."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import inspect

from m1app.access.errors import AccessRefused
from m1app.access.person import COMMAND_LINE, Person, acting_as
from m1app.bootstrap import Services, build_services
from m1app.knowledge.service import CorpusService
from m1app.knowledge.vectors import CorpusVectors
from m1app.runs.errors import ProbeRefused
from m1app.runs.strategies import StrategyService
from m1app.runs.strategy_export import strategy_run_csv, strategy_run_json
from m1app.runs.strategy_markdown import strategy_markdown
from m1app.settings import Settings
from m1app.strategies.methods.retrieval import searching_chain
from m1app.ui.shell.refusals import add_refusals
from m1app.ui.strategies.downloads import add_strategy_downloads
from m1app.ui.strategies.page import StrategiesPage
from m1app.ui.strategies.run_view import request_value, view_value
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.protocol import EngineKind
from storage.corpora.records import NewPassage
from storage.corpora.repository import FACTS
from storage.erasure.repository import ErasureRepository
from storage.people.accounts import AccountRepository
from storage.people.records import Role
from storage.strategies.repository import StrategyRepository
from storage.traces.records import TraceState
from storage.traces.repository import TraceRepository
from tests.m1app.annotation.cases import stored_trace
from tests.m1app.knowledge.meanings import serving_meanings
from tests.m1app.runs.corpora import add_corpus
from tests.m1app.runs.test_strategies import ScriptedPlanner, counted_by_engine, database, end_of, request
from tests.m1app.strategies.scripted import HANGS, CharacterEngine, Script, text_of
from tests.m1app.strategies.test_retrieval import GoingOn
from tests.storage.annotations.test_repository import add as annotate
from tests.storage.samples import QUESTION

__all__ = ["database"]

STEM = "A sailor has bleeding gums and bruises after months at sea. Which vitamin does he lack?"
WORDS = ("sailor", "vitamin", "blood", "patient", "answer", "disease", "correct", "question")
SCURVY = NewPassage(text="Bleeding gums are a sign of scurvy. <script>alert(1)</script>", heading="Scurvy", page="7")


@pytest.fixture
def corpora(database, tmp_path, no_settings):
    with acting_as(COMMAND_LINE):
        yield CorpusService(database, Settings(home=tmp_path))


def service_of(database, engine, corpora):
    return StrategyService(ScriptedPlanner(engine), database, corpora=corpora)


async def run_of(service, choice, **changes):
    begun = await service.start(request(**({"stem": STEM, "choices": (choice,), "budget_tokens": 5_000} | changes)))
    return await end_of(service, begun.run.id)


def answering(prompt, thinking):
    return "B" if "sign of scurvy" in prompt + thinking else "A"


async def test_a_run_keeps_what_was_searched_for_and_found(database, corpora):
    add_corpus(database, "sheets", SCURVY)
    service = service_of(database, CharacterEngine(Script(answer=answering)), corpora)
    over = await run_of(service, "passages:corpus=sheets")
    kept = await service.get(over.run.id)
    assert kept.strategies == over.strategies
    (strategy,) = kept.strategies
    assert (strategy.result.letter, strategy.result.is_correct) == ("B", True)
    search = strategy.requests[0]
    assert (search.purpose, search.prompt, search.finish, search.generated) == ("retrieve", STEM, "found", 0)
    quoted = "[1] Scurvy (sheets.md, page 7)\nBleeding gums are a sign of scurvy. <script>alert(1)</script>"
    assert request_value(kept, 0, 0) == {"key": "search", "prompt": STEM, "text": quoted}
    assert strategy_run_json(kept)["results"][0]["requests"][0]["text"] == quoted
    assert "Bleeding gums are a sign" in strategy_run_csv(kept)
    assert quoted.splitlines()[0] in strategy_markdown(kept)
    shown = view_value(kept)["strategies"][0]
    assert shown["requests"][0]["said"] == f"{len(quoted):,} tokens found"
    (passage,) = shown["pictures"][0]["value"]["steps"][0]["passages"]
    found = await corpora.passage(passage["id"])
    assert (found.text, passage["place"], passage["version"]) == (SCURVY.text, "Scurvy (sheets.md, page 7)", 1)
    await service.aclose()


async def test_a_run_says_how_its_passages_were_found_and_goes_on_saying_so(database, tmp_path, no_settings):
    sheets = NewPassage(text="Aspirin for every myocardial infarction.")
    corpus = add_corpus(database, "sheets", sheets)
    with acting_as(COMMAND_LINE), serving_meanings() as server:
        settings = Settings(home=tmp_path, embedding_url=server.url, embedding_model="meanings")
        vectors = CorpusVectors(database, settings)
        engine = CharacterEngine(Script(answer=lambda prompt, _: "B" if "Aspirin" in prompt else "A"))
        service = service_of(database, engine, CorpusService(database, settings, vectors))
        asked = {
            "choices": ("passages:corpus=sheets",),
            "budget_tokens": 5_000,
            "stem": "What helps in a heart attack?",
        }
        notes = []
        for letter in ("A", "B"):
            begun = await service.start(request(**asked))
            over = await end_of(service, begun.run.id)
            kept = await service.get(over.run.id)
            assert kept.strategies[0].result.letter == letter
            assert view_value(kept)["strategies"][0]["pictures"] == view_value(over)["strategies"][0]["pictures"]
            notes.append(view_value(kept)["strategies"][0]["pictures"][0]["value"]["steps"][0]["note"])
            await vectors.make(corpus)
        await service.aclose()
    assert "sheets has no vectors yet" in notes[0]
    assert notes[1] == "Found by words and meaning (meanings)."


@pytest.mark.parametrize("corpus", ["", FACTS])
async def test_no_strategy_finds_what_somebody_wrote_on_the_asked_question(database, corpora, corpus):
    same = replace(QUESTION, stem=STEM.replace("sailor", "soldier"))
    other = replace(QUESTION, stem="Which disease makes gums bleed in children who eat no fruit at all?")
    for number, question in enumerate((same, other)):
        case = stored_trace(database, question=question)
        annotate(database, case, "incorrect_fact", corrected_fact=f"Bleeding gums need vitamin C, note {number}.")
    engine = GoingOn("<search>bleeding gums vitamin note 0</search>", "Done.", answer=answering)
    service = service_of(database, engine, corpora)
    over = await run_of(service, f"searching:corpus={corpus}")
    search = next(each for each in over.strategies[0].requests if each.purpose == "retrieve")
    assert "note 1" in search.text
    assert not any("note 0." in text_of(each.prompt_ids) for each in engine.requests)
    await service.aclose()


@pytest.mark.parametrize("erased", ["trace", "question", "person"])
async def test_erasing_an_annotation_erases_the_runs_on_other_questions_that_have_read_its_fact(
    database, corpora, erased
):
    facts = {"oranges": "Scurvy is cured by oranges.", "colchicine": "Gout is treated with colchicine."}
    cases = {}
    for name, each in facts.items():
        cases[name] = stored_trace(database, question=replace(QUESTION, stem=f"Question about {name}?"))
        annotate(database, cases[name], "incorrect_fact", corrected_fact=each, who=f"writer of {name}")
    service = service_of(database, CharacterEngine(Script(answer=answering)), corpora)
    for name in facts:
        await run_of(service, f"passages:k=1:corpus={FACTS}", stem=f"What do {name} heal?")
    case, fact, other = cases["oranges"], facts["oranges"], facts["colchicine"]
    readers, others = runs_reading(database, fact), runs_reading(database, other)
    assert (len(readers), len(others), readers & others) == (1, 1, set())
    with database.session() as session:
        erasure = ErasureRepository(session)
        if erased == "person":
            done = erasure.erase_person("writer of oranges", "nobody", account_id="", is_removing=True)
            assert done.removed_strategy_runs == len(readers)
        else:
            trace = erasure.of_trace(case)
            found = trace if erased == "trace" else erasure.of_question(erasure.questions_of(trace)[0])
            assert set(found.strategy_runs) == readers
            erasure.erase(found)
    assert runs_reading(database, fact) == set()
    assert runs_reading(database, other) == others
    assert not any(fact in str(row) for row in everything(database))
    await service.aclose()


def runs_reading(database, fact):
    with database.session(is_read_only=True) as session:
        rows = session.connection().exec_driver_sql("SELECT run_id, text FROM strategy_request WHERE finish = 'found'")
        return {row.run_id for row in rows if fact in row.text}


def everything(database):
    """All rows of all tables but the full-text indexes."""
    with database.session(is_read_only=True) as session:
        connection = session.connection()
        names = [name for name in inspect(connection).get_table_names() if "_index" not in name]
        return [row for name in names for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')]


async def test_a_fact_that_somebody_else_has_written_too_keeps_its_runs(database, corpora):
    first, second = (stored_trace(database, question=replace(QUESTION, stem=f"Question {n}?")) for n in range(2))
    for case in (first, second):
        annotate(database, case, "incorrect_fact", corrected_fact="Scurvy is cured by oranges.")
    service = service_of(database, CharacterEngine(Script(answer=answering)), corpora)
    over = await run_of(service, f"passages:corpus={FACTS}", stem="Are oranges good for scurvy?")
    with database.session() as session:
        assert ErasureRepository(session).of_trace(first).strategy_runs == ()
        ErasureRepository(session).erase(ErasureRepository(session).of_trace(first))
        assert ErasureRepository(session).of_trace(second).strategy_runs == (over.run.id,)
    await service.aclose()


async def test_annotators_do_not_read_what_others_have_annotated(database, corpora):
    case = stored_trace(database, question=replace(QUESTION, stem="Which disease makes gums bleed?"))
    annotate(database, case, "incorrect_fact", corrected_fact="Bleeding gums need vitamin C.")
    add_corpus(database, "sheets", SCURVY)
    engine = CharacterEngine(Script(answer=answering))
    service = service_of(database, engine, corpora)
    with acting_as(Person("3", Role.ANNOTATOR, "ada")):
        with pytest.raises(ProbeRefused, match="Only reviewers can search"):
            await service.start(request(choices=(f"passages:corpus={FACTS}",)))
        over = await run_of(service, "passages")
    assert "Bleeding gums are a sign" in over.strategies[0].requests[0].text
    assert "Bleeding gums need vitamin C." not in over.strategies[0].requests[0].text
    await service.aclose()


async def test_the_asked_question_is_no_solved_question_that_resembles_it(database, corpora):
    solved = NewPassage(text=f"{STEM.replace('sailor', 'seaman')} Answer: vitamin C.")
    similar = NewPassage(text="A child has bleeding gums and eats no fruit. Answer: vitamin C, as in scurvy.")
    add_corpus(database, "solved", solved, similar)
    engine = CharacterEngine(Script(answer=lambda p, t: "no JSON" if "Write only JSON" in p else "B"))
    service = service_of(database, engine, corpora)
    await run_of(service, "r2-llms:solved=solved")
    prompts = [text_of(each.prompt_ids) for each in engine.requests]
    assert any("A child has bleeding gums" in each for each in prompts)
    assert not any("seaman" in each for each in prompts)
    await service.aclose()


@pytest.fixture
def app_services(tmp_path, no_settings):
    made = build_services(Settings(home=tmp_path, engine_url="http://127.0.0.1:9", cpu_jobs=0))
    yield made
    made.database.dispose()


REVIEWER, OTHER = Person("1", Role.REVIEWER, "grace"), Person("3", Role.ANNOTATOR, "ada")


async def run_that_read_facts(services):
    """The id of a reviewer's run."""
    case = stored_trace(services.database, question=replace(QUESTION, stem="Which disease makes gums bleed?"))
    annotate(services.database, case, "incorrect_fact", corrected_fact="Bleeding gums need vitamin C.")
    with acting_as(REVIEWER):
        service = service_of(services.database, CharacterEngine(Script(answer=answering)), services.corpora)
        over = await run_of(service, f"passages:corpus={FACTS}")
        await service.aclose()
    assert "Bleeding gums need vitamin C." in over.strategies[0].requests[0].text
    return over.run.id


async def test_a_run_that_read_corrected_facts_is_opened_by_reviewers_and_whoever_started_it(app_services):
    run_id = await run_that_read_facts(app_services)
    strategies, app = app_services.strategies, FastAPI()
    add_strategy_downloads(app, app_services)
    add_refusals(app)
    with acting_as(OTHER):
        for read in (strategies.get(run_id), end_of(strategies, run_id)):
            with pytest.raises(AccessRefused, match="Only reviewers and the person who started"):
                await read
        for path in (".json", ".csv", ".md", "/0/0"):
            answer = TestClient(app).get(f"/strategy-runs/{run_id}{path}")
            assert (answer.status_code, "vitamin C" in answer.text) == (403, False), path
    for reader in (COMMAND_LINE, replace(REVIEWER, id="2"), replace(REVIEWER, role=Role.VIEWER)):
        with acting_as(reader):
            assert (await strategies.get(run_id)).run.id == run_id
            assert (await end_of(strategies, run_id)).run.id == run_id


def account(database, role):
    """Somebody with an account."""
    made = database.write_now(lambda s: AccountRepository(s).add(f"a {role}", role))
    return Person(made.id, role, made.name)


async def stopped_run(database, corpora, choice):
    """The id of a run that was stopped before its model had written anything."""
    engine = CharacterEngine(Script(think=lambda prompt, seed: HANGS))
    service = service_of(database, engine, corpora)
    begun = await service.start(request(stem=STEM, choices=(choice,), budget_tokens=5_000))
    while not engine.requests:
        await asyncio.sleep(0.01)
    service.stop(begun.run.id)
    await end_of(service, begun.run.id)
    await service.aclose()
    return begun.run.id


async def test_who_resumes_a_run_does_not_lend_it_the_right_to_read_facts(database, corpora):
    case = stored_trace(database, question=replace(QUESTION, stem="Which disease makes gums bleed?"))
    annotate(database, case, "incorrect_fact", corrected_fact="Bleeding gums need vitamin C.")
    add_corpus(database, "sheets", SCURVY)
    with acting_as(account(database, Role.ANNOTATOR)):
        run_id = await stopped_run(database, corpora, "searching")
    service = service_of(database, GoingOn("<search>bleeding gums vitamin</search>", answer=answering), corpora)
    with acting_as(account(database, Role.ADMIN)):
        await service.resume(run_id)
        (strategy,) = (await end_of(service, run_id)).strategies
    (found,) = [each.text for each in strategy.requests if each.purpose == "retrieve"]
    assert "sign of scurvy" in found
    assert "vitamin C" not in found
    await service.aclose()


async def test_a_run_is_not_resumed_for_somebody_who_may_no_longer_read_facts(database, corpora):
    asker = account(database, Role.REVIEWER)
    with acting_as(asker):
        run_id = await stopped_run(database, corpora, f"searching:corpus={FACTS}")
    database.write_now(lambda s: AccountRepository(s).change(asker.id, role=Role.ANNOTATOR))
    engine = GoingOn()
    service = service_of(database, engine, corpora)
    with acting_as(account(database, Role.ADMIN)), pytest.raises(ProbeRefused, match="Only reviewers can search"):
        await service.resume(run_id)
    assert engine.requests == []


async def test_a_run_that_has_searched_nothing_is_not_resumed_once_its_corpus_is_gone(database, corpora):
    corpus = add_corpus(database, "sheets", SCURVY)
    run_id = await stopped_run(database, corpora, "searching:corpus=sheets")
    await corpora.delete(corpus.id)
    engine = GoingOn()
    with pytest.raises(ProbeRefused, match="There is no corpus named 'sheets'"):
        await service_of(database, engine, corpora).resume(run_id)
    assert engine.requests == []


SEAMAN = STEM.replace("sailor", "seaman")
"""Nearly the asked question."""


@pytest.mark.parametrize(
    "solved",
    [
        [NewPassage(text="Bleeding gums: the secret is vitamin C.", heading=SEAMAN)],
        [
            NewPassage(text="The old book begins.", key="line 1"),
            NewPassage(text=SEAMAN, key="line 2"),
            NewPassage(text="Bleeding gums: the secret is vitamin C.", key="line 2"),
        ],
    ],
    ids=["in the heading", "in another part of its row"],
)
async def test_the_solution_of_the_asked_question_is_found_out_wherever_its_question_stands(database, corpora, solved):
    similar = NewPassage(text="A child has bleeding gums. Answer: vitamin C, as in scurvy.", key="line 3")
    add_corpus(database, "solved", *solved, similar)
    engine = CharacterEngine(Script(answer=lambda p, t: "no JSON" if "Write only JSON" in p else "B"))
    service = service_of(database, engine, corpora)
    over = await run_of(service, "r2-llms:k=5:solved=solved")
    assert "A child has bleeding gums" in over.strategies[0].requests[0].text
    assert not any("the secret" in text_of(each.prompt_ids) for each in engine.requests)
    await service.aclose()


async def test_no_step_reads_how_the_asked_question_was_solved(database, corpora):
    solved = NewPassage(text=f"{STEM.replace('sailor', 'seaman')} Answer: vitamin C.")
    similar = NewPassage(text="A child has bleeding gums and eats no fruit. Answer: vitamin C, as in scurvy.")
    add_corpus(database, "solved", solved, similar)
    steps = '{"steps": ["Name the vitamin", "Compare the options"]}'
    engine = CharacterEngine(Script(answer=lambda p, t: steps if "Write only JSON" in p else "B"))
    service = service_of(database, engine, corpora)
    over = await run_of(service, "r2-llms:corpus=solved")
    searches = [each for each in over.strategies[0].requests if each.purpose == "retrieve"]
    assert [each.key for each in searches] == ["similar", "step/0/search", "step/1/search"]
    assert all("A child has bleeding gums" in each.text for each in searches)
    assert not any("seaman" in text_of(each.prompt_ids) for each in engine.requests)
    await service.aclose()


async def test_a_corpus_that_is_not_there_is_said_before_anything_is_asked(database, corpora):
    engine = CharacterEngine()
    service = service_of(database, engine, corpora)
    with pytest.raises(ProbeRefused, match="There is no corpus to search yet"):
        await service.start(request(choices=("passages",)))
    add_corpus(database, "sheets", SCURVY)
    with pytest.raises(ProbeRefused, match=r"There is no corpus named 'books'. Available: sheets, corrected facts"):
        await service.start(request(choices=("vote:k=2", "mirage:corpus=books")))
    assert engine.requests == []
    assert (await service.recent(5)) == ()


async def test_facts_are_nothing_to_search_for_those_who_may_not_read_them(database, corpora):
    case = stored_trace(database, question=replace(QUESTION, stem="Which disease makes gums bleed?"))
    annotate(database, case, "incorrect_fact", corrected_fact="Bleeding gums need vitamin C.")
    engine = CharacterEngine()
    service = service_of(database, engine, corpora)
    with acting_as(OTHER):
        with pytest.raises(ProbeRefused, match="There is no corpus to search yet"):
            await service.start(request(choices=("passages",)))
        add_corpus(database, "sheets", SCURVY)
        with pytest.raises(ProbeRefused, match=r"There is no corpus named 'books'. Available: sheets\.$"):
            await service.start(request(choices=("passages:corpus=books",)))
    assert engine.requests == []


async def test_the_page_offers_facts_to_those_who_may_read_them(app_services):
    case = stored_trace(app_services.database, question=replace(QUESTION, stem="Which disease makes gums bleed?"))
    annotate(app_services.database, case, "incorrect_fact", corrected_fact="Bleeding gums need vitamin C.")
    page = object.__new__(StrategiesPage)
    page._services = app_services
    with acting_as(REVIEWER):
        assert await page._corpora() == [FACTS]
    with acting_as(OTHER):
        assert await page._corpora() == []


class HeldEngine(GoingOn):
    """Does not begin its second thinking until it may."""

    def __init__(self, *thoughts):
        super().__init__(*thoughts, answer=answering)
        self.may_go_on = asyncio.Event()

    async def stream(self, asked):
        if self.requests:
            await self.may_go_on.wait()
        async for chunk in super().stream(asked):
            yield chunk


async def test_after_a_kill_nothing_is_searched_for_again_though_the_corpus_is_gone(database, corpora, monkeypatch):
    corpus = add_corpus(database, "sheets", SCURVY)
    engine = HeldEngine("I need gums: <search>bleeding gums</search>")
    service = service_of(database, engine, corpora)
    wanted = request(stem=STEM, choices=("searching:corpus=sheets",), budget_tokens=5_000)
    begun = await service.start(wanted)
    live = service._runs.live(begun.run.id)
    while len(live.snapshot().strategies[0].requests) < 3:
        await asyncio.sleep(0.01)
    await live.save()
    service._runs._tasks[begun.run.id].cancel()
    live.save = lambda: asyncio.sleep(0)
    await service.aclose()
    await database.write(lambda s: StrategyRepository(s).mark_interrupted(lambda owner: False, 0.0))
    await database.write(lambda s: TraceRepository(s).mark_interrupted(lambda owner: False, 0.0))
    await corpora.delete(corpus.id)

    async def never(*_, **__):
        raise AssertionError("it was searched for again")

    monkeypatch.setattr(corpora, "search", never)
    engine = GoingOn("So it is B.", answer=answering)
    after = service_of(database, engine, corpora)
    await after.resume(begun.run.id)
    (strategy,) = (await end_of(after, begun.run.id)).strategies
    assert (strategy.result.state, strategy.result.letter) == (TraceState.COMPLETED, "B")
    assert [text_of(each.prompt_ids).count("sign of scurvy") for each in engine.requests] == [1, 1]
    assert [each.key for each in strategy.requests if each.purpose == "retrieve"] == ["chain/0/search"]
    await after.aclose()


async def test_a_corpus_that_is_deleted_while_it_is_asked_is_said_and_the_budget_kept(database, corpora):
    corpus = add_corpus(database, "sheets", SCURVY)
    engine = HeldEngine("<search>gums</search>", "<search>bleeding</search>")
    service = service_of(database, engine, corpora)
    begun = await service.start(request(stem=STEM, choices=("searching:corpus=sheets",), budget_tokens=5_000))
    live = service._runs.live(begun.run.id)
    while len(live.snapshot().strategies[0].requests) < 3:
        await asyncio.sleep(0.01)
    await corpora.delete(corpus.id)
    engine.may_go_on.set()
    (strategy,) = (await end_of(service, begun.run.id)).strategies
    assert strategy.result.letter == "B"
    assert "Corpus 'sheets' not found" in strategy.result.why
    assert strategy.result.generated == engine.generated <= 5_000
    await service.aclose()


@pytest.mark.engine
async def test_strategies_that_search_cost_what_the_engine_counts(
    services: Services, engine_endpoint: Endpoint, monkeypatch
):
    # The embedded model was never taught to search: whatever it writes up to a common letter is looked up.
    monkeypatch.setattr(searching_chain, "BEGIN_SEARCH", " ")
    monkeypatch.setattr(searching_chain, "END_SEARCH", "n")
    add_corpus(services.database, "sheets", SCURVY, *(NewPassage(text=f"The {word} is in the.") for word in WORDS))
    before = counted_by_engine(engine_endpoint)
    wanted = request(stem=STEM, choices=("passages:k=1", "searching:k=1:searches=1"), budget_tokens=160)
    begun = await services.strategies.start(replace(wanted, answer_cap_tokens=4))
    over = await end_of(services.strategies, begun.run.id)
    assert [each.result.error for each in over.strategies] == ["", ""]
    assert all(each.result.generated <= 160 for each in over.strategies)
    assert {each.state for strategy in over.strategies for each in strategy.requests} == {"done"}
    told = sum(each.result.generated for each in over.strategies)
    for _ in range(50):  # A server counts a request a moment after its last token.
        if (found := counted_by_engine(engine_endpoint) - before) >= told:
            break
        await asyncio.sleep(0.1)
    # vLLM ends at the mark by itself. llama.cpp goes on until it notices that the stream is closed there.
    async with aclosing(OpenAIEngine(lambda: engine_endpoint)) as engine:
        kind = (await engine.describe()).kind
    assert 0 <= found - told <= (0 if kind is EngineKind.VLLM else wanted.budget_tokens)
    chain = over.strategies[1]
    searches = [each for each in chain.requests if each.purpose == "retrieve"]
    injected = [each.injected for each in chain.requests if each.key == "chain/1"]
    assert len(searches) == 1
    assert injected == [len(searches[0].token_ids)]
