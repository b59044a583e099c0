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

Preset = Literal["m1", "lora", "cpu-trial"]
PRESETS: tuple[Preset, ...] = ("m1", "lora", "cpu-trial")
_LORA_FIELDS = ("lora_rank", "lora_alpha", "lora_dropout")
_Count = Annotated[int, Field(ge=0)]
_Positive = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class TrainingRecipe(BaseModel):
    """Supervised fine-tuning of one base model on one data set."""

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
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed for the split, the order of the data, and the adapter's initial weights."""
    evaluation_share: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0
    """Share of samples held out for the evaluation loss; 0 disables evaluation."""
    evaluate_every_steps: _Positive = 50
    save_every_steps: _Positive = 50
    keep_checkpoints: Annotated[int, Field(ge=1, le=100)] = 2
    """Checkpoints to keep; with early stopping the best one is kept as well."""
    early_stop_patience: _Count = 0
    """Stop after this many evaluations without improvement and use the best checkpoint; 0 never stops early."""
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

        Changing `method` also sets that method's fields: a LoRA takes rank, alpha and dropout from the preset "lora".

        Raises:
            RecipeRefused: a field is unknown, out of range, or contradicts another.
        """
        if preset not in PRESETS:
            raise RecipeRefused("preset", f"Unknown preset {preset!r}; choose one of: {', '.join(PRESETS)}.")
        values = dict(_presets()[preset])
        if changes.get("method", values["method"]) != values["method"]:
            adapter = {name: _presets()["lora"][name] for name in _LORA_FIELDS}
            values |= adapter if changes["method"] == "lora" else dict.fromkeys(_LORA_FIELDS)
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
        if self.batch_size % self.gradient_accumulation:
            raise _contradiction(
                "gradient_accumulation",
                f"A step of {self.batch_size} samples cannot be split into {self.gradient_accumulation} equal "
                "parts; choose a divisor of the batch size.",
            )
        self._check_early_stop()
        self._check_nodes()
        return self

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
        if self.method == "lora" and len(given) < len(_LORA_FIELDS):
            missing = next(name for name in _LORA_FIELDS if name not in given)
            raise _contradiction(missing, f'Method "lora" needs {missing}; rank 16, alpha 32, dropout 0.05 are usual.')

    def _check_early_stop(self) -> None:
        if not self.early_stop_patience:
            return
        if not self.evaluation_share:
            raise _contradiction(
                "evaluation_share", "Early stopping compares evaluation losses; hold out a share such as 0.05."
            )
        if self.save_every_steps % self.evaluate_every_steps:
            raise _contradiction(
                "save_every_steps",
                "Early stopping goes back to the best checkpoint, so each must be evaluated: save every "
                f"{self.evaluate_every_steps} steps or a multiple of that, not every {self.save_every_steps}.",
            )

    def command_line(self) -> str:
        """Return the equivalent command line."""
        words = ["python", "-m", "m1app", "finetune", "--data", self.data, "--base", self.base, "--preset", self.preset]
        usual = type(self).of_preset(self.preset, self.base, self.data)
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value == getattr(usual, name) or (value is None and name in _LORA_FIELDS):
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
