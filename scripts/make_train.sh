#!/usr/bin/env bash
# Makes .venv-train, the environment that fine-tuning runs in: the CUDA build of PyTorch if there is a GPU, else the CPU
# build. A second run with the same lock file does nothing. PYTHON=... chooses the interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

readonly environment=.venv-train
readonly torch_cpu=torch==2.13.0+cpu
readonly torch_cpu_index=https://download.pytorch.org/whl/cpu
readonly free_megabytes_cpu=3000 free_megabytes_cuda=12000

fail() { echo "make_train: $1" >&2; exit 1; }

choose_python() {
    local candidate
    for candidate in "${PYTHON:-}" .venv/bin/python python3; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    fail "no Python 3.11 or newer was found; set PYTHON=/path/to/python3.11"
}

check_disk() {
    local needed=$1 free
    free=$(df --output=avail -BM . | tail -n 1 | tr -dc 0-9)
    [ "$free" -ge "$needed" ] || fail "$free MB are free in $PWD, but $needed MB are needed; free some space"
}

install_cpu_torch() {
    # The configured index may have the CPU wheel; otherwise, PyTorch's own is used.
    install_packages "$environment" --no-compile --no-deps "$torch_cpu" ||
        install_packages "$environment" --no-compile --no-deps --extra-index-url "$torch_cpu_index" "$torch_cpu" ||
        fail "$torch_cpu was not found; check that $torch_cpu_index can be reached"
}

if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then build=cuda; else build=cpu; fi
lock=requirements/train-$build.txt
stamp="$build $(sha256sum "$lock" | cut -d' ' -f1)"

if [ "$(cat "$environment/m1-lock" 2>/dev/null)" = "$stamp" ]; then
    echo "make_train: $environment is up to date ($build build)"
    exit 0
fi

if [ "$build" = cpu ]; then check_disk "$free_megabytes_cpu"; else check_disk "$free_megabytes_cuda"; fi
echo "make_train: creating $environment ($build build); this takes a few minutes and gigabytes"
make_environment "$(choose_python)" "$environment"
python=$environment/bin/python
[ "$build" = cuda ] || install_cpu_torch
install_packages "$environment" --no-compile --no-deps --require-hashes -r "$lock"
# Compiles only what training imports to bytecode, not thousands of other files.
PYTHONDONTWRITEBYTECODE="" "$python" -c 'import trl, peft, gguf; from trl import SFTTrainer; print("make_train: TRL", trl.__version__, "imports")'
echo "$stamp" >"$environment/m1-lock"
echo "make_train: $environment is ready"
