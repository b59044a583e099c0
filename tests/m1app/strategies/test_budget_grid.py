"""The grid as a strategy: each cell is answered as a run of its own would be, also after a kill anywhere."""

import asyncio
from dataclasses import replace

import pytest

from m1app.strategies.drivers.driver import Driver
from m1app.strategies.drivers.ledger import EntryState, Ledger
from m1app.strategies.drivers.observer import Observer
from m1app.strategies.drivers.served_models import OneModel, ServedModel
from m1app.strategies.methods.budget_forcing import budget_forcing
from m1app.strategies.methods.budget_grid import THINK_KEY, answer_key, budget_grid
from m1app.strategies.protocol import Answer, Purpose
from models.engine.protocol import EngineInfo, EngineKind
from models.errors import EngineError
from models.profiles.forcing import Forcing
from models.thinking.budget_forcing import Markers, SegmentKind, ThinkingFinish
from models.thinking.going_on import Stretch
from models.thinking.sweep import SweepPlan, budget_ends, grid
from models.thinking.sweep import thinking_tokens_generated as generated
from models.thinking.thinking_pass import SegmentClosed, SegmentGrew, SegmentOpened
from tests.m1app.strategies.scripted import (
    MARKERS,
    OPTIONS,
    CharacterEngine,
    Script,
    a_profile,
    a_task,
    ids_of,
    marker,
    text_of,
)

TEXTS = ["01234", "01234 Wait abc", "01234 Wait abc Wait xyz.", "01234 Wait abc Wait xyz. Wait uvw"]
TEXTS += [each.replace(" Wait", "Wait") for each in TEXTS]


class StoppingEngine(CharacterEngine):
    """Stops after each of its texts, whatever the seed, in pieces too."""

    def __init__(self, kind: EngineKind, end: str) -> None:
        super().__init__(Script(), kind)
        self.end = end

    def _thinking(self, prompt: str, so_far: str, seed: int) -> str:
        whole = next(f"{each}{self.end}" for each in TEXTS if f"{each}{self.end}".startswith(so_far))
        return whole[len(so_far) :]


BY_TEXT = replace(MARKERS, stop_token_ids=(), stop_texts=("#%",), line_break=marker("\n"))
"""A family that ends its thinking by text, of two tokens."""
CELLS = grid(range(1, 32), (0, 1, 2, 3))


class Watching(Observer):
    """Keeps events of the thinking, and where each answer was asked."""

    def __init__(self):
        self.events, self.answers, self.looks, self.pictures = [], {}, set(), {}

    def began(self, request, model, prompt_ids, close=None):
        if isinstance(request, Answer):
            self.answers[request.key] = text_of(prompt_ids)
        elif request.purpose is Purpose.PROBE:
            self.looks.add(text_of(prompt_ids))

    def took(self, request, event):
        if request.key == THINK_KEY:
            self.events.append(event)

    def shown(self, name, value):
        self.pictures[name] = value


def driver_of(strategy, engine, markers: Markers, observer: Observer, **named) -> Driver:
    info = EngineInfo(engine.kind, "1", "scripted", 100_000)
    model = ServedModel("toy", engine, info, a_profile(), markers, "")
    ledger = named.pop("ledger", None) or Ledger(None)
    return Driver(
        strategy,
        OneModel(model),
        ledger,
        ids_of("Which?"),
        options=OPTIONS,
        temperature=0.6,
        observer=observer,
        **named,
    )


def swept(end: str, markers: Markers, cells=CELLS, kind=EngineKind.VLLM, **named) -> tuple[Watching, SweepPlan]:
    plan, seen = SweepPlan(cells, markers.forcing), Watching()
    ends = budget_ends(cells, (len(markers.wait.token_ids), len(markers.spaced_wait.token_ids)), markers.forcing)
    strategy = budget_grid(a_task(), plan, ends=ends, at_once=1 if kind is EngineKind.LLAMA_CPP else 4)
    asyncio.run(driver_of(strategy, StoppingEngine(kind, end), markers, seen, **named).run())
    return seen, plan


def alone(end: str, markers: Markers, cell) -> tuple[str, int]:
    """The answer's prompt of the cell in a run of its own, and the tokens that its thinking generated."""
    seen, ledger = Watching(), Ledger(None)
    task = a_task(thinking_tokens=cell.budget_tokens, force_rounds=cell.force_rounds)
    asyncio.run(
        driver_of(budget_forcing(task), StoppingEngine(EngineKind.VLLM, end), markers, seen, ledger=ledger).run()
    )
    return seen.answers["pass/0/answer"], ledger.entry("pass/0").generated


FAMILIES = [
    pytest.param("", MARKERS, id="by a token"),
    pytest.param("#%", BY_TEXT, id="by text"),
    pytest.param("#%", replace(BY_TEXT, forcing=Forcing.AS_PUBLISHED), id="as published"),
]


@pytest.mark.parametrize(("end", "markers"), FAMILIES)
def test_each_cell_is_answered_as_in_a_run_of_its_own(end, markers):
    seen, plan = swept(end, markers)
    assert plan.cuts.keys() == set(CELLS)
    here = {cell: (seen.answers[answer_key(cut)], generated(cut, plan.stops)) for cell, cut in plan.cuts.items()}
    assert here == {cell: alone(end, markers, cell) for cell in CELLS}
    assert len(seen.answers) == len(set(plan.cuts.values()))
    assert seen.looks == set(seen.answers.values()), "the options are looked at where it is answered"
    drawn = seen.pictures["cuts"]
    assert sum(len(each["cells"]) for each in drawn) == len(CELLS)


def stretches_of(events, tokens: int) -> list[Stretch]:
    """What is stored after so many tokens."""
    found: list[Stretch] = []
    for event in events:
        match event:
            case SegmentOpened(kind):
                found.append(Stretch(kind, "", ()))
            case SegmentGrew(text, ids) if sum(len(each.token_ids) for each in found) + len(ids) > tokens:
                return found if found[-1].kind is SegmentKind.THINK else found[:-1]
            case SegmentGrew(text, ids):
                found[-1] = replace(found[-1], text=found[-1].text + text, token_ids=found[-1].token_ids + ids)
            case SegmentClosed(is_natural, delimiter) if found[-1].kind is SegmentKind.THINK:
                finish = ThinkingFinish.NATURAL if is_natural else ThinkingFinish.BUDGET
                found[-1] = replace(found[-1], finish=finish, delimiter_ids=delimiter)
    return found


@pytest.mark.parametrize("kind", [EngineKind.VLLM, EngineKind.LLAMA_CPP])
@pytest.mark.parametrize(("end", "markers"), FAMILIES)
def test_after_a_kill_anywhere_it_comes_to_the_same(end, markers, kind):
    cells = grid((2, 5, 6, 7, 11, 14, 24, 30), (0, 1, 3))
    whole, plan = swept(end, markers, cells, kind)
    tokens = sum(len(event.token_ids) for event in whole.events if isinstance(event, SegmentGrew))
    for kept in range(tokens + 1):
        begun = stretches_of(whole.events, kept)
        again, same = swept(end, markers, cells, kind, begun={THINK_KEY: begun})
        assert (again.answers, same.cuts, same.stops) == (whole.answers, plan.cuts, plan.stops), kept
        grown = [event.token_ids for event in again.events if isinstance(event, SegmentGrew)]
        assert sum(map(len, grown)) == tokens - sum(len(each.token_ids) for each in begun), "nothing is thought twice"


def test_a_person_has_it_answer_where_it_is():
    plan, seen = SweepPlan(grid((4, 500), (0,))), Watching()
    engine = CharacterEngine(Script(think=lambda prompt, seed: "." * 600))
    strategy = budget_grid(a_task(), plan, ends=frozenset({4, 500}))
    driver = driver_of(strategy, engine, MARKERS, seen)

    async def answered():
        running = asyncio.create_task(driver.run())
        while len(seen.events) < 40:
            await asyncio.sleep(0)
        driver.answer_now()
        await running

    asyncio.run(answered())
    short, long = sorted(plan.cuts.values())
    assert (short.tokens, short.finish) == (4, ThinkingFinish.BUDGET)
    assert 4 < long.tokens < 500 and long.finish is ThinkingFinish.EARLY_EXIT
    assert seen.answers[answer_key(long)] == f"Which?<think>{'.' * long.tokens}</think>Final answer: "


def test_an_engine_that_is_paused_answers_one_cut_at_a_time_before_it_goes_on():
    engine = CharacterEngine(Script(think=lambda prompt, seed: "." * 60), EngineKind.LLAMA_CPP)
    plan, seen = SweepPlan(grid((8, 16, 32), (0,))), Watching()
    strategy = budget_grid(a_task(), plan, ends=frozenset({8, 16, 32}))
    asyncio.run(driver_of(strategy, engine, MARKERS, seen).run())
    assert engine.open["most"] == 1
    order = [text_of(each.prompt_ids).count(".") for each in engine.requests]
    assert order == [0, 8, 8, 8, 16, 16, 16, 32, 32], "answer and look at each cut, and then the next piece"


def test_the_ledger_of_a_sweep_counts_what_the_engine_generated():
    engine, ledger = StoppingEngine(EngineKind.VLLM, ""), Ledger(None)
    cells = grid((3, 20), (0, 1))
    strategy = budget_grid(a_task(), SweepPlan(cells), ends=frozenset({3, 20}))
    asyncio.run(driver_of(strategy, engine, MARKERS, Watching(), ledger=ledger).run())
    assert ledger.costs.generated == engine.generated
    assert {each.state for each in ledger.entries} == {EntryState.DONE}


def test_a_thinking_that_cannot_be_read_again_at_once_still_goes_on_where_it_was(monkeypatch):
    monkeypatch.setattr("m1app.strategies.drivers.driver._RETRY_SECONDS", 0)
    cells = grid((2, 4, 30), (0, 1))
    whole, plan = swept("", MARKERS, cells)
    failures = iter([EngineError("gone")])
    detokenize = StoppingEngine.detokenize

    async def fail_once(self, token_ids):
        for error in failures:
            raise error
        return await detokenize(self, token_ids)

    monkeypatch.setattr(StoppingEngine, "detokenize", fail_once)
    again, same = swept("", MARKERS, cells, begun={THINK_KEY: stretches_of(whole.events, 5)})
    assert next(failures, None) is None, "it was asked to spell the tokens"
    assert (again.answers, same.cuts) == (whole.answers, plan.cuts)
