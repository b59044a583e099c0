"""Plan-and-Budget: sub-questions, and for each a share of the thinking by its difficulty (arXiv 2505.16122).

The shares are budgets of calls, so the model cannot think longer; published code writes them into the prompt of one
chain. The plan's tokens are part of the budget.
"""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

from m1app.strategies.methods.calls import MOST_CHARACTERS_SHOWN, Call, Calls, Reply, check_budget
from m1app.strategies.methods.model_json import as_number, as_text, clip, find_object
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import Action, Chat, Event, Purpose, Show, Strategy, Task, Verdict

FEWEST, MOST = 2, 5
"""Sub-questions of a plan."""
MOST_PLAN_TOKENS = 400
MOST_PART_TOKENS = 96
"""Of the answer to a sub-question."""
_MOST_CHARACTERS = 400
"""Of a sub-question."""
_HARDEST = 5

SCHEDULES: Mapping[str, Callable[[int, int], float]] = {
    "constant": lambda i, n: 1.0,
    "linear": lambda i, n: float(n - i),
    "cosine": lambda i, n: 0.5 * (1 + math.cos(math.pi * i / (n - 1))) + 0.1 if n > 1 else 1.0,
    "exponential": lambda i, n: 0.9**i,
}
"""Weight of sub-question i, from 0, of n. The cosine has 0.1 added, as in published code: the last one gets some."""

prompts("plan_and_budget")


@dataclass(frozen=True, slots=True)
class SubQuestion:
    """A step of a plan."""

    text: str
    difficulty: float
    """1-5."""


def plan_and_budget(task: Task, schedule: str = "constant") -> Strategy:
    """Plan, think about each sub-question within its budget, answer from the sub-answers.

    A plan that cannot be read is followed by one pass with what is left.

    Picture "plan": {"plan_tokens": int, "parts": [{"text": str, "difficulty": float, "budget": int, "used": int,
    "answer": str, "state": "waiting" | "running" | "done" | "failed"}, ...], "answer_tokens": int}. Budget and use of a
    part are of its thinking. No parts before there is a plan, and none if it could not be read.

    Raises:
        StrategyRefused: the budget is too small for a plan of two sub-questions.
    """
    work = _Work(task, schedule, Calls(task))
    work.calls.shown = work.picture
    plan = yield from work.calls.ask_one(work.plan_call(), keep_tokens=1 + task.answer_cap_tokens)
    work.parts = read_plan(plan.text)
    if not work.parts:
        return (yield from work.one_pass(plan))
    work.share_budget()
    yield from work.answer_parts()
    final = yield from work.calls.ask_one(work.final_call())
    return work.verdict(final)


def read_plan(text: str) -> list[SubQuestion]:
    """The sub-questions that a model wrote, the first five; none if fewer than two can be read."""
    found = find_object(text, "sub_questions")
    listed = found["sub_questions"] if found else None
    if not isinstance(listed, list):
        return []
    plan: list[SubQuestion] = []
    for each in listed[:MOST]:
        given = each if isinstance(each, dict) else {"question": each}
        question = as_text(given.get("question"), _MOST_CHARACTERS)
        if question:
            plan.append(SubQuestion(question, as_number(given.get("difficulty"), 1, _HARDEST, 3)))
    return plan if len(plan) >= FEWEST else []


def shares(weights: Sequence[float], total: int) -> list[int]:
    """Split tokens in proportion to weights by the largest remainder, at least 1 each.

    Args:
        weights: above 0.
        total: at least as many tokens as there are weights.

    Raises:
        ValueError: there are fewer tokens than weights.
    """
    if total < len(weights):
        raise ValueError(f"{total} tokens cannot be split among {len(weights)}")
    exact = [total * weight / math.fsum(weights) for weight in weights]
    given = [math.floor(each) for each in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (given[i] - exact[i], i))
    for i in by_remainder[: total - sum(given)]:
        given[i] += 1
    while 0 in given:
        given[given.index(max(given))] -= 1
        given[given.index(0)] += 1
    return given


@dataclass(slots=True)
class _Work:
    """The state of one run."""

    task: Task
    schedule: str
    calls: Calls
    parts: list[SubQuestion] = field(default_factory=list)
    budgets: list[int] = field(default_factory=list)

    @property
    def part_tokens(self) -> int:
        """Cap of a sub-question's answer."""
        return min(self.task.answer_cap_tokens, MOST_PART_TOKENS)

    def plan_call(self) -> Call:
        least = FEWEST * (1 + self.part_tokens) + self.task.answer_cap_tokens
        check_budget(self.task, least + least // 3 + 1, "a plan with two sub-questions")
        return Call(
            key="plan",
            chat=Chat(fill("plan_and_budget", "plan", question=self.task.prompt)),
            answer_tokens=min(MOST_PLAN_TOKENS, self.task.budget_tokens // 4),
            seed=self.task.seed,
            purpose=Purpose.PLAN,
        )

    def one_pass(self, plan: Reply) -> Generator[Sequence[Action], Event, Verdict]:
        """What is done without a plan."""
        left = max(1, self.calls.left_tokens - self.task.answer_cap_tokens)
        thinking = left if self.task.thinking_tokens is None else min(left, self.task.thinking_tokens)
        reply = yield from self.calls.ask_one(
            Call(
                key="pass/0",
                chat=None,
                thinking_tokens=thinking,
                answer_tokens=self.task.answer_cap_tokens,
                seed=self.task.seed,
            )
        )
        why = plan.error or "it is not JSON with two or more sub-questions"
        if not plan.error and not plan.is_whole:
            why = f"it did not end within {plan.call.answer_tokens:,} tokens"
        why = f"The plan could not be used ({why.rstrip('.')}): one pass instead. {reply.error}".strip()
        return Verdict(reply.letter, reply.text, why, reply.call.key, (self.picture(),))

    def share_budget(self) -> None:
        """Split what is left, answers set aside, by difficulty and schedule."""
        while len(self.parts) > FEWEST and self._thinking_tokens() < len(self.parts):
            self.parts.pop()  # A plan that cannot be paid loses its last steps.
        total = max(len(self.parts), self._thinking_tokens())
        if self.task.thinking_tokens is not None:
            total = max(len(self.parts), min(total, self.task.thinking_tokens))
        weight = SCHEDULES[self.schedule]
        self.budgets = shares([p.difficulty * weight(i, len(self.parts)) for i, p in enumerate(self.parts)], total)

    def _thinking_tokens(self) -> int:
        return self.calls.left_tokens - len(self.parts) * self.part_tokens - self.task.answer_cap_tokens

    def answer_parts(self) -> Generator[Sequence[Action], Event, None]:
        """Ask the sub-questions one after another: each reads the answers before it."""
        for i, budget in enumerate(self.budgets):
            prompt = fill("plan_and_budget", "part", question=self.task.prompt, steps=self._steps(), number=i + 1)
            call = Call(
                key=f"part/{i}",
                chat=Chat(prompt),
                thinking_tokens=budget,
                answer_tokens=self.part_tokens,
                seed=self.task.seed,
            )
            later = sum(self.budgets[i + 1 :]) + self.part_tokens * (len(self.parts) - i - 1)
            yield from self.calls.ask_one(call, keep_tokens=later + self.task.answer_cap_tokens)

    def final_call(self) -> Call:
        prompt = fill("plan_and_budget", "final", question=self.task.prompt, steps=self._steps())
        return Call(key="final", chat=Chat(prompt), answer_tokens=self.task.answer_cap_tokens, seed=self.task.seed)

    def verdict(self, final: Reply) -> Verdict:
        failed = [reply for reply in self._replies() if reply.error]
        lost = f" {len(failed):,} of them could not be asked: {failed[0].error}" if failed else ""
        picture = (self.picture(),)
        if final.is_answered:
            why = f"From the answers to {len(self.parts):,} sub-questions.{lost}"
            return Verdict(final.letter, final.text, why, last_shown=picture)
        named = [reply for reply in self._replies() if reply.is_answered and reply.said(self.task) is not None]
        if not named:
            return Verdict(None, "", final.error, last_shown=picture)
        why = f"The last sub-question that named an answer, since the final answer failed: {final.error}"
        return Verdict(named[-1].letter, named[-1].text, why, named[-1].call.key, picture)

    def picture(self) -> Show:
        """See `plan_and_budget`."""
        by_key = {each.call.key: each for each in self.calls.replies}
        plan, final = by_key.get("plan"), by_key.get("final") or by_key.get("pass/0")
        parts = [self._shown_part(i, budget, by_key.get(f"part/{i}")) for i, budget in enumerate(self.budgets)]
        tokens = plan.tokens if plan else 0
        return Show("plan", {"plan_tokens": tokens, "parts": parts, "answer_tokens": final.tokens if final else 0})

    def _shown_part(self, i: int, budget: int, reply: Reply | None) -> dict[str, object]:
        state = "waiting" if reply is None else "running" if not reply.is_done else "failed" if reply.error else "done"
        return {
            "text": self.parts[i].text,
            "difficulty": self.parts[i].difficulty,
            "budget": budget,
            "used": reply.thinking_tokens if reply else 0,
            "answer": clip(reply.text.strip(), MOST_CHARACTERS_SHOWN) if reply else "",
            "state": state,
        }

    def _replies(self) -> list[Reply]:
        return [each for each in self.calls.replies if each.call.key.startswith("part/")]

    def _steps(self) -> str:
        """The plan with the answers so far."""
        answers = {i: clip(each.text.strip(), _MOST_CHARACTERS) for i, each in enumerate(self._replies())}
        lines = [
            f"{i + 1}. {part.text}" + (f"\n   Answer: {answers[i]}" if answers.get(i) else "")
            for i, part in enumerate(self.parts)
        ]
        return "\n".join(lines)
