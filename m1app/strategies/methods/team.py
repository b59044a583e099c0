"""A team with roles, after the multi-agent system of M1-32B (arXiv 2504.09772, github.com/jincan333/MAS-TTS).

In each turn a CEO decides how many experts think for how many tokens, a recruiter names them, the first expert solves,
the others criticize until none disagrees, and an evaluator accepts the solution or has another turn follow. What the
CEO asks for is cut to what the budget pays: a solution, a round of critics, a revision and the evaluator in each turn.
"""

import re
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from m1app.strategies.methods.calls import Call, Calls, Reply, check_budget, transcript
from m1app.strategies.methods.model_json import clip
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import Action, Chat, Event, Purpose, Strategy, Task, Verdict

TEMPERATURE = 0.7
MOST_SHORT_TOKENS = 200
"""Of what CEO, recruiter, critics and evaluator write."""
_OTHERWISE_EXPERTS = 2
_OTHERWISE_ROLE = "an experienced physician"
_MOST_CHARACTERS = 300
"""Of a role, a direction, an advice."""
_BEFORE_FIELD = re.compile(r"\W*")
_FIELD_END = "###"
_LINES = re.IGNORECASE | re.MULTILINE
_ROLE = re.compile(r"^[^\S\n]*\d{1,3}[.)]\s{0,9}(\S.*)$", re.MULTILINE)
_STANCE = re.compile(r"\[\s*(agree|disagree)\s*\]", re.IGNORECASE)
_NEGATED = re.compile(
    r"(?:\bnot|n['\u2019]t|\bcannot|\bnever|\bunable to|\brefuse to|\bno longer)\s{1,3}"
    r"(?:(?:\w{1,20}ly|quite|yet)\s{1,3})?$",
    re.IGNORECASE,
)
"""Before a mark: it is not meant."""
_CHARACTERS_BEFORE_A_MARK = 60
_STOP = re.compile(r"\W{0,9}stop\b(?!\s{0,3}\?)", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:not|never|no|nor|cannot|without)\b|n['\u2019]t\b", re.IGNORECASE)
_CORRECTNESS = re.compile(r"\W{0,9}([01])\W{0,9}")
_RANGE = re.compile(r"\d\s{0,3}(?:,\s|[/\u2013-]|or\b|to\b|and\b)\s{0,3}\d", re.IGNORECASE)
"""Several numbers to choose from, as in the form that was asked for."""

prompts("team")

_Step = Generator[Sequence[Action], Event, None]


@dataclass(frozen=True, slots=True)
class Orders:
    """What a CEO decided."""

    stops: bool
    experts: int
    """1-3."""
    direction: str
    tokens: int | None
    """Of thinking for each expert, as it was asked for; None if it was not."""
    is_read: bool
    """False if nothing of it could be read."""


def read_orders(text: str, most_experts: int) -> Orders:
    """Read what a CEO wrote; what is missing gets two experts and all tokens."""
    decision, number = _field(text, "Decision"), _number(_field(text, "Recruit Number"))
    direction, tokens = _field(text, "Direction"), _number(_field(text, "Maximum Tokens"))
    return Orders(
        stops=_says_stop(decision),
        experts=max(1, min(most_experts, _OTHERWISE_EXPERTS if number is None else number)),
        direction=direction or "(nothing in particular)",
        tokens=tokens,
        is_read=bool(decision or direction) or number is not None or tokens is not None,
    )


def read_roles(text: str, number: int) -> list[str]:
    """Roles from a numbered list; an experienced physician where there are too few."""
    found = [clip(" ".join(each.split()).strip(". *"), _MOST_CHARACTERS) for each in _ROLE.findall(text[:20_000])]
    return [*found[:number], *[_OTHERWISE_ROLE] * (number - len(found))]


def _says_stop(decision: str) -> bool:
    """Whether a decision is to stop; "Do not stop yet" is none, nor is what names both choices."""
    words = decision.casefold()
    if "stop" not in words or "continue" in words:
        return False
    return bool(_STOP.match(words)) or not _NEGATION.search(words)


def agrees(text: str) -> bool:
    """Whether a critic agrees: by its last mark that is not negated; one without such a mark disagrees, unless it says
    nothing."""
    stances = [
        found[1]
        for found in _STANCE.finditer(text)
        if not _NEGATED.search(text[max(0, found.start() - _CHARACTERS_BEFORE_A_MARK) : found.start()])
    ]
    return stances[-1].casefold() == "agree" if stances else not text.strip()


def read_correctness(text: str) -> bool | None:
    """Whether an evaluator accepts a solution; None if it does not say, such as where it repeats what 0 and 1 mean."""
    found = _CORRECTNESS.fullmatch(_said(text, "Correctness").partition("\n")[0].strip())
    return None if found is None else found[1] == "1"


def _field(text: str, name: str) -> str:
    """What is said under a name, on one line."""
    return clip(" ".join(_said(text, name).split()), _MOST_CHARACTERS)


def _said(text: str, name: str) -> str:
    """What follows the last heading of this name, up to the next "###"; without a heading, its first mention.

    In time in proportion to the text, whatever a model writes.
    """
    text = text[:20_000]
    headings = list(re.finditer(rf"(?:^|###)[^\w\n]{{0,9}}{re.escape(name)}(?=[^\w\n]{{0,9}}:)", text, _LINES))
    found = headings[-1] if headings else re.search(re.escape(name), text, re.IGNORECASE)
    if found is None:
        return ""
    return _BEFORE_FIELD.sub("", text[found.end() :], count=1).partition(_FIELD_END)[0]


def _number(text: str) -> int | None:
    found = None if _RANGE.search(text) else re.search(r"\d[\d,]{0,8}", text)
    return int(found[0].replace(",", "")) if found else None


def team(task: Task, experts: int = 3, rounds: int = 3, turns: int = 2) -> Strategy:
    """The solution of a team, as far as its evaluator, its turns and the budget go.

    Picture: "transcript", see `calls.transcript`; the round is the turn, and who is "CEO", "Recruiter", "Solver",
    "Critic 1" and so on, or "Evaluator".

    Args:
        task: the question.
        experts: most that a CEO can recruit, the solver included.
        rounds: most rounds of critics in a turn.
        turns: most turns.

    Raises:
        StrategyRefused: the budget is too small for a turn with one expert.
    """
    work = _Team(task, experts, rounds, Calls(task))
    work.check(turns)
    work.calls.shown = lambda: transcript(work.calls.replies)
    for left in range(turns, 0, -1):
        if work.turn and work.calls.left_tokens < work.least_tokens:
            work.ends = "the budget was spent"
            break
        yield from work.play(keep_tokens=work.calls.left_tokens * (left - 1) // left)
        if work.ends:
            break
    return work.verdict(turns)


@dataclass(slots=True)
class _Team:
    """The state of one run."""

    task: Task
    most_experts: int
    rounds: int
    calls: Calls
    turn: int = 0
    roles: list[str] = field(default_factory=list)
    orders: Orders | None = None
    thinking_tokens: int = 0
    """Of each expert in this turn."""
    keep_tokens: int = 0
    """What this turn leaves to later ones."""
    solutions: list[Reply] = field(default_factory=list)
    """Those that were answered."""
    reviews: list[Reply] = field(default_factory=list)
    """Of the latest solution, by critics that disagree."""
    advice: str = ""
    ends: str = ""
    """Why no other turn follows; empty if one may."""
    notes: list[str] = field(default_factory=list)
    """What went wrong."""

    @property
    def short_tokens(self) -> int:
        """Cap of what all but the solver write."""
        return max(1, min(MOST_SHORT_TOKENS, self.task.budget_tokens // 16))

    @property
    def least_tokens(self) -> int:
        """Of a turn with one expert: CEO, recruiter, solver and evaluator."""
        return 3 * self.short_tokens + self.task.answer_cap_tokens + 2

    def check(self, turns: int) -> None:
        # A sixteenth of the budget for each of three short calls leaves thirteen; each turn has its share.
        least = -(-turns * 16 * (self.task.answer_cap_tokens + 2) // (16 - 3 * turns))
        check_budget(self.task, least, f"a team with {turns} turns" if turns > 1 else "a team")

    def can_pay(self, tokens: int) -> bool:
        """Whether this turn can pay for something, the evaluator besides."""
        return self.calls.left_tokens - self.keep_tokens >= tokens

    def play(self, keep_tokens: int) -> _Step:
        """One turn."""
        self.turn, self.keep_tokens = self.turn + 1, keep_tokens
        yield from self._lead()
        if self.ends:
            return
        yield from self._solve()
        for _ in range(self.rounds if len(self.roles) > 1 and not self.ends else 0):
            critics = (len(self.roles) - 1) * self._critic_tokens
            # Critics that no revision can follow would be wasted.
            if not self.can_pay(critics + self._solver_tokens + self._evaluator_tokens):
                self.notes.append("critics could not be paid any more")
                break
            yield from self._criticize()
            if not self.reviews:
                break
            yield from self._solve()
            if self.ends:
                return
        if not self.ends:
            yield from self._evaluate()

    def _lead(self) -> _Step:
        """CEO and recruiter."""
        asked = self._call("ceo", "CEO", self.short_tokens, Purpose.PLAN, 0)
        reply = yield from self.calls.ask_one(asked, keep_tokens=self.keep_tokens)
        self.orders = read_orders(reply.text, self.most_experts)
        if not self.orders.is_read:
            self.notes.append(f"the CEO could not be read{f' ({reply.error})' if reply.error else ''}")
        if self.orders.stops and self.solutions:
            self.ends = "the CEO was content"
            return
        asked = self._call("recruiter", "Recruiter", self.short_tokens, Purpose.PLAN, 0, number=self.orders.experts)
        reply = yield from self.calls.ask_one(asked, keep_tokens=self.keep_tokens)
        self.roles = read_roles(reply.text, self._affordable(self.orders.experts))
        most = self._most_thinking(len(self.roles))
        self.thinking_tokens = max(1, most if self.orders.tokens is None else min(self.orders.tokens, most))

    def _affordable(self, experts: int) -> int:
        """So many experts that each can think for a token."""
        while experts > 1 and self._most_thinking(experts) < 1:
            experts -= 1
        return experts

    def _most_thinking(self, experts: int) -> int:
        """Of each expert and the evaluator, if critics speak once and the solver revises its solution once."""
        solutions = 2 if experts > 1 else 1
        written = solutions * self.task.answer_cap_tokens + experts * self.short_tokens
        share = (self.calls.left_tokens - self.keep_tokens - written) // (solutions + experts)
        return share if self.task.thinking_tokens is None else min(share, self.task.thinking_tokens)

    @property
    def _solver_tokens(self) -> int:
        return self.thinking_tokens + self.task.answer_cap_tokens

    @property
    def _critic_tokens(self) -> int:
        return self.thinking_tokens + self.short_tokens

    @property
    def _evaluator_tokens(self) -> int:
        return self.thinking_tokens + self.short_tokens

    def _solve(self) -> _Step:
        """A solution: a revision of the latest one, if there is one."""
        asked = self._call(
            "solver",
            "Solver",
            self.task.answer_cap_tokens,
            Purpose.DEBATE,
            self.thinking_tokens,
            role=self.roles[0],
            earlier=self._earlier() if self.solutions else "",
        )
        reply = yield from self.calls.ask_one(asked, keep_tokens=self.keep_tokens)
        if reply.error:
            self.notes.append(f"the solver failed: {reply.error.rstrip('.')}")
            self.ends = "the solver failed"
        else:
            self.solutions.append(reply)
            self.reviews = []

    def _criticize(self) -> _Step:
        calls = [
            self._call(
                "critic",
                f"Critic {place + 1}",
                self.short_tokens,
                Purpose.DEBATE,
                self.thinking_tokens,
                place=place,
                role=role,
            )
            for place, role in enumerate(self.roles[1:])
        ]
        replies = yield from self.calls.ask(calls, keep_tokens=self.keep_tokens + self._evaluator_tokens)
        self.notes += [f"a critic failed: {each.error.rstrip('.')}" for each in replies if each.error]
        self.reviews = [each for each in replies if each.is_answered and not agrees(each.text)]

    def _evaluate(self) -> _Step:
        if not self.can_pay(self.short_tokens + 1):
            self.ends = "the evaluator could not be paid"
            return
        left = self.calls.left_tokens - self.keep_tokens - self.short_tokens
        asked = self._call(
            "evaluator",
            "Evaluator",
            self.short_tokens,
            Purpose.VERIFY,
            min(self.thinking_tokens, left),
            roles=", ".join(self.roles),
        )
        reply = yield from self.calls.ask_one(asked, keep_tokens=self.keep_tokens)
        self.advice = _field(reply.text, "Advice")
        accepts = read_correctness(reply.text)
        if accepts is None:
            self.ends = f"the evaluator did not decide{f' ({reply.error})' if reply.error else ''}"
        elif accepts:
            self.ends = "the evaluator accepted it"

    def _call(
        self, name: str, who: str, answer_tokens: int, purpose: Purpose, thinking: int, place: int = 0, **fields: object
    ) -> Call:
        number = len(self.calls.replies) + place
        known = {
            "question": self.task.prompt,
            "solution": self.solutions[-1].quoted() if self.solutions else "(none yet)",
            "advice": self.advice or "(nothing yet)",
            "direction": self.orders.direction if self.orders else "",
            # CEO and recruiter have not been paid when the CEO reads it.
            "most": max(1, self._most_thinking(_OTHERWISE_EXPERTS) - self.short_tokens),
        }
        return Call(
            key=f"turn/{self.turn}/{name}/{number}",
            chat=Chat(fill("team", name, **(known | fields))),
            thinking_tokens=thinking,
            answer_tokens=answer_tokens,
            seed=self.task.seed + number,
            purpose=purpose,
            temperature=TEMPERATURE,
            who=who,
            round=self.turn,
        )

    def _earlier(self) -> str:
        said = [each.text.strip() for each in self.reviews] or [self.advice or "(nothing)"]
        reviews = "\n".join(f"- {clip(_STANCE.sub('', each).strip(), _MOST_CHARACTERS)}" for each in said)
        return "\n" + fill("team", "earlier", solution=self.solutions[-1].quoted(), reviews=reviews) + "\n"

    def verdict(self, turns: int) -> Verdict:
        picture = (transcript(self.calls.replies),)
        notes = f" Besides: {'; '.join(dict.fromkeys(self.notes))}." if self.notes else ""
        if not self.solutions:
            return Verdict(None, "", f"The team found no solution.{notes}", last_shown=picture)
        named = [each for each in self.solutions if each.said(self.task) is not None]
        of = (named or self.solutions)[-1]
        ends = self.ends or f"the evaluator rejected it, and {turns:,} turns were all"
        spent = f"solution {self.solutions.index(of) + 1:,} of {len(self.solutions):,}, turn {of.call.round:,}"
        return Verdict(of.letter, of.text, f"A team's {spent}: {ends}.{notes}", of.call.key, picture)
