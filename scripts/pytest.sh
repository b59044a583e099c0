#!/bin/sh
# pytest in .venv. The tests start some hundred processes of the app; without bytecode each would recompile it.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE
exec .venv/bin/python -m pytest "$@"
