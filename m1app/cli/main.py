"""The command line, `m1app` or `python -m m1app`: `serve`, and the same services without a browser.

Exit status: 0 done, 1 it could not be done (the message is on standard error), 2 wrong usage, 130 interrupted.
"""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path

from m1app.bootstrap import Services, build_services, make_home
from m1app.cli.annotations import add_annotation_commands
from m1app.cli.bench import add_bench_command
from m1app.cli.dataset import add_dataset_commands
from m1app.cli.finetune import add_finetune_command
from m1app.cli.jobs import add_job_commands
from m1app.cli.questions import add_question_commands
from m1app.cli.score import add_score_command
from m1app.cli.serve import add_serve_command
from m1app.engines.doctor import examine
from m1app.errors import FOR_PEOPLE
from m1app.question.errors import InvalidQuestion
from m1app.question.question_text import read_question_json
from m1app.runs.probe_request import DEFAULT_BUDGET_TOKENS, ProbeRequest
from m1app.runs.sweep_export import sweep_json, sweep_text
from m1app.runs.sweep_request import DEFAULT_BUDGETS, DEFAULT_FORCE_ROUNDS, SweepRequest
from m1app.runs.trace_export import trace_json
from m1app.settings import Settings, load_settings
from m1app.wording import duration, verdict_of, verdict_with_letter
from storage.traces.records import SegmentKind, Trace, TraceState

_ENGINE_SECONDS = 900.0
_HEADINGS = {
    SegmentKind.THINK: "\n[thinking]\n",
    SegmentKind.WAIT: "\n[forced round] ",
    SegmentKind.CLOSE: "\n[closing] ",
    SegmentKind.ANSWER: "\n[answer]\n",
}
Command = Callable[[Services, argparse.Namespace], Awaitable[int]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; gives the exit status."""
    options = _parser().parse_args(arguments)
    try:
        if "run" in options:  # without services
            return int(options.run(options))
        return asyncio.run(_with_services(options.command, options))
    except KeyboardInterrupt:
        _say("Interrupted; what was generated is kept.")
        return 130
    except (*FOR_PEOPLE, OSError) as exc:
        _say(f"error: {exc}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=_program(), description="m1app: its pages, or without a browser.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_serve_command(commands)
    probe = commands.add_parser("probe", help="ask one question within a thinking budget")
    _add_question(probe)
    probe.add_argument(
        "--budget", type=int, default=DEFAULT_BUDGET_TOKENS, metavar="N", help="thinking budget in tokens"
    )
    probe.add_argument("--force-rounds", type=int, default=0, metavar="R", help='natural stops to overrule with "Wait"')
    probe.add_argument("--model", default="", help="served model; the engine's default when left out")
    probe.add_argument("--answer-cap", type=int, default=512, metavar="N", help="most tokens of the answer")
    probe.set_defaults(command=_probe)
    sweep = commands.add_parser("sweep", help="ask one question at every budget and force round, in one thinking pass")
    _add_question(sweep)
    sweep.add_argument(
        "--budgets", type=_numbers, default=DEFAULT_BUDGETS, metavar="N,N", help="thinking budgets in tokens"
    )
    sweep.add_argument("--force-rounds", type=_numbers, default=DEFAULT_FORCE_ROUNDS, metavar="R,R")
    sweep.add_argument("--model", action="append", default=[], help="served model; may be given several times")
    sweep.add_argument("--passes", type=int, default=1, metavar="N", help="sampled passes, with seeds that count up")
    sweep.add_argument("--answer-cap", type=int, default=256, metavar="N", help="most tokens of each answer")
    sweep.set_defaults(command=_sweep)
    add_bench_command(commands, _numbers)
    add_annotation_commands(commands)
    add_dataset_commands(commands)
    add_question_commands(commands)
    add_finetune_command(commands)
    add_score_command(commands)
    add_job_commands(commands)
    doctor = commands.add_parser("doctor", help="test engine, database, disk and versions")
    doctor.add_argument("--json", action="store_true", help="print one JSON object")
    doctor.set_defaults(command=_doctor)
    return parser


def _program() -> str:
    """What was typed: the installed command, or Python with the module."""
    return "m1app" if Path(sys.argv[0]).stem == "m1app" else "python -m m1app"


def _add_question(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--question",
        required=True,
        metavar="FILE",
        help="JSON {question, options?, answer_idx?}; - reads standard input",
    )
    parser.add_argument("--profile", default="", help="profile id; the one that fits the model when left out")
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--top-p", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of the text")


def _numbers(text: str) -> tuple[int, ...]:
    """Whole numbers from "64,128"; argparse turns a ValueError into its message."""
    return tuple(int(part) for part in text.split(","))


async def _with_services(command: Command, options: argparse.Namespace) -> int:
    settings = load_settings()
    make_home(settings)
    _log_to_file(settings)
    services = build_services(settings)
    try:
        return await command(services, options)
    finally:
        await services.aclose()


def _log_to_file(settings: Settings) -> None:
    """Standard error holds one line for the person; what went wrong inside is kept in a file."""
    logging.basicConfig(
        filename=settings.logs_directory / "command-line.log",
        level=settings.log_level,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("httpx2").setLevel(logging.WARNING)


async def _probe(services: Services, options: argparse.Namespace) -> int:
    question = read_question_json(_read(options.question))
    request = ProbeRequest(
        stem=question.stem,
        options=question.options,
        target=question.target,
        model=options.model,
        profile=options.profile,
        thinking_budget_tokens=options.budget,
        force_rounds=options.force_rounds,
        temperature=options.temperature,
        top_p=options.top_p,
        seed=options.seed,
        answer_cap_tokens=options.answer_cap,
        source="command line",
    )
    await asyncio.to_thread(services.engines.wait_ready, _ENGINE_SECONDS)
    trace = await _run(services, request, is_quiet=options.json)
    if options.json:
        _print(json.dumps(trace_json(trace), ensure_ascii=False) + "\n")
    if problem := trace.error or services.probe.save_error(trace.id):
        _say(f"error: {problem}")
    return 0 if trace.state is TraceState.COMPLETED else 1


async def _run(services: Services, request: ProbeRequest, *, is_quiet: bool) -> Trace:
    trace = await services.probe.start(request)
    shown = (0, 0)
    async with aclosing(services.probe.follow(trace.id)) as snapshots:
        async for trace in snapshots:
            shown = shown if is_quiet else _show(trace, shown)
    if not is_quiet:
        _print(_summary(trace))
    return trace


def _show(trace: Trace, shown: tuple[int, int]) -> tuple[int, int]:
    """Print what is new since `shown` (segments, characters of the last one); gives the new position."""
    count, characters = shown
    for index in range(max(count - 1, 0), len(trace.segments)):
        segment = trace.segments[index]
        if index >= count:
            characters = 0
            _print(_HEADINGS[segment.kind])
        _print(segment.text[characters:])
        characters = len(segment.text)
    return len(trace.segments), characters


def _summary(trace: Trace) -> str:
    verdict = verdict_of(trace.answer_letter, trace.is_correct, bool(trace.question.options))
    finish = trace.thinking_finish_reason.value if trace.thinking_finish_reason else "not reached"
    return (
        f"\n\nverdict: {verdict_with_letter(trace.answer_letter, verdict)}"
        f"\nthinking: {trace.thinking_tokens:,} of {trace.thinking_budget_tokens:,} tokens, ended: {finish}"
        f"\ngenerated: {trace.tokens_generated:,} tokens in {duration(trace.seconds or 0.0)}"
        f"\ntrace: {trace.id}\n"
    )


async def _sweep(services: Services, options: argparse.Namespace) -> int:
    question = read_question_json(_read(options.question))
    request = SweepRequest(
        stem=question.stem,
        options=question.options,
        target=question.target,
        models=tuple(options.model),
        profile=options.profile,
        budgets=options.budgets,
        force_rounds=options.force_rounds,
        passes=options.passes,
        temperature=options.temperature,
        top_p=options.top_p,
        seed=options.seed,
        answer_cap_tokens=options.answer_cap,
        source="command line",
    )
    await asyncio.to_thread(services.engines.wait_ready, _ENGINE_SECONDS)
    snapshot = await services.sweeps.start(request)
    async with aclosing(services.sweeps.follow(snapshot.sweep.id)) as snapshots:
        async for shown in snapshots:
            snapshot = shown
    _print(json.dumps(sweep_json(snapshot), ensure_ascii=False) + "\n" if options.json else sweep_text(snapshot))
    if problem := snapshot.sweep.error or snapshot.save_error:
        _say(f"error: {problem}")
    return 0 if snapshot.sweep.state is TraceState.COMPLETED else 1


async def _doctor(services: Services, options: argparse.Namespace) -> int:
    findings = await examine(services.settings, services.database, services.engines)
    if options.json:
        content = [{"name": f.name, "ok": f.is_good, "detail": f.detail} for f in findings]
        _print(json.dumps(content, ensure_ascii=False) + "\n")
    else:
        _print("".join(f"{'ok    ' if f.is_good else 'FAILED'} {f.name}: {f.detail}\n" for f in findings))
    return 0 if all(f.is_good for f in findings) else 1


def _read(name: str) -> str:
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return content.decode("utf-8")
    except OSError as exc:
        raise InvalidQuestion(f"The question file {name} cannot be read ({exc.strerror}): check its name.") from exc
    except UnicodeDecodeError as exc:
        raise InvalidQuestion(f"The question is not UTF-8 text at byte {exc.start}: save it as UTF-8.") from exc


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
