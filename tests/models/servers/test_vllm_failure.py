"""What is said of a vLLM that did not start; the lines are as vLLM 0.32 and transformers write them."""

import pytest

from models.servers.vllm_failure import explain_failure

OFFLINE = (
    '  File "/x/.venv-vllm/lib/python3.11/site-packages/transformers/utils/hub.py", line 620, in cached_files',
    "    raise OSError(",
    "OSError: We couldn't connect to 'https://huggingface.co' to load the files, and couldn't find them in the cached "
    "files.",
    "Check your internet connection or see how to run the library in offline mode.",
)
CACHE = (
    "(EngineCore pid=12) ERROR 11-29 10:00:00 [core.py:900] ValueError: To serve at least one request with the model's "
    "max seq len (131072), 7.0 GiB KV cache is needed, which is larger than the available KV cache memory (2.0 GiB).",
    "(APIServer pid=10) RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (OFFLINE, ("could not download the model", "OSError: We couldn't connect")),
        (CACHE, ("needs more memory", "ValueError: To serve at least one request")),
        (("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB.",), ("memory", "OutOfMemoryError")),
        (("OSError: You are trying to access a gated repo.",), ("M1_HUB_TOKEN", "gated repo")),
        (("ValueError: Unrecognized model in /x.",), ("could not start. It said: ValueError: Unrecognized model",)),
        (("RuntimeError: Engine core initialization failed.",), ("RuntimeError: Engine core",)),
    ],
)
def test_the_error_that_came_first_is_named_with_what_to_do(lines: tuple[str, ...], said: tuple[str, ...]) -> None:
    explained = explain_failure(lines)
    assert explained is not None
    assert all(each in explained for each in said)
    assert "File" not in explained


def test_a_log_without_an_error_explains_nothing() -> None:
    assert explain_failure(("INFO: Started server process", "Killed")) is None


def test_a_message_of_any_length_is_cut() -> None:
    explained = explain_failure(("ValueError: " + "a" * 100_000,))
    assert explained is not None
    assert len(explained) < 1000
