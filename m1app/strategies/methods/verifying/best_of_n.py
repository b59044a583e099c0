"""N passes, M verifications of each, and the answer that the scores favour: best-of-n, J1, Heimdall.

Every solution is verified equally often: rounds of verifications that the budget does not pay for in full do not count.
Where no round is left, or the judge is gone, the passes vote. Passes that agree are not verified: there is nothing to
choose. `verified_passes` describes the picture.
"""

from collections.abc import Callable

from m1app.strategies.methods.passes import Pass, Passes
from m1app.strategies.methods.verifying.ranking import AGGREGATES, best, pessimistic
from m1app.strategies.methods.verifying.verification import (
    Judge,
    Verification,
    Verifications,
    bounded,
    posed,
    solution_text,
)
from m1app.strategies.methods.verifying.verified_passes import VerifiedPasses, payable, share_of_passes
from m1app.strategies.prompts import fill
from m1app.strategies.protocol import Strategy, Task, Verdict

_MEAN = AGGREGATES["mean"]
_QUESTION = fill("verification", "verdict")  # At import, so that no event loop reads the file.

_Choose = Callable[[VerifiedPasses, int, list[str]], Verdict]
"""Chooses by the first so many verifications of each solution, with notes for people."""


def best_of_n(task: Task, n: int, m: int, tokens: int, judge: str) -> Strategy:
    """The solution with the best mean score of a generative outcome verifier (arXiv 2510.00492)."""
    return _chosen_from(task, n, m, Judge(judge, tokens), _best_mean)


def j1(task: Task, n: int, m: int, tokens: int, rounds: int, judge: str) -> Strategy:
    """`best_of_n` with forced rounds on the judge (after J1, arXiv 2505.11875)."""
    return _chosen_from(task, n, m, Judge(judge, tokens, rounds), _best_mean)


def heimdall(task: Task, n: int, m: int, tokens: int, alpha: float, judge: str) -> Strategy:
    """The answer with the best mean score after a penalty for few verifications (arXiv 2504.10337)."""

    def choose(of: VerifiedPasses, rounds: int, notes: list[str]) -> Verdict:
        return _least_uncertain(of, rounds, notes, alpha)

    return _chosen_from(task, n, m, Judge(judge, tokens), choose)


def _chosen_from(task: Task, n: int, m: int, judge: Judge, choose: _Choose) -> Strategy:
    paid = payable(task, n, m, judge.cost_tokens)
    passes = Passes(task, share_of_passes(task, n, paid, judge.cost_tokens))
    of = VerifiedPasses(passes, Verifications(judge, task.seed, paid), _MEAN)
    yield from of.ask_passes(n)
    if not of.is_contested:
        return of.uncontested()
    yield from of.ask_judge([_verification(task, each, round_) for round_ in range(m) for each in of.solutions])
    rounds = of.complete_rounds()
    if of.unjudged or not rounds:
        return of.vote(of.unjudged or "The budget did not cover one verification of each pass.")
    notes = of.notes_of([each for each in of.verifications.all if each.number < rounds])
    if rounds < m:
        notes.append(f"The budget covered {rounds:,} of {m:,} verifications per pass.")
    return choose(of, rounds, notes)


def _verification(task: Task, of: Pass, number: int) -> Verification:
    prompt = fill("verification", "solution", question=posed(task), solution=bounded(solution_text(of)))
    return Verification(of.number, number, prompt, _QUESTION)


def _best_mean(of: VerifiedPasses, rounds: int, notes: list[str]) -> Verdict:
    winner = best(of.scored(rounds), _MEAN)
    each = "1 verification" if rounds == 1 else f"{rounds:,} verifications"
    why = (
        f"Of {len(of.solutions):,} passes, number {winner.number + 1:,} has the best mean score: {winner.mean:.2f} of "
        f"{each}."
    )
    return of.verdict(winner.number, why, notes)


def _least_uncertain(of: VerifiedPasses, rounds: int, notes: list[str], alpha: float) -> Verdict:
    scored = of.scored(rounds)
    values = pessimistic(scored, alpha)
    answer, value = next(iter(values.items()))
    alike = [each for each in scored if each.answer == answer]
    mean = sum(each.mean for each in alike) / len(alike)
    why = (
        f"Of {len(values):,} answers, this one has the best score: {mean:.2f} on average over "
        f"{len(alike) * rounds:,} verifications, {value:.2f} after the penalty for few of them."
    )
    return of.verdict(best(alike, _MEAN).number, why, notes, values)
