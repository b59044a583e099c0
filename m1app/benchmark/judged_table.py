"""Verdicts on a run's answers to open questions, in words and as a table, the same on the page and in files.

They are a model's opinion, and never part of an accuracy by a rule.
"""

from collections.abc import Iterator

from m1app.benchmark.tables import Table, TableCell, TableRow
from m1app.judging.agreement import VerdictAgreement
from m1app.wording import counted, percent
from storage.benchmarks.judged import JudgedAnswers, JudgedCount
from storage.open_verdicts.records import Judgement

LEAST_FOR_KAPPA = 10
"""Pairs of verdicts; of fewer, agreement beyond chance says little."""
_HEADS = (
    "Set",
    "Model",
    "Budget",
    "Rounds",
    "Answers",
    "Judged right",
    "Wrong",
    "Undecided",
    "Not judged",
    "Judge (a model)",
    "Persons: right, wrong, undecided",
)


def judged_table(found: JudgedAnswers) -> Table:
    """A row for each set, model, setting and judge."""
    return Table(_HEADS, 4, tuple(map(_row, found.counts)))


def _row(each: JudgedCount) -> TableRow:
    def share(judgement: Judgement) -> str:
        count = each.judgements.get(judgement, 0)
        return f"{count:,} ({percent(count / each.answers)})" if each.answers else "–"

    by_persons = ", ".join(f"{each.by_persons.get(judgement, 0):,}" for judgement in Judgement)
    cells = (
        each.question_set,
        each.model,
        f"{each.budget_tokens:,}",
        f"{each.force_rounds}",
        f"{each.answers:,}",
        share(Judgement.RIGHT),
        share(Judgement.WRONG),
        share(Judgement.UNDECIDED),
        f"{each.judgements.get(None, 0):,}",
        each.judge or "–",
        by_persons if any(each.by_persons.values()) else "–",
    )
    return TableRow(tuple(map(TableCell, cells)))


def judged_notes(found: JudgedAnswers) -> Iterator[str]:
    """What a reader must know of these numbers, in sentences."""
    yield (
        "Answers to open questions, judged by a model against the reference answer. These are the judge's verdicts, "
        "not a rule's, so they do not count in any accuracy on this page or in this report. Empty answers have no "
        "verdict."
    )
    yield agreement_sentence(VerdictAgreement(found.pairs))


def agreement_sentence(agreement: VerdictAgreement) -> str:
    """How far persons confirm the verdicts of models on a run's answers."""
    if not agreement.total:
        return "No person has confirmed any of these verdicts yet."
    share = percent(agreement.agreed / agreement.total, 0)
    agreed = (
        f"Persons have judged {counted(agreement.total, 'answer')} too, and agree with the model on "
        f"{agreement.agreed:,} ({share})"
    )
    kappa = agreement.kappa if agreement.total >= LEAST_FOR_KAPPA else None
    return agreed + ("." if kappa is None else f"; Cohen's kappa is {kappa:.2f}: 0 is chance, 1 is always.")
