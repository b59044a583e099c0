"""`python -m m1app jobs list|stop|resume|delete|log|priority|export`, and `job-worker`, with which executors run a job.

Neither starts an engine: `jobs` needs none, and the worker starts its own if its job needs one.
"""

import argparse
import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from m1app.bootstrap import build_services
from m1app.cli.local_services import fine_tuning_over, open_database
from m1app.cli.terminal import add_json, write
from m1app.jobs.service import JobService
from m1app.jobs.worker import work
from m1app.settings import Settings, load_settings
from m1app.training.comparison import read_runs
from m1app.training.run_export import EXPORTERS, export_run
from storage.jobs.records import Job, JobKind, JobState

_Use = Callable[[JobService, argparse.Namespace], Awaitable[str]]


def add_command(commands: Any) -> None:
    """Add `jobs` with its subcommands, and `job-worker`, to the commands of `m1app.cli.main`."""
    jobs = commands.add_parser("jobs", help="list jobs; stop, resume or delete one; read its log; export curves")
    below = jobs.add_subparsers(required=True, metavar="list|stop|resume|delete|log|priority|export")
    listed = below.add_parser("list", help="list jobs, newest first")
    listed.add_argument("--state", type=JobState, action="append", default=[], choices=list(JobState))
    listed.add_argument("--text", default="", help="part of the name, or the start of the id")
    listed.add_argument("--limit", type=int, default=25, metavar="N")
    add_json(listed, "one JSON array")
    listed.set_defaults(run=_running(_list))
    told: tuple[tuple[str, _Use, str], ...] = (
        ("stop", _stop, "stop a job; a running one saves its results first"),
        ("resume", _resume, "resume a stopped, failed or lost job"),
        ("delete", _delete, "move a finished job to the trash"),
    )
    for name, use, about in told:
        command = below.add_parser(name, help=about)
        command.add_argument("job_id", metavar="JOB_ID")
        command.set_defaults(run=_running(use))
    log = below.add_parser("log", help="show the last lines of a job's log")
    log.add_argument("job_id", metavar="JOB_ID")
    log.add_argument("--lines", type=int, default=200, metavar="N")
    log.set_defaults(run=_running(_log))
    priority = below.add_parser("priority", help="change the priority; higher ones start first")
    priority.add_argument("job_id", metavar="JOB_ID")
    priority.add_argument("priority", type=int, metavar="N")
    priority.set_defaults(run=_running(_prioritize))
    export = below.add_parser("export", help="write the curves of a fine-tuning job for another tool; nothing is sent")
    export.add_argument("job_id", metavar="JOB_ID")
    export.add_argument("--to", required=True, choices=list(EXPORTERS))
    export.add_argument("folder", type=Path, metavar="DIR", help="created if it is missing")
    export.set_defaults(run=_export)
    worker = commands.add_parser("job-worker", help="run one job (started by the app)")
    worker.add_argument("job_id", metavar="JOB_ID")
    worker.set_defaults(run=_work)


def _running(use: _Use) -> Callable[[argparse.Namespace], int]:
    """A command that prints the result of `use`."""

    def run(options: argparse.Namespace) -> int:
        with open_database() as database:
            write(asyncio.run(_used(use, JobService(database, load_settings()), options)))
        return 0

    return run


async def _used(use: _Use, jobs: JobService, options: argparse.Namespace) -> str:
    return await use(jobs, options)


async def _list(jobs: JobService, options: argparse.Namespace) -> str:
    found = await jobs.recent(limit=options.limit, states=options.state, text=options.text)
    if options.json:
        return json.dumps([asdict(job) for job in found], ensure_ascii=False, default=datetime.isoformat) + "\n"
    return "".join(_line(job) for job in found) or "no jobs\n"


async def _stop(jobs: JobService, options: argparse.Namespace) -> str:
    return _line(await jobs.stop(options.job_id))


async def _resume(jobs: JobService, options: argparse.Namespace) -> str:
    return _line(await jobs.resume(options.job_id))


async def _delete(jobs: JobService, options: argparse.Namespace) -> str:
    await jobs.delete(options.job_id)
    return "moved to the trash; `m1app trash list` shows how to restore it\n"


async def _log(jobs: JobService, options: argparse.Namespace) -> str:
    return await jobs.log_tail(options.job_id, lines=options.lines)


async def _prioritize(jobs: JobService, options: argparse.Namespace) -> str:
    return _line(await jobs.set_priority(options.job_id, options.priority))


def _export(options: argparse.Namespace) -> int:
    settings = load_settings()
    with open_database() as database:
        jobs = JobService(database, settings)
        fine_tuning = fine_tuning_over(database, settings, jobs)
        (run,) = asyncio.run(read_runs(jobs, fine_tuning, [options.job_id]))
    write(export_run(run, options.to, options.folder) + "\n")
    return 0


def _line(job: Job) -> str:
    done = f"{job.progress.done:,}/{job.progress.total:,} {job.progress.unit}".strip() if job.progress.total else ""
    problem = job.error.partition("\n")[0]
    words = (job.id, f"{job.state.value:9}", f"{job.kind.value:11}", f"{done:>18}", job.name, problem)
    return "  ".join(word for word in words if word).rstrip() + "\n"


def _work(options: argparse.Namespace) -> int:
    settings = load_settings()
    _log_to_output(settings)
    return asyncio.run(_with_runners(options.job_id, settings))


async def _with_runners(job_id: str, settings: Settings) -> int:
    # Imported here because only workers need the job runners.
    from m1app.benchmark.job import benchmark_runner
    from m1app.fact_tests.job import fact_tests_runner
    from m1app.studies.job import study_runner
    from m1app.training.data_jobs.job import data_job_runner
    from m1app.training.job import fine_tuning_runner

    services = build_services(settings, is_worker=True)
    try:
        runners = {
            JobKind.BENCHMARK: benchmark_runner(services.benchmarks, services.engines),
            JobKind.FINE_TUNING: fine_tuning_runner(services.fine_tuning),
            JobKind.FACT_TESTS: fact_tests_runner(services.fact_queue, services.engines),
            JobKind.TRAINING_DATA: data_job_runner(services.data_jobs, services.engines),
            JobKind.STUDY: study_runner(services.studies, services.engines),
        }
        return await work(job_id, runners, services.database, settings)
    finally:
        await services.aclose()


def _log_to_output(settings: Settings) -> None:
    """The executor keeps what is written to standard output as the job's log."""
    formatter = logging.Formatter("%(asctime)sZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=settings.log_level)
    logging.getLogger("httpx2").setLevel(logging.WARNING)
