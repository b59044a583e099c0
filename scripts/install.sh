#!/bin/sh
# Makes .venv and installs a lock file into it: `install.sh` for the app, `install.sh dev` including the development
# tools. Compiling to bytecode takes half of the time: `install.sh run`, also for the app, leaves it to run.sh, and
# `dev` to the first use. An installed lock is skipped: .venv has a copy of it. PYTHON=... chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."
. scripts/environment.sh

compile=--no-compile
case "${1:-app}" in
    app) lock=requirements.txt compile="" ;;
    run) lock=requirements.txt ;;
    dev) lock=requirements/dev.txt ;;
    *) echo "install: found \"$1\", expected app, run or dev" >&2; exit 2 ;;
esac
stamp=.venv/m1-lock-${lock##*/}

fail() {
    printf '%s\n' "install: $1" >&2
    exit 1
}

# An interpreter can be on PATH and yet not start (pyenv's shims) or lack venv (Debian without python3-venv).
runs() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }
makes_environments() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

find_python() {
    found=""
    for candidate in ${PYTHON:+"$PYTHON"} python3.14 python3.13 python3.12 python3.11 python3 python; do
        if runs "$candidate"; then
            if makes_environments "$candidate"; then
                printf '%s\n' "$candidate"
                return
            fi
            found=${found:-$candidate}
        elif [ "$candidate" = "${PYTHON:-}" ]; then
            fail "PYTHON=$PYTHON is not a working Python 3.11 or newer."
        fi
    done
    if [ -n "$found" ]; then
        fail "$found cannot make virtual environments. On Debian and Ubuntu: sudo apt install python3-venv"
    fi
    older=$(python3 --version 2>/dev/null || echo "no python3")
    fail "Python 3.11 or newer is needed, found $older. Install one, or name it: make run PYTHON=/path/to/python3.11"
}

is_installed() { cmp -s "$lock" "$stamp"; }

if ! runs .venv/bin/python; then
    python=$(find_python)
    echo "install: creating .venv with $("$python" --version)"
    make_environment "$python" .venv || fail "$python could not create .venv; see above."
elif is_installed; then
    exit 0
fi

rm -f .venv/m1-lock-* # An interrupted installation must not pass for a finished one.
add_installer .venv
echo "install: installing $lock"
[ -z "$compile" ] || : >.venv/m1-uncompiled
# shellcheck disable=SC2086 # No argument when empty.
install_packages .venv $compile --require-hashes -r "$lock" ||
    fail "$lock could not be installed; see above. Nothing needs cleaning up: run it again."
# The tools' lock includes all of the app's packages, in the same versions.
[ "$lock" = requirements.txt ] || cp requirements.txt .venv/m1-lock-requirements.txt
cp "$lock" "$stamp"

if ! problem=$(.venv/bin/python -c 'import xllamacpp' 2>&1); then
    echo "install: the embedded engine cannot be loaded (on Debian and Ubuntu: sudo apt install libgomp1):" >&2
    printf '%s\n' "$problem" | tail -n 1 >&2
fi
