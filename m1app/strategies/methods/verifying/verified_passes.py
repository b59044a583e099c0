"""What strategies with a judge share: the budget's split, the passes, the judge's verifications, the picture, the vote
that is left where nothing could be verified.

The picture "matrix" is a row for each pass that is done:

    {"of": "verifications" | "paragraphs", "judge": NAME, "columns": MOST SCORES OF A ROW,
     "rows": [{"pass": 0, "answer": "B", "scores": [0.9, null], "states": ["read", "waiting"], "value": 0.9,
               "is_chosen": false}],
     "answers": {"B": 0.81}}

`scores` are 0-1, null where there is none yet; `states` are those of `State`; `value` is what the scores come to, null
without any; `answers` has the values by which answers are chosen (Heimdall), and is empty elsewhere.
"""

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from m1app.strategies.methods import voting
from m1app.strategies.methods.passes import Pass, Passes, thinking_share
from m1app.strategies.methods.verifying.ranking import Aggregate, Scored
from m1app.strategies.methods.verifying.verification import State, Verification, Verifications
from m1app.strategies.protocol import Action, Event, Grew, Show, Task, Verdict, most_generated

_MOST_CHARACTERS_SHOWN = 60
_ENDED = (State.READ, State.NEITHER, State.FAILED)

Step = Generator[Sequence[Action], Event, None]


def payable(task: Task, passes: int, most: int, cost_tokens: int) -> int:
    """How many verifications of each pass can be paid for, whatever the passes use; at most `most`.

    Args:
        task: with the budget. Where it has no thinking budget of its own, passes and verifications share what answers
            leave, and verifications get at most half.
        passes: how many are verified.
        most: verifications of each that are wished for.
        cost_tokens: of a verification.
    """
    thinking = 1 if task.thinking_tokens is None else task.thinking_tokens
    left = task.budget_tokens - passes * most_generated(thinking=thinking, answer=task.answer_cap_tokens, looks=1)
    if task.thinking_tokens is None:
        left //= 2
    return max(0, min(most, left // (passes * cost_tokens)))


def share_of_passes(task: Task, passes: int, verifications: int, cost_tokens: int) -> int:
    """Thinking budget of each pass, so many verifications of each paid for.

    Raises:
        StrategyRefused: the budget is too small for the passes alone.
    """
    return thinking_share(task, passes, passes * verifications * cost_tokens)


@dataclass(slots=True)
class VerifiedPasses:
    """Passes with the judge's scores."""

    passes: Passes
    verifications: Verifications
    aggregate: Aggregate
    noun: str = "verifications"
    """What a solution has several scores of."""

    @property
    def solutions(self) -> list[Pass]:
        """Passes that gave an answer."""
        return [each for each in self.passes.answered if each.said is not None]

    @property
    def is_contested(self) -> bool:
        """Whether the passes gave more than one answer."""
        return len({each.said for each in self.solutions}) > 1

    def ask_passes(self, n: int) -> Step:
        """Run n passes to their ends."""
        actions: list[Action] = [action for _ in range(n) for action in self.passes.begin()]
        while self.passes.running:
            event = yield actions
            actions = self.passes.take(event)
            if not isinstance(event, Grew):
                actions.append(self.shown())

    def ask_judge(self, verifications: Sequence[Verification]) -> Step:
        """Have these made, as far as the budget pays for them."""
        actions = [*self.verifications.begin(verifications), self.shown()]
        while self.verifications.are_running:
            event = yield actions
            actions = self.verifications.take(event)
            if not isinstance(event, Grew):
                actions.append(self.shown())

    def complete_rounds(self) -> int:
        """Leading rounds in which every solution has been verified."""
        unpaid = [each.number for each in self.verifications.all if each.state not in _ENDED]
        return min(unpaid, default=max((each.number for each in self.verifications.all), default=-1) + 1)

    def scored(self, most: int | None = None) -> list[Scored]:
        """The solutions with their scores, of the first `most` verifications of each."""
        found = []
        for each in self.solutions:
            scores = [other.score for other in self.verifications.of(each.number)[:most]]
            found.append(Scored(each.number, each.said or "", tuple(score for score in scores if score is not None)))
        return found

    def shown(self, chosen: int | None = None, answers: Mapping[str, float] | None = None) -> Show:
        """The picture, see this module."""
        rows = [self._row(each, is_chosen=each.number == chosen) for each in self.passes.answered]
        value = {
            "of": self.noun,
            "judge": self.verifications.judge.model,
            "columns": max((each.number + 1 for each in self.verifications.all), default=0),
            "rows": rows,
            "answers": {answer[:_MOST_CHARACTERS_SHOWN]: value for answer, value in (answers or {}).items()},
        }
        return Show("matrix", value)

    def _row(self, of: Pass, *, is_chosen: bool) -> dict[str, object]:
        said = of.said or ""
        made = self.verifications.of(of.number)
        scores = [each.score for each in made]
        known = tuple(score for score in scores if score is not None)
        return {
            "pass": of.number,
            "answer": said[:_MOST_CHARACTERS_SHOWN],
            "scores": scores,
            "states": [each.state.value for each in made],
            "value": self.aggregate(Scored(of.number, said, known)) if known else None,
            "is_chosen": is_chosen,
        }

    def verdict(
        self, number: int, why: str, notes: Iterable[str], answers: Mapping[str, float] | None = None
    ) -> Verdict:
        """The answer of a pass."""
        of = self.passes.all[number]
        whole = " ".join([why, *notes, *self._notes_of_passes()])
        return Verdict(of.letter, of.answer, whole, of.key, (self.shown(number, answers),))

    def vote(self, reason: str) -> Verdict:
        """The vote of the passes, and why it had to be."""
        found = voting.verdict(self.passes, voting.tally(self.passes.answered))
        why = f"{reason} The passes voted instead: {found.why}" if reason else found.why
        return replace(found, why=why, last_shown=(*found.last_shown, self.shown()))

    def uncontested(self) -> Verdict:
        """The one answer that passes gave, or that there is none; no verification could change it."""
        return self.vote("No two passes gave different answers, so none was verified." if self.solutions else "")

    @property
    def unjudged(self) -> str:
        """Why nothing was judged; empty if something was."""
        if self.verifications.count(State.READ):
            return ""
        if silent := self.verifications.count(State.NEITHER):
            return f"The judge said neither Yes nor No in {silent:,} of {len(self.verifications.all):,}."
        if self.verifications.error:
            return f"The judge could not be asked: {self.verifications.error}"
        return "The budget did not cover the judge."

    def notes_of(self, counted: Sequence[Verification]) -> list[str]:
        """What has to be known of the verifications that counted."""
        neither = sum(each.state is State.NEITHER for each in counted)
        failed = sum(each.state is State.FAILED for each in counted)
        notes = []
        if neither:
            notes.append(f"The judge said neither Yes nor No in {neither:,} of {len(counted):,}; each counts as 0.5.")
        if failed:
            notes.append(
                f"{failed:,} of {len(counted):,} could not be made, and each counts as 0.5: {self.verifications.error}"
            )
        return notes

    def _notes_of_passes(self) -> list[str]:
        failed = [each for each in self.passes.all if each.error]
        return [f"{len(failed):,} more passes could not be asked: {failed[0].error}"] if failed else []
