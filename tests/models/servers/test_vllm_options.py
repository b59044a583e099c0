"""What may be chosen about the managed vLLM, and the arguments that come of it."""

import json
import subprocess
from pathlib import Path

import pytest

from models.errors import ServerRefused
from models.servers.vllm_arguments import ALLOWED, read_arguments
from models.servers.vllm_options import VllmOptions, read_options

PYTHON = Path(__file__).resolve().parents[3] / ".venv-vllm" / "bin" / "python"


def test_the_defaults_add_no_argument_on_a_cpu() -> None:
    assert VllmOptions().arguments(is_cpu=True) == ()
    assert VllmOptions().arguments(is_cpu=False) == ("--gpu-memory-utilization", "0.9")


def test_every_option_becomes_its_argument() -> None:
    options = VllmOptions(
        dtype="float16",
        quantisation="fp8",
        context_tokens=4096,
        gpu_memory_share=0.5,
        tensor_parallel=2,
        data_parallel=3,
        has_prefix_caching=False,
        has_lora=True,
        has_speculation=True,
        more="--max-num-seqs=64 --enforce_eager",
    )
    arguments = list(options.arguments(is_cpu=False))
    config = json.loads(arguments.pop(arguments.index("--speculative-config") + 1))
    assert config["method"] == "ngram"
    assert " ".join(arguments) == (
        "--dtype float16 --quantization fp8 --max-model-len 4096 --gpu-memory-utilization 0.5 "
        "--tensor-parallel-size 2 --data-parallel-size 3 --no-enable-prefix-caching --enable-lora "
        "--speculative-config --max-num-seqs 64 --enforce-eager"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("--trust-remote-code", "--trust-remote-code cannot be set here.*M1_VLLM_ARGS"),
        ("--port 80", "--port cannot be set here"),
        ("--host=0.0.0.0", "--host cannot be set here"),
        ("--api-key x", "--api-key cannot be set here"),
        ("--chat-template /etc/passwd", "--chat-template cannot be set here"),
        ("--worker-cls os.system", "--worker-cls cannot be set here"),
        ("--max-num-seq 5", "--max-num-seq cannot be set here"),
        ("-O3", "-O3 cannot be set here"),
        ("--dtype float16", "--dtype has its own field: Number type"),
        ("--tensor_parallel_size 2", "--tensor_parallel_size has its own field: Tensor parallel"),
        ("max-num-seqs 5", "'max-num-seqs' is not an argument"),
        ("--max-num-seqs", "--max-num-seqs has the value ''; expected a whole number"),
        ("--max-num-seqs five", "'five'; expected a whole number"),
        ("--max-num-seqs --seed 1", "--max-num-seqs has the value ''"),
        ("--scheduling-policy random", "expected one of fcfs, priority"),
        ("--load-format pt", "expected one of auto, safetensors"),
        ("--generation-config /tmp", "expected one of auto, vllm"),
        ("--enforce-eager=1", "--enforce-eager takes no value"),
        ("--seed '1", "cannot be taken apart"),
        ("--seed " + "1" * 2000, "the limit is 2,000"),
        ("--seed ١", "expected a whole number"),
    ],
)
def test_what_could_run_code_or_open_doors_is_refused_by_name(text: str, words: str) -> None:
    with pytest.raises(ServerRefused, match=words):
        read_options({"more": text})


def test_allowed_arguments_are_taken_apart() -> None:
    assert read_arguments("--max_num_seqs 8 --scheduling-policy=priority  --enforce-eager") == (
        *("--max-num-seqs", "8"),
        *("--scheduling-policy", "priority"),
        "--enforce-eager",
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"context_tokens": "many"}, "Context: .*'many'"),
        ({"context_tokens": 5}, "Context: .*128"),
        ({"gpu_memory_share": 1.5}, "GPU memory: .*1"),
        ({"tensor_parallel": 0}, "Tensor parallel"),
        ({"dtype": "int3"}, "Number type"),
        ({"model": "a\nb"}, "Model"),
        ({"host": "0.0.0.0"}, "host"),
        ([], "options"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(values: object, words: str) -> None:
    with pytest.raises(ServerRefused, match=words):
        read_options(values)


# Prints vLLM's own arguments: name, whether it takes a value, and the values it may have.
_LIST = """
import json, sys
from vllm.engine.arg_utils import AsyncEngineArgs
try:
    from vllm.utils.argparse_utils import FlexibleArgumentParser
except ImportError:
    from vllm.utils import FlexibleArgumentParser
parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser())
found = {name: [each.nargs != 0, list(each.choices or ())] for each in parser._actions for name in each.option_strings}
sys.stdout.write("FOUND" + json.dumps(found) + "\\n")
"""


@pytest.mark.vllm
@pytest.mark.timeout(300)
@pytest.mark.skipif(not PYTHON.exists(), reason="there is no .venv-vllm; `make vllm` makes it")
def test_the_allowed_arguments_are_those_of_the_installed_vllm() -> None:
    done = subprocess.run([PYTHON, "-c", _LIST], capture_output=True, text=True, timeout=240, check=True)
    found = json.loads(done.stdout.rpartition("FOUND")[2])
    for name, form in ALLOWED.items():
        has_value, choices = found[name]
        assert bool(form) == has_value, name
        if choices and "|" in form:
            assert set(form.split("|")) <= set(choices), name
