"""Exports the finished model: safetensors for vLLM and transformers, GGUF for the embedded engine, and its card."""

import gc
import shutil
from pathlib import Path

import torch
from peft import PeftModel
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from trl import SFTTrainer

from m1app.training.errors import TrainingFailed
from m1app.training.events import EventWriter, read_events
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.model_card import model_card
from m1app.training.recipe import TrainingRecipe
from m1app.training.sft.gguf_file import UnsupportedModel, write_gguf

_READABLE = 0o644


def export_model(
    trainer: SFTTrainer,
    tokenizer: PreTrainedTokenizerBase,
    folder: TrainingFolder,
    run: TrainingRun,
    recipe: TrainingRecipe,
    writer: EventWriter,
    step: int,
) -> None:
    """Write model/, model.gguf, card.md and a LoRA's adapter/, on the first of several processes."""
    writer.write("exporting", step, message="Writing the finished model.")
    if recipe.method == "lora" and trainer.is_world_process_zero():
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder.adapter)
        _make_readable(folder.adapter)
    model, state = _merged(trainer)
    if not trainer.is_world_process_zero():
        return
    model.config.use_cache = True
    base = Path(run.base_location) if run.base_kind == "gguf" else None
    try:
        write_gguf(folder.gguf, state, model.config, tokenizer, name=run.model_id, base=base)
    except UnsupportedModel as exc:
        writer.write("note", step, message=f"{exc} The model can be served only by vLLM.")
    _save(model, state, tokenizer, folder.model)
    card = model_card(recipe, run, read_events(folder.progress_file), has_gguf=folder.gguf.is_file())
    folder.card.write_text(card, encoding="utf-8")
    shutil.copyfile(folder.card, folder.model / "README.md")


def _merged(trainer: SFTTrainer) -> tuple[PreTrainedModel, dict[str, torch.Tensor]]:
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
        # Merging in bfloat16 would round away part of what was learned.
        model = model.to("cpu").to(torch.float32).merge_and_unload().to(torch.bfloat16)
        state = model.state_dict()
    else:
        state = {}
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)  # Tied to the embeddings.
    return model, {name: values.to("cpu", torch.bfloat16) for name, values in state.items()}


def _drop_optimizer(trainer: SFTTrainer) -> None:
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
