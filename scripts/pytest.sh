#!/bin/sh
# pytest in .venv. The tests start some hundred processes of the app: without bytecode each would compile it anew.
set -eu
cd "$(dirname "$0")/.."
unset PYTHONDONTWRITEBYTECODE
exec .venv/bin/python -m pytest "$@"
