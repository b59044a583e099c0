"""Studies as JSON values, for `--json` and the page: None in place of NaN, times as ISO 8601."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from pydantic import BaseModel

from m1app.studies.comparison import ComparedStudies
from m1app.studies.estimate import StudyEstimate
from m1app.studies.outcome import progress_of
from m1app.studies.records import ClaimOutcome, StudyOutcome
from m1app.studies.study_file import Study

_RUN_FIELDS = ("id", "name", "state", "error", "items", "items_done", "items_failed", "tokens_generated", "seconds")


def study_value(study: Study) -> dict[str, Any]:
    """A study's file."""
    return study.model_dump(mode="json")


def estimate_value(estimate: StudyEstimate) -> dict[str, Any]:
    """What a study may cost, and what keeps it from being started."""
    return dict(_plain(asdict(estimate)))


def outcome_value(outcome: StudyOutcome) -> dict[str, Any]:
    """All that a study has come to, without its curves' cells, which its benchmark runs have."""
    runs = [each.benchmark for each in outcome.parts if each.benchmark]
    return {
        "id": outcome.id,
        "name": outcome.name,
        "title": outcome.study.title,
        "state": outcome.state,
        "is_demo": outcome.is_demo,
        "rule": outcome.study.rule,
        "protocol": outcome.study.protocol,
        "created_at": outcome.created_at.isoformat(),
        "updated_at": outcome.updated_at.isoformat(),
        "models": dict(outcome.models),
        "sets": dict(outcome.sets),
        "progress": progress_of(runs),
        "parts": [
            {
                "run": each.run_id,
                "title": each.title,
                "note": each.note,
                "benchmark": {name: _plain(getattr(each.benchmark, name)) for name in _RUN_FIELDS}
                if each.benchmark
                else None,
            }
            for each in outcome.parts
        ],
        "claims": [claim_value(each) for each in outcome.claims],
        "facts": [_plain(asdict(each)) for each in outcome.facts],
        "readings": [_plain(asdict(each)) for each in outcome.readings],
        "training": [_plain(each) for each in outcome.training],
        "set_checks": [_plain(asdict(each)) for each in outcome.set_checks],
        "protocol_differences": list(outcome.protocol_differences),
    }


def claim_value(outcome: ClaimOutcome) -> dict[str, Any]:
    """A claim with its verdict."""
    names = [name for name in ClaimOutcome.__slots__ if name != "claim"]
    claim = outcome.claim
    return {
        "id": claim.id,
        "text": claim.text,
        "kind": claim.kind.value,
        "refuted_by": claim.refuted_by,
        **{name: _plain(getattr(outcome, name)) for name in names},
    }


def compared_value(compared: ComparedStudies) -> dict[str, Any]:
    """Two studies beside each other."""
    return {
        "first": {"id": compared.first.id, "name": compared.first.name, "models": dict(compared.first.models)},
        "second": {"id": compared.second.id, "name": compared.second.name, "models": dict(compared.second.models)},
        "claims": [
            {
                "id": each.claim.id,
                "is_contradiction": each.is_contradiction,
                "first": claim_value(each.first),
                "second": claim_value(each.second),
            }
            for each in compared.claims
        ],
        "cells": [_plain(asdict(each)) for each in compared.cells],
        "differences": list(compared.differences),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence):
        return [_plain(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
