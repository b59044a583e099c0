"""The two processes of jobs, with runners of the tests: run by its path, also by a cluster's node that has only m1app.

    job_program.py JOB_ID     a worker, as `python -m m1app job-worker` is one
    job_program.py --app      an app that only schedules, until it is killed

A job counts `steps`, `seconds` each, into artifacts/steps.txt, and goes on where its last attempt ended. `mode` says
how it misbehaves.
"""

import asyncio
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path.cwd()))

import m1app
from m1app.errors import AppError
from m1app.jobs.code_version import git_commit
from m1app.jobs.local_executor import LocalExecutor
from m1app.jobs.service import JobService
from m1app.jobs.watching import WatchLimits
from m1app.jobs.worker import JobContext, work
from m1app.settings import Settings, load_settings
from storage.database import Database
from storage.jobs.records import JobKind, JobProgress

PROGRAM = (str(Path(__file__).resolve()),)
QUICK = WatchLimits(gone_seconds=3.0, unknown_seconds=5.0, watched_seconds=1.0, grace_seconds=2.0)


def make_service(settings: Settings, database: Database) -> JobService:
    """The app's job service, with this file's workers and shorter timeouts."""
    return JobService(database, settings, executors={"local": LocalExecutor(PROGRAM)}, limits=QUICK)


async def count(context: JobContext) -> bool:
    recipe, path = context.job.recipe, context.artifacts / "steps.txt"
    mode, steps = recipe.get("mode", ""), recipe.get("steps", 1)
    print(f"the runner begins, with the code in {Path(m1app.__file__).parent} of commit {git_commit()}", flush=True)
    if mode == "refuses":
        raise AppError("The question set is empty. Import one with questions.")
    if mode == "breaks":
        raise KeyError("a mistake of the programmer")
    if mode == "gives up":
        return False
    if mode == "busy":
        time.sleep(recipe["seconds"])
    done = path.read_text().count("\n") if path.exists() else 0
    for step in range(done, steps):
        if context.is_stopping.is_set() and mode != "deaf":
            return False
        with path.open("a") as file:
            file.write(f"{context.job.attempt} {step} {time.time()}\n")
        context.report(
            JobProgress(done=step + 1, total=steps, unit="steps", figures={"loss": float("nan"), "half": 0.5})
        )
        await asyncio.sleep(recipe.get("seconds", 0.0))
    return True


async def schedule(settings: Settings) -> None:
    await make_service(settings, Database(settings.database_address)).run_scheduler()


def main() -> int:
    settings = load_settings()
    logging.basicConfig(stream=sys.stdout, level="INFO", format="%(message)s")
    if sys.argv[1] == "--app":
        asyncio.run(schedule(settings))
        return 0
    database = Database(settings.database_address, busy_timeout_seconds=1.0)
    return asyncio.run(work(sys.argv[1], {JobKind.BENCHMARK: count}, database, settings))


if __name__ == "__main__":
    sys.exit(main())
