"""The training process, in its own environment: `.venv-train/bin/python -m m1app.training.sft FOLDER`.

PyTorch, transformers, TRL, PEFT, accelerate, datasets and gguf are only imported here; the app never imports this
package.
"""
