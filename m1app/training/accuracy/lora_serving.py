"""Asks checkpoints at a running vLLM that serves the base: it loads the LoRA of each, and forgets it again.

The server is one that the settings name, so that a recipe sends questions to no other machine. It has to reach the
folder of the training under the same path. Nothing is written for a checkpoint, and the training's machine generates
nothing.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from m1app.settings import Settings
from m1app.training.base_model import BaseModel
from m1app.training.errors import CheckpointNotServed, RecipeRefused
from m1app.training.folder import TrainingFolder, TrainingRun
from m1app.training.recipe import TrainingRecipe
from models.engine.client import OpenAIEngine
from models.engine.endpoint import Endpoint
from models.engine.protocol import Engine
from models.errors import EngineError

_log = logging.getLogger(__name__)
_MOST_NAMES = 20
"""Names of a server that are looked at for the base."""


def check_server(recipe: TrainingRecipe, base: BaseModel, settings: Settings) -> None:
    """Refuse a server that the settings do not name, and a base that vLLM does not serve; raises RecipeRefused."""
    if not recipe.accuracy_server:
        return
    if _endpoint(recipe.accuracy_server, settings) is None:
        raise RecipeRefused(
            "accuracy_server",
            f"{recipe.accuracy_server} is not a server of this app. Add it to M1_MORE_ENGINE_URLS, then restart the "
            "app.",
        )
    if base.kind == "gguf":
        raise RecipeRefused(
            "accuracy_server",
            f"{base.id} is a GGUF file, over which vLLM loads no LoRA. Leave accuracy_server out, or choose a base of "
            "safetensors.",
        )


@asynccontextmanager
async def serving_adapter(folder: TrainingFolder, step: int, settings: Settings) -> AsyncIterator[Engine]:
    """Serve a checkpoint within the block, at the server of the recipe.

    Args:
        folder: of the training.
        step: of the checkpoint; 0 is the base model.
        settings: name the server, with its key.

    Raises:
        CheckpointNotServed: the server is not named any more, does not serve the base, or does not load the LoRA.
        EngineError: it cannot be reached.
        TrainingError: the folder's files cannot be read.
    """
    recipe, run = await asyncio.to_thread(folder.recipe), await asyncio.to_thread(folder.run)
    endpoint = _endpoint(recipe.accuracy_server, settings)
    if endpoint is None:
        raise CheckpointNotServed(
            f"{recipe.accuracy_server} is no longer a server of this app. Add it to M1_MORE_ENGINE_URLS, then restart "
            "the app."
        )
    base = await _base_name(endpoint, run)
    if not step:
        async with aclosing(OpenAIEngine(lambda: endpoint, base)) as engine:
            yield engine
        return
    name = f"{run.model_id}-step-{step}"
    async with (
        aclosing(OpenAIEngine(lambda: endpoint, base)) as server,
        aclosing(OpenAIEngine(lambda: endpoint, name)) as engine,
    ):
        await _forget(server, name)
        try:
            await server.load_adapter(name, folder.weights_to_ask(step).absolute())
        except EngineError as exc:
            raise CheckpointNotServed(
                f"{endpoint.base_url} does not load its LoRA ({exc}). Start vLLM with --enable-lora --max-lora-rank "
                f"{recipe.lora_rank}, and VLLM_ALLOW_RUNTIME_LORA_UPDATING=1, where it can read {folder.path}."
            ) from exc
        try:
            yield engine
        finally:
            await _forget(server, name)


async def _base_name(endpoint: Endpoint, run: TrainingRun) -> str:
    """The name under which a server serves the base; raises CheckpointNotServed, EngineError."""
    wanted = (run.base_id, run.base_location)
    async with aclosing(OpenAIEngine(lambda: endpoint)) as server:
        names = await server.served_models()
    for name in names[:_MOST_NAMES]:
        async with aclosing(OpenAIEngine(lambda: endpoint, name)) as engine:
            if name in wanted or (await engine.describe()).model_source == run.base_location:
                return name
    raise CheckpointNotServed(
        f"{endpoint.base_url} serves {', '.join(names[:_MOST_NAMES]) or 'nothing'}, not the base {run.base_id}."
    )


async def _forget(server: OpenAIEngine, name: str) -> None:
    """Unload a LoRA that an attempt which was killed may have left, or that was asked."""
    try:
        await server.unload_adapter(name)
    except EngineError as exc:
        _log.debug("%s is not loaded, or stays: %s", name, exc)


def _endpoint(address: str, settings: Settings) -> Endpoint | None:
    """The server of the settings with this address."""
    own = Endpoint(settings.engine_url, settings.engine_api_key.get_secret_value())
    known = (own, *settings.replica_endpoints, *settings.more_endpoints)
    wanted = address.strip().rstrip("/").removesuffix("/v1")
    return next((each for each in known if each.base_url and each.base_url == wanted), None)
