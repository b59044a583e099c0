"""Tiny models over real vocabularies, behind both engines.

Each model knows one thing: after what opens its thinking it says a few words and stops, and after what closes it, it
answers and stops.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from models.engine.endpoint import Endpoint
from models.profiles import load_profiles
from models.servers.llama_server import llama_server
from models.servers.vllm_server import vllm_server
from tests.conftest import VLLM_PYTHON
from tests.models.vocabularies.real_vocabulary import Vocabulary, find_vocabulary
from tests.models.vocabularies.tiny_model import CONTEXT_LENGTH, make_weights, write_folder, write_gguf

THOUGHT, SECOND_THOUGHT, ANSWER = " fever suggests infection", " perhaps sepsis instead", " option B fits"


@dataclass(frozen=True)
class Family:
    """A real vocabulary, and the profile whose delimiters its tiny model knows."""

    vocabulary: str
    profile: str
    also: tuple[str, ...]
    """Other profiles that ask models with this vocabulary."""


FAMILIES = {
    each.vocabulary: each
    for each in (
        Family("qwen3", "think-qwen3", ("baichuan-m2", "think-qwq", "m1", "s1", "huatuo-o1", "plain-chatml", "plain")),
        Family("gemma3", "medgemma", ("plain",)),
        Family("llama3_1", "plain-llama3", ("huatuo-o1", "medreason", "ultramedical", "plain")),
        Family("deepseek_v3", "think-deepseek-r1", ("plain",)),
    )
}


def followers(vocabulary: Vocabulary, profile_id: str) -> dict[int, int]:
    """For the tokens that matter, the one that always comes next."""
    profile = load_profiles().get(profile_id)
    thinking, stop = profile.thinking, vocabulary.encode(profile.thinking.stop_tokens[0])
    end = vocabulary.encode(profile.answer.stop_tokens[0])
    found: dict[int, int] = {}
    for before, words, after in (
        (thinking.opening, THOUGHT, stop),
        (thinking.wait, SECOND_THOUGHT, stop),
        (" " + thinking.wait, SECOND_THOUGHT, stop),
        (thinking.natural_close, ANSWER, end),
    ):
        found |= dict(pairwise((vocabulary.encode(before)[-1], *vocabulary.encode(words), *after)))
    return found


@contextmanager
def serve_embedded(name: str, folder: Path) -> Iterator[Endpoint]:
    """The embedded engine over the tiny model with that vocabulary."""
    vocabulary = find_vocabulary(name)
    path = folder / f"{name}.gguf"
    weights = make_weights(vocabulary.size, followers(vocabulary, FAMILIES[name].profile))
    write_gguf(path, vocabulary, weights)
    server = llama_server(path, name, CONTEXT_LENGTH, 2, 1, folder / "llama.log")
    server.start()
    try:
        yield server.wait_ready(60)
    finally:
        server.stop()
        path.unlink()


@contextmanager
def serve_vllm(name: str, folder: Path) -> Iterator[Endpoint]:
    """The real vLLM over the same model."""
    vocabulary = find_vocabulary(name)
    weights = make_weights(vocabulary.size, followers(vocabulary, FAMILIES[name].profile))
    write_folder(folder / name, vocabulary, weights)
    server = vllm_server(
        VLLM_PYTHON, str(folder / name), name, folder / "vllm.log", context_length=CONTEXT_LENGTH, cpu_cache_gib=1
    )
    server.start()
    try:
        yield server.wait_ready(300)
    finally:
        server.stop()
