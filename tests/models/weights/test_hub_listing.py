"""What a hub says of a repository is read within limits, and refused where it is not the hub's."""

import json
import socket
from typing import Any

import pytest

from models.errors import DownloadError, SourceRefused, SourceUnreachable
from models.weights.hub_listing import ListedFile, list_repository, read_remote_header
from tests.models.weights.hub_stand_in import COMMIT, Hub, serving_hub

REPO = "org/small-GGUF"
FILES = {
    "README.md": b"# Small",
    "small-Q4_K_M.gguf": b"GGUF" + b"\0" * 100,
    "big-f16-00001-of-00002.gguf": b"GGUF",
    "model.safetensors": b"x" * 10,
    "pytorch_model.bin": b"x",
}


def test_a_repository_is_listed_at_one_commit_with_the_hubs_own_hashes() -> None:
    with serving_hub(Hub({REPO: FILES}, gated="manual")) as hub:
        listed = list_repository(hub.url, REPO)
    assert (listed.repo, listed.commit, listed.licence, listed.is_gated) == (REPO, COMMIT, "apache-2.0", True)
    assert (listed.weights_bytes, listed.has_pickles) == (10, True)
    small, big = listed.gguf_files
    assert (small.name, small.size_bytes, len(small.sha256), small.quantisation) == (
        "small-Q4_K_M.gguf",
        104,
        64,
        "Q4_K_M",
    )
    assert (small.is_part, big.is_part) == (False, True)


@pytest.mark.parametrize(
    ("name", "quantisation"),
    [
        ("m-Q4_K_M.gguf", "Q4_K_M"),
        ("m.Q8_0.gguf", "Q8_0"),
        ("m-iq2_xxs.gguf", "IQ2_XXS"),
        ("m-bf16.gguf", "BF16"),
        ("sub/Qwen3-4B-F16.gguf", "F16"),
        ("Q4/m.gguf", ""),
        ("m.gguf", ""),
    ],
)
def test_the_quantisation_is_read_from_the_name(name: str, quantisation: str) -> None:
    assert ListedFile(name, 1, "").quantisation == quantisation


def test_the_token_is_sent_to_the_hub_alone() -> None:
    with serving_hub(Hub({REPO: FILES})) as hub:
        list_repository(hub.url, REPO, token="secret")
        list_repository(hub.url, REPO)
    assert [headers.get("authorization") for _, _, headers in hub.seen] == ["Bearer secret", None]


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, SourceRefused, "M1_HUB_TOKEN"),
        (403, SourceRefused, "accept its licence"),
        (404, SourceRefused, "not found"),
        (418, SourceRefused, "418"),
        (429, SourceUnreachable, "a few minutes"),
        (503, SourceUnreachable, "a few minutes"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, error: type[DownloadError], words: str) -> None:
    with serving_hub(Hub({REPO: FILES}, status=status)) as hub, pytest.raises(error, match=words):
        list_repository(hub.url, REPO)


@pytest.mark.parametrize(
    "listing",
    [
        b"<html>",
        b"[]",
        b"{}",
        json.dumps({"sha": "main", "siblings": []}).encode(),
        json.dumps({"sha": COMMIT, "siblings": {}}).encode(),
        b"[" * 100_000,
    ],
)
def test_a_reply_that_is_not_the_hubs_is_refused(listing: bytes) -> None:
    with serving_hub(Hub({REPO: FILES}, listing=listing)) as hub, pytest.raises(SourceRefused, match="not the hub's"):
        list_repository(hub.url, REPO)


def test_a_list_without_an_end_is_refused() -> None:
    with (
        serving_hub(Hub({REPO: FILES}, listing=b" " * (9 << 20))) as hub,
        pytest.raises(SourceRefused, match="more than"),
    ):
        list_repository(hub.url, REPO)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "text",
        {"rfilename": "a.gguf"},
        {"rfilename": "a.gguf", "size": -1},
        {"rfilename": "a.gguf", "size": True},
        {"rfilename": "../a.gguf", "size": 1},
        {"rfilename": "/etc/a.gguf", "size": 1},
        {"rfilename": 5, "size": 1},
    ],
)
def test_an_entry_that_is_no_file_is_left_out(entry: Any) -> None:
    listing = json.dumps({"sha": COMMIT, "siblings": [entry, {"rfilename": "b.gguf", "size": 1}]}).encode()
    with serving_hub(Hub({REPO: FILES}, listing=listing)) as hub:
        listed = list_repository(hub.url, REPO)
    assert [each.name for each in listed.gguf_files] == ["b.gguf"]


@pytest.mark.parametrize("sha256", [None, 5, "xyz", "0" * 63, "G" * 64])
def test_a_hash_that_is_none_is_none(sha256: Any) -> None:
    entry = {"rfilename": "b.gguf", "size": 1, "lfs": {"sha256": sha256}}
    with serving_hub(Hub({REPO: FILES}, listing=json.dumps({"sha": COMMIT, "siblings": [entry]}).encode())) as hub:
        assert list_repository(hub.url, REPO).gguf_files[0].sha256 == ""


@pytest.mark.parametrize("repo", ["", "org", "org/", "../x", "org/name/more", "org/na me", "http://x/y"])
def test_a_name_that_is_no_repository_asks_nobody(repo: str) -> None:
    with serving_hub(Hub()) as hub, pytest.raises(SourceRefused, match="ORGANIZATION/NAME"):
        list_repository(hub.url, repo)
    assert hub.seen == []


def test_nobody_at_the_address_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with pytest.raises(SourceUnreachable, match="does not answer"):
        list_repository(url, REPO)


@pytest.mark.engine
def test_the_beginning_of_a_file_says_what_memory_it_needs(smollm2_path: Any) -> None:
    content = smollm2_path.read_bytes()
    with serving_hub(Hub({REPO: {"m.gguf": content}})) as hub:
        [file] = list_repository(hub.url, REPO).gguf_files
        header = read_remote_header(hub.url, REPO, COMMIT, file)
    assert header is not None
    assert header.number("context_length") == 8192
    assert header.cache_bytes_per_token() == 30 * 3 * (64 + 64) * 2
    assert header.size_bytes == len(content)
    sent = [headers.get("range") for _, path, headers in hub.seen if "/resolve/" in path]
    assert sent == ["bytes=0-1048575"]


@pytest.mark.parametrize("content", [b"", b"GGUF", b"PK\3\4", b"GGUF" + b"\xff" * 200])
def test_what_is_no_gguf_file_has_no_header(content: bytes) -> None:
    with serving_hub(Hub({REPO: {"m.gguf": content or b"?"}})) as hub:
        [file] = list_repository(hub.url, REPO).gguf_files
        assert read_remote_header(hub.url, REPO, COMMIT, file) is None
