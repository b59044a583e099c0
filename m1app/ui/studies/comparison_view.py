"""Two studies beside each other as the page shows them. Pure: values in, dictionaries out."""

from typing import Any

from m1app.studies.comparison import ComparedCell, ComparedClaim, ComparedStudies
from m1app.studies.records import ClaimOutcome, StudyOutcome
from m1app.studies.words import VERDICTS, estimate_words, p_words
from m1app.wording import p_value, points


def comparison_value(compared: ComparedStudies) -> dict[str, Any]:
    """The verdicts of both studies, and the differences between their answers."""
    both = (compared.first, compared.second)
    return {
        "studies": [_study(each) for each in both],
        "differences": list(compared.differences),
        "claims": [_claim(each) for each in compared.claims],
        "cells": [_cell(each) for each in compared.cells],
        "cells_note": (
            f"Accuracy of {compared.second.name} less that of {compared.first.name}, on the questions that both were "
            "asked. Intervals are 95%; p is of the exact McNemar test, after Holm over all rows."
        ),
    }


def _study(outcome: StudyOutcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "link": f"/studies/?study={outcome.id}",
        "started": outcome.created_at.isoformat(),
        "models": ", ".join(f"{role}: {model}" for role, model in outcome.models.items()),
    }


def _claim(claim: ComparedClaim) -> dict[str, Any]:
    return {
        "id": claim.claim.id,
        "text": claim.claim.text,
        "is_contradiction": claim.is_contradiction,
        "sides": [_side(each) for each in (claim.first, claim.second)],
    }


def _side(outcome: ClaimOutcome) -> dict[str, str]:
    found = "; ".join(filter(None, (estimate_words(outcome), p_words(outcome))))
    return {
        "verdict": outcome.verdict.value,
        "verdict_label": VERDICTS[outcome.verdict],
        "found": found or outcome.why,
    }


def _cell(cell: ComparedCell) -> list[str]:
    found = cell.comparison
    return [
        cell.run_id,
        cell.role if cell.models[0] == cell.models[1] else f"{cell.role}: {cell.models[0]}, then {cell.models[1]}",
        f"{cell.budget_tokens:,}",
        str(cell.force_rounds),
        f"{points(found.difference)} points ({points(found.low)} to {points(found.high)})",
        p_value(cell.corrected_p),
        f"{found.n:,}",
    ]
