"""Verdicts on answers to open questions in sentences."""

from collections.abc import Sequence

from storage.open_verdicts.records import Judgement, OpenVerdict

JUDGED = {
    Judgement.RIGHT: "right",
    Judgement.WRONG: "wrong",
    Judgement.UNDECIDED: "neither clearly right nor clearly wrong",
}


def model_sentence(verdict: OpenVerdict) -> str:
    """What a model said, and that it was a model."""
    return f"Judged {JUDGED[verdict.judgement]} by the model {verdict.judged_by}, not by a person."


def persons_sentence(judgements: Sequence[Judgement]) -> str:
    """What persons said; empty if none has."""
    if not judgements:
        return ""
    if len(judgements) == 1:
        return f"A person judged it {JUDGED[judgements[0]]}."
    right = sum(each is Judgement.RIGHT for each in judgements)
    return f"{right:,} of {len(judgements):,} people judged it right."
