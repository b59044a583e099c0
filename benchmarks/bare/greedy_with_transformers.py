"""Greedy continuations by transformers: `greedy_with_transformers.py MODEL_FOLDER TOKENS`.

Run with the Python of .venv-train. Reads prompts, a JSON list of texts, from its input; computes in float32 and prints
a JSON list of token ids for each.
"""

import json
import os
import sys


def main(folder: str, tokens: str) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    found = []
    for prompt in json.load(sys.stdin):
        ids = torch.tensor([tokenizer(prompt, add_special_tokens=False)["input_ids"]])
        answer = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=int(tokens), do_sample=False)
        found.append(answer[0, ids.shape[1] :].tolist())
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
