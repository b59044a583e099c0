"""Searches for the best model, budget and strategy: by an agent model, at random, on a grid, all at equal trials.

AgentTTS (arXiv 2508.00890, github.com/FairyFali/AgentTTS_Code) has a model read the archive of trials and propose the
next. A search is a generator without I/O: it yields settings to try and prompts for the agent, and is sent scores and
replies, so that a stored pool, a live run or a test can drive it. Where the agent writes nothing that can be tried,
twice in a row, a random setting is tried instead; the agent's tokens are counted beside the trials.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from m1app.strategies.errors import FitRefused
from m1app.strategies.methods.model_json import as_number, as_text, find_object
from m1app.strategies.prompts import fill, prompts

MOST_PROPOSED = 3
"""Settings in a reply."""
_FAULTS_IN_A_ROW = 2
_MOST_CHARACTERS = 300
_MOST_TRIALS_SHOWN = 60
_MOST_TOKENS = 10**9

prompts("search")


@dataclass(frozen=True, slots=True, order=True)
class Setting:
    """What can be tried."""

    model: str
    thinking_tokens: int
    """Thinking budget of each pass."""
    choice: str
    """A strategy as it is written: "vote:k=4"."""


@dataclass(frozen=True, slots=True)
class Scored:
    """What a setting achieves."""

    accuracy: float
    """0-1."""
    tokens: float
    """For the mean question."""


@dataclass(frozen=True, slots=True)
class AgentReply:
    """What an agent wrote."""

    text: str
    tokens: int = 0
    """That it generated."""


class Proposer(StrEnum):
    """Who proposed a trial."""

    START = "start"
    """The search itself: the middle budget of each model."""
    AGENT = "agent"
    RANDOM = "random"
    GRID = "grid"


@dataclass(frozen=True, slots=True)
class Trial:
    """A setting that was tried."""

    setting: Setting
    scored: Scored
    by: Proposer


@dataclass(slots=True)
class Archive:
    """All that a search has done."""

    budget_tokens: int
    """Most tokens for the mean question."""
    trials: list[Trial] = field(default_factory=list)
    agent_calls: int = 0
    agent_tokens: int = 0
    faults: list[str] = field(default_factory=list)
    """Why replies of the agent could not be used."""
    insight: str = ""
    """What the agent concluded last."""

    def best_after(self, trials: int | None = None) -> Trial | None:
        """The most accurate of the first trials that the budget pays for, of equals the cheapest; None if none is."""
        paid = [each for each in self.trials[:trials] if each.scored.tokens <= self.budget_tokens]
        return max(paid, key=lambda each: (each.scored.accuracy, -each.scored.tokens), default=None)


@dataclass(frozen=True, slots=True)
class Try:
    """Evaluate this setting; send a `Scored`."""

    setting: Setting


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the agent; send an `AgentReply`."""

    prompt: str


Search = Generator[Try | Ask, Scored | AgentReply, Archive]


def run_search(
    search: Search, evaluate: Callable[[Setting], Scored], agent: Callable[[str], AgentReply] | None = None
) -> Archive:
    """Drive a search to its end; searches without an agent need none."""
    try:
        step = next(search)
        while True:
            if isinstance(step, Try):
                step = search.send(evaluate(step.setting))
            else:
                assert agent is not None
                step = search.send(agent(step.prompt))
    except StopIteration as stop:
        archive: Archive = stop.value
        return archive


def random_search(settings: Sequence[Setting], trials: int, budget_tokens: int, seed: int = 0) -> Search:
    """Try settings drawn without replacement; the arguments are those of `agent_search`."""
    known = _sorted(settings, trials)
    order = np.random.default_rng(seed).permutation(len(known))
    return _in_order([known[i] for i in order[:trials]], Proposer.RANDOM, budget_tokens)


def grid_search(settings: Sequence[Setting], trials: int, budget_tokens: int) -> Search:
    """Try settings at equal distances in the order of model, budget and strategy."""
    known = _sorted(settings, trials)
    places = np.linspace(0, len(known) - 1, min(trials, len(known))).round().astype(int)
    return _in_order([known[i] for i in places], Proposer.GRID, budget_tokens)


def _in_order(settings: Sequence[Setting], by: Proposer, budget_tokens: int) -> Search:
    archive = Archive(budget_tokens)
    for setting in settings:
        yield from _try(archive, setting, by)
    return archive


def agent_search(settings: Sequence[Setting], trials: int, budget_tokens: int, seed: int = 0) -> Search:
    """Have an agent propose what to try next, from all trials so far.

    It begins with the middle budget of each model, for at most half of the trials.

    Args:
        settings: all that can be tried.
        trials: most that are tried.
        budget_tokens: most tokens for the mean question.
        seed: of the settings that are tried where the agent proposes none.

    Raises:
        FitRefused: there is nothing to try.
    """
    known = _sorted(settings, trials)
    untried = {_named(each): each for each in known}
    chance, archive, in_a_row = np.random.default_rng(seed), Archive(budget_tokens), 0
    for setting in _first_settings(known)[: max(1, trials // 2)]:
        del untried[_named(setting)]
        yield from _try(archive, setting, Proposer.START)
    while untried and len(archive.trials) < trials:
        reply = yield Ask(_prompt(known, archive, trials - len(archive.trials), in_a_row))
        assert isinstance(reply, AgentReply)
        proposed = _read(reply, archive, known, untried)
        in_a_row = 0 if proposed else in_a_row + 1
        by = Proposer.AGENT
        if in_a_row == _FAULTS_IN_A_ROW:
            proposed, by, in_a_row = [list(untried.values())[chance.integers(len(untried))]], Proposer.RANDOM, 0
        for setting in proposed[: trials - len(archive.trials)]:
            del untried[_named(setting)]
            yield from _try(archive, setting, by)
    return archive


def _try(archive: Archive, setting: Setting, by: Proposer) -> Generator[Try | Ask, Scored | AgentReply, None]:
    scored = yield Try(setting)
    assert isinstance(scored, Scored)
    archive.trials.append(Trial(setting, scored, by))


def _sorted(settings: Sequence[Setting], trials: int) -> list[Setting]:
    if not settings or trials < 1:
        raise FitRefused("There is nothing to search: name at least one setting and one trial.")
    return sorted(set(settings))


def _first_settings(known: Sequence[Setting]) -> list[Setting]:
    """The middle one of each model's settings, by budget and strategy."""
    by_model: dict[str, list[Setting]] = {}
    for setting in known:
        by_model.setdefault(setting.model, []).append(setting)
    return [each[(len(each) - 1) // 2] for each in by_model.values()]


def _named(setting: Setting) -> tuple[str, int, str]:
    return setting.model, setting.thinking_tokens, setting.choice


def _read(
    reply: AgentReply, archive: Archive, known: Sequence[Setting], untried: dict[tuple[str, int, str], Setting]
) -> list[Setting]:
    """The settings of a reply that can be tried; without any, the fault is noted."""
    archive.agent_calls += 1
    archive.agent_tokens += reply.tokens
    found = find_object(reply.text, "trials")
    listed = found["trials"] if found else None
    if not found or not isinstance(listed, list):
        archive.faults.append("it was not JSON of the form that was asked for")
        return []
    archive.insight = as_text(found.get("insight"), _MOST_CHARACTERS) or archive.insight
    names = [_name_of(each) for each in listed[: 2 * MOST_PROPOSED] if isinstance(each, dict)]
    proposed = list(dict.fromkeys(untried[name] for name in names if name in untried))[:MOST_PROPOSED]
    if not proposed:
        everything = {_named(each) for each in known}
        is_old = any(name in everything for name in names)
        archive.faults.append("all its settings had been tried" if is_old else "none of its settings exists")
    return proposed


def _name_of(proposed: dict[str, object]) -> tuple[str, int, str]:
    model, choice = (as_text(proposed.get(key), _MOST_CHARACTERS) for key in ("model", "strategy"))
    return model, int(as_number(proposed.get("budget"), 0, _MOST_TOKENS, 0)), choice


def _prompt(known: Sequence[Setting], archive: Archive, left: int, in_a_row: int) -> str:
    fault = f"\nYour last reply could not be used: {archive.faults[-1]}.\n" if in_a_row else ""
    return fill(
        "search",
        "propose",
        budget=archive.budget_tokens,
        models=", ".join(sorted({each.model for each in known})),
        budgets=", ".join(str(each) for each in sorted({each.thinking_tokens for each in known})),
        strategies=", ".join(dict.fromkeys(each.choice for each in known)),
        left=left,
        trials="\n".join(_line(each, archive) for each in archive.trials[-_MOST_TRIALS_SHOWN:]),
        insight=archive.insight or "(nothing yet)",
        fault=fault,
        most=MOST_PROPOSED,
    )


def _line(trial: Trial, archive: Archive) -> str:
    over = "" if trial.scored.tokens <= archive.budget_tokens else ", too expensive"
    return (
        f"- model {trial.setting.model}, budget {trial.setting.thinking_tokens}, strategy {trial.setting.choice}: "
        f"accuracy {trial.scored.accuracy:.1%}, {trial.scored.tokens:,.0f} tokens a question{over}"
    )
