"""Which served name is the fine-tuned model, and what is said when it is not served."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from m1app.training.served_model import ServedModel, find_served
from tests.m1app.training.training_cases import RUN


def found(folder: Path, served: Sequence[str] | None, base: str = "smollm2-135m", **changes: str) -> ServedModel:
    return find_served(RUN.model_copy(update=changes), folder, base, served)


@pytest.mark.parametrize(
    ("served", "model", "base"),
    [
        (("smollm2-135m", "mine", "other"), "mine", "smollm2-135m"),
        (("smollm2-135m", "mine-vllm @ gpu:8000"), "mine-vllm @ gpu:8000", "smollm2-135m"),
        # Of one server, where there is one that has both.
        (
            ("mine", "mine-vllm @ gpu:8000", "smollm2-135m @ gpu:8000"),
            "mine-vllm @ gpu:8000",
            "smollm2-135m @ gpu:8000",
        ),
        (("mine-vllm", "mine-2"), "mine-vllm", ""),
        (("smollm2-135m", "mine-2"), "", "smollm2-135m"),
        ((), "", ""),
        (None, "mine", "smollm2-135m"),
    ],
)
def test_a_model_and_its_base_are_found_by_the_names_that_are_served(
    tmp_path: Path, served: tuple[str, ...] | None, model: str, base: str
) -> None:
    pair = found(tmp_path, served)
    assert (pair.model, pair.base) == (model, base)


def test_what_is_not_served_is_told_with_how_to_serve_it(tmp_path: Path) -> None:
    assert "M1_ENGINE=vllm M1_MODEL=mine sh" in found(tmp_path, ()).how
    assert "needs vLLM" in found(tmp_path, ()).how
    (tmp_path / "mine.gguf").touch()
    assert "M1_ENGINE=embedded M1_MODEL=mine," in found(tmp_path, ()).how
    assert "M1_MODEL=mine-vllm sh" in found(tmp_path, ()).how
    of_hub = found(tmp_path, ("mine",), base_id="qwen3-0.6b", base_kind="hub", base_location="Qwen/Qwen3-0.6B")
    assert "vllm serve Qwen/Qwen3-0.6B" in of_hub.how
    assert "is loaded when first asked" in found(tmp_path, ("mine", "smollm2-135m")).how


def test_a_base_that_was_named_by_its_path_is_no_model_of_that_name(tmp_path: Path) -> None:
    by_path = "/models/smollm2.gguf"
    for served in (("mine", "smollm2"), None):
        pair = found(tmp_path, served, by_path, base_id="smollm2")
        assert (pair.model, pair.base) == ("mine", "")
    assert found(tmp_path, ("mine", "/x"), by_path, base_id="smollm2").base == "/x"


@pytest.mark.parametrize(
    ("served", "own_profile", "series"),
    [
        (("smollm2-135m", "mine"), "plain-chatml", ("smollm2-135m by m1", "mine", "smollm2-135m")),
        (("smollm2-135m", "mine"), "m1", ("smollm2-135m", "mine")),
        (("mine",), "plain-chatml", ("mine",)),
        ((), "plain-chatml", ()),
    ],
)
def test_base_and_model_are_compared_asked_alike_and_the_base_by_its_own_profile_too(
    tmp_path: Path, served: tuple[str, ...], own_profile: str, series: tuple[str, ...]
) -> None:
    assert found(tmp_path, served, profile="m1").compared(own_profile) == series
