"""MIRAGE's form: sub-questions, a searching chain for each, and a last call that checks them against each other.

arXiv 2508.18260, github.com/Despacitobei/MIRAGE (b6f9f60). There, chains walk a graph of medical knowledge; here they
search a corpus of texts. The chains run side by side and share the searches.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from m1app.strategies.methods.calls import Call, Calls, Reply, check_budget
from m1app.strategies.methods.model_json import clip
from m1app.strategies.methods.retrieval.lookups import reply_values, shown, texts_of
from m1app.strategies.methods.retrieval.searching_chain import (
    MOST_SEARCHES,
    Allowance,
    Chain,
    ChainPlan,
    fitting,
    follow,
)
from m1app.strategies.passage_text import quoted
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import Action, Chat, Event, Passage, Purpose, Show, Strategy, Task, Verdict

MOST_SUB_QUESTIONS = 4
MOST_PLAN_TOKENS = 300
MOST_PART_TOKENS = 96
"""Of the answer to a sub-question."""
MOST_QUOTED = 6
"""Passages in the last prompt: the first of each chain, then the second of each, and so on."""
_MOST_PART_CHARACTERS = 400

prompts("retrieval")


def mirage(task: Task, k: int = 3, searches: int = MOST_SEARCHES, corpus: str = "") -> Strategy:
    """Sub-questions, each thought about with searches; a last call checks the answers and answers the question.

    Without sub-questions that can be read, one chain searches for the question itself, and answers it.

    Args:
        task: with or without options.
        k: most passages of a search.
        searches: most searches of all chains together.
        corpus: name of a corpus; empty searches all.

    Raises:
        StrategyRefused: the budget is too small.
    """
    work = _Work(task, k, corpus, Allowance(searches), Calls(task))
    work.calls.shown = work.picture
    plan = yield from work.calls.ask_one(work.plan_call(), keep_tokens=1 + task.answer_cap_tokens)
    parts = texts_of(plan.text, "sub_questions", MOST_SUB_QUESTIONS)
    if not parts:
        return (yield from work.one_chain(plan))
    yield from work.look_up(parts)
    last = yield from work.calls.ask_one(work.verify_call())
    return work.verdict(last)


@dataclass(slots=True)
class _Work:
    """The state of one run."""

    task: Task
    k: int
    corpus: str
    allowance: Allowance
    calls: Calls
    parts: list[str] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    share: int = 1
    """Thinking tokens of each chain, and of the last call."""

    @property
    def part_tokens(self) -> int:
        """Cap of a sub-question's answer."""
        return min(self.task.answer_cap_tokens, MOST_PART_TOKENS)

    def plan_call(self) -> Call:
        least = 2 + self.part_tokens + self.task.answer_cap_tokens
        check_budget(self.task, least + least // 3 + 1, "a sub-question and an answer")
        return Call(
            key="plan",
            chat=Chat(fill("retrieval", "sub_questions", question=self.task.prompt)),
            answer_tokens=min(MOST_PLAN_TOKENS, self.task.budget_tokens // 4),
            seed=self.task.seed,
            purpose=Purpose.PLAN,
        )

    def one_chain(self, plan: Reply) -> Generator[Sequence[Action], Event, Verdict]:
        """What is done without sub-questions."""
        thinking = max(1, self.calls.left_tokens - self.task.answer_cap_tokens)
        self._add(self.task.prompt, "Thinking", thinking, self.task.answer_cap_tokens)
        yield from follow(self.chains, self.picture)
        (chain,) = self.chains
        why = f"No sub-questions could be read, so one chain searched. {plan.error or chain.error}".strip()
        if chain.error:
            return Verdict(None, "", why, last_shown=(self.picture(),))
        return Verdict(chain.letter, chain.answer, why, chain.answered_after, (self.picture(),))

    def look_up(self, parts: Sequence[str]) -> Generator[Sequence[Action], Event, None]:
        """Run a chain for each sub-question; a budget that cannot pay for all drops the last ones."""
        self.parts = list(parts)
        while len(self.parts) > 1 and self._thinking_tokens() <= len(self.parts):
            self.parts.pop()
        total = self._thinking_tokens()
        if self.task.thinking_tokens is not None:
            total = min(total, self.task.thinking_tokens)
        self.share = max(1, total // (len(self.parts) + 1))
        for each in self.parts:
            prompt = fill("retrieval", "part", question=self.task.prompt, part=each)
            self._add(prompt, each, self.share, self.part_tokens)
        yield from follow(self.chains, self.picture)

    def _thinking_tokens(self) -> int:
        return self.calls.left_tokens - len(self.parts) * self.part_tokens - self.task.answer_cap_tokens

    def _add(self, prompt: str, title: str, thinking_tokens: int, answer_tokens: int) -> None:
        chat = Chat(fill("retrieval", "searching", searches=self.allowance.left, question=prompt))
        if self.task.thinking_tokens is not None:
            thinking_tokens = min(thinking_tokens, self.task.thinking_tokens)
        plan = ChainPlan(
            key=f"chain/{len(self.chains)}",
            chat=chat,
            thinking_tokens=fitting(self.task, thinking_tokens, chat),
            answer_tokens=answer_tokens,
            seed=self.task.seed + len(self.chains),
            k=self.k,
            corpus=self.corpus,
            title=title,
        )
        self.chains.append(Chain(plan, self.allowance))

    def verify_call(self) -> Call:
        answers = [
            f"{number}. {part}\n   Answer: {clip(chain.answer.strip(), _MOST_PART_CHARACTERS) or 'none'}"
            for number, (part, chain) in enumerate(zip(self.parts, self.chains, strict=True), 1)
        ]
        passages = quoted(self._passages()) or "No passage was found."
        prompt = fill("retrieval", "verify", question=self.task.prompt, parts="\n".join(answers), passages=passages)
        return Call(
            key="verify",
            chat=Chat(prompt),
            thinking_tokens=self.share,
            answer_tokens=self.task.answer_cap_tokens,
            seed=self.task.seed,
            purpose=Purpose.VERIFY,
        )

    def _passages(self) -> Sequence[Passage]:
        turns = zip_longest(*(each.passages for each in self.chains))
        found = {each.id: each for turn in turns for each in turn if each is not None}
        return list(found.values())[:MOST_QUOTED]

    def verdict(self, last: Reply) -> Verdict:
        answered = [each for each in self.chains if not each.error]
        searches = sum(len(each.lookups) for each in self.chains)
        count = len(self.parts)
        picture = (self.picture(),)
        if last.is_answered:
            asked = f"{count} sub-question{'s' if count != 1 else ''}"
            why = f"Checked against {asked} and {searches:,} search{'es' if searches != 1 else ''}."
            lost = [each for each in self.chains if each.error]
            if lost:
                why += f" {len(lost)} of the sub-questions could not be asked: {lost[0].error}"
            return Verdict(last.letter, last.text, why, last.call.key, picture)
        named = [each for each in answered if each.letter is not None]
        if not named:
            return Verdict(None, "", last.error, last_shown=picture)
        why = f"The last sub-question that named an answer, since the check failed: {last.error}"
        return Verdict(named[-1].letter, named[-1].answer, why, last_shown=picture)

    def picture(self) -> Show:
        """See `lookups`."""
        steps: list[dict[str, Any]] = []
        for reply in self.calls.replies:
            if reply.call.key == "plan":
                steps += reply_values(reply, "part", "Sub-questions")
        for chain in self.chains:
            steps += chain.values()
        for reply in self.calls.replies:
            if reply.call.key == "verify":
                steps += reply_values(reply, "answer", "Check")
        return shown(steps)
