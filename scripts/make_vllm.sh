#!/usr/bin/env bash
# Makes .venv-vllm, the environment that vLLM runs in: the CUDA build if there is a GPU, else the CPU build.
# A second run with the same lock file does nothing. PYTHON=... chooses the interpreter (3.11 or newer).
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/environment.sh

readonly environment=.venv-vllm
readonly torch_cpu=torch==2.13.0+cpu
readonly torch_cpu_index=https://download.pytorch.org/whl/cpu

fail() { echo "make_vllm: $1" >&2; exit 1; }

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

install_cpu() {
    # The configured index may have the CPU wheel; otherwise, PyTorch's own is used.
    install_packages "$environment" --no-compile --no-deps "$torch_cpu" ||
        install_packages "$environment" --no-compile --no-deps --extra-index-url "$torch_cpu_index" "$torch_cpu" ||
        fail "$torch_cpu was not found; check that $torch_cpu_index can be reached"
    install_packages "$environment" --no-compile --no-deps --require-hashes -r "$lock"
}

[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "vLLM's wheels are for Linux on x86-64, this is $(uname -sm)"
if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then build=cuda; else build=cpu; fi
lock=requirements/vllm-$build.txt
stamp="$build $(sha256sum "$lock" | cut -d' ' -f1)"

if [ "$(cat "$environment/m1-lock" 2>/dev/null)" = "$stamp" ]; then
    echo "make_vllm: $environment is up to date ($build build)"
    exit 0
fi

echo "make_vllm: creating $environment ($build build); this downloads and unpacks several gigabytes"
make_environment "$(choose_python)" "$environment"
python=$environment/bin/python
if [ "$build" = cpu ]; then
    install_cpu
else
    install_packages "$environment" --no-compile --no-deps --require-hashes -r "$lock"
fi
# Compiles only what the server imports to bytecode, not thousands of other files.
PYTHONDONTWRITEBYTECODE="" "$python" -c 'import vllm, vllm.entrypoints.openai.api_server; print("make_vllm: vLLM", vllm.__version__, "imports")'
echo "$stamp" >"$environment/m1-lock"
echo "make_vllm: $environment is ready"
