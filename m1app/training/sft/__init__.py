"""The process that trains, in an environment of its own: `.venv-train/bin/python -m m1app.training.sft FOLDER`.

Only here PyTorch, transformers, TRL, PEFT, accelerate, datasets and gguf are imported; the app never imports this.
"""
