"""What a machine is refused, and what it is estimated to need."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from m1app.gpus import Gpu, parse_gpus
from m1app.training.base_model import BaseModel, ModelShape, find_base, parse_size
from m1app.training.errors import RecipeRefused, TrainingFailed
from m1app.training.estimate import disk_to_write, estimate_training, samples_at_once
from m1app.training.machine import Machine, examine_machine
from m1app.training.plan import notes_on
from m1app.training.recipe import TrainingRecipe
from m1app.training.recipe_check import check_before_data, check_disk_left, check_with_data
from m1app.training.rendered_length import estimated_tokens, is_surely_longer, least_tokens
from m1app.training.rendering import RenderedSample
from m1app.training.training_rows import SplitRows
from models.weights.catalog import Catalog

GB = 1_000_000_000
LAPTOP = Machine(cores=8, memory_bytes=16 * GB, available_bytes=12 * GB, disk_free_bytes=50 * GB)
H100 = Machine(
    cores=64,
    memory_bytes=512 * GB,
    available_bytes=480 * GB,
    disk_free_bytes=500 * GB,
    gpus=(Gpu("H100", 80 * GB, 78 * GB),),
)
SMOLLM2 = ModelShape.of(layers=30, width=576, feed_forward=1536, vocabulary=49152, heads=(9, 3))
QWEN_1_5B = ModelShape.of(layers=28, width=1536, feed_forward=8960, vocabulary=152064, heads=(12, 2))
QWEN_7B = ModelShape.of(layers=28, width=3584, feed_forward=18944, vocabulary=152064, heads=(28, 4), is_tied=False)


def base(shape: ModelShape = SMOLLM2, context_length: int = 8192) -> BaseModel:
    return BaseModel("base", "folder", "/base", "", shape.parameters, shape, context_length, "", None)


def recipe(preset: str = "cpu-trial", **changes: object) -> TrainingRecipe:
    return TrainingRecipe.of_preset(preset, "base", "data", **changes)


def rows(samples: int, held_out: int = 0) -> SplitRows:
    sample = RenderedSample("", "", ())
    return SplitRows((sample,) * samples, (sample,) * held_out, ())


def test_parameters_are_counted_as_the_model_has_them() -> None:
    assert SMOLLM2.parameters == pytest.approx(134_515_008, rel=0.001)
    assert QWEN_7B.parameters == pytest.approx(7_615_616_512, rel=0.001)


@pytest.mark.parametrize(("said", "parameters"), [({"tie_word_embeddings": True}, 1_152), ({}, 1_664)])
def test_a_head_of_its_own_is_counted(tmp_path: Path, said: dict[str, bool], parameters: int) -> None:
    """Of m1-7B's 7.6B parameters, 0.5B are its head."""
    sizes = {"num_hidden_layers": 1, "hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2}
    (tmp_path / "config.json").write_text(json.dumps({"vocab_size": 64, **sizes, **said}))
    (tmp_path / "model.safetensors").touch()
    assert find_base(str(tmp_path), Catalog.load(), tmp_path).parameters == parameters


@pytest.mark.parametrize(
    ("preset", "shape", "changes", "tokens", "allocated_gib", "shown_gib"),
    [
        ("m1", QWEN_1_5B, {"block_size": 4096}, 4062, 26.6, 30.2),
        ("lora", QWEN_1_5B, {"block_size": 2048}, 1986, 4.4, 5.6),
        ("lora", QWEN_7B, {"batch_size": 8}, 8153, 20.3, 21.6),
    ],
)
def test_the_estimate_is_near_what_an_h200_needed(
    preset: str, shape: ModelShape, changes: dict[str, int], tokens: int, allocated_gib: float, shown_gib: float
) -> None:
    """Measured with random weights of these sizes: the most that PyTorch had allocated, and that nvidia-smi showed.
    With logits counted, the small adapter was estimated at 10.1 GiB, and could be refused where it fits twice."""
    needed = estimate_training(recipe(preset, **changes), base(shape, 32768), 64, tokens)
    assert allocated_gib < needed.memory_bytes / (1 << 30) < 1.25 * shown_gib


def test_four_bits_need_a_quarter_of_the_gpu_and_on_a_cpu_room_for_the_whole_weights_at_the_end() -> None:
    plain, four_bits = (
        estimate_training(recipe("lora", quantization=kind), base(QWEN_7B, 32768), 64, 100).memory_bytes / GB
        for kind in ("none", "nf4")
    )
    # 1.1B parameters of embeddings and head keep their 2 bytes; 6.5B others have 0.516.
    assert plain - four_bits == pytest.approx(1.08 * 6.526 * (2 - 0.516), rel=0.01)
    on_cpu = estimate_training(recipe(quantization="nf4"), base(QWEN_7B, 32768), 64, 100).memory_bytes / GB
    assert on_cpu > 4 * 7.6 + 0.516 * 6.5


@pytest.mark.parametrize("preset", ["m1", "lora", "qlora"])
def test_a_recipe_for_a_gpu_is_refused_where_there_is_none(preset: str) -> None:
    with pytest.raises(RecipeRefused, match="cpu-trial") as refused:
        check_before_data(recipe(preset), base(context_length=32768), LAPTOP)
    assert refused.value.field == "precision"


def test_the_same_recipe_passes_on_a_machine_with_a_gpu() -> None:
    check_before_data(recipe("m1"), base(context_length=32768), H100)
    check_before_data(recipe("cpu-trial"), base(), LAPTOP)


@pytest.mark.parametrize(
    ("changes", "field"), [({"quantization": "nf4"}, "quantization"), ({"generator": "vllm"}, "generator")]
)
def test_what_needs_safetensors_is_refused_over_a_gguf_file(changes: dict[str, str], field: str) -> None:
    asked = recipe("grpo", **changes)
    check_before_data(asked, base(), H100)
    with pytest.raises(RecipeRefused, match="is a GGUF file") as refused:
        check_before_data(asked, replace(base(), kind="gguf"), H100)
    assert refused.value.field == field


def test_a_plan_says_what_four_bits_are_for_on_a_cpu() -> None:
    plain, four_bits = (" ".join(notes_on(recipe(quantization=kind), LAPTOP, rows(9))) for kind in ("none", "nf4"))
    assert "save memory, not time" in four_bits and "save memory, not time" not in plain


def test_a_block_longer_than_the_context_is_refused() -> None:
    check_before_data(recipe(block_size=8192), base(), None)
    with pytest.raises(RecipeRefused, match="8,192 tokens") as refused:
        check_before_data(recipe(block_size=8193), base(), None)
    assert refused.value.field == "block_size"


def test_too_few_samples_are_refused() -> None:
    asked = recipe()
    needed = estimate_training(asked, base(), 4, 100)
    check_with_data(asked, rows(4), needed, None)
    with pytest.raises(RecipeRefused, match="Only 3 samples"):
        check_with_data(asked, rows(3, held_out=1), needed, None)


def test_full_fine_tuning_of_7b_does_not_fit_on_one_gpu_and_says_what_would() -> None:
    whole = recipe("m1", block_size=8192)
    needed = estimate_training(whole, base(QWEN_7B, 32768), 1000, 8192)
    assert needed.memory_bytes > 110 * GB
    with pytest.raises(RecipeRefused, match='method "lora"') as refused:
        check_with_data(whole, rows(100), needed, H100)
    assert refused.value.field == "method"
    adapter = recipe("lora")
    check_with_data(adapter, rows(100), estimate_training(adapter, base(QWEN_7B, 32768), 1000, 8192), H100)


def test_full_fine_tuning_of_7b_fits_on_eight_gpus() -> None:
    whole = recipe("m1", block_size=8192)
    many = replace(H100, gpus=H100.gpus * 8)
    needed = estimate_training(whole, base(QWEN_7B, 32768), 1000, 8192, devices=8)
    check_with_data(whole, rows(100), needed, many)
    with pytest.raises(RecipeRefused, match=r"Besides GPU memory, .* about 244 GB of main memory") as refused:
        check_with_data(whole, rows(100), needed, replace(many, available_bytes=200 * GB))
    assert refused.value.field == "base"


def test_a_checkpoint_of_several_devices_holds_the_weights_twice() -> None:
    whole = recipe("m1")
    alone, shared = (disk_to_write(whole, 10**9, 10**9, checkpoints=1, devices=devices) for devices in (1, 2))
    assert (alone, shared) == (16 * GB, 20 * GB)


def test_a_gpu_that_is_full_refuses_what_all_would_share() -> None:
    whole = recipe("m1", block_size=8192)
    needed = estimate_training(whole, base(QWEN_7B, 32768), 1000, 8192, devices=4)
    free = replace(H100, gpus=tuple(Gpu("H100", 80 * GB, 79 * GB) for _ in range(4)))
    check_with_data(whole, rows(100), needed, free)
    with pytest.raises(RecipeRefused, match=r"each of the 4 GPUs.* but only 2\.0 GB is available"):
        check_with_data(whole, rows(100), needed, replace(free, gpus=(Gpu("H100", 80 * GB, 2 * GB), *free.gpus[1:])))


def test_activations_are_needed_on_every_gpu() -> None:
    whole = recipe("m1", batch_size=64, gradient_accumulation=64)
    needed = {count: estimate_training(whole, base(QWEN_7B, 32768), 1000, 32768, count) for count in (1, 8, 64)}
    assert needed[1].memory_bytes > needed[8].memory_bytes > needed[64].memory_bytes > 20 * GB
    small = replace(H100, gpus=tuple(Gpu("A", 32 * GB, 31 * GB) for _ in range(8)))
    with pytest.raises(RecipeRefused, match="block_size"):  # Together they have 248 GB.
        check_with_data(whole, rows(100), needed[8], small)


@pytest.mark.parametrize(
    ("batch_size", "parts", "devices", "samples"), [(16, 16, 1, 1), (16, 16, 8, 1), (16, 1, 8, 2), (12, 4, 4, 1)]
)
def test_a_batch_is_dealt_out_to_the_gpus(batch_size: int, parts: int, devices: int, samples: int) -> None:
    asked = recipe("m1", batch_size=batch_size, gradient_accumulation=parts)
    assert samples_at_once(asked, devices) == samples


def test_the_embedded_model_fits_into_a_laptop_by_either_method() -> None:
    for method in ("lora", "full"):
        asked = recipe(method=method)
        check_with_data(asked, rows(100), estimate_training(asked, base(), 150, 1000), LAPTOP)


def test_a_full_disk_is_refused_before_it_starts() -> None:
    asked = recipe(method="full")
    needed = estimate_training(asked, base(), 150, 1000)
    short = replace(LAPTOP, disk_free_bytes=needed.disk_bytes)
    with pytest.raises(RecipeRefused, match="of disk") as refused:
        check_with_data(asked, rows(100), needed, short)
    assert refused.value.field == "keep_checkpoints"


@pytest.mark.parametrize(("name", "downloaded"), [("m1-7b-1k", 14 * GB), ("smollm2-135m", None)])
def test_a_base_that_is_not_here_yet_needs_disk_as_well(tmp_path: Path, name: str, downloaded: int | None) -> None:
    there = find_base(name, Catalog.load(), tmp_path)
    assert there.entry is not None and there.parameters is not None
    size = estimate_training(recipe(), there, 150, 1000)
    here = replace(there, kind="folder", location=str(tmp_path))
    more = size.disk_bytes - estimate_training(recipe(), here, 150, 1000).disk_bytes
    assert more == (downloaded or there.entry.size_bytes) > 50_000_000


def test_going_on_needs_room_for_what_is_still_to_be_written() -> None:
    asked = recipe(method="full", keep_checkpoints=2)
    every, one, none = (disk_to_write(asked, 10**9, 10**9, checkpoints) for checkpoints in (None, 1, 0))
    assert (every, one, none) == (40 * GB, 16 * GB, 4 * GB)
    check_disk_left(one, 17 * GB)
    with pytest.raises(TrainingFailed, match=r"4\.5 GB of disk, but 4\.0 GB is free.*resume"):
        check_disk_left(none, 4 * GB)


def test_more_parts_of_a_step_and_checkpointing_need_less_memory() -> None:
    def memory(**changes: object) -> int:
        return estimate_training(recipe(**changes), base(), 150, 1000).memory_bytes

    usual = memory(batch_size=8, gradient_accumulation=1)
    assert memory(batch_size=8, gradient_accumulation=8) < usual
    assert memory(batch_size=8, gradient_accumulation=1, gradient_checkpointing=True) < usual
    assert memory(batch_size=8, gradient_accumulation=1, method="full") > usual


def test_steps_follow_from_samples_and_epochs() -> None:
    asked = recipe("m1")
    assert estimate_training(asked, base(), 1000, 500).steps == 5 * 63
    assert estimate_training(asked.model_copy(update={"max_steps": 9}), base(), 1000, 500).steps == 9


@pytest.mark.parametrize(("text", "parameters"), [("135M", 135_000_000), ("1.5B", 1_500_000_000), ("small", None)])
def test_a_size_is_read_as_people_write_it(text: str, parameters: int | None) -> None:
    assert parse_size(text) == parameters


def test_a_base_that_is_neither_known_nor_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeRefused, match=r"\.gguf file or a folder") as refused:
        find_base("no-such-model", Catalog.load(), tmp_path)
    assert refused.value.field == "base"


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RecipeRefused, match=r"no \.safetensors"):
        find_base(str(tmp_path), Catalog.load(), tmp_path)


def test_a_folders_sizes_and_template_are_read(tmp_path: Path) -> None:
    sizes = {
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "vocab_size": 100,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
    }
    (tmp_path / "config.json").write_text(json.dumps(sizes))
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"}))
    found = find_base(str(tmp_path), Catalog.load(), tmp_path)
    assert (found.kind, found.context_length, found.chat_template) == ("folder", 256, "{{ messages }}")
    assert found.parameters == 2 * 100 * 32 + 2 * (4 * 32 * 32 + 3 * 32 * 64)


def test_a_model_of_the_hub_is_known_by_its_catalog_size(tmp_path: Path) -> None:
    found = find_base("m1-7b-1k", Catalog.load(), tmp_path)
    assert (found.kind, found.location, found.parameters) == ("hub", "UCSC-VLAA/m1-7B-1K", 7_000_000_000)
    assert not found.is_here


def test_gpus_are_read_from_what_nvidia_smi_prints() -> None:
    printed = "NVIDIA H100 80GB HBM3, 81559, 81008\nNVIDIA T4, [N/A], 5\n"
    (gpu,) = parse_gpus(printed)
    assert (gpu.name, gpu.memory_bytes, gpu.free_bytes) == ("NVIDIA H100 80GB HBM3", 81559 << 20, 81008 << 20)


@pytest.mark.parametrize(
    ("visible", "names"),
    [
        (None, "ABC"),
        ("", ""),
        ("1", "B"),
        ("2,0", "CA"),
        ("GPU-bb", "B"),
        ("GPU-cc11, 0", "CA"),
        ("-1", ""),
        ("0,7,1", "A"),
        ("0,0,1", "A"),
        ("GPU-", ""),
        ("NoDevFiles", ""),
    ],
)
def test_gpus_that_are_hidden_are_not_counted(visible: str | None, names: str) -> None:
    printed = "A, 100, 90, GPU-aa11\nB, 100, 90, GPU-bb11\nC, 100, 90, GPU-cc11\n"
    assert "".join(gpu.name for gpu in parse_gpus(printed, visible)) == names


def test_the_machine_has_the_gpus_that_the_environment_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'A, 100, 90, GPU-aa'\necho 'B, 100, 90, GPU-bb'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [gpu.uuid for gpu in examine_machine(tmp_path).gpus] == ["GPU-aa", "GPU-bb"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert [gpu.uuid for gpu in examine_machine(tmp_path).gpus] == ["GPU-bb"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert examine_machine(tmp_path).gpus == ()


def test_this_machine_has_cores_memory_and_a_disk(tmp_path: Path) -> None:
    here = examine_machine(tmp_path / "not" / "yet")
    assert here.cores >= 1
    assert 0 < here.available_bytes <= here.memory_bytes
    assert here.disk_free_bytes > 0
    assert f"{here.cores} cores" in here.said()


def test_a_block_that_too_few_samples_fit_into_is_refused_before_anything_runs() -> None:
    turn = "<|im_start|>user\n"
    short, long = RenderedSample(turn, "word " * 20, ()), RenderedSample(turn, "word " * 200, ())
    asked = recipe(block_size=64)
    needed = estimate_training(asked, base(), 22, 100)
    check_with_data(asked, SplitRows((short,) * 4 + (long,) * 18, (), ()), needed, None)
    with pytest.raises(RecipeRefused, match="Only 3 of the 22 training samples fit into 64 tokens") as refused:
        check_with_data(asked, SplitRows((short,) * 3 + (long,) * 19, (), ()), needed, None)
    assert refused.value.field == "block_size"
    with pytest.raises(RecipeRefused, match="None of the 22 training samples fits into 64 tokens"):
        check_with_data(asked, SplitRows((long,) * 22, (), ()), needed, None)


def test_a_special_token_of_the_template_counts_as_one() -> None:
    sample = RenderedSample("<|im_start|><|im_end|>" * 10, "word", ())
    assert (least_tokens(sample), estimated_tokens(sample)) == (21, 21)
    assert not is_surely_longer(sample, 21)
    assert is_surely_longer(sample, 20)
