"""The engine that is measured: one started for the measurement (embedded, vLLM, or one that keeps a steady rate), or a
running one at M1_ENGINE_URL.

The app's services reach it as a remote engine either way, so that its address is known to both sides of a comparison.
"""

import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from benchmarks.app_process import weights_directory
from benchmarks.steady_engine import MODEL, steady_engine
from m1app.engines.own_engine import DEFAULT_MODEL_ID
from m1app.settings import EngineChoice, Settings, load_settings
from models.engine.endpoint import Endpoint
from models.servers.llama_server import llama_server
from models.servers.vllm_server import vllm_server
from models.weights.catalog import Catalog
from models.weights.download import download

_START_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class EngineUnderTest:
    """A running engine, and settings of an app that uses it with an empty home."""

    endpoint: Endpoint
    settings: Settings


@contextmanager
def engine_under_test(
    parallel: int, context_length: int, threads: int, steady_rate: float = 0.0
) -> Iterator[EngineUnderTest]:
    """Run the embedded engine, unless M1_ENGINE_URL names a running one or M1_ENGINE asks for vLLM.

    Args:
        parallel: concurrent requests of the embedded engine.
        context_length: tokens for each of them.
        threads: threads of the embedded engine; 0 uses every core.
        steady_rate: tokens per second for each stream of `benchmarks.steady_engine`, which is used instead; 0 is none.
    """
    given = load_settings()
    with tempfile.TemporaryDirectory(prefix="m1-benchmark-") as folder:
        home = Path(folder)
        if steady_rate:
            with steady_engine(steady_rate) as url:
                endpoint = Endpoint(url, "")
                yield EngineUnderTest(endpoint, _settings(home, endpoint, MODEL))
            return
        if given.engine is EngineChoice.REMOTE:
            endpoint = Endpoint(given.engine_url, given.engine_api_key.get_secret_value())
            yield EngineUnderTest(endpoint, _settings(home, endpoint, given.model))
            return
        if given.engine is EngineChoice.VLLM:
            model = given.model
            server = vllm_server(given.vllm_python, model, model, home / "vllm.log", shlex.split(given.vllm_args))
        else:
            model = DEFAULT_MODEL_ID
            path = download(Catalog.load().get(model), weights_directory())
            server = llama_server(path, model, context_length, parallel, threads or None, home / "llama.log")
        server.start()
        try:
            endpoint = server.wait_ready(_START_SECONDS)
            yield EngineUnderTest(endpoint, _settings(home, endpoint, model))
        finally:
            server.stop()


def _settings(home: Path, endpoint: Endpoint, model: str) -> Settings:
    return Settings(
        home=home,
        engine=EngineChoice.REMOTE,
        engine_url=endpoint.base_url,
        engine_api_key=SecretStr(endpoint.api_key),
        model=model,
    )
