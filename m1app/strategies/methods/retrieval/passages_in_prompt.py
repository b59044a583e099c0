"""Passages in the prompt: one search by the question's text, one pass that reads what it has found.

What retrieval is usually taken to mean, and the yardstick for the strategies that search while they think.
"""

from m1app.strategies.methods.calls import Call, Calls
from m1app.strategies.methods.passes import thinking_share
from m1app.strategies.methods.retrieval.lookups import Lookups, reply_values, shown
from m1app.strategies.passage_text import quoted
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import Chat, Search, Show, Strategy, Task, Verdict

prompts("retrieval")


def passages_in_prompt(task: Task, k: int = 3, corpus: str = "") -> Strategy:
    """One pass of the question with the passages that fit its text best; without passages where none fits.

    Args:
        task: with or without options.
        k: most passages.
        corpus: name of a corpus; empty searches all.

    Raises:
        StrategyRefused: the budget is too small, or the corpus cannot be searched.
    """
    thinking = thinking_share(task, 1)
    lookups, calls = Lookups(), Calls(task)

    def picture() -> Show:
        steps = [each.value() for each in lookups.all]
        return shown([*steps, *(value for each in calls.replies for value in reply_values(each, "answer", "Thinking"))])

    calls.shown = picture
    passages = yield from lookups.find(Search(key="search", query=task.stem, k=k, corpus=corpus), "Search")
    chat = Chat(fill("retrieval", "with_passages", passages=quoted(passages), question=task.prompt))
    call = Call(
        key="pass/0",
        chat=chat if passages else None,
        thinking_tokens=thinking,
        answer_tokens=task.answer_cap_tokens,
        seed=task.seed,
        is_forced=True,
    )
    reply = yield from calls.ask_one(call)
    if not reply.is_answered:
        return Verdict(None, "", reply.error, last_shown=(picture(),))
    why = f"With {len(passages):,} passage{'s' if len(passages) != 1 else ''} in the prompt."
    if not passages:
        why = "No passage was found, so the question was asked without any."
    return Verdict(reply.letter, reply.text, why, reply.call.key, (picture(),))
