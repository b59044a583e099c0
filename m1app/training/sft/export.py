"""Exports the finished model: safetensors for vLLM and transformers, GGUF for the embedded engine, and its card."""

import gc
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from m1app.training.errors import TrainingFailed
from m1app.training.events import EventWriter, read_events
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.model_card import model_card
from m1app.training.recipe import TrainingRecipe
from m1app.training.sft.base_weights import load_whole_weights
from m1app.training.sft.gguf_file import UnsupportedModel, write_gguf

_READABLE = 0o644


def export_model(
    trainer: Trainer,
    tokenizer: PreTrainedTokenizerBase,
    folder: TrainingFolder,
    run: TrainingRun,
    recipe: TrainingRecipe,
    writer: EventWriter,
    step: int,
) -> None:
    """Write model/, model.gguf, card.md and a LoRA's adapter/, on the first of several processes."""
    writer.write("exporting", step, message="Writing the finished model.")
    stops = ask_as_trained(tokenizer, run)
    if recipe.method == "lora" and trainer.is_world_process_zero():
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder.adapter)
        tokenizer.save_pretrained(folder.adapter)  # With the chat template, for servers that load a LoRA at run time.
        _make_readable(folder.adapter)
    model, state = _merged(trainer, folder, run, recipe)
    if not trainer.is_world_process_zero():
        return
    model.config.use_cache = True
    if stops:
        model.config.eos_token_id = stops[0]
        model.generation_config.eos_token_id = stops
    base = Path(run.base_location) if run.base_kind == "gguf" else None
    try:
        write_gguf(folder.gguf, state, model.config, tokenizer, name=run.model_id, base=base)
    except UnsupportedModel as exc:
        writer.write("note", step, message=f"{exc} The model can be served only by vLLM.")
    _save(model, state, tokenizer, folder.model)
    events, has_gguf = read_events(folder.progress_file), folder.gguf.is_file()
    folder.card.write_text(model_card(recipe, run, events, has_gguf=has_gguf), encoding="utf-8")
    public = model_card(recipe, run, events, has_gguf=has_gguf, is_public=True)
    (folder.model / "README.md").write_text(public, encoding="utf-8")


def ask_as_trained(tokenizer: PreTrainedTokenizerBase, run: TrainingRun) -> list[int]:
    """Give the tokenizer the template and the end of turn of the samples; return the tokens that end an answer."""
    if not run.chat_template:  # The folder is from a version that kept the base's.
        return []
    tokenizer.chat_template = run.chat_template
    vocabulary = tokenizer.get_vocab()
    known = [token for token in run.stop_tokens if token in vocabulary]
    if known:
        tokenizer.eos_token = known[0]
    return [vocabulary[token] for token in known]


def _merged(
    trainer: Trainer, folder: TrainingFolder, run: TrainingRun, recipe: TrainingRecipe
) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
    """Return the model with its adapter merged, and its bfloat16 parameters, in host memory: a GPU may be full.

    Both files are made from the same rounded values, so that both engines give the same answers. Processes other than
    the first get no parameters unless they are needed to gather them.
    """
    _drop_optimizer(trainer)
    model = trainer.accelerator.unwrap_model(trainer.model)
    if not isinstance(model, PeftModel):
        state = trainer.accelerator.get_state_dict(trainer.model)
    elif trainer.accelerator.num_processes > 1 and trainer.is_fsdp_enabled:
        raise TrainingFailed("A LoRA cannot be merged while FSDP has it sharded; train it on one GPU or with DDP.")
    elif trainer.is_world_process_zero():
        # vLLM is given merged weights at every step, which leaves the frozen ones rounded here and there.
        is_whole = recipe.quantization == "none" and recipe.generator != "vllm"
        model = merge(model if is_whole else _on_whole_weights(folder, run, recipe))
        state = model.state_dict()
    else:
        state = {}
    return model, rounded(model, state)


def merge(model: PeftModel) -> PreTrainedModel:
    """Merge a LoRA into its model, in host memory."""
    # Merging in bfloat16 would round away part of what was learned.
    merged: PreTrainedModel = model.to("cpu").to(torch.float32).merge_and_unload().to(torch.bfloat16)
    return merged


def rounded(model: PreTrainedModel, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A model's parameters as they are exported: in bfloat16, each once."""
    is_tied = model.config.tie_word_embeddings
    return {
        name: values.to("cpu", torch.bfloat16)
        for name, values in state.items()
        if not (is_tied and name == "lm_head.weight")  # Tied to the embeddings.
    }


def _on_whole_weights(folder: TrainingFolder, run: TrainingRun, recipe: TrainingRecipe) -> PeftModel:
    """The adapter on the base's own weights, in host memory."""
    return PeftModel.from_pretrained(load_whole_weights(run, recipe), folder.adapter)


def _drop_optimizer(trainer: Trainer) -> None:
    """Free its memory; the trainer, its callbacks and accelerate all hold references."""
    trainer.optimizer = trainer.lr_scheduler = None
    trainer.callback_handler.optimizer = trainer.callback_handler.lr_scheduler = None
    trainer.accelerator.free_memory()
    gc.collect()  # accelerate does this before it releases the optimizer.
    torch.cuda.empty_cache()


def _save(
    model: PreTrainedModel, state: dict[str, torch.Tensor], tokenizer: PreTrainedTokenizerBase, target: Path
) -> None:
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.config.dtype = torch.bfloat16
    tokenizer.save_pretrained(unfinished)
    model.save_pretrained(unfinished, state_dict=state)
    _make_readable(unfinished)
    shutil.rmtree(target, ignore_errors=True)
    unfinished.replace(target)


def _make_readable(folder: Path) -> None:
    for file in folder.iterdir():
        file.chmod(_READABLE)  # safetensors makes its files readable only by their owner.
