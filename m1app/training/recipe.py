"""The validated request for a fine-tuning, and the equivalent command line.

`recipe_check` checks it against machine and base model; presets are in `presets.toml`.
"""

import difflib
import shlex
import tomllib
from functools import cache
from importlib import resources
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from m1app.training.errors import RecipeRefused
from m1app.training.rendering import Rendering

Preset = Literal["m1", "lora", "qlora", "cpu-trial", "dpo", "dpo-cpu-trial", "grpo", "grpo-cpu-trial"]
PRESETS: tuple[Preset, ...] = ("m1", "lora", "qlora", "cpu-trial", "dpo", "dpo-cpu-trial", "grpo", "grpo-cpu-trial")
Objective = Literal["sft", "dpo", "grpo"]
_LORA_FIELDS = ("lora_rank", "lora_alpha", "lora_dropout")
_OBJECTIVE_FIELDS: dict[Objective, tuple[str, ...]] = {
    "sft": (),
    "dpo": ("kl_beta",),
    "grpo": ("kl_beta", "generations", "completion_tokens", "temperature", "generator"),
}
_LORA_CHOICES = ("lora_targets", "modules_to_save", "quantization")
"""Further fields of a LoRA, which have a usual value."""
ALL_LINEAR = "all-linear"
_NAMES = r"^[A-Za-z][\w.-]*(,[A-Za-z][\w.-]*)*$"
_OPTIONAL_FIELDS = frozenset((*_LORA_FIELDS, *(name for names in _OBJECTIVE_FIELDS.values() for name in names)))
"""None where they do not apply."""
_Count = Annotated[int, Field(ge=0)]
_Positive = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class TrainingRecipe(BaseModel):
    """Fine-tuning of one base model on one data set."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    base: Annotated[str, Field(min_length=1)]
    """Catalog id, a .gguf file, or a folder of safetensors."""
    data: Annotated[str, Field(min_length=1)]
    """NAME or NAME:vN of a stored training data set, or a file."""
    preset: Preset
    name: Annotated[str, Field(max_length=60)] = ""
    """Name of the new model; empty derives it from base and preset."""
    profile: str = ""
    """How the new model opens and closes its thinking; empty uses its base's profile."""
    rendering: Rendering = "as-asked"
    """Text of the samples: "as-asked", as the app will ask the model, or "own-data", as the family's own training data
    were, if its profile has them."""
    objective: Objective = "sft"
    """What is learned: "sft", to write the samples; "dpo", to prefer the better response of each preference pair
    (direct preference optimization, arXiv 2305.18290); "grpo", to answer right more often, by the app's own verdict on
    answers that the model writes itself (group relative policy optimization, arXiv 2402.03300)."""
    method: Literal["full", "lora"]
    """All weights, or a low-rank adapter on all linear layers (arXiv 2106.09685) that is merged at the end."""
    learning_rate: Annotated[float, Field(gt=0.0, le=0.1)]
    """Peak learning rate."""
    epochs: Annotated[float, Field(gt=0.0, le=1000.0)]
    """Passes over the data."""
    max_steps: _Positive | None = None
    """Ends before `epochs` would; None leaves it to `epochs`."""
    batch_size: _Positive
    """Samples per optimizer step, over all devices."""
    gradient_accumulation: _Positive = 1
    """Micro-batches per step: more of them need less memory."""
    packing: bool = False
    """Joins the samples of a micro-batch into one row without padding, kept apart: each attends to itself alone.
    `batch_size` counts samples as before. SFT only, as the next one."""
    group_by_length: bool = False
    """Sorts the samples of a step by length before they are dealt to its micro-batches, which then need less padding.
    A step keeps its samples."""
    warmup_ratio: _Share = 0.0
    """Share of the steps over which the learning rate rises to its peak."""
    scheduler: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    beta1: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.9
    beta2: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.999
    max_gradient_norm: Annotated[float, Field(gt=0.0)] = 1.0
    precision: Literal["bf16", "fp32"]
    """Numeric precision, which also determines the device: bf16 on the GPU, fp32 on the CPU."""
    block_size: Annotated[int, Field(ge=16)]
    """Maximum tokens per sample; longer ones are left out, never cut."""
    gradient_checkpointing: bool = False
    """Recomputes activations to store fewer of them."""
    lora_rank: Annotated[int, Field(ge=1, le=1024)] | None = None
    """None for method "full", as are alpha and dropout."""
    lora_alpha: Annotated[float, Field(gt=0.0)] | None = None
    lora_dropout: _Share | None = None
    lora_targets: Annotated[str, Field(pattern=_NAMES, max_length=500)] = ALL_LINEAR
    """Layers that get an adapter: "all-linear", or their names with commas, such as q_proj,v_proj."""
    modules_to_save: Annotated[str, Field(pattern=f"^$|{_NAMES}", max_length=500)] = ""
    """Layers that are trained whole beside a LoRA, their names with commas; empty for none."""
    quantization: Literal["none", "nf4"] = "none"
    """Of the frozen weights under a LoRA: "nf4" holds them in four bits (QLoRA, arXiv 2305.14314)."""
    kl_beta: Annotated[float, Field(ge=0.0, le=10.0)] | None = None
    """How strongly DPO or GRPO holds the model to its base (their beta); None for SFT, as the next four."""
    generations: Annotated[int, Field(ge=2, le=64)] | None = None
    """Answers that GRPO compares for each question; `batch_size` counts answers, and is a multiple of it."""
    completion_tokens: Annotated[int, Field(ge=16)] | None = None
    """Most tokens of an answer with its thinking; one without an end by then is cut, and seldom right."""
    temperature: Annotated[float, Field(gt=0.0, le=2.0)] | None = None
    """Of the sampling of these answers."""
    generator: Literal["transformers", "vllm"] | None = None
    """What writes them: the model itself, or vLLM in the training environment, on a GPU only."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed for the split, the order of the data, and the adapter's initial weights."""
    evaluation_share: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Share of samples held out for the evaluation loss; 0 disables evaluation."""
    evaluation_data: str = ""
    """NAME or NAME:vN of a data set, or a file, for the evaluation loss instead of held-out samples; empty for none."""
    evaluate_every_steps: _Positive = 50
    save_every_steps: _Positive = 50
    keep_checkpoints: Annotated[int, Field(ge=1, le=100)] = 2
    """Checkpoints to keep; with early stopping the best one is kept as well."""
    early_stop_patience: _Count = 0
    """Stop after this many evaluations without improvement and use the best checkpoint; 0 never stops early."""
    best_by: Literal["loss", "accuracy"] | None = None
    """Which checkpoint becomes the model: that with the lowest held-out loss, or with the highest accuracy on
    `accuracy_set`. None takes the last one, or, with early stopping, that with the lowest loss."""
    accuracy_set: Annotated[str, Field(max_length=200)] = ""
    """Question set that the base and every checkpoint are asked while it trains; empty asks none."""
    accuracy_questions: Annotated[int, Field(ge=1, le=10_000)] = 40
    """Questions drawn from the set, the same at every checkpoint."""
    accuracy_seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the draw."""
    accuracy_budget_tokens: Annotated[int, Field(ge=1, le=100_000)] = 256
    """Thinking budget of each question."""
    accuracy_answer_tokens: Annotated[int, Field(ge=1, le=8192)] = 256
    """Maximum tokens of each answer."""
    accuracy_server: Annotated[str, Field(max_length=500)] = ""
    """Address of a vLLM server that serves the base and loads the LoRA of each checkpoint: `M1_ENGINE_URL`, or one of
    `M1_MORE_ENGINE_URLS`. Empty serves each checkpoint on the CPU, by an engine of its own."""
    sample_question: str = ""
    """Question answered at every evaluation; empty uses the first held-out sample."""
    sample_tokens: Annotated[int, Field(ge=0, le=2048)] = 96
    """Maximum tokens of that answer; 0 disables it."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """CPU threads; 0 uses half of the cores, leaving the others for a running engine."""
    niceness: Annotated[int, Field(ge=0, le=19)] = 19
    """Niceness of the training process."""
    nodes: Annotated[int, Field(ge=1, le=1024)] = 1
    """Machines of a Ray cluster that share full fine-tuning."""
    gpus_per_node: Annotated[int, Field(ge=1, le=64)] | None = None
    """GPUs per machine, reserved by Ray; None trains on the machine where the job runs."""

    @classmethod
    def of_preset(cls, preset: str, base: str, data: str, **changes: Any) -> Self:
        """Return the preset's recipe with some fields changed.

        Changing `method` or `objective` also sets its fields: a LoRA takes rank, alpha and dropout from the preset
        "lora", DPO its beta from the preset "dpo".

        Raises:
            RecipeRefused: a field is unknown, out of range, or contradicts another.
        """
        if preset not in PRESETS:
            raise RecipeRefused("preset", f"Unknown preset {preset!r}; choose one of: {', '.join(PRESETS)}.")
        values = dict(_presets()[preset])
        if changes.get("method", values["method"]) != values["method"]:
            adapter = {name: _presets()["lora"][name] for name in _LORA_FIELDS}
            values |= adapter if changes["method"] == "lora" else dict.fromkeys(_LORA_FIELDS)
        objective = changes.get("objective", "")
        if objective in _OBJECTIVE_FIELDS and objective != values.get("objective", "sft"):
            # The preset for an objective has its name.
            own = _presets().get(objective, {})
            every = dict.fromkeys(name for names in _OBJECTIVE_FIELDS.values() for name in names)
            values |= every | {name: own[name] for name in _OBJECTIVE_FIELDS[objective]}
            if objective != "sft" and values.get("lora_dropout"):
                values["lora_dropout"] = own["lora_dropout"]
        if changes.get("evaluation_data"):
            values["evaluation_share"] = 0.0
        return cls.parse(values | {"base": base, "data": data, "preset": preset} | changes)

    @classmethod
    def parse(cls, values: Any) -> Self:
        """Parse a recipe from JSON-like values; raises RecipeRefused with advice on the first invalid field."""
        try:
            return cls.model_validate(values)
        except ValidationError as exc:
            raise _refusal(exc.errors()[0]) from exc

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        self._check_adapter()
        self._check_objective()
        self._check_evaluation()
        if self.batch_size % self.gradient_accumulation:
            raise _contradiction(
                "gradient_accumulation",
                f"A step of {self.batch_size} samples cannot be split into {self.gradient_accumulation} equal "
                "parts; choose a divisor of the batch size.",
            )
        self._check_padding()
        self._check_best()
        self._check_accuracy_server()
        self._check_nodes()
        return self

    def _check_padding(self) -> None:
        """Refuse to save padding where there is none."""
        wanted = [name for name in ("packing", "group_by_length") if getattr(self, name)]
        if not wanted:
            return
        if self.objective != "sft":
            raise _contradiction(wanted[0], f'Objective "{self.objective}" has no {wanted[0]}; leave it out.')
        if self.gradient_accumulation == self.batch_size:
            raise _contradiction(
                wanted[0],
                f"A micro-batch of one sample has no padding. Leave {wanted[0]} out, or process several samples at "
                f"once: set gradient_accumulation below {self.batch_size}.",
            )
        if len(wanted) == 2:
            raise _contradiction("group_by_length", "Packed samples have no padding; leave group_by_length out.")
        if self.group_by_length and self.gradient_accumulation == 1:
            raise _contradiction(
                "group_by_length",
                "A step of one micro-batch has nothing to group. Choose packing instead, or set gradient_accumulation "
                "above 1.",
            )

    def _check_accuracy_server(self) -> None:
        if not self.accuracy_server:
            return
        if not self.accuracy_set:
            raise _contradiction(
                "accuracy_set", "accuracy_server needs questions to ask; name a question set in accuracy_set."
            )
        if self.method != "lora" or self.modules_to_save:
            what = f'method "{self.method}"' if self.method != "lora" else "modules_to_save"
            raise _contradiction(
                "accuracy_server",
                f"A server can load only the LoRA of a checkpoint, so {what} cannot be asked there; leave "
                "accuracy_server out.",
            )

    def _check_nodes(self) -> None:
        if self.gpus_per_node is None:
            if self.nodes > 1:
                raise _contradiction(
                    "gpus_per_node", "With several nodes, set gpus_per_node to the number of GPUs on each."
                )
            return
        if self.method != "full" or self.precision != "bf16":
            raise _contradiction(
                "gpus_per_node",
                'Only full fine-tuning in bf16 can be spread over the GPUs of a cluster; set method "full" and '
                "precision bf16, or leave gpus_per_node out.",
            )
        devices = self.nodes * self.gpus_per_node
        if self.batch_size % devices:
            raise _contradiction(
                "batch_size",
                f"A step of {self.batch_size} samples cannot be split evenly across {devices} GPUs; choose a multiple.",
            )

    def _check_adapter(self) -> None:
        given = [name for name in _LORA_FIELDS if getattr(self, name) is not None]
        if self.method == "full" and given:
            raise _contradiction(given[0], f'Method "full" has no adapter; leave {given[0]} out, or choose "lora".')
        usual = {name: type(self).model_fields[name].default for name in _LORA_CHOICES}
        if self.method == "full" and (chosen := next((n for n in usual if getattr(self, n) != usual[n]), "")):
            raise _contradiction(chosen, f'Method "full" has no adapter; leave {chosen} out, or choose "lora".')
        if "lm_head" in (*self.lora_targets.split(","), *self.modules_to_save.split(",")):
            name = "lora_targets" if "lm_head" in self.lora_targets.split(",") else "modules_to_save"
            raise _contradiction(
                name,
                "lm_head cannot be trained alongside a LoRA, because the loss uses its frozen weights. Leave it out.",
            )
        if self.method == "lora" and len(given) < len(_LORA_FIELDS):
            missing = next(name for name in _LORA_FIELDS if name not in given)
            raise _contradiction(missing, f'Method "lora" needs {missing}; rank 16, alpha 32, dropout 0.05 are usual.')

    @property
    def is_best_by_loss(self) -> bool:
        """Whether the checkpoint with the lowest held-out loss becomes the model."""
        return self.best_by == "loss" or (self.best_by is None and self.early_stop_patience > 0)

    def _check_evaluation(self) -> None:
        if self.evaluation_data and self.evaluation_share:
            raise _contradiction(
                "evaluation_share", "With separate evaluation data, nothing is held out; set evaluation_share to 0."
            )

    def _check_objective(self) -> None:
        own = _OBJECTIVE_FIELDS[self.objective]
        for objective, names in _OBJECTIVE_FIELDS.items():
            for name in names:
                if getattr(self, name) is not None and name not in own:
                    raise _contradiction(
                        name, f'Objective "{self.objective}" has no {name}; leave it out, or choose "{objective}".'
                    )
        if missing := next((name for name in own if getattr(self, name) is None), ""):
            raise _contradiction(
                missing, f'Objective "{self.objective}" needs {missing}; see the preset with that name.'
            )
        if self.objective == "sft":
            return
        if self.method == "full":
            raise _contradiction(
                "method",
                f'Objective "{self.objective}" trains a LoRA: all weights would need a second copy of the base to '
                'compare with. Choose method "lora".',
            )
        if self.objective == "grpo":
            self._check_generations()
        elif not self.kl_beta:
            raise _contradiction("kl_beta", "DPO needs a kl_beta above 0; 0.1 is usual.")
        if self.lora_dropout:
            raise _contradiction(
                "lora_dropout",
                f'Objective "{self.objective}" compares the model with its base, which dropout would blur; set '
                "lora_dropout to 0.",
            )

    def _check_generations(self) -> None:
        if self.generations and self.batch_size % self.generations:
            raise _contradiction(
                "batch_size",
                f"A step of {self.batch_size} answers cannot be split into groups of {self.generations}; choose a "
                "multiple, such as the number of generations times the questions of a step.",
            )
        if self.completion_tokens and self.completion_tokens >= self.block_size:
            raise _contradiction(
                "completion_tokens",
                f"Answers of {self.completion_tokens:,} tokens leave no room for a question in a block of "
                f"{self.block_size:,}; choose fewer, or a larger block_size.",
            )
        if self.generator == "vllm":
            self._check_generator()
        if self.early_stop_patience:
            raise _contradiction(
                "early_stop_patience", "GRPO's loss does not show when to stop; watch the reward. Set it to 0."
            )

    def _check_generator(self) -> None:
        if self.precision != "bf16":
            raise _contradiction("generator", 'vLLM writes answers on a GPU only, in bf16; choose "transformers".')
        if self.quantization != "none":
            raise _contradiction(
                "generator",
                "vLLM takes over the merged weights before it answers, and weights in four bits would be rounded anew "
                'each time; choose "transformers", or quantization none.',
            )

    def _check_best(self) -> None:
        if self.best_by == "accuracy" and not self.accuracy_set:
            raise _contradiction(
                "accuracy_set",
                "To choose the checkpoint with the highest accuracy, name a question set in accuracy_set.",
            )
        if not (self.early_stop_patience or self.is_best_by_loss):
            return
        what = "Early stopping" if self.early_stop_patience else 'best_by "loss"'
        if not self.evaluates:
            raise _contradiction(
                "evaluation_share", f"{what} compares evaluation losses; hold out a share such as 0.05."
            )
        if self.save_every_steps % self.evaluate_every_steps:
            raise _contradiction(
                "save_every_steps",
                f"{what} goes back to the best checkpoint, so each must be evaluated: save every "
                f"{self.evaluate_every_steps} steps or a multiple of that, not every {self.save_every_steps}.",
            )

    @property
    def evaluates(self) -> bool:
        """Whether there is an evaluation loss."""
        return bool(self.evaluation_share or self.evaluation_data)

    @property
    def samples_per_step(self) -> int:
        """Samples of the data per optimizer step: GRPO answers each several times."""
        return self.batch_size // (self.generations or 1)

    def command_line(self) -> str:
        """Return the equivalent command line."""
        words = ["python", "-m", "m1app", "finetune", "--data", self.data, "--base", self.base, "--preset", self.preset]
        usual = type(self).of_preset(self.preset, self.base, self.data)
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value == getattr(usual, name) or (value is None and name in _OPTIONAL_FIELDS):
                continue
            if name in ("name", "max_steps") and value is not None:
                words += [f"--{name.replace('_', '-')}", str(value)]
            else:
                words += ["--set", f"{name}={'none' if value is None else str(value)}"]
        return shlex.join(words)


def parse_change(line: str) -> tuple[str, str | None]:
    """Parse "FIELD=VALUE", with "none" for no value; pydantic parses numbers and booleans from the text.

    Raises:
        RecipeRefused: the line has no "="; the error names no field.
    """
    field, separator, value = line.partition("=")
    if not separator:
        raise RecipeRefused(
            "", f"Found {line[:60]!r} without =. Write it as FIELD=VALUE, for example weight_decay=0.01."
        )
    return field.strip().replace("-", "_"), None if value.strip().lower() == "none" else value.strip()


def _contradiction(field: str, message: str) -> PydanticCustomError:
    # Braces would be interpreted as placeholders in the message.
    return PydanticCustomError("contradiction", "{text}", {"text": message, "field": field})


def _refusal(error: ErrorDetails) -> RecipeRefused:
    field = str(error["loc"][0]) if error["loc"] else str(error.get("ctx", {}).get("field", ""))
    if error["type"] == "contradiction":
        return RecipeRefused(field, error["msg"])
    if error["type"] == "missing":
        return RecipeRefused(field, f"The recipe has no {field}; it is required.")
    if error["type"] == "extra_forbidden":
        close = difflib.get_close_matches(field, TrainingRecipe.model_fields, n=1)
        advice = f"did you mean {close[0]}?" if close else f"available: {', '.join(TrainingRecipe.model_fields)}."
        return RecipeRefused(field, f"A recipe has no field {field!r}; {advice}")
    return RecipeRefused(field, f"{field}: found {error['input']!r}; {error['msg'][0].lower()}{error['msg'][1:]}.")


@cache
def _presets() -> dict[str, dict[str, Any]]:
    text = resources.files(__package__).joinpath("presets.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
