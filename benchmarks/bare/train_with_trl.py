"""The minimal TRL script for the same training, as a baseline for `benchmarks.training`.

Run with the Python of .venv-train: `train_with_trl.py FOLDER OUTPUT`; FOLDER is prepared as for the app. Prints one
JSON object: tokens, seconds, processor_seconds.
"""

import json
import os
import sys
import time
from pathlib import Path


def main(folder: str, output: str) -> None:
    recipe = json.loads((Path(folder) / "recipe.json").read_text())
    run = json.loads((Path(folder) / "run.json").read_text())
    os.environ.update({"OMP_NUM_THREADS": str(run["threads"]), "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"})
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    torch.set_num_threads(run["threads"])
    base = Path(run["base_location"])
    tokenizer = AutoTokenizer.from_pretrained(base.parent, gguf_file=base.name)
    model = AutoModelForCausalLM.from_pretrained(
        base.parent, gguf_file=base.name, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True)
    )
    rows = load_dataset("json", data_files=str(Path(folder) / "train.jsonl"), split="train", cache_dir=output)
    if recipe["objective"] == "dpo":
        make, configure, own = DPOTrainer, DPOConfig, {"beta": recipe["kl_beta"]}
        rows = rows.map(
            lambda row: {"chosen": row["completion"], "rejected": row["rejected"]["completion"]},
            remove_columns=["completion"],
        )
    else:
        make, configure, own = SFTTrainer, SFTConfig, {}
        rows = rows.select_columns(["prompt", "completion"])
    trainer = make(
        model=model,
        processing_class=tokenizer,
        train_dataset=rows,
        peft_config=LoraConfig(
            r=recipe["lora_rank"], lora_alpha=recipe["lora_alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        args=configure(
            **own,
            output_dir=output,
            max_steps=recipe["max_steps"],
            per_device_train_batch_size=recipe["batch_size"] // recipe["gradient_accumulation"],
            gradient_accumulation_steps=recipe["gradient_accumulation"],
            learning_rate=recipe["learning_rate"],
            max_length=recipe["block_size"],
            seed=recipe["seed"],
            bf16=False,
            use_cpu=True,
            activation_checkpointing=False,
            optim="adamw_torch",
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        ),
    )
    used = time.process_time()
    result = trainer.train()
    used = time.process_time() - used
    tokens = max(float(each["num_tokens"]) for each in trainer.state.log_history if "num_tokens" in each)
    found = {"tokens": tokens, "seconds": result.metrics["train_runtime"], "processor_seconds": used}
    sys.stdout.write("\n" + json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
