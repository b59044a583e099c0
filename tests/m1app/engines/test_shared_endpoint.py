"""The address of the app's vLLM, for its jobs."""

import stat
from pathlib import Path

import pytest

from m1app.engines.service import EngineService
from m1app.engines.shared_endpoint import SharedEndpoint
from m1app.settings import Settings
from models.engine.endpoint import Endpoint
from models.errors import EngineUnreachable
from models.profiles import load_profiles
from models.weights.catalog import Catalog
from tests.models.engine.scripted_server import Script, fail, serving

pytestmark = pytest.mark.usefixtures("no_settings")


def test_an_address_is_there_for_its_user_while_the_server_runs(tmp_path: Path) -> None:
    path = tmp_path / "run" / "vllm.json"
    shared = SharedEndpoint(path)
    with pytest.raises(EngineUnreachable, match="start the app"):
        shared.read()
    shared.publish(Endpoint("http://127.0.0.1:1", "secret"))
    assert shared.read() == Endpoint("http://127.0.0.1:1", "secret")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    shared.publish(Endpoint("http://127.0.0.1:2", "other"))
    assert shared.read().base_url.endswith(":2")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(EngineUnreachable):
        shared.read()
    shared.publish(None)
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    ["[]", "[" * 100_000, '{"base_url": "http://elsewhere.example:80", "api_key": "k"}'],
    ids=["list", "deep", "elsewhere"],
)
def test_a_file_that_the_app_did_not_write_sends_nothing_anywhere(tmp_path: Path, content: str) -> None:
    path = tmp_path / "vllm.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(EngineUnreachable):
        SharedEndpoint(path).read()


def test_a_key_is_for_its_user_only_whatever_an_earlier_start_has_left(tmp_path: Path) -> None:
    (tmp_path / "vllm.partial").write_text("", encoding="utf-8")
    (tmp_path / "vllm.partial").chmod(0o644)
    SharedEndpoint(tmp_path / "vllm.json").publish(Endpoint("http://127.0.0.1:1", "secret"))
    assert stat.S_IMODE((tmp_path / "vllm.json").stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_written_does_not_stop_the_app(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("a file", encoding="utf-8")
    SharedEndpoint(tmp_path / "run" / "vllm.json").publish(Endpoint("http://127.0.0.1:1"))


async def test_a_worker_asks_the_apps_server_wherever_it_is_now(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, engine="vllm", model="m")  # type: ignore[arg-type]
    engines = EngineService(settings, Catalog.load(), load_profiles(), is_worker=True)
    engines.start()
    try:
        with pytest.raises(EngineUnreachable, match="not running"):
            await engines.models()
        for name in ("first", "second"):
            with serving(Script(fail(500, {}), models=[{"id": name, "owned_by": "vllm"}])) as script:
                SharedEndpoint(tmp_path / "run" / "vllm.json").publish(Endpoint(script.url))
                assert await engines.models() == (name,)
    finally:
        await engines.aclose()
