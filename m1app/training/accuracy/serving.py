"""Serves one checkpoint to be asked: its GGUF file is written by a process of its own, and llama.cpp serves it.

The file is what the training would export if it ended at this checkpoint, so that a checkpoint answers as the finished
model would. Everything runs on the CPU.
"""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from m1app.settings import Settings
from m1app.training.environment import PROJECT
from m1app.training.errors import CheckpointNotServed
from m1app.training.folder import TrainingFolder
from m1app.training.process import training_environment
from models.engine.client import OpenAIEngine
from models.engine.protocol import Engine
from models.servers.llama_server import llama_server
from models.servers.process_guard import guarded

_GRACE_SECONDS = 10.0
_LOAD_SECONDS = 300.0
"""A large model is read while the training uses the disk too."""
_MESSAGE_CHARACTERS = 500


@asynccontextmanager
async def serving_checkpoint(folder: TrainingFolder, step: int, settings: Settings) -> AsyncIterator[Engine]:
    """Serve a checkpoint within the block.

    Args:
        folder: of the training.
        step: of the checkpoint; 0 is the base model.
        settings: of the embedded engine.

    Raises:
        CheckpointNotServed: its file cannot be written.
        ServerError: llama.cpp does not load it.
        TrainingError: the folder's files cannot be read.
    """
    await _write_gguf(folder, step, settings)
    run = await asyncio.to_thread(folder.run)
    server = llama_server(
        model_path=folder.asked_gguf,
        model_id=run.model_id,
        context_length=min(settings.context_length, run.context_length),
        parallel=settings.parallel_requests,
        threads=free_threads(run.threads, settings.threads),
        log_path=folder.accuracy / "llama.log",
        **settings.llama_tuning | {"gpu_layers": 0},
    )
    engine = OpenAIEngine(server.endpoint, run.model_id)
    try:
        server.start()
        await asyncio.to_thread(server.wait_ready, _LOAD_SECONDS)
        yield engine
    finally:
        await engine.aclose()
        await asyncio.to_thread(server.stop)
        await asyncio.to_thread(folder.asked_gguf.unlink, missing_ok=True)


def free_threads(training: int, wanted: int) -> int:
    """Threads of the engine: as many as were asked for, else the cores that the training leaves, at least one."""
    return wanted or max(1, (os.cpu_count() or 1) - training)


async def _write_gguf(folder: TrainingFolder, step: int, settings: Settings) -> None:
    command = [str(settings.train_python), "-m", "m1app.training.sft.checkpoint_gguf", str(folder.path), str(step)]
    process = await asyncio.create_subprocess_exec(
        *guarded(command, _GRACE_SECONDS),
        cwd=PROJECT,
        env=training_environment(settings),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert process.stdout is not None and process.stdin is not None
    try:
        said = (await process.stdout.read()).decode("utf-8", errors="replace").strip()
        status = await process.wait()
    finally:
        # Closing the guard's input ends what it guards.
        process.stdin.close()
        await process.wait()
    if status:
        last = said.splitlines()[-1][:_MESSAGE_CHARACTERS] if said else f"exit status {status}"
        raise CheckpointNotServed(f"Its GGUF file could not be written: {last}")
