"""`python -m m1app probe`: ask one question within a thinking budget, and print the thinking as it streams."""

import argparse
import asyncio
from contextlib import aclosing
from typing import Any

from m1app.bootstrap import Services
from m1app.cli.terminal import ENGINE_SECONDS, add_question, read_question, say, write, write_json
from m1app.runs.probe_request import DEFAULT_BUDGET_TOKENS, ProbeRequest, sampling_of
from m1app.runs.trace_export import trace_json
from m1app.wording import duration, verdict_of, verdict_with_letter
from storage.traces.records import SegmentKind, Trace, TraceState

_HEADINGS = {
    SegmentKind.THINK: "\n[thinking]\n",
    SegmentKind.WAIT: "\n[force round] ",
    SegmentKind.CLOSE: "\n[closing] ",
    SegmentKind.ANSWER: "\n[answer]\n",
}


def add_command(commands: Any) -> None:
    """Add `probe` to the commands of `m1app.cli.main`."""
    probe = commands.add_parser("probe", help="ask one question within a thinking budget")
    add_question(probe)
    probe.add_argument(
        "--budget", type=int, default=DEFAULT_BUDGET_TOKENS, metavar="N", help="thinking budget in tokens"
    )
    probe.add_argument("--force-rounds", type=int, default=0, metavar="R", help='natural stops to override with "Wait"')
    probe.add_argument("--model", default="", help="name of the served model (default: the engine's)")
    probe.add_argument(
        "--answer-cap",
        dest="answer_cap_tokens",
        type=int,
        default=512,
        metavar="N",
        help="maximum tokens in the answer",
    )
    probe.add_argument(
        "--do-not-keep",
        dest="is_unkept",
        action="store_true",
        help="store nothing; the output is the only copy",
    )
    probe.set_defaults(command=_probe)


async def _probe(services: Services, options: argparse.Namespace) -> int:
    question = read_question(options.question)
    request = ProbeRequest(
        stem=question.stem,
        options=question.options,
        target=question.target,
        model=options.model,
        profile=options.profile,
        thinking_budget_tokens=options.budget,
        force_rounds=options.force_rounds,
        **sampling_of(options),
        source="command line",
    )
    await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    trace = await _run(services, request, options)
    if options.json:
        write_json(trace_json(trace))
    if problem := trace.error or services.probe.save_error(trace.id):
        say(f"error: {problem}")
    return 0 if trace.state is TraceState.COMPLETED else 1


async def _run(services: Services, request: ProbeRequest, options: argparse.Namespace) -> Trace:
    trace = await services.probe.start(
        request, allows_identifiers=options.allows_identifiers, is_kept=not options.is_unkept
    )
    is_quiet = options.json
    shown = (0, 0)
    async with aclosing(services.probe.follow(trace.id)) as snapshots:
        async for trace in snapshots:
            shown = shown if is_quiet else _show(trace, shown)
    if not is_quiet:
        write(_summary(trace, is_kept=not options.is_unkept))
    return trace


def _show(trace: Trace, shown: tuple[int, int]) -> tuple[int, int]:
    """Print what is new since `shown` (segments, characters of the last one); return the new position."""
    count, characters = shown
    for index in range(max(count - 1, 0), len(trace.segments)):
        segment = trace.segments[index]
        if index >= count:
            characters = 0
            write(_HEADINGS[segment.kind])
        write(segment.text[characters:])
        characters = len(segment.text)
    return len(trace.segments), characters


def _summary(trace: Trace, *, is_kept: bool) -> str:
    verdict = verdict_of(trace.answer_letter, trace.is_correct, bool(trace.question.options))
    finish = trace.thinking_finish_reason.value if trace.thinking_finish_reason else "not reached"
    return (
        f"\n\nverdict: {verdict_with_letter(trace.answer_letter, verdict, trace.question.target)}"
        f"\nthinking: {trace.thinking_tokens:,} of {trace.thinking_budget_tokens:,} tokens, ended: {finish}"
        f"\ngenerated: {trace.tokens_generated:,} tokens in {duration(trace.seconds or 0.0)}"
        f"\ntrace: {trace.id if is_kept else 'not kept'}\n"
    )
