"""A worker that only trains, on a cluster's node that has m1app alone: `train_program.py JOB_ID`, with FOLDER set."""

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

from m1app.settings import load_settings
from m1app.training.folder import TrainingFolder
from m1app.training.process import run_training
from storage.jobs.records import JobProgress


async def train() -> bool:
    is_stopping = asyncio.Event()
    stop_at = int(os.environ["STOP_AT"])

    def look(progress: JobProgress) -> None:
        if 0 < stop_at <= progress.done:
            is_stopping.set()

    return await run_training(TrainingFolder(Path(os.environ["FOLDER"])), load_settings(), look, is_stopping)


if __name__ == "__main__":
    print(f"trained to the end: {asyncio.run(train())}", flush=True)
