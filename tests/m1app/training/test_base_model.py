"""A base model's chat template where its weights are not on this machine."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from m1app.training.base_model import BaseModel, HubAccess, find_base, with_hub_template
from m1app.training.errors import NoChatTemplate
from m1app.training.recipe import TrainingRecipe
from m1app.training.training_rows import choose_profile, split_rows, with_template
from models.profiles import load_profiles
from models.weights.catalog import Catalog
from tests.m1app.training.training_cases import some_samples

REPO = "FreedomIntelligence/HuatuoGPT-o1-7B"
CHATML = (
    "{{ bos_token }}{% for each in messages %}<|im_start|>{{ each.role }}\n{{ each.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass
class Hub:
    """A folder that is served as the hub."""

    files: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)

    def put(self, name: str, text: str) -> None:
        place = self.files / REPO / "resolve" / "main" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *given: object, hub: Hub) -> None:
        self._hub = hub
        super().__init__(*given, directory=str(hub.files))  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self._hub.asked.append(self.path)
        super().do_GET()

    def end_headers(self) -> None:
        """With what the hub says of a file."""
        self.send_header("X-Repo-Commit", "c" * 40)
        self.send_header("ETag", f'"{self.path}"')
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, hub=hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[Hub]:
    (tmp_path / "hub").mkdir()
    with serving(Hub(tmp_path / "hub")) as hub:
        yield hub


@pytest.fixture
def huatuo(tmp_path: Path) -> BaseModel:
    return find_base("huatuogpt-o1-7b", Catalog.load(), tmp_path / "models")


def access(hub: Hub, tmp_path: Path, **changes: bool) -> HubAccess:
    return HubAccess(hub.url, cache=tmp_path / "cache", **changes)


def recipe(**changes: object) -> TrainingRecipe:
    return TrainingRecipe.of_preset("lora", "huatuogpt-o1-7b", "traces", **changes)


def test_a_hub_base_is_rendered_by_its_own_template(huatuo: BaseModel, hub: Hub, tmp_path: Path) -> None:
    hub.put("tokenizer_config.json", json.dumps({"chat_template": CHATML, "bos_token": {"content": "<s>"}}))
    found = with_template(recipe(), huatuo, load_profiles(), access(hub, tmp_path))
    profile = choose_profile(recipe(), found, load_profiles())
    sample = split_rows(some_samples(8), recipe(), found, profile).train[0]
    assert profile.id == "huatuo-o1"
    assert sample.prompt.startswith("<s><|im_start|>user\n")
    assert sample.parts[-1] == ("end", "<|im_end|>")


def test_a_template_in_a_file_of_its_own_counts_first(huatuo: BaseModel, hub: Hub, tmp_path: Path) -> None:
    hub.put("chat_template.jinja", "own file")
    hub.put("tokenizer_config.json", json.dumps({"chat_template": "in the config", "eos_token": "</s>"}))
    found = with_hub_template(huatuo, access(hub, tmp_path))
    assert (found.chat_template, found.special_tokens) == ("own file", {"eos_token": "</s>"})


def test_of_several_templates_the_default_one_is_taken(huatuo: BaseModel, hub: Hub, tmp_path: Path) -> None:
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    hub.put("tokenizer_config.json", json.dumps({"chat_template": named}))
    assert with_hub_template(huatuo, access(hub, tmp_path)).chat_template == "d"


def test_a_hub_base_that_has_no_template_is_known_to_have_none(huatuo: BaseModel, hub: Hub, tmp_path: Path) -> None:
    hub.put("tokenizer_config.json", "{}")
    found = with_hub_template(huatuo, access(hub, tmp_path))
    assert (found.chat_template, found.template_missing) == ("", "")
    with pytest.raises(NoChatTemplate, match="has none"):
        split_rows(some_samples(8), recipe(), found, load_profiles().get("huatuo-o1"))


def test_offline_only_what_was_downloaded_before_is_read(huatuo: BaseModel, hub: Hub, tmp_path: Path) -> None:
    offline = access(hub, tmp_path, is_offline=True)
    missing = with_hub_template(huatuo, offline)
    with pytest.raises(NoChatTemplate, match=r"not available yet: M1_HUB_OFFLINE is set.*profile=m1.*a folder"):
        split_rows(some_samples(8), recipe(), missing, load_profiles().get("huatuo-o1"))
    repo = tmp_path / "cache" / f"models--{REPO.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text("c0ffee")
    (repo / "snapshots" / "c0ffee").mkdir(parents=True)
    (repo / "snapshots" / "c0ffee" / "tokenizer_config.json").write_text(json.dumps({"chat_template": CHATML}))
    assert with_hub_template(huatuo, offline).chat_template == CHATML
    assert hub.asked == []


def test_a_hub_that_does_not_answer_or_refuses_says_what_to_do(
    huatuo: BaseModel, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m1app.training.base_model._PATIENCE_SECONDS", 1.0)
    nowhere = HubAccess("http://127.0.0.1:9", cache=tmp_path / "cache")
    assert "M1_HUB_URL" in with_hub_template(huatuo, nowhere).template_missing
    assert "not found (404)" in with_hub_template(huatuo, access(hub, tmp_path)).template_missing


def test_the_hub_is_asked_only_where_the_profile_leaves_the_prompt_to_the_base(
    huatuo: BaseModel, hub: Hub, tmp_path: Path
) -> None:
    asked = recipe(profile="m1")
    assert with_template(asked, huatuo, load_profiles(), access(hub, tmp_path)) is huatuo
    assert hub.asked == []
    assert split_rows(some_samples(8), asked, huatuo, load_profiles().get("m1")).train


def test_a_gguf_base_that_is_not_downloaded_yet_says_how_to_download_it(tmp_path: Path) -> None:
    found = find_base("smollm2-135m", Catalog.load(), tmp_path)
    with pytest.raises(
        NoChatTemplate, match=r"not available yet.*python -m models\.weights\.download smollm2-135m --directory"
    ):
        split_rows(some_samples(8), recipe(), found, load_profiles().get("plain"))
