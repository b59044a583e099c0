"""The two levels of R2-LLMs (arXiv 2507.05557): solved questions that resemble the asked one, and passages for a step.

First, similar solved questions are found, and the model writes from them how such questions are solved, in general
steps. Then each step is done with passages that were found for it. There, steps are chosen by a tree search with a
trained reward model; here each is done once.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

from m1app.strategies.methods.calls import Call, Calls, Reply, check_budget
from m1app.strategies.methods.model_json import clip
from m1app.strategies.methods.retrieval.lookups import Lookups, reply_values, shown, texts_of
from m1app.strategies.passage_text import quoted
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import Action, Chat, Event, Passage, Purpose, Search, Show, Strategy, Task, Verdict

FEWEST_STEPS, MOST_STEPS = 2, 4
MOST_TEMPLATE_TOKENS = 300
MOST_STEP_TOKENS = 96
"""Of what is said about a step."""
_MOST_STEP_CHARACTERS = 400

prompts("retrieval")


def two_levels(task: Task, k: int = 3, solved: str = "", corpus: str = "") -> Strategy:
    """General steps from similar solved questions, each done with passages of its own, and an answer from them.

    Where no solved question is found, or no steps can be read, one pass is asked with what was found.

    Args:
        task: with or without options.
        k: most solved questions, and most passages of a step.
        solved: name of a corpus of solved questions; empty searches the corpus of the passages.
        corpus: name of a corpus; empty searches all.

    Raises:
        StrategyRefused: the budget is too small, or the solved questions cannot be searched.
    """
    work = _Work(task, k, solved or corpus, corpus, Calls(task))
    work.calls.shown = work.picture
    work.check_budget()
    similar = yield from work.lookups.find(work.similar(), "Similar questions")
    if not similar:
        return (yield from work.one_pass(similar, "No solved question was found"))
    template = yield from work.calls.ask_one(work.template_call(similar), keep_tokens=1 + task.answer_cap_tokens)
    work.steps = texts_of(template.text, "steps", MOST_STEPS)
    if len(work.steps) < FEWEST_STEPS:
        return (yield from work.one_pass(similar, "No steps could be read"))
    yield from work.do_steps()
    final = yield from work.calls.ask_one(work.final_call())
    return work.verdict(final)


@dataclass(slots=True)
class _Work:
    """The state of one run."""

    task: Task
    k: int
    solved: str
    corpus: str
    calls: Calls
    lookups: Lookups = field(default_factory=Lookups)
    steps: list[str] = field(default_factory=list)
    said: dict[int, str] = field(default_factory=dict)
    """What was said about each step."""

    @property
    def step_tokens(self) -> int:
        """Cap of what is said about a step."""
        return min(self.task.answer_cap_tokens, MOST_STEP_TOKENS)

    def check_budget(self) -> None:
        least = FEWEST_STEPS * (1 + self.step_tokens) + self.task.answer_cap_tokens
        check_budget(self.task, least + least // 3 + 1, "two steps and an answer")

    def similar(self) -> Search:
        return Search(key="similar", query=self.task.stem, k=self.k, corpus=self.solved, is_of_questions=True)

    def of_step(self, i: int) -> Search:
        """A step's search, which may look through the solved questions too."""
        query = f"{self.steps[i]}\n{self.task.stem}"
        return Search(key=f"step/{i}/search", query=query, k=self.k, corpus=self.corpus, is_of_questions=True)

    def template_call(self, similar: Sequence[Passage]) -> Call:
        return Call(
            key="template",
            chat=Chat(fill("retrieval", "template", passages=quoted(similar), question=self.task.prompt)),
            answer_tokens=min(MOST_TEMPLATE_TOKENS, self.task.budget_tokens // 4),
            seed=self.task.seed,
            purpose=Purpose.PLAN,
        )

    def one_pass(self, similar: Sequence[Passage], reason: str) -> Generator[Sequence[Action], Event, Verdict]:
        """What is done without steps."""
        left = max(1, self.calls.left_tokens - self.task.answer_cap_tokens)
        prompt = fill("retrieval", "with_passages", passages=quoted(similar), question=self.task.prompt)
        reply = yield from self.calls.ask_one(
            Call(
                key="pass/0",
                chat=Chat(prompt) if similar else None,
                thinking_tokens=left if self.task.thinking_tokens is None else min(left, self.task.thinking_tokens),
                answer_tokens=self.task.answer_cap_tokens,
                seed=self.task.seed,
            )
        )
        why = f"{reason}: one pass instead. {reply.error}".strip()
        return Verdict(reply.letter, reply.text, why, reply.call.key, (self.picture(),))

    def do_steps(self) -> Generator[Sequence[Action], Event, None]:
        """Look up and do one step after another: each reads what was said before it."""
        while len(self.steps) > 1 and self._thinking_tokens() < len(self.steps):
            self.steps.pop()  # Steps that cannot be paid.
        total = max(len(self.steps), self._thinking_tokens())
        if self.task.thinking_tokens is not None:
            total = max(len(self.steps), min(total, self.task.thinking_tokens))
        share = total // len(self.steps)
        for i in range(len(self.steps)):
            found = yield from self.lookups.find_more(self.of_step(i), f"Step {i + 1}")
            call = self._step_call(i, share, found)
            later = (len(self.steps) - i - 1) * (share + self.step_tokens)
            reply = yield from self.calls.ask_one(call, keep_tokens=later + self.task.answer_cap_tokens)
            if reply.is_answered:
                self.said[i] = clip(reply.text.strip(), _MOST_STEP_CHARACTERS)

    def _thinking_tokens(self) -> int:
        return self.calls.left_tokens - len(self.steps) * self.step_tokens - self.task.answer_cap_tokens

    def _step_call(self, i: int, share: int, found: Sequence[Passage]) -> Call:
        prompt = fill(
            "retrieval",
            "step",
            question=self.task.prompt,
            steps=self._steps(),
            number=i + 1,
            passages=quoted(found) or "No passage was found.",
        )
        return Call(
            key=f"step/{i}",
            chat=Chat(prompt),
            thinking_tokens=share,
            answer_tokens=self.step_tokens,
            seed=self.task.seed,
        )

    def final_call(self) -> Call:
        prompt = fill("retrieval", "final", question=self.task.prompt, steps=self._steps())
        return Call(key="final", chat=Chat(prompt), answer_tokens=self.task.answer_cap_tokens, seed=self.task.seed)

    def _steps(self) -> str:
        """The steps, with what was said about them so far."""
        lines = [
            f"{i + 1}. {step}" + (f"\n   Done: {self.said[i]}" if self.said.get(i) else "")
            for i, step in enumerate(self.steps)
        ]
        return "\n".join(lines)

    def verdict(self, final: Reply) -> Verdict:
        picture = (self.picture(),)
        if final.is_answered:
            found = len(self.lookups.known)
            why = f"From {len(self.steps)} steps and {found:,} passage{'s' if found != 1 else ''}."
            return Verdict(final.letter, final.text, f"{why} {self.lookups.note}".strip(), last_shown=picture)
        return Verdict(None, "", f"{final.error} {self.lookups.note}".strip(), last_shown=picture)

    def picture(self) -> Show:
        """See `lookups`: each search stands before the call that reads what it has found."""
        by_key = {each.call.key: each for each in self.calls.replies}
        values: list[dict[str, Any]] = []
        for place, lookup in enumerate(self.lookups.all):
            values.append(lookup.value())
            key, title = ("template", "Steps") if not place else (f"step/{place - 1}", f"Step {place}")
            if key in by_key:
                values += reply_values(by_key[key], "part", title)
        for key in ("pass/0", "final"):
            if key in by_key:
                values += reply_values(by_key[key], "answer", "Answer")
        return shown(values)
