"""The model card of a fine-tuned model, in Markdown: for people here, and for the hub.

The hub's form has a front matter, see https://huggingface.co/docs/hub/model-cards. It names no path of this machine.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from m1app.training.events import Event, TrainingSummary, best_accuracy, summarise
from m1app.training.folder import TrainingRun
from m1app.training.recipe import Objective, TrainingRecipe
from m1app.wording import percent

_OBJECTIVES: Mapping[Objective, str] = {
    "sft": "Supervised fine-tuning (SFT): the model learns to write the samples",
    "dpo": "Direct preference optimization (DPO, arXiv 2305.18290): the model learns to prefer the better response of "
    "each pair",
    "grpo": "Group relative policy optimization (GRPO, arXiv 2402.03300): the model learns to answer right more often; "
    "the reward is the verdict of m1app's scoring rule `strict` on the answer, and nothing else",
}
_NOUNS: Mapping[Objective, str] = {"sft": "training samples", "dpo": "preference pairs", "grpo": "questions"}
_HUB_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_FRONT_MATTER = re.compile(r"---\n.*?\n---\n+", re.DOTALL)


def model_card(
    recipe: TrainingRecipe, run: TrainingRun, events: Sequence[Event], *, has_gguf: bool, is_public: bool = False
) -> str:
    """Return the card of a finished training.

    Args:
        recipe: the recipe.
        run: what was decided for it.
        events: of the training.
        has_gguf: whether there is a file for the embedded engine.
        is_public: for the hub: with its front matter, and without the places of base and data on this machine.
    """
    start = next((each for each in events if each["event"] in ("started", "resumed")), {})
    resumed = sum(each["event"] == "resumed" for each in events)
    summary = summarise(events)
    named = recipe.model_copy(update={"base": run.base_id, "data": run.data}) if is_public else recipe
    place = run.base_repo or run.base_id if is_public else run.base_location
    parts = [
        f"# {run.model_id}",
        f"Fine-tuned from **{run.base_id}** with m1app on {run.created_at[:10]}. It is a research model: its answers "
        "are not medical advice.",
        f"{_OBJECTIVES[recipe.objective]}. {_method(recipe)}",
        "## Data",
        f"- {run.data} (sha256 {run.data_sha256 or 'unknown'})\n"
        f"- {start.get('samples', 0):,} {_NOUNS[recipe.objective]}, {start.get('evaluation_samples', 0):,} held out, "
        f"{start.get('too_long', 0):,} left out: longer than {recipe.block_size:,} tokens\n"
        f"- rendered with profile {run.profile}; loss on the completion only",
        "## Result",
        f"- {summary.steps:,} steps, resumed {resumed} times\n"
        f"- training loss {_said(summary.first_loss)} at the start, {_said(summary.last_loss)} at the end\n"
        f"- loss on the held-out samples {_said(summary.eval_loss_before)} before, "
        f"{_said(summary.eval_loss_after)} after" + _preferences(summary) + _choice(recipe, events),
        *_asking(run),
        "## Files",
        "- model/: safetensors in bfloat16, tokenizer, chat template"
        + ("\n- a .gguf file: float16, for the embedded engine" if has_gguf else "")
        if not is_public
        else "- safetensors in bfloat16, tokenizer, chat template, generation_config",
        "## Reproducing it",
        f"```\n{named.command_line()}\n```",
        f"Seed {recipe.seed}; app at git commit {run.git_commit or 'unknown'}; base {place}"
        + (f" at revision {run.base_revision}" if run.base_revision else ""),
        f"```json\n{named.model_dump_json(indent=1)}\n```",
    ]
    body = "\n\n".join(parts) + "\n"
    return front_matter(recipe, run) + body if is_public else body


def front_matter(recipe: TrainingRecipe, run: TrainingRun, results: Sequence[Any] = ()) -> str:
    """Return the front matter of a card on the hub.

    Args:
        recipe: the recipe.
        run: what was decided for it.
        results: `huggingface_hub.EvalResult` of each measurement; they become the model index.
    """
    # Imported late: it reads the environment on import.
    from huggingface_hub import ModelCardData

    data = ModelCardData(
        base_model=run.base_repo or None,
        base_model_relation="finetune" if run.base_repo else None,
        datasets=list(run.data_repos) or None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["medical", "reasoning", "m1app", "trl", recipe.objective, *(["lora"] if recipe.method == "lora" else [])],
        model_name=run.model_id if results else None,
        eval_results=list(results) or None,
        **_licence(run),
    )
    return f"---\n{data.to_yaml()}\n---\n\n"


def without_front_matter(card: str) -> str:
    """The card's text alone."""
    return _FRONT_MATTER.sub("", card, count=1) if card.startswith("---\n") else card


def _licence(run: TrainingRun) -> dict[str, Any]:
    """The base's licence: by the hub's id, which is SPDX in lower case, or by its name."""
    name = run.licence.lower()
    if not name or name.startswith("unknown"):
        return {}
    if _HUB_LICENCE.fullmatch(name):
        return {"license": name}
    return {"license": "other", "license_name": run.licence, "license_link": run.licence_url}


def _method(recipe: TrainingRecipe) -> str:
    if recipe.method == "full":
        return "All weights were trained."
    return f"A LoRA of rank {recipe.lora_rank} was trained and merged into the weights."


def _preferences(summary: TrainingSummary) -> str:
    if summary.first_reward is not None and summary.last_reward is not None:
        return (
            f"\n- share of right answers while training {percent(summary.first_reward, 0)} at the start, "
            f"{percent(summary.last_reward, 0)} at the end"
        )
    if summary.reward_margin is None or summary.pair_accuracy is None:
        return ""
    return (
        f"\n- reward margin {summary.reward_margin:.3f} at the end; the better response of "
        f"{percent(summary.pair_accuracy, 0)} of the pairs has the higher reward"
    )


def _choice(recipe: TrainingRecipe, events: Sequence[Event]) -> str:
    """Which checkpoint it is, where its accuracy decided that."""
    best = best_accuracy(events) if recipe.best_by == "accuracy" else None
    if best is None:
        return ""
    measured = sum(each["event"] == "accuracy" and each["step"] > 0 for each in events)
    return (
        f"\n- the checkpoint of step {best['step']:,}, the most accurate of {measured:,} measured: "
        f"{best['correct']:,} of {best['n']:,} questions of {recipe.accuracy_set} right. This choice makes the figure "
        "optimistic; measure it again on other questions"
    )


def _asking(run: TrainingRun) -> list[str]:
    """How the model is asked, for those who serve it elsewhere; nothing for folders that do not say."""
    if not run.chat_template:
        return []
    stops = ", ".join(f"`{token}`" for token in run.stop_tokens)
    return [
        "## Asking it",
        "Its chat template (chat_template.jinja, and in the .gguf file) renders a question as the samples were "
        f"rendered, with the system prompt of profile {run.profile}. The whole prompt, of which the question, its "
        "options and the words around them are the user's message:",
        _block(run.asked_as),
        f"An answer ends at {stops} (generation_config.json). The model writes thinking and answer as one text; their "
        "delimiters are special tokens in some profiles, which servers leave out of the text unless configured "
        "otherwise.",
    ]


def _block(text: str) -> str:
    """A code block whose fence the text cannot close."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}text\n{text.rstrip(chr(10))}\n{fence}"


def _said(loss: float | None) -> str:
    return "not measured" if loss is None else f"{loss:.4f}"
