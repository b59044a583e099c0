"""Self-written samples for tests of training data."""

import json
from dataclasses import replace
from typing import Any

from m1app.training.folder import TrainingRun
from m1app.training.samples import TrainingSample

GLANDS = ("adrenal", "pituitary", "thyroid", "pineal", "parathyroid", "pancreas", "thymus", "ovary", "testis", "liver")
OPTIONS = {"A": "Adrenal gland", "B": "Thyroid gland", "C": "Pancreas"}
SAMPLE = TrainingSample(
    question="Which gland makes cortisol in answer to ACTH from the pituitary?",
    options=OPTIONS,
    target="A",
    reasoning="Cortisol is a steroid.\n\nThe cortex of the adrenal gland makes it.",
    answer="It is made in the adrenal cortex. The answer is A. Adrenal gland.",
    domain="Endocrinology",
    source="exam",
)
RUN = TrainingRun(
    model_id="mine",
    base_id="smollm2-135m",
    base_kind="gguf",
    base_location="/x",
    profile="m1",
    data="exam:v2",
    data_sha256="",
    git_commit="",
    context_length=2048,
    threads=1,
    created_at="2026-11-22T19:00:00+00:00",
)


def a_sample(**changes: Any) -> TrainingSample:
    return replace(SAMPLE, **changes)


def some_samples(count: int, **changes: Any) -> list[TrainingSample]:
    """Samples whose questions share no n-grams."""
    return [
        a_sample(question=" ".join(f"{gland}{number}" for gland in GLANDS) + "?", **changes) for number in range(count)
    ]


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()
