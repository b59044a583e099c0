"""Agents answer, read each other's answers, and answer again; at the end they vote (arXiv 2505.22960).

All agents are the same model with seeds of their own. The budget is shared evenly by all answers. Ties go to the answer
with more votes over all rounds, then to that of the agent with the lowest number.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from m1app.strategies.methods.calls import Call, Calls, Reply, check_budget, transcript
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import Chat, Purpose, Show, Strategy, Task, Verdict
from m1app.wording import counted

TEMPERATURE = 0.7

prompts("debate")


def debate(task: Task, agents: int = 3, rounds: int = 2) -> Strategy:
    """Majority of what `agents` agents answer in the last of `rounds` rounds.

    Picture: "transcript", see `calls.transcript`; who is "Agent 1" and so on.

    Raises:
        StrategyRefused: the budget does not pay for one token of thinking in each answer.
    """
    calls = Calls(task)
    calls.shown = lambda: transcript(calls.replies)
    thinking = _thinking_tokens(task, agents, rounds)
    spoken = _Spoken(task)
    for number in range(1, rounds + 1):
        prompts = [spoken.prompt(agent) for agent in range(agents)]
        replies = yield from calls.ask(
            [_call(task, number, agent, prompts[agent], thinking) for agent in range(agents)],
            keep_tokens=(rounds - number) * agents * (1 + task.answer_cap_tokens),
        )
        spoken.add(replies)
    return spoken.verdict(transcript(calls.replies))


def _thinking_tokens(task: Task, agents: int, rounds: int) -> int:
    """Of each answer."""
    answers = agents * rounds
    least = answers * (1 + task.answer_cap_tokens)
    check_budget(task, least, f"a debate of {agents} agents over {rounds} rounds")
    share = task.budget_tokens // answers - task.answer_cap_tokens
    return share if task.thinking_tokens is None else min(task.thinking_tokens, share)


def _call(task: Task, number: int, agent: int, prompt: str | None, thinking: int) -> Call:
    return Call(
        key=f"round/{number}/agent/{agent}",
        chat=None if prompt is None else Chat(prompt),
        thinking_tokens=thinking,
        answer_tokens=task.answer_cap_tokens,
        seed=task.seed + agent,
        purpose=None if prompt is None else Purpose.DEBATE,
        temperature=TEMPERATURE,
        who=f"Agent {agent + 1}",
        round=number,
    )


@dataclass(slots=True)
class _Spoken:
    """What has been said so far."""

    task: Task
    rounds: list[list[Reply]] = field(default_factory=list)
    latest: dict[int, Reply] = field(default_factory=dict)
    """Last answer of each agent that answered at all."""

    def add(self, replies: list[Reply]) -> None:
        self.rounds.append(replies)
        self.latest |= {agent: each for agent, each in enumerate(replies) if each.is_answered}

    def prompt(self, agent: int) -> str | None:
        """What an agent is asked; None for the question itself, as long as there is nothing to compare."""
        others = [
            fill("debate", "other", number=number + 1, answer=each.quoted())
            for number, each in sorted(self.latest.items())
            if number != agent
        ]
        if not others:
            return None
        own = self.latest[agent].quoted() if agent in self.latest else "(none)"
        return fill("debate", "again", question=self.task.prompt, own=own, others="\n\n".join(others))

    def verdict(self, picture: Show) -> Verdict:
        said = {agent: text for agent, each in self.latest.items() if (text := each.said(self.task)) is not None}
        errors = [each.error for replies in self.rounds for each in replies if each.error]
        if not said:
            why = errors[0] if errors else "No agent named an answer."
            return Verdict(None, "", why, last_shown=(picture,))
        winner, votes = self._winner(list(said.values()))
        of = self.latest[min(agent for agent, text in said.items() if text == winner)]
        agents = len(self.rounds[0])
        after = counted(len(self.rounds), "round")
        why = f"{votes:,} of {agents:,} agents gave this answer after {after}; {self._changed()}."
        if errors:
            why += f" {len(errors):,} answers are missing, and earlier ones stand for them: {errors[0]}"
        letter = winner if self.task.options else None
        return Verdict(letter, of.text, why, of.call.key, (picture,))

    def _winner(self, said: Sequence[str]) -> tuple[str, int]:
        votes = Counter(said)
        over_all = Counter(each.said(self.task) for replies in self.rounds for each in replies if each.is_answered)
        winner = max(votes, key=lambda each: (votes[each], over_all[each], -said.index(each)))
        return winner, votes[winner]

    def _changed(self) -> str:
        first = {agent: each.said(self.task) for agent, each in enumerate(self.rounds[0]) if each.is_answered}
        changed = sum(self.latest[agent].said(self.task) != text for agent, text in first.items())
        return f"{changed:,} changed theirs" if changed else "none changed theirs"
