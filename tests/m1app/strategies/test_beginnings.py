"""Thinkings that go on from the tokens of another one, and what is inserted after them."""

from dataclasses import replace

from m1app.strategies.protocol import Answer, Beginning, Chat, Growth, Look, Start, Task, Think, Verdict
from models.thinking.budget_forcing import Marker
from tests.m1app.strategies.scripted import (
    CLOSE,
    MARKERS,
    CharacterEngine,
    OneModel,
    Script,
    a_task,
    ids_of,
    run,
    text_of,
)

KEPT, FACT = ids_of("It is so."), ids_of(" A fact.\n")


def going_on(task: Task, beginning: Beginning, rounds: int = 0):
    """One thinking with a beginning, its answer, and a look at the beginning itself."""
    look = Look(key="look", after=beginning, choices=task.letters)
    think = Think(key="go", beginning=beginning, budget_tokens=30, seed=0, force_rounds=rounds, growth=Growth.NOTHING)
    thought = None
    actions = [Start(look), Start(think)]
    ended = set()
    while ended != {"look", "go", "answer"}:
        event = yield actions
        ended.add(event.key)
        actions = []
        if event.key == "go":
            thought = event
            actions = [Start(Answer(key="answer", after="go", cap_tokens=10))]
    return Verdict(None, thought.text, "")


async def test_a_thinking_goes_on_after_kept_and_inserted_tokens_and_its_own_are_what_it_says():
    engine = CharacterEngine(Script(think=lambda prompt, seed: "It is so. A fact.\nHence B."))
    beginning = Beginning(kept_ids=KEPT, inserted_ids=FACT, text=" A fact.\n")
    verdict, ledger = await run(going_on(a_task(), beginning), engine)
    assert verdict.answer == "Hence B."
    by_key = {entry.key: entry for entry in ledger.entries}
    assert by_key["go"].injected == len(FACT)
    assert by_key["look"].injected == len(FACT) + len(MARKERS.overrun_close.token_ids)
    assert sum(entry.generated for entry in ledger.entries) == engine.generated
    prompts = {text_of(each.prompt_ids) for each in engine.requests}
    assert "Which?<think>It is so. A fact.\n" in prompts
    assert "Which?<think>It is so. A fact.\n</think>Final answer: " in prompts
    assert "Which?<think>It is so. A fact.\nHence B.</think>Answer: " in prompts


async def test_a_prompt_of_its_own_comes_before_the_kept_tokens():
    engine = CharacterEngine(Script(think=lambda prompt, seed: "It is so. Yes."))
    await run(going_on(a_task(), Beginning(kept_ids=KEPT, text="It is so.", chat=Chat("Known. Which?"))), engine)
    assert all(text_of(each.prompt_ids).startswith("Known. Which?") for each in engine.requests)


async def test_what_comes_first_is_joined_to_the_beginning():
    """A forced round, and the closing on a line of its own, look at the text that they follow."""
    engine = CharacterEngine(Script(think=lambda prompt, seed: "It is so."))
    await run(going_on(a_task(), Beginning(kept_ids=KEPT, text="It is so."), rounds=1), engine)
    thinking = [text_of(each.prompt_ids) for each in engine.requests if CLOSE not in each.prompt_ids]
    assert thinking == ["Which?<think>It is so.", "Which?<think>It is so. Wait"]


async def test_a_closing_on_its_own_line_sees_whether_the_beginning_ends_one(monkeypatch):
    lined = replace(MARKERS, line_break=Marker("\n", ids_of("\n")))

    async def served(self, model):
        return replace(await found(self, model), markers=lined)

    found = OneModel.served
    monkeypatch.setattr(OneModel, "served", served)
    for text, inserted, closed in (("so.", (), "so.\n</think>"), (" A fact.\n", FACT, "fact.\n</think>")):
        engine = CharacterEngine(Script(think=lambda prompt, seed: "nothing like it"))
        await run(going_on(a_task(), Beginning(kept_ids=KEPT, inserted_ids=inserted, text=text)), engine)
        looks = [text_of(each.prompt_ids) for each in engine.requests if each.top_logprobs]
        assert [closed in each and f"\n{closed}" not in each for each in looks] == [True]
