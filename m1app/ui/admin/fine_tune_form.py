"""The form that launches a fine-tuning, and its conversion to a `TrainingRecipe` and back."""

from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from m1app.training.errors import RecipeRefused
from m1app.training.preset_needs import preset_needs
from m1app.training.recipe import PRESETS, TrainingRecipe, parse_change
from m1app.ui.admin.problems import ProblemPlaces
from m1app.ui.shell.events import Updates
from m1app.ui.shell.page_component import escaped

_PRESETS = {
    "m1": "m1: the paper's setting",
    "lora": "LoRA on one GPU",
    "qlora": "QLoRA on one GPU",
    "cpu-trial": "CPU trial",
    "dpo": "DPO on one GPU",
    "dpo-cpu-trial": "DPO, CPU trial",
    "grpo": "GRPO on one GPU",
    "grpo-cpu-trial": "GRPO, CPU trial",
}
NO_SET = ("Ask no questions", "")
"""The first choice of question sets: label and value."""
_BOXES = ("max_steps", "epochs", "learning_rate", "batch_size", "lora_rank", "block_size", "accuracy_questions")
"""Fields that have their own box; an empty box means the preset's value."""
_PLACES = {
    "base": ("base", "profile"),
    "data": ("data",),
    "preset": ("preset", "precision", "method"),
    "name": ("name",),
    "steps": ("max_steps", "epochs", "learning_rate"),
    "sizes": ("batch_size", "gradient_accumulation", "lora_rank", "block_size"),
    "accuracy": (
        *("accuracy_set", "accuracy_questions", "accuracy_seed", "accuracy_budget_tokens", "accuracy_answer_tokens"),
        "best_by",
    ),
}
_BEST = (
    ("Last; with early stopping, lowest held-out loss", ""),
    ("Lowest held-out loss", "loss"),
    ("Highest accuracy", "accuracy"),
)
"""Where problems are shown: place and fields covered. All other fields' problems appear at "other"."""


class TrainingForm:
    """The components of the form. `inputs` and `read` have the same order."""

    def __init__(self, bases: Sequence[tuple[str, str]], base: str | None, has_ray: bool) -> None:
        """Args:
        bases: available base models: label and id.
        base: the initial choice.
        has_ray: whether jobs can also run on a Ray cluster.
        """
        self._problems = ProblemPlaces("training")
        with gr.Row():
            with gr.Column(scale=6, min_width=300):
                self._build_subject(bases, base)
            with gr.Column(scale=6, min_width=300):
                self._build_settings(has_ray)

    def _build_subject(self, bases: Sequence[tuple[str, str]], base: str | None) -> None:
        self.base = gr.Dropdown(
            list(bases),
            value=base,
            label="Base model",
            info="Or a path on this machine: a .gguf file or a folder of safetensors.",
            allow_custom_value=True,
            elem_id="admin-training-base",
        )
        self._problems.add("base")
        self.data = gr.Dropdown(
            [],
            label="Training data",
            info="A data set, or the path of a file of samples.",
            allow_custom_value=True,
            elem_id="admin-training-set",
        )
        self._problems.add("data")
        self.preset = gr.Radio(
            [(label, preset) for preset, label in _PRESETS.items()],
            value="cpu-trial",
            label="Preset",
            elem_id="admin-training-preset",
        )
        self.meaning = gr.HTML(
            escaped(preset_meaning("cpu-trial")), elem_id="admin-training-meaning", apply_default_css=False
        )
        self._problems.add("preset")
        self._build_accuracy()

    def _build_accuracy(self) -> None:
        with gr.Row():
            self.accuracy_set = gr.Dropdown(
                [NO_SET],
                value="",
                label="Accuracy during training",
                info="A question set to test the base and every checkpoint on.",
                allow_custom_value=True,
                min_width=160,
                elem_id="admin-training-accuracy-set",
            )
            self.accuracy_questions = _box(
                "Questions", "accuracy-questions", preset_values("cpu-trial")["accuracy_questions"]
            )
            self.best_by = gr.Dropdown(
                list(_BEST),
                value="",
                label="Checkpoint that becomes the model",
                info="A choice based on few questions is largely chance.",
                min_width=160,
                elem_id="admin-training-best",
            )
        self._problems.add("accuracy")

    def _build_settings(self, has_ray: bool) -> None:
        boxes = preset_values("cpu-trial")
        self.name = gr.Textbox(
            label="Name of the new model",
            placeholder="Default: base and preset",
            max_lines=1,
            elem_id="admin-training-model",
        )
        self._problems.add("name")
        with gr.Row():
            self.max_steps = _box("Max steps", "max-steps", boxes["max_steps"])
            self.epochs = _box("Epochs", "epochs", boxes["epochs"])
            self.learning_rate = _box("Learning rate", "learning-rate", boxes["learning_rate"])
        self._problems.add("steps")
        with gr.Row():
            self.batch_size = _box("Samples per step", "batch", boxes["batch_size"])
            self.lora_rank = _box("LoRA rank", "lora-rank", boxes["lora_rank"])
            self.block_size = _box("Block (tokens)", "block", boxes["block_size"])
        self._problems.add("sizes")
        self.other = gr.Textbox(
            label="Other fields",
            info="FIELD=VALUE, one per line, as with --set. See docs/fine-tuning.md.",
            placeholder="For example evaluate_every_steps=5",
            lines=2,
            elem_id="admin-training-other",
        )
        self._problems.add("other")
        places = [("This machine", "local"), *([("Ray", "ray")] if has_ray else [])]
        self.executor = gr.Dropdown(
            places,
            value="local",
            label="Where",
            info="On Ray, nodes=2 and gpus_per_node=8 under Other fields spread full fine-tuning across the cluster.",
            visible=has_ray,
            elem_id="admin-training-executor",
        )

    @property
    def inputs(self) -> list[Any]:
        """Components whose values `read` takes."""
        chosen = [self.base, self.data, self.preset, self.name, self.accuracy_set, self.best_by]
        return [*chosen, *self._boxes.values(), self.other]

    @property
    def problems(self) -> list[gr.components.Component]:
        """Where problems are shown."""
        return self._problems.components

    @property
    def _boxes(self) -> Mapping[str, gr.Textbox]:
        return {name: getattr(self, name) for name in _BOXES}

    def read(self, values: Sequence[Any]) -> TrainingRecipe:
        """Return the form's recipe; raises RecipeRefused, whose field names the problem."""
        base, data, preset, name, accuracy_set, best_by, *boxes, other = [str(value or "").strip() for value in values]
        if not base:
            raise RecipeRefused("base", "No base model chosen. Choose one or enter a path.")
        if not data:
            raise RecipeRefused("data", "No data set chosen. Build one above or enter the path of a file.")
        changes: dict[str, Any] = {field: text for field, text in zip(_BOXES, boxes, strict=True) if text}
        given = {"name": name, "accuracy_set": accuracy_set, "best_by": best_by}
        changes |= {field: text for field, text in given.items() if text}
        return TrainingRecipe.of_preset(preset, base, data, **(changes | read_other(other)))

    def fill_with(self, recipe: TrainingRecipe) -> Updates:
        """Fill the form with a recipe: only values that differ from the preset."""
        usual = TrainingRecipe.of_preset(recipe.preset, recipe.base, recipe.data)
        changed = {
            field: "none" if value is None else str(value)
            for field in TrainingRecipe.model_fields
            if (value := getattr(recipe, field)) != getattr(usual, field)
        }
        name, accuracy_set, best_by = (changed.pop(field, "") for field in ("name", "accuracy_set", "best_by"))
        # A box cannot express "no limit", so it goes under Other fields.
        boxes = {field: changed.pop(field) for field in _BOXES if changed.get(field, "none") != "none"}
        return {
            self.base: recipe.base,
            self.data: recipe.data,
            self.preset: recipe.preset,
            self.name: name,
            self.accuracy_set: accuracy_set,
            self.best_by: best_by,
            **{box: boxes.get(field, "") for field, box in self._boxes.items()},
            self.other: "\n".join(f"{field}={value}" for field, value in changed.items()),
        }

    def show_preset(self, preset: str) -> Updates:
        """Show the preset's meaning below it, and its values as placeholders in the boxes."""
        values = preset_values(preset)
        shown: Updates = {box: gr.update(placeholder=values[field]) for field, box in self._boxes.items()}
        return shown | {self.meaning: escaped(preset_meaning(preset))}

    def show_problem(self, error: Exception | None, message: str = "") -> Updates:
        """Show a problem at its field and clear all others.

        Args:
            error: names the field, if it is one of a recipe's; None clears all.
            message: what is shown.
        """
        place = place_of(error.field) if isinstance(error, RecipeRefused) else ""
        return self._problems.show(place, message)

    def place_id(self, error: Exception) -> str:
        """Id of the element at the field that an error names; empty if it names none."""
        return self._problems.element_of(place_of(error.field)) if isinstance(error, RecipeRefused) else ""


def place_of(field: str) -> str:
    """Where a field's problem is shown."""
    return next((place for place, fields in _PLACES.items() if field in fields), "other")


def preset_values(preset: str) -> dict[str, str]:
    """The values of empty boxes."""
    recipe = _recipe(preset)
    values = {field: getattr(recipe, field) for field in _BOXES}
    absent = {"max_steps": "no limit", "lora_rank": "all weights"}
    return {field: absent.get(field, "") if value is None else f"{value:g}" for field, value in values.items()}


def preset_meaning(preset: str) -> str:
    """What a preset trains, how, where, and what that needs."""
    recipe = _recipe(preset)
    method = f"a LoRA of rank {recipe.lora_rank} on all linear layers" if recipe.method == "lora" else "all weights"
    if recipe.quantization != "none":
        method += " over weights in four bits (QLoRA)"
    length = f"at most {recipe.max_steps} steps" if recipe.max_steps else f"{recipe.epochs:g} epochs"
    place = "bf16 on a GPU" if recipe.precision == "bf16" else "fp32 on the CPU"
    learned = ""
    if recipe.objective == "dpo":
        learned = f" to prefer the better response of each pair (DPO, beta {recipe.kl_beta:g})"
    elif recipe.objective == "grpo":
        learned = (
            f" to answer right more often (GRPO, beta {recipe.kl_beta:g}, {recipe.generations} answers to each "
            f"question of up to {recipe.completion_tokens:,} tokens)"
        )
    return (
        f"Trains {method}{learned} for {length}, {recipe.batch_size} samples per step, in {place}: learning rate "
        f"{recipe.learning_rate:g} ({recipe.scheduler}, warm-up {recipe.warmup_ratio:.0%}), blocks of "
        f"{recipe.block_size:,} tokens, {recipe.evaluation_share:.0%} of the samples held out and evaluated every "
        f"{recipe.evaluate_every_steps} steps. {preset_needs(recipe)}"
    )


def read_other(text: str) -> dict[str, Any]:
    """Parse one change a line, as `parse_change` does; blank lines are skipped."""
    return dict(map(parse_change, filter(None, map(str.strip, text.splitlines()))))


def _recipe(preset: str) -> TrainingRecipe:
    return TrainingRecipe.of_preset(preset if preset in PRESETS else "cpu-trial", "base", "data")


def _box(label: str, name: str, placeholder: str) -> gr.Textbox:
    return gr.Textbox(label=label, placeholder=placeholder, max_lines=1, min_width=80, elem_id=f"admin-training-{name}")
