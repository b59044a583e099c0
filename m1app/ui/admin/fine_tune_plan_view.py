"""Fine-tuning plans on the Admin page: cost, and samples as the model sees them."""

from typing import Any

from m1app.training.estimate import Estimate
from m1app.training.pace import Pace
from m1app.training.plan import FineTuningPlan
from m1app.training.preview import PreviewedSample
from m1app.training.recipe import Objective, TrainingRecipe
from m1app.training.rendered_length import estimated_tokens
from m1app.ui.admin.training_data_view import steps_value
from m1app.wording import counted, duration, parameter_count, percent, size

_NOUNS: dict[Objective, str] = {"sft": "training samples", "dpo": "preference pairs to train on", "grpo": "questions"}
_PART_NAMES = {
    "open": "think opening",
    "reasoning": "reasoning",
    "close": "answer opening",
    "answer": "answer",
    "end": "end of turn",
}


def plan_value(plan: FineTuningPlan, pace: Pace | None) -> dict[str, Any]:
    """Return a plan for display.

    Args:
        plan: the service's plan.
        pace: measured in an earlier fine-tuning of the same base; None if there is none.
    """
    return {
        "facts": plan_facts(plan, pace),
        "notes": list(plan.notes),
        "steps": steps_value(plan.reports),
        "samples": [_sample(each, plan.recipe.block_size) for each in plan.preview],
    }


def plan_facts(plan: FineTuningPlan, pace: Pace | None) -> list[tuple[str, str]]:
    """Facts of a plan, as name and text."""
    estimate, recipe = plan.estimate, plan.recipe
    held_out = f", {plan.evaluation_samples:,} held out" if plan.evaluation_samples else ""
    known = estimate.parameters is not None
    return [
        ("Data", f"{plan.data}: {plan.train_samples:,} {_NOUNS[recipe.objective]}{held_out}"),
        (
            "Steps",
            f"{estimate.steps:,} steps of {_per_step(recipe)}; the longest sample has about "
            f"{estimate.longest_tokens:,} tokens",
        ),
        ("Trained", _trained(plan)),
        ("Memory", _memory(estimate) if known else "unknown, because the base model's size is unknown"),
        ("Disk", f"about {size(estimate.disk_bytes)}" if known else "unknown"),
        ("Time", _time(plan, pace)),
        ("Machine", plan.machine.said()),
        ("Environment", plan.environment),
        ("Profile", f"{plan.profile}: how the new model opens and closes its thinking"),
    ]


def _per_step(recipe: TrainingRecipe) -> str:
    if recipe.objective == "grpo":
        return f"{recipe.batch_size} answers, {recipe.generations} to each question"
    return f"{recipe.batch_size} {'pairs' if recipe.objective == 'dpo' else 'samples'}"


def _memory(estimate: Estimate) -> str:
    if not estimate.host_bytes:
        return f"about {size(estimate.memory_bytes)}"
    each = f" on each of {estimate.devices} GPUs" if estimate.devices > 1 else " on the GPU"
    return f"about {size(estimate.memory_bytes)}{each}, plus {size(estimate.host_bytes)} of main memory"


def _trained(plan: FineTuningPlan) -> str:
    estimate = plan.estimate
    if estimate.parameters is None or estimate.trainable is None:
        return plan.recipe.method
    share = estimate.trainable / max(1, estimate.parameters)
    return (
        f"{parameter_count(estimate.trainable)} of {parameter_count(estimate.parameters)} parameters ({percent(share)})"
    )


def _time(plan: FineTuningPlan, pace: Pace | None) -> str:
    if pace is None:
        return "unknown until this base has been fine-tuned with this method on this machine"
    seconds = plan.estimate.steps * plan.recipe.batch_size / pace.samples_per_second
    return f"about {duration(seconds)}, at {pace.samples_per_second:.2g} samples/s as in {pace.job_name!r}"


def _sample(sample: PreviewedSample, block_size: int) -> dict[str, Any]:
    """A sample for display, with token counts in total and per part if available."""
    tokens, rendered = sample.tokens, sample.rendered
    part_tokens = [counted(count, "token") for count in tokens.parts] if tokens else [""] * len(rendered.parts)
    return {
        "prompt": rendered.prompt,
        "prompt_tokens": counted(tokens.prompt, "token") if tokens else "",
        "parts": [
            [kind, _PART_NAMES[kind], text, length]
            for (kind, text), length in zip(rendered.parts, part_tokens, strict=True)
        ],
        "rejected": rendered.rejected.completion if rendered.rejected else "",
        "tokens": _length(sample, block_size),
        "is_left_out": bool(sample.note),
    }


def _length(sample: PreviewedSample, block_size: int) -> str:
    total = sample.tokens.total if sample.tokens else estimated_tokens(sample.rendered)
    said = f"{'' if sample.tokens else 'about '}{total:,} of {block_size:,} tokens"
    if sample.note:
        return f"will be left out: {said}"
    return f"may be left out: {said}" if total > block_size else said
