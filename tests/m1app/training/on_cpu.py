"""A Python of .venv-train that trains several processes with FSDP on a CPU."""

from pathlib import Path

from tests.m1app.training.trainings import ROOT, TRAIN_PYTHON

_SCRIPT = f"""#!/bin/sh
for word; do
  shift
  [ "$word" = m1app.training.sft ] && word=tests.m1app.training.fsdp_on_cpu
  set -- "$@" "$word"
done
echo $$ > "$(dirname "$0")/launcher.pid"
export PYTHONPATH={ROOT}
exec {TRAIN_PYTHON} "$@"
"""


def python_on_cpu(folder: Path) -> Path:
    """Path of the interpreter; launcher.pid next to it has the last launcher's process id."""
    python = folder / "python"
    python.write_text(_SCRIPT)
    python.chmod(0o755)
    return python
