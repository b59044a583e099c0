"""The model card of a fine-tuned model, in Markdown."""

from collections.abc import Sequence

from m1app.training.events import Event, summarise
from m1app.training.folder import TrainingRun
from m1app.training.recipe import TrainingRecipe


def model_card(recipe: TrainingRecipe, run: TrainingRun, events: Sequence[Event], *, has_gguf: bool) -> str:
    """Return the card of a finished training."""
    start = next((each for each in events if each["event"] in ("started", "resumed")), {})
    resumed = sum(each["event"] == "resumed" for each in events)
    summary = summarise(events)
    parts = [
        f"# {run.model_id}",
        f"Fine-tuned from **{run.base_id}** with m1app on {run.created_at[:10]}. It is a research model: its answers "
        "are not medical advice.",
        "## Data",
        f"- {run.data} (sha256 {run.data_sha256 or 'unknown'})\n"
        f"- {start.get('samples', 0):,} training samples, {start.get('evaluation_samples', 0):,} held out, "
        f"{start.get('too_long', 0):,} left out: longer than {recipe.block_size:,} tokens\n"
        f"- rendered with profile {run.profile}; loss on the completion only",
        "## Result",
        f"- {summary.steps:,} steps, resumed {resumed} times\n"
        f"- training loss {_said(summary.first_loss)} at the start, {_said(summary.last_loss)} at the end\n"
        f"- loss on the held-out samples {_said(summary.eval_loss_before)} before, "
        f"{_said(summary.eval_loss_after)} after",
        "## Files",
        "- model/: safetensors in bfloat16, tokenizer, chat template"
        + ("\n- a .gguf file: float16, for the embedded engine" if has_gguf else ""),
        "## Reproducing it",
        f"```\n{recipe.command_line()}\n```",
        f"Seed {recipe.seed}; app at git commit {run.git_commit or 'unknown'}; base {run.base_location}"
        + (f" at revision {run.base_revision}" if run.base_revision else ""),
        f"```json\n{recipe.model_dump_json(indent=1)}\n```",
    ]
    return "\n\n".join(parts) + "\n"


def _said(loss: float | None) -> str:
    return "not measured" if loss is None else f"{loss:.4f}"
