"""Verdicts on an answer to an open question, as `open_verdict.{html,js}` shows them."""

from collections.abc import Sequence
from typing import Any

from m1app.access.person import Permission, current_person
from m1app.judging.agreement import VerdictAgreement
from m1app.judging.service import JudgedAnswer
from m1app.judging.words import model_sentence, persons_sentence
from m1app.wording import counted

_FEW = 10
"""With fewer pairs, kappa says nothing."""


def judging_value(judged: JudgedAnswer | None, models: Sequence[str] = ()) -> dict[str, Any]:
    """The panel's value; empty, and so hidden, where there is nothing to judge."""
    if judged is None:
        return {}
    by_model = next((each for each in judged.verdicts if not each.is_person), None)
    persons = [each for each in judged.verdicts if each.is_person]
    value: dict[str, Any] = {
        "id": judged.trace_id,
        "reference": judged.reference,
        "models": list(models),
        "may_judge": current_person().may(Permission.ANNOTATE),
        "agreement": agreement_text(judged.agreement),
        "person_verdict": persons_sentence([each.judgement for each in persons]),
    }
    if by_model is not None:
        value |= {
            "model_verdict": model_sentence(by_model),
            "judgement": by_model.judgement.value,
            "reason": by_model.reason,
        }
    return value


def agreement_text(agreement: VerdictAgreement) -> str:
    """How far models' verdicts can be trusted so far, over all answers."""
    if not agreement.total:
        return "These are verdicts of models; nobody has confirmed any of them yet."
    text = (
        f"Models and people agree on {agreement.agreed:,} of {counted(agreement.total, 'answer')} that both have judged"
    )
    if agreement.total < _FEW:
        return f"{text}: too few to rely on."
    kappa = agreement.kappa
    return f"{text}." if kappa is None else f"{text} (Cohen's kappa {kappa:.2f})."
