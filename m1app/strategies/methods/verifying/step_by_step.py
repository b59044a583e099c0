"""GenPRM's form of verification: a judge scores each paragraph of a solution, and the scores become one.

After GenPRM (arXiv 2504.00891), without the programs that it has its judge write and run. `verified_passes` describes
the picture; its columns are paragraphs.
"""

import re
from collections.abc import Sequence

from m1app.strategies.methods.passes import Pass, Passes
from m1app.strategies.methods.verifying.ranking import AGGREGATES, best
from m1app.strategies.methods.verifying.verification import Judge, Verification, Verifications, bounded, posed
from m1app.strategies.methods.verifying.verified_passes import VerifiedPasses, payable, share_of_passes
from m1app.strategies.prompts import fill, prompts
from m1app.strategies.protocol import Strategy, Task

_BLANK_LINES = re.compile(r"\n\s*\n")
prompts("step_verification")  # At import, so that no event loop reads the file.
RULES = ("min", "product", "last")


def genprm(task: Task, n: int, steps: int, tokens: int, rule: str, judge: str) -> Strategy:
    """The solution whose paragraphs the judge finds best.

    Args:
        task: the question.
        n: passes.
        steps: most paragraphs of a solution, its answer included; more are joined. Fewer where the budget asks for it.
        tokens: thinking of the judge about each; 0 reads its verdict in one look.
        rule: how a solution's scores become one, a name of `RULES`.
        judge: a served model; empty for the run's own.
    """
    asking = Judge(judge, tokens)
    paid = payable(task, n, steps, asking.cost_tokens)
    passes = Passes(task, share_of_passes(task, n, paid, asking.cost_tokens))
    of = VerifiedPasses(passes, Verifications(asking, task.seed, paid), AGGREGATES[rule], "paragraphs")
    yield from of.ask_passes(n)
    if not of.is_contested:
        return of.uncontested()
    most = max(1, paid)
    yield from of.ask_judge([each for solution in of.solutions for each in _verifications(task, solution, most)])
    made = of.verifications.all
    if of.unjudged or any(each.score is None for each in made):
        return of.vote(of.unjudged or "The budget did not cover judging every paragraph.")
    winner = best(of.scored(), of.aggregate)
    why = (
        f"Of {len(of.solutions):,} passes, number {winner.number + 1:,} has the best paragraphs: "
        f"{of.aggregate(winner):.2f} by the rule {rule!r} over {len(winner.scores):,}."
    )
    notes = of.notes_of(made)
    if most < steps:
        notes.append(f"The budget covered {most:,} of up to {steps:,} paragraphs per pass.")
    return of.verdict(winner.number, why, notes)


def _verifications(task: Task, of: Pass, most: int) -> list[Verification]:
    parts = paragraphs(of.thought.text if of.thought else "", of.answer, most)
    return [
        Verification(
            of.number,
            number,
            fill(
                "step_verification",
                "paragraph",
                question=posed(task),
                earlier=bounded("\n\n".join(parts[:number])) or "(none)",
                number=number + 1,
                count=len(parts),
                paragraph=bounded(part),
            ),
            fill("step_verification", "verdict", number=number + 1),
        )
        for number, part in enumerate(parts)
    ]


def paragraphs(thinking: str, answer: str, most: int) -> list[str]:
    """A solution in at most `most` parts, at least 1: neighbouring paragraphs of the thinking joined, then the answer.

    A thinking without blank lines is divided at its line breaks.
    """
    said = f"Answer: {answer.strip()}"
    parts = _filled(_BLANK_LINES.split(thinking))
    if len(parts) == 1:
        parts = _filled(thinking.split("\n"))
    if most == 1 or not parts:
        return ["\n\n".join([*parts, said])]
    return [*_joined(parts, most - 1), said]


def _filled(parts: Sequence[str]) -> list[str]:
    return [each.strip() for each in parts if each.strip()]


def _joined(parts: Sequence[str], most: int) -> list[str]:
    """Neighbours together, so that the groups are about equally long."""
    if len(parts) <= most:
        return list(parts)
    total, before = sum(map(len, parts)), 0
    groups: dict[int, list[str]] = {}
    for part in parts:
        middle = before + len(part) / 2
        groups.setdefault(int(middle * most / total), []).append(part)
        before += len(part)
    return ["\n\n".join(group) for _, group in sorted(groups.items())]
