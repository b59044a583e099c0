"""Quantizing by llama.cpp's kernels: which tensor gets which type, how near the numbers are, and what serves it."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.served_alike import serving
from models.engine.protocol import CompletionRequest
from models.servers.llama_server import llama_server
from models.weights.gguf_check import BLOCKS, BadModelFile, check_model_file
from models.weights.quantize import QUANTIZATIONS, _read, _Tensor, main, quantize, quantized_bytes
from tests.models.weights.float_model import write_floats
from tests.shallow_model import write_shallow

_F16, _Q8_0 = 1, 8


@pytest.fixture(scope="module")
def floats(smollm2_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default model's first layers in float16."""
    folder = tmp_path_factory.mktemp("floats")
    return write_floats(write_shallow(smollm2_path, folder / "shallow.gguf"), folder / "f16.gguf")


def raw(path: Path, name: str) -> bytes:
    (tensor,) = [each for each in _read(path).tensors if each.name == name]
    return path.read_bytes()[tensor.begin : tensor.begin + tensor.size]


def kinds(path: Path) -> dict[str, int]:
    return {each.name: each.kind for each in _read(path).tensors}


@pytest.mark.parametrize("kind", list(QUANTIZATIONS))
def test_a_quantized_file_is_whole_and_smaller(floats: Path, tmp_path: Path, kind: str) -> None:
    told: list[tuple[int, int]] = []
    quantize(floats, tmp_path / "small.gguf", kind, lambda done, total: told.append((done, total)))
    header = check_model_file(tmp_path / "small.gguf")
    assert header.metadata["general.file_type"] == QUANTIZATIONS[kind].file_type
    assert header.metadata["general.architecture"] == "llama"
    assert (tmp_path / "small.gguf").stat().st_size < 0.6 * floats.stat().st_size
    assert (tmp_path / "small.gguf").stat().st_size >= quantized_bytes(floats, kind)
    assert told[-1][0] == told[-1][1] > 0
    assert [path.name for path in tmp_path.iterdir()] == ["small.gguf"]


def test_eight_bits_are_those_of_the_published_formula(floats: Path, tmp_path: Path) -> None:
    quantize(floats, tmp_path / "small.gguf", "q8_0")
    name = "blk.0.ffn_down.weight"
    blocks = np.frombuffer(raw(floats, name), np.float16).astype(np.float32).reshape(-1, 32)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / 127
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales != 0)
    bits = np.trunc(blocks * inverse + np.copysign(0.5, blocks * inverse)).astype(np.int8)
    wanted = np.concatenate([scales.astype(np.float16).view(np.uint8), bits.view(np.uint8)], axis=1).tobytes()
    assert raw(tmp_path / "small.gguf", name) == wanted


def test_vectors_stay_and_rows_that_do_not_fit_fall_back(floats: Path, tmp_path: Path) -> None:
    """The model's width is 576, no multiple of 256; that of its feed-forward layers is 1,536."""
    quantize(floats, tmp_path / "small.gguf", "q4_k_m")
    found = kinds(tmp_path / "small.gguf")
    assert found["output_norm.weight"] == 0
    # The embeddings are the output too: six bits, of which the fallback has eight.
    assert found["token_embd.weight"] == _Q8_0
    assert found["blk.0.attn_q.weight"] == 6
    assert found["blk.1.ffn_down.weight"] in (12, 14)


def test_some_layers_get_more_bits() -> None:
    """As llama.cpp's use_more_bits: the first eighth, the last eighth, and every third between."""
    from models.weights.quantize import _needs_more

    layers = [layer for layer in range(32) if _needs_more(f"blk.{layer}.attn_v.weight", 32)]
    assert layers == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]
    assert not _needs_more("blk.0.attn_q.weight", 32)


def test_what_is_quantized_already_is_refused(smollm2_path: Path, tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="is quantized already"):
        quantize(smollm2_path, tmp_path / "small.gguf", "q8_0")
    assert list(tmp_path.iterdir()) == []


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert main([str(tmp_path / "none.gguf"), str(tmp_path / "small.gguf"), "q8_0"]) == 1
    assert "not found" in capsys.readouterr().err


def test_the_sizes_of_blocks_are_known_for_every_type() -> None:
    assert all(_Tensor("x", (256, 2), mix.matrix, 0).size for mix in QUANTIZATIONS.values())
    assert BLOCKS[_F16] == (1, 2)


async def likeliest(weights: Path, folder: Path) -> dict[str, float]:
    """The embedded engine's likeliest tokens after a text, with their log-probabilities."""
    async with serving(llama_server(weights, "model", 256, 1, 1, folder / "llama.log")) as engine:
        tokens = await engine.tokenize("The patient has a fever and a stiff neck.", parse_special=False)
        chunks = [each async for each in engine.stream(CompletionRequest(tokens, 1, top_logprobs=5))]
    return {each.text: each.logprob for each in chunks[0].top_logprobs[0]}


@pytest.mark.engine
async def test_the_embedded_engine_answers_with_it_as_with_the_whole_one(floats: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "models.weights.quantize", str(floats), str(tmp_path / "small.gguf"), "q8_0"]
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True)
    whole, small = await likeliest(floats, tmp_path), await likeliest(tmp_path / "small.gguf", tmp_path)
    shared = whole.keys() & small.keys()
    assert len(shared) >= 4
    assert all(abs(whole[text] - small[text]) < 0.2 for text in shared)
