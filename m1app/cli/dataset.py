"""`python -m m1app dataset build|list|show|delete`: training data sets. Single samples are in `dataset_samples`."""

import argparse
import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from m1app.bootstrap import Services
from m1app.cli.dataset_jobs import add_job_commands
from m1app.cli.dataset_samples import add_sample_commands
from m1app.cli.terminal import ENGINE_SECONDS, add_json, say, write, write_json
from m1app.errors import AppError
from m1app.training.curation import CurationPlan
from m1app.training.curation_steps import StepReport
from m1app.training.data_card import DataCard, DataSource, card_json, held_words
from m1app.training.data_sets import DataSetVersion
from m1app.training.preferences.pair_curation import PAIRS_PER_QUESTION
from m1app.training.preferences.pairs import PairSource
from m1app.training.preview import Preview
from m1app.training.pruning.estimate import PruningEstimate, estimate_words
from m1app.training.pruning.pruner import PruningProgress, progress_words
from m1app.training.sample_layouts import LAYOUTS

_PLAN = CurationPlan()
_PROGRESS_SECONDS = 5.0


def add_command(commands: Any) -> None:
    """Add `dataset` and its subcommands to the commands of `m1app.cli.main`."""
    dataset = commands.add_parser("dataset", help="data sets to train on")
    below = dataset.add_subparsers(
        required=True, metavar="build|list|show|samples|exclude|restore|edit|tag|distill|delete"
    )
    _add_build(below.add_parser("build", help="curate samples and save them as a new version"))
    listed = below.add_parser("list", help="list all versions of all data sets")
    add_json(listed, "one JSON list")
    listed.set_defaults(command=_list)
    show = below.add_parser("show", help="print the card, or samples as they are trained on")
    show.add_argument("data_set", metavar="NAME[:vN]")
    show.add_argument("--profile", default="", help="render samples by this profile instead of printing the card")
    show.add_argument(
        "--model", default=None, help="served base model that provides the chat template and counts tokens"
    )
    show.add_argument("--samples", type=int, default=1, metavar="N", help="number of samples to render")
    show.add_argument("--block-size", type=int, default=0, metavar="N", help="mark samples with more tokens than this")
    add_json(show)
    show.set_defaults(command=_show)
    add_sample_commands(below)
    add_job_commands(below)
    delete = below.add_parser("delete", help="delete one version; the newest if none is named")
    delete.add_argument("data_set", metavar="NAME[:vN]")
    delete.set_defaults(command=_delete)


def _add_build(build: argparse.ArgumentParser) -> None:
    build.add_argument("files", nargs="*", metavar="FILE", help="JSON, JSON lines, CSV or Parquet")
    build.add_argument("--name", required=True, help="name of the data set")
    build.add_argument(
        "--hub",
        action="append",
        default=[],
        metavar="ORG/REPO[:SPLIT]",
        help="dataset on the Hugging Face hub; repeatable",
    )
    build.add_argument(
        "--layout",
        default="",
        choices=["", *(layout.id for layout in LAYOUTS)],
        metavar="ID",
        help="layout of the files and the hub dataset, instead of the one detected from the columns: "
        + ", ".join(layout.id for layout in LAYOUTS),
    )
    build.add_argument("--own-traces", action="store_true", help="also use the right answers stored in this app")
    _add_pairs(build)
    _add_keeping(build)
    _add_corrections(build)
    _add_draw(build)
    _add_pruning(build)
    build.add_argument("--dry-run", action="store_true", help="show what every step would do, without saving anything")
    add_json(build)
    build.set_defaults(command=_build)


def _add_pairs(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "--pairs",
        action="append",
        default=[],
        choices=[source.value for source in PairSource],
        help="build preference pairs instead of samples, from right and wrong passes of one question, from "
        "corrections (before and after), or from decided disputes; repeatable",
    )
    build.add_argument(
        "--pairs-per-question",
        type=int,
        metavar="N",
        help=f"maximum pairs per question (default: {PAIRS_PER_QUESTION})",
    )


def _add_keeping(build: argparse.ArgumentParser) -> None:
    build.add_argument("--keep-duplicates", action="store_true")
    build.add_argument("--keep-overlap", action="store_true", help="do not check for overlap with evaluation sets")
    build.add_argument(
        "--keep-unverified",
        action="store_true",
        help="keep answers that could not be checked against a target; answers that contradict it are always dropped",
    )
    build.add_argument(
        "--keep",
        action="append",
        default=[],
        metavar="KEY",
        help="keep this sample regardless of its answer, after reading it; --show-dropped lists keys; repeatable",
    )
    build.add_argument(
        "--show-dropped",
        action="store_true",
        help="list each sample whose answer was not verified, with key and reason",
    )


def _add_corrections(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "--facts-alone",
        action="store_true",
        help="where a correction's question is used for evaluation, learn the corrected fact without the question",
    )
    build.add_argument(
        "--learn-from",
        action="append",
        default=[],
        metavar="SET",
        help="question set to learn from, such as one half of a set; repeatable",
    )


def _add_draw(build: argparse.ArgumentParser) -> None:
    build.add_argument("--balance", choices=["none", "domain", "source"], default="none", help="needs --limit")
    build.add_argument("--limit", type=int, metavar="N", help="maximum samples")
    build.add_argument(
        "--max-tokens",
        type=int,
        default=_PLAN.max_tokens,
        metavar="N",
        help="maximum tokens per sample; 0 for no limit",
    )
    build.add_argument(
        "--min-reasoning",
        type=int,
        default=_PLAN.min_reasoning_characters,
        metavar="N",
        help="minimum characters of reasoning",
    )
    build.add_argument("--seed", type=int, default=_PLAN.seed)
    build.add_argument(
        "--exclude-answered-by",
        action="append",
        default=[],
        metavar="RUN[:MODEL]",
        help="leave out questions that this benchmark run answered right; name the model if the run has several; if "
        "given twice, leave out those that both answered right",
    )
    build.add_argument("--model", default=None, help="served model that counts tokens for --max-tokens")


def _add_pruning(build: argparse.ArgumentParser) -> None:
    build.add_argument(
        "--prune-steps",
        type=float,
        metavar="RATIO",
        help="prune this share (0-1) of the steps of each reasoning that check, try something else or correct: those "
        "that matter least for the target, by a served model's probabilities",
    )
    build.add_argument(
        "--prune-model", default=None, metavar="MODEL", help="served model to ask (default: the app's own)"
    )


async def _build(services: Services, options: argparse.Namespace) -> int:
    plan, files = _plan(options), [Path(name) for name in options.files]
    training_data = services.training_data
    given: dict[str, Any] = {"hub": options.hub, "with_own_traces": options.own_traces, "layout": options.layout}
    given["engine"] = await _engine(services, options.model)
    if plan.prune_steps:
        await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    if options.dry_run:
        found = await training_data.collect(files, plan, **given)
        _say_sources(found.sources)
        _print_reports(
            found.curated.reports, None, len(found.curated.samples), plan, found.pruning, is_json=options.json
        )
        _show_dropped(found.curated.reports, options)
        return 0
    made = await training_data.build(files, plan, options.name, report=_PruningLines().say, **given)
    _print_reports(made.reports, made, made.samples, plan, is_json=options.json)
    _show_dropped(made.reports, options)
    _say_sources(training_data.card(made.id).sources)
    for warning in training_data.card(made.id).warnings:
        say(f"note: {warning}")
    return 0


def _show_dropped(reports: Sequence[StepReport], options: argparse.Namespace) -> None:
    """List the samples that were not verified; with --json they are in the object."""
    if options.json or not options.show_dropped:
        return
    for each in (sample for report in reports for sample in report.unverified):
        kept = " (kept)" if each.is_kept else ""
        write(f"{each.key}  {each.why}{kept}: {each.question}\n")
        write(f"{'':14}target {each.target} | answer ends: {each.answer_end}\n")


class _PruningLines:
    """Says how far pruning has come, every few seconds."""

    def __init__(self) -> None:
        self._said_at = -_PROGRESS_SECONDS

    def say(self, progress: PruningProgress) -> None:
        now = time.monotonic()
        if now - self._said_at >= _PROGRESS_SECONDS or progress.done == progress.total:
            self._said_at = now
            say(f"pruning: {progress_words(progress)}")


def _say_sources(sources: Sequence[DataSource]) -> None:
    for each in sources:
        read = f": read as {each.layout}" if each.layout else ""
        left_out = f"; left out: {each.left_out}" if each.left_out else ""
        if read or left_out:
            say(f"{each.name}{read}{left_out}")


def _plan(options: argparse.Namespace) -> CurationPlan:
    if options.prune_model is not None and options.prune_steps is None:
        raise AppError("--prune-model needs --prune-steps: set the share of steps to prune, such as 0.5.")
    try:
        return CurationPlan(
            deduplicate=not options.keep_duplicates,
            overlap_ngram=0 if options.keep_overlap else _PLAN.overlap_ngram,
            verified_only=not options.keep_unverified,
            keep=tuple(options.keep),
            facts_alone=options.facts_alone,
            learn_from=tuple(options.learn_from),
            balance=options.balance,
            limit=options.limit,
            max_tokens=options.max_tokens or None,
            min_reasoning_characters=options.min_reasoning,
            seed=options.seed,
            exclude_answered_by_run=", ".join(options.exclude_answered_by),
            prune_steps=options.prune_steps,
            prune_model=options.prune_model or "",
            pairs=tuple(options.pairs),
            pairs_per_question=options.pairs_per_question,
        )
    except ValidationError as exc:
        faults = "; ".join(
            f"{' '.join(map(str, each['loc'])) or 'plan'}: {each['msg'].removeprefix('Value error, ')}"
            for each in exc.errors()
        )
        raise AppError(f"The data set cannot be built: {faults}.") from exc


async def _list(services: Services, options: argparse.Namespace) -> int:
    versions = await services.training_data.all()
    if options.json:
        write_json([_version_json(each) for each in versions])
        return 0
    for each in versions:
        write(
            f"{each.id:32} {held_words(each.kind, each.samples):>24}  {each.created_at:%Y-%m-%d %H:%M}  {each.path}\n"
        )
    if not versions:
        say("No data sets yet. Build one with `python -m m1app dataset build`.")
    return 0


async def _show(services: Services, options: argparse.Namespace) -> int:
    if options.block_size and not (options.profile and options.model):
        raise AppError("--block-size needs token counts: add --profile and --model.")
    if options.profile:
        engine = await _engine(services, options.model)
        preview = await services.training_data.preview(
            options.data_set,
            options.profile,
            engine=engine,
            limit=max(1, options.samples),
            max_tokens=max(0, options.block_size),
        )
        write(_preview_json(preview) if options.json else _preview_text(preview))
        return 0
    card: DataCard = await asyncio.to_thread(services.training_data.card, options.data_set)
    text = await asyncio.to_thread(services.training_data.card_text, options.data_set)
    write(card_json(card) if options.json else text)
    return 0


async def _delete(services: Services, options: argparse.Namespace) -> int:
    deleted = await services.training_data.delete(options.data_set)
    write(f"deleted {deleted.id} ({held_words(deleted.kind, deleted.samples)})\n")
    return 0


async def _engine(services: Services, model: str | None) -> Any:
    """The engine that serves a model; None if none was named."""
    if model is None:
        return None
    await asyncio.to_thread(services.engines.wait_ready, ENGINE_SECONDS)
    return services.engines.engine(model)


def _preview_json(preview: Preview) -> str:
    samples = [
        {
            "rendered": asdict(each.rendered),
            "prompt_tokens": each.tokens.prompt if each.tokens else None,
            "part_tokens": each.tokens.parts if each.tokens else (),
            "note": each.note,
        }
        for each in preview.samples
    ]
    value = {"profile": preview.profile, "samples": samples, "notes": preview.notes}
    return json.dumps(value, ensure_ascii=False) + "\n"


def _preview_text(preview: Preview) -> str:
    shown = []
    for sample in preview.samples:
        tokens, parts = sample.tokens, sample.rendered.parts
        counts = [f" ({count:,} tokens)" for count in tokens.parts] if tokens else [""] * len(parts)
        before = f" ({tokens.prompt:,} tokens)" if tokens else ""
        pieces = [f"[prompt, not trained on{before}]\n{sample.rendered.prompt}"]
        pieces += [f"[{kind}{count}]\n{text}" for (kind, text), count in zip(parts, counts, strict=True)]
        if sample.rendered.rejected:
            pieces.append(f"[rejected, the response to avoid]\n{sample.rendered.rejected.completion}")
        shown.append("\n".join([*pieces, *([f"note: {sample.note}"] if sample.note else [])]))
    return "\n\n".join([*shown, *(f"note: {note}" for note in preview.notes)]) + "\n"


def _print_reports(
    reports: tuple[StepReport, ...],
    made: DataSetVersion | None,
    samples: int,
    plan: CurationPlan,
    pruning: PruningEstimate | None = None,
    *,
    is_json: bool,
) -> None:
    if is_json:
        content: dict[str, Any] = {"data_set": _version_json(made) if made else None, "samples": samples}
        if pruning:
            content["pruning"] = asdict(pruning)
        write_json(content | {"steps": [asdict(each) for each in reports]})
        return
    for each in reports:
        write(f"{each.step:12} {each.before:>8,} -> {each.kept:>8,}  {each.title}\n")
    if pruning:
        write(f"{estimate_words(pruning)}\n")
    held = held_words(plan.kind, samples)
    write(f"{made.id}: {held} in {made.path}\n" if made else f"{held} would be kept\n")


def _version_json(version: DataSetVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "id": version.id,
        "path": str(version.path),
        "kind": version.kind,
        "samples": version.samples,
        "sha256": version.sha256,
        "created_at": version.created_at.isoformat(),
    }
