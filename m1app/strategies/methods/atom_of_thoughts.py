"""Atom of Thoughts: a question is contracted to a simpler one with the same answer (arXiv 2502.12018).

At each depth: answer directly; decompose, and label the sub-questions with what they depend on; contract what is known
and what is open to a simpler question; solve that, which is the same again, one depth lower; an ensemble decides. After
github.com/qixucen/atom, where the contracted question is only answered directly, whatever the depth, and the ensemble's
own answer is dropped for that of one of the three; here both are as the paper says.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from m1app.strategies.methods.calls import MOST_CHARACTERS_SHOWN, Call, Calls, Reply, check_budget
from m1app.strategies.methods.model_json import as_text, clip, find_object
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import Action, Chat, Event, Purpose, Show, Strategy, Task, Verdict

MOST_NODES = 12
"""Sub-questions that are kept."""
MOST_LABEL_TOKENS = 600
MOST_CONTRACT_TOKENS = 300
_MOST_CHARACTERS = 400
"""Of a sub-question or its answer."""
_MOST_CHARACTERS_CONTRACTED = 2_000
_MOST_CHARACTERS_LABELLED = 6_000
"""Of the reasoning that is labelled."""
_THINKING_CALLS = 3
"""At each depth, besides the direct answer at its end: direct, decompose, ensemble."""
# No tag within: else each of many tags without an end would be followed to the end of the text.
_CONTRACTED = re.compile(r"<question>((?:(?!<question>).)*?)</question>", re.DOTALL | re.IGNORECASE)

prompts("atom_of_thoughts")


@dataclass(frozen=True, slots=True)
class Node:
    """A sub-question."""

    text: str
    answer: str
    depends: tuple[int, ...]
    """Numbers of the nodes whose answers it needs; they make no circle."""


@dataclass(frozen=True, slots=True)
class Graph:
    """Sub-questions and what they depend on."""

    nodes: tuple[Node, ...] = ()
    faults: tuple[str, ...] = ()
    """What was wrong with it as it was written, and put right."""

    @property
    def known(self) -> list[Node]:
        """Those that depend on nothing."""
        return [node for node in self.nodes if not node.depends]

    @property
    def open(self) -> list[Node]:
        """Those that depend on others."""
        return [node for node in self.nodes if node.depends]


class State(StrEnum):
    """What becomes of a sub-question."""

    KNOWN = "known"
    """It depends on nothing: its answer becomes part of the contracted question."""
    OPEN = "open"
    """It depends on others: the contracted question has to answer it."""
    SOLVED = "solved"
    """It was open, and the contracted question has been answered."""


def read_graph(text: str) -> Graph:
    """The graph that a model wrote; without nodes if it cannot be read.

    Of more than 12 sub-questions the first 12 are kept, dependencies on what does not exist are dropped, and those that
    close a circle too.
    """
    found = find_object(text, "sub_questions")
    listed = found["sub_questions"] if found else None
    if not isinstance(listed, list):
        return Graph()
    faults = (
        [f"only the first {MOST_NODES} of {len(listed):,} sub-questions were kept"] if len(listed) > MOST_NODES else []
    )
    written = [each if isinstance(each, dict) else {"question": each} for each in listed[:MOST_NODES]]
    numbers = [i for i, each in enumerate(written) if as_text(each.get("question"), _MOST_CHARACTERS)]
    places = {number: place for place, number in enumerate(numbers)}
    depends = [_dependencies(written[number].get("depends"), places) for number in numbers]
    if any(is_dangling for _, is_dangling in depends):
        faults.append("dependencies on sub-questions that do not exist were dropped")
    edges = [needs for needs, _ in depends]
    if _has_circle(edges):
        edges = [{other for other in needs if other < place} for place, needs in enumerate(edges)]
        faults.append("sub-questions that depend on each other in a circle depend on earlier ones only")
    nodes = (
        Node(
            as_text(written[number].get("question"), _MOST_CHARACTERS),
            as_text(written[number].get("answer"), _MOST_CHARACTERS),
            tuple(sorted(edges[place])),
        )
        for place, number in enumerate(numbers)
    )
    return Graph(tuple(nodes), tuple(faults))


def _dependencies(given: object, places: dict[int, int]) -> tuple[set[int], bool]:
    """Nodes that are depended on, and whether others were named that do not exist."""
    named = given if isinstance(given, list) else []
    numbers = [each for each in named[: 2 * MOST_NODES] if isinstance(each, int) and not isinstance(each, bool)]
    found = {places[number] for number in numbers if number in places}
    return found, len(numbers) < len(named) or any(number not in places for number in numbers)


def _has_circle(edges: Sequence[set[int]]) -> bool:
    left = set(range(len(edges)))
    while free := {place for place in left if not edges[place] & left}:
        left -= free
    return bool(left)


def atom_of_thoughts(task: Task, depth: int = 1) -> Strategy:
    """What the ensemble says of the direct, the decomposed and the contracted solution.

    Picture "graph": {"nodes": [{"id": str, "text": str, "depends": [id, ...], "state": a `State`, "answer": str}, ...],
    "steps": [{"name": str, "depth": int, "text": str, "letter": str or null, "tokens": int, "is_done": bool}, ...]}.
    Each depth, from 0, has its nodes, and one for its contracted question, which depends on all of the depth; the name
    of a step is "direct", "decompose", "label", "contract" or "ensemble".

    Args:
        task: the question.
        depth: how often a question is contracted: 1 + 5 x depth calls.

    Raises:
        StrategyRefused: the budget does not pay for one token of thinking in each call.
    """
    work = _Work(task, depth, Calls(task))
    work.check()
    work.calls.shown = work.picture
    answer = yield from work.solve(0, task.prompt)
    return work.verdict(answer)


@dataclass(slots=True)
class _Level:
    """What is known at one depth."""

    graph: Graph = field(default_factory=Graph)
    contracted: str = ""
    solution: Reply | None = None
    """Of the contracted question."""


@dataclass(slots=True)
class _Work:
    """The state of one run."""

    task: Task
    depth: int
    calls: Calls
    levels: list[_Level] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def _short_tokens(self) -> int:
        """Caps of labelling and contracting, together."""
        return self._label_tokens + self._contract_tokens

    @property
    def _label_tokens(self) -> int:
        return max(1, min(MOST_LABEL_TOKENS, self.task.budget_tokens // (8 * self.depth)))

    @property
    def _contract_tokens(self) -> int:
        return max(1, min(MOST_CONTRACT_TOKENS, self.task.budget_tokens // (16 * self.depth)))

    def check(self) -> None:
        # Labels and contracted questions take up to three sixteenths; the others answer, and think for a token.
        thinking = _THINKING_CALLS * self.depth + 1
        least = -(-thinking * (self.task.answer_cap_tokens + 1) * 16 // 13) + 2 * self.depth
        check_budget(self.task, least, f"{1 + 5 * self.depth} calls")

    def _thinking_tokens(self, left_calls: int, left_levels: int) -> int:
        """Of each of so many thinking calls that are left, with so many levels to be labelled and contracted."""
        left = self.calls.left_tokens - left_levels * self._short_tokens - left_calls * self.task.answer_cap_tokens
        share = max(1, left // left_calls)
        return share if self.task.thinking_tokens is None else min(share, self.task.thinking_tokens)

    def solve(self, at: int, question: str) -> Generator[Sequence[Action], Event, Reply]:
        """The answer to a question at a depth, from 0; the last depth is answered directly."""
        levels = self.depth - at
        # Ensembles of the depths above are still to come.
        calls = _THINKING_CALLS * levels + 1 + at
        thinking = self._thinking_tokens(calls, levels)
        direct = self._call("direct", at, None if at == 0 else question, thinking)
        if not levels:
            return (yield from self.calls.ask_one(direct, keep_tokens=self._kept(at)))
        decompose = self._call("decompose", at, fill("atom_of_thoughts", "decompose", question=question), thinking)
        kept = self._kept(at + 1)
        direct_reply, decomposed = yield from self.calls.ask([direct, decompose], keep_tokens=kept)
        self.levels.append(_Level())
        contracted = yield from self._contract(at, question, decomposed)
        solutions = [direct_reply, decomposed, *([contracted] if contracted else [])]
        return (yield from self._decide(at, question, solutions))

    def _contract(self, at: int, question: str, decomposed: Reply) -> Generator[Sequence[Action], Event, Reply | None]:
        """The answer to the contracted question; None if there is none."""
        level, kept = self.levels[at], self._kept(at + 1)
        if not decomposed.is_answered:
            return None
        reasoning = decomposed.quoted(_MOST_CHARACTERS_LABELLED)
        prompt = fill("atom_of_thoughts", "label", question=question, reasoning=reasoning, most=MOST_NODES)
        label = yield from self.calls.ask_one(self._short("label", at, prompt, self._label_tokens), keep_tokens=kept)
        level.graph = read_graph(label.text)
        self.notes += level.graph.faults
        if not level.graph.known or not level.graph.open:
            self.notes.append(label.error.rstrip(".") or _why_not(level.graph, label))
            return None
        prompt = fill(
            "atom_of_thoughts",
            "contract",
            question=question,
            known="\n".join(f"- {node.text} {node.answer}".rstrip() for node in level.graph.known),
            open="\n".join(f"- {node.text}" for node in level.graph.open),
        )
        reply = yield from self.calls.ask_one(
            self._short("contract", at, prompt, self._contract_tokens), keep_tokens=kept
        )
        found = _CONTRACTED.search(reply.text)
        level.contracted = clip(found[1].strip(), _MOST_CHARACTERS_CONTRACTED) if found else ""
        if not level.contracted:
            self.notes.append(reply.error.rstrip(".") or "the contracted question could not be read")
            return None
        level.solution = yield from self.solve(at + 1, self._with_options(level.contracted))
        return level.solution

    def _decide(self, at: int, question: str, solutions: list[Reply]) -> Generator[Sequence[Action], Event, Reply]:
        answered = [each for each in solutions if each.is_answered]
        self.notes += [f"{_name(each)} failed: {each.error.rstrip('.')}" for each in solutions if each.error]
        if not answered:
            return solutions[0]
        listed = "\n\n".join(f"Solution {i}:\n{each.quoted()}" for i, each in enumerate(answered, start=1))
        prompt = fill("atom_of_thoughts", "ensemble", question=question, solutions=listed)
        reply = yield from self.calls.ask_one(
            self._call("ensemble", at, prompt, self._thinking_tokens(at + 1, 0)), keep_tokens=self._kept(at)
        )
        if reply.said(self.task) is not None:
            return reply
        self.notes.append(
            f"the ensemble {'failed: ' + reply.error.rstrip('.') if reply.error else 'named no answer'}: "
            "most of its solutions decide"
        )
        named = [each for each in answered if each.said(self.task) is not None]
        said = [each.said(self.task) for each in named]
        return max(named, key=lambda each: said.count(each.said(self.task)), default=answered[0])

    def _kept(self, above: int) -> int:
        """What the ensembles of so many depths need at least."""
        return above * (1 + self.task.answer_cap_tokens)

    def _call(self, name: str, at: int, prompt: str | None, thinking: int) -> Call:
        return Call(
            key=f"depth/{at}/{name}",
            chat=None if prompt is None else Chat(prompt),
            thinking_tokens=thinking,
            answer_tokens=self.task.answer_cap_tokens,
            seed=self.task.seed + len(self.calls.replies) + (name == "decompose"),
            who=name,
            round=at,
        )

    def _short(self, name: str, at: int, prompt: str, tokens: int) -> Call:
        call = self._call(name, at, prompt, 0)
        return replace(call, answer_tokens=tokens, purpose=Purpose.PLAN)

    def _with_options(self, stem: str) -> str:
        options = "\n".join(f"{letter}. {text}" for letter, text in self.task.options.items())
        return fill("atom_of_thoughts", "contracted", stem=stem, options=options)

    def verdict(self, answer: Reply) -> Verdict:
        besides = f" Besides: {'; '.join(dict.fromkeys(self.notes))}." if self.notes else ""
        picture = (self.picture(),)
        if not answer.is_answered:
            return Verdict(None, "", f"Nothing was answered.{besides}", last_shown=picture)
        solved = sum(level.solution is not None and level.solution.is_answered for level in self.levels)
        times = "once" if solved == 1 else f"{solved:,} times"
        how = f"contracted {times}" if solved else "not contracted"
        why = f"By {_name(answer)}, of a question that was {how}.{besides}"
        return Verdict(answer.letter, answer.text, why, answer.call.key, picture)

    def picture(self) -> Show:
        """See `atom_of_thoughts`."""
        nodes = [node for at, level in enumerate(self.levels) for node in _shown_nodes(at, level)]
        steps = [
            {
                "name": each.call.who,
                "depth": each.call.round,
                "text": clip(each.text.strip(), MOST_CHARACTERS_SHOWN),
                "letter": each.letter,
                "tokens": each.tokens,
                "is_done": each.is_done,
            }
            for each in self.calls.replies
        ]
        return Show("graph", {"nodes": nodes, "steps": steps})


def _name(reply: Reply) -> str:
    """For people: "the ensemble"; with its depth below the question itself."""
    below = f" at depth {reply.call.round}" if reply.call.round else ""
    words = {"direct": "the direct answer", "decompose": "the decomposition", "ensemble": "the ensemble"}
    return words[reply.call.who] + below


def _why_not(graph: Graph, label: Reply) -> str:
    if not graph.nodes:
        cut = "" if label.is_whole else f", which did not end within {label.call.answer_tokens:,} tokens"
        return f"the sub-questions could not be read{cut}"
    return "no sub-question depends on another, so nothing was contracted"


def _shown_nodes(at: int, level: _Level) -> list[dict[str, object]]:
    is_solved = level.solution is not None and level.solution.is_answered
    rest = State.SOLVED if is_solved else State.OPEN
    nodes: list[dict[str, object]] = [
        {
            "id": f"{at}/{number}",
            "text": node.text,
            "depends": [f"{at}/{other}" for other in node.depends],
            "state": (rest if node.depends else State.KNOWN).value,
            "answer": node.answer,
        }
        for number, node in enumerate(level.graph.nodes)
    ]
    if level.contracted:
        answer = clip(level.solution.text.strip(), _MOST_CHARACTERS) if level.solution and is_solved else ""
        everything = [str(node["id"]) for node in nodes]
        nodes.append(
            {
                "id": f"{at}/contracted",
                "text": level.contracted,
                "depends": everything,
                "state": rest.value,
                "answer": answer,
            }
        )
    return nodes
