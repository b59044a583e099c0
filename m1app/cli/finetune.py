"""`python -m m1app finetune`: fine-tune a model as a job, and follow it. No engine is started."""

import argparse
import asyncio
from collections.abc import Sequence
from typing import Any

from m1app.backup.home_lock import HomeUse
from m1app.bootstrap import make_home
from m1app.cli.local_services import fine_tuning_over
from m1app.cli.stopping import set_by_signals
from m1app.cli.terminal import add_json, given, say, write, write_json
from m1app.errors import AppError
from m1app.jobs.service import JobService
from m1app.jobs.states import OVER
from m1app.jobs.watching import WatchLimits
from m1app.settings import Settings, load_settings
from m1app.training.curation_steps import StepReport
from m1app.training.events import Event, last_ending, summarise
from m1app.training.plan import FineTuningPlan
from m1app.training.process import GRACE_SECONDS
from m1app.training.recipe import PRESETS, TrainingRecipe, parse_change
from m1app.training.service import FineTuningService
from m1app.wording import counted, percent, size
from storage.database import Database
from storage.jobs.records import Job, JobKind, JobState

_LOOK_SECONDS = 1.0


def add_command(commands: Any) -> None:
    """Add `finetune` to the commands of `m1app.cli.main`."""
    finetune = commands.add_parser("finetune", help="fine-tune a model on a training data set")
    finetune.add_argument("--data", type=given, metavar="FILE|NAME[:vN]", help="a file of samples, or a data set")
    finetune.add_argument(
        "--base", type=given, metavar="MODEL", help="catalog id, .gguf file, or folder of safetensors"
    )
    finetune.add_argument("--preset", choices=PRESETS, default="cpu-trial")
    finetune.add_argument("--name", default="", help="name of the new model")
    finetune.add_argument("--max-steps", type=int, metavar="N")
    finetune.add_argument(
        "--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the preset; repeatable"
    )
    finetune.add_argument("--resume", type=given, metavar="ID", help="resume a job with its original options")
    finetune.add_argument("--executor", default="local", choices=["local", "ray"])
    finetune.add_argument("--dry-run", action="store_true", help="estimate the cost without training")
    add_json(finetune)
    finetune.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    settings = load_settings()
    make_home(settings)
    home_use = HomeUse(settings)
    database = Database(settings.database_address)
    try:
        database.migrate()
        return asyncio.run(_finetune(settings, database, options))
    finally:
        database.dispose()
        home_use.close()


async def _finetune(settings: Settings, database: Database, options: argparse.Namespace) -> int:
    # A step and its checkpoint may take minutes on a busy machine, and stopping waits for them.
    jobs = JobService(database, settings, limits=WatchLimits(grace_seconds=GRACE_SECONDS))
    service = fine_tuning_over(database, settings, jobs)
    if options.resume:
        job = await _resumed(jobs, options.resume)
    else:
        recipe = _recipe(options)
        plan = await service.plan(recipe)
        say(_described(plan))
        if options.dry_run:
            return _dry_run(plan, is_json=options.json)
        job = await service.launch(recipe, executor=options.executor)
    say(f"job {job.id}")
    job = await _follow(jobs, service, job)
    return _show(service, job, is_json=options.json)


def _recipe(options: argparse.Namespace) -> TrainingRecipe:
    if not options.data or not options.base:
        raise AppError("Name the training data and the base model: --data FILE --base MODEL, or --resume ID.")
    changes: dict[str, Any] = dict(map(parse_change, options.set))
    if options.name:
        changes["name"] = options.name
    if options.max_steps is not None:
        changes["max_steps"] = options.max_steps
    return TrainingRecipe.of_preset(options.preset, options.base, options.data, **changes)


async def _resumed(jobs: JobService, job_id: str) -> Job:
    job = await jobs.get(job_id)
    if job.kind is not JobKind.FINE_TUNING:
        raise AppError(f"Job {job.name!r} is a {job.kind.value}, not a fine-tuning job; use: jobs resume {job.id}")
    return job if job.state not in OVER else await jobs.resume(job.id)


async def _follow(jobs: JobService, service: FineTuningService, job: Job) -> Job:
    """Follow the job until it is over; Ctrl+C and SIGTERM stop it with a checkpoint."""
    # If no app is running, this process schedules; otherwise, whichever is first.
    scheduler = asyncio.ensure_future(jobs.run_scheduler())
    said_at = max((event["time"] for event in service.read_progress(job.id)), default=0.0)
    is_told = False
    try:
        with set_by_signals() as stopping:
            while job.state not in OVER:
                await asyncio.sleep(_LOOK_SECONDS)
                if stopping.is_set() and not is_told:
                    is_told = True
                    say("stopping after saving a checkpoint")
                    await jobs.stop(job.id)
                events = await asyncio.to_thread(service.read_progress, job.id)
                # By time: a resumed training discards events of later steps.
                for event in events:
                    if event["time"] > said_at:
                        said_at = event["time"]
                        _say_event(event)
                job = await jobs.get(job.id)
    finally:
        scheduler.cancel()
        await asyncio.gather(scheduler, return_exceptions=True)
        await jobs.aclose()
    return job


def _say_event(event: Event) -> None:
    if event["event"] == "log":
        rate = f"{_number(event['tokens_per_second'], 0)} tokens/s"
        say(f"step {event['step']}: loss {_number(event['loss'])}{_preferences(event)}, {rate}")
    elif event["event"] == "evaluated":
        say(f"step {event['step']}: held-out loss {_number(event['eval_loss'])}{_preferences(event)}")
    elif event["event"] == "accuracy":
        say(f"step {event['step']}: {event['correct']:,} of {event['n']:,} questions of {event['set']} right")
    elif event.get("message"):
        say(str(event["message"]))


def _preferences(event: Event) -> str:
    """Margin and accuracy of preference pairs, or the share of right answers; empty for SFT."""
    if event.get("reward") is not None:
        return f", {percent(event['reward'], 0)} of the answers right"
    margin, accuracy = event.get("reward_margin"), event.get("pair_accuracy")
    return (
        "" if margin is None or accuracy is None else f", margin {margin:+.4f}, {percent(accuracy, 0)} of pairs right"
    )


def _described(plan: FineTuningPlan) -> str:
    estimate = plan.estimate
    lines = [
        *(f"{report.title} ({report.kept:,} of {report.before:,} kept)" for report in plan.reports if _dropped(report)),
        f"{counted(plan.train_samples, 'training sample')}, {plan.evaluation_samples:,} held out; "
        f"profile {plan.profile}",
        f"{counted(estimate.steps, 'step')}; about {size(estimate.memory_bytes)} of memory and "
        f"{size(estimate.disk_bytes)} of disk; this machine: {plan.machine.said()}",
        plan.environment,
        *plan.notes,
    ]
    return "\n".join(lines)


def _dropped(report: StepReport) -> int:
    return report.before - report.kept


def _dry_run(plan: FineTuningPlan, *, is_json: bool) -> int:
    if not is_json:
        write(plan.command_line + "\n")
        return 0
    content = {
        "base": plan.base.id,
        "profile": plan.profile,
        "data": plan.data,
        "samples": plan.train_samples,
        "evaluation_samples": plan.evaluation_samples,
        "steps": plan.estimate.steps,
        "memory_bytes": plan.estimate.memory_bytes,
        "host_memory_bytes": plan.estimate.host_bytes,
        "devices": plan.estimate.devices,
        "disk_bytes": plan.estimate.disk_bytes,
        "command_line": plan.command_line,
    }
    write_json(content)
    return 0


def _show(service: FineTuningService, job: Job, *, is_json: bool) -> int:
    result = service.result(job.id) if job.state is JobState.SUCCEEDED else None
    model_id, folder = (result[0].model_id, str(result[1])) if result else (None, None)
    content = {"job_id": job.id, "state": job.state.value, "model_id": model_id}
    content |= _figures(service.read_progress(job.id)) | {"folder": folder}
    if is_json:
        write_json(content)
    elif result:
        write(f"model {model_id} in {folder}\ntry it: M1_MODEL={model_id} python -m m1app probe --question FILE\n")
    if job.state is JobState.SUCCEEDED:
        return 0
    if job.state is JobState.STOPPED:
        say(f"stopped; resume with: python -m m1app finetune --resume {job.id}")
        return 130
    resume = "" if _is_refused(service, job) else f" Resume with: python -m m1app finetune --resume {job.id}"
    say(f"error: {job.error or 'The job was lost.'}{resume}")
    return 1


def _is_refused(service: FineTuningService, job: Job) -> bool:
    """Whether the training refused its data, which a resume would find again."""
    ending = last_ending(service.read_progress(job.id))
    return ending is not None and bool(ending.get("is_final"))


def _figures(events: Sequence[Event]) -> dict[str, Any]:
    summary = summarise(events)
    names: tuple[str, ...] = ("steps", "first_loss", "last_loss", "eval_loss_before", "eval_loss_after")
    if summary.reward_margin is not None:
        names = (*names, "reward_margin", "pair_accuracy")
    if summary.last_reward is not None:
        names = (*names, "first_reward", "last_reward")
    return {name: getattr(summary, name) for name in names}


def _number(value: float | None, digits: int = 4) -> str:
    return "not a number" if value is None else f"{value:.{digits}f}"
