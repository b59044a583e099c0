"""What is read from a server's metrics, whatever it sends."""

from types import SimpleNamespace
from typing import Any

import pytest

from models.engine.probing import _PREFIX_CACHING, _running

NAME = "vllm:num_requests_running"


def server(text: str) -> Any:
    async def metrics() -> str:
        return text

    return SimpleNamespace(metrics=metrics)


@pytest.mark.parametrize(
    ("text", "running"),
    [
        (f'{NAME}{{engine="0"}} 2.0\n{NAME}{{engine="1"}} 1.0\n', 3),
        ("llamacpp:requests_processing 4\n", 4),
        ("", None),
        (f"{NAME} nan\n", None),
        (f"{NAME} 1.2.3\n", 1),
        (f"{NAME} {'9' * 400}\n", 999_999_999),
        (f"{NAME} ...\n", None),
        (f"{NAME}{{\n}} 5\n", None),
    ],
)
async def test_any_number_of_running_requests_is_read_or_left_out(text: str, running: int | None) -> None:
    assert await _running(server(text)) == running


@pytest.mark.parametrize("between", ["\n", "} 1.0\n# ", "\n" * 1000])
def test_the_cache_is_described_on_one_line(between: str) -> None:
    assert _PREFIX_CACHING.search('vllm:cache_config_info{block_size="16",enable_prefix_caching="True"} 1.0')
    assert not _PREFIX_CACHING.search(f'vllm:cache_config_info{{a="1",{between}enable_prefix_caching="True"}} 1.0')


async def test_a_long_text_of_beginnings_is_read_at_once() -> None:
    # Where every beginning is searched to the end of the text, this takes minutes.
    assert await _running(server(f"{NAME}{{\n" * 40_000)) is None
    assert not _PREFIX_CACHING.search("vllm:cache_config_info{" * 40_000)
