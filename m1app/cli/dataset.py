"""`python -m m1app dataset build|list|show|delete`: training data sets."""

import argparse
import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from m1app.bootstrap import Services
from m1app.cli.terminal import ENGINE_SECONDS, add_json, say, write, write_json
from m1app.errors import AppError
from m1app.training.curation import CurationPlan
from m1app.training.curation_steps import StepReport
from m1app.training.data_card import DataCard, DataSource, card_json, card_markdown
from m1app.training.data_sets import DataSetVersion
from m1app.training.preview import Preview
from m1app.training.sample_layouts import LAYOUTS

_PLAN = CurationPlan()


def add_command(commands: Any) -> None:
    """Add `dataset` and its subcommands to the commands of `m1app.cli.main`."""
    dataset = commands.add_parser("dataset", help="data sets to train on")
    below = dataset.add_subparsers(required=True, metavar="build|list|show|delete")
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
        help="layout of the files and of the hub's dataset, instead of the one that their columns say: "
        + ", ".join(layout.id for layout in LAYOUTS),
    )
    build.add_argument("--own-traces", action="store_true", help="also use the right answers stored in this app")
    build.add_argument("--keep-duplicates", action="store_true")
    build.add_argument("--keep-overlap", action="store_true", help="do not check for overlap with evaluation sets")
    build.add_argument(
        "--keep-unverified",
        action="store_true",
        help="keep answers that could not be checked against a target; answers that contradict it are always dropped",
    )
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
        default="",
        metavar="RUN[:MODEL]",
        help="leave out questions that this benchmark run answered right; name the model if the run has several",
    )
    build.add_argument("--model", default=None, help="served model that counts tokens for --max-tokens")
    build.add_argument("--dry-run", action="store_true", help="show what every step would do without saving anything")
    add_json(build)
    build.set_defaults(command=_build)


async def _build(services: Services, options: argparse.Namespace) -> int:
    plan, files = _plan(options), [Path(name) for name in options.files]
    training_data = services.training_data
    given: dict[str, Any] = {"hub": options.hub, "with_own_traces": options.own_traces, "layout": options.layout}
    given["engine"] = await _engine(services, options.model)
    if options.dry_run:
        found = await training_data.collect(files, plan, **given)
        _say_sources(found.sources)
        _print_reports(found.curated.reports, None, len(found.curated.samples), is_json=options.json)
        return 0
    made = await training_data.build(files, plan, options.name, **given)
    _print_reports(made.reports, made, made.samples, is_json=options.json)
    _say_sources(training_data.card(made.id).sources)
    for warning in training_data.card(made.id).warnings:
        say(f"note: {warning}")
    return 0


def _say_sources(sources: Sequence[DataSource]) -> None:
    for each in sources:
        left_out = f"; left out: {each.left_out}" if each.left_out else ""
        if each.layout:
            say(f"{each.name}: read as {each.layout}{left_out}")


def _plan(options: argparse.Namespace) -> CurationPlan:
    try:
        return CurationPlan(
            deduplicate=not options.keep_duplicates,
            overlap_ngram=0 if options.keep_overlap else _PLAN.overlap_ngram,
            verified_only=not options.keep_unverified,
            balance=options.balance,
            limit=options.limit,
            max_tokens=options.max_tokens or None,
            min_reasoning_characters=options.min_reasoning,
            seed=options.seed,
            exclude_answered_by_run=options.exclude_answered_by,
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
        write(f"{each.id:32} {each.samples:>8,} samples  {each.created_at:%Y-%m-%d %H:%M}  {each.path}\n")
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
    samples = await asyncio.to_thread(services.training_data.samples, options.data_set)
    write(card_json(card) if options.json else card_markdown(card, samples))
    return 0


async def _delete(services: Services, options: argparse.Namespace) -> int:
    deleted = await services.training_data.delete(options.data_set)
    write(f"deleted {deleted.id} ({deleted.samples:,} samples)\n")
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
        shown.append("\n".join([*pieces, *([f"note: {sample.note}"] if sample.note else [])]))
    return "\n\n".join([*shown, *(f"note: {note}" for note in preview.notes)]) + "\n"


def _print_reports(
    reports: tuple[StepReport, ...], made: DataSetVersion | None, samples: int, *, is_json: bool
) -> None:
    if is_json:
        content = {"data_set": _version_json(made) if made else None, "samples": samples}
        write_json(content | {"steps": [asdict(each) for each in reports]})
        return
    for each in reports:
        write(f"{each.step:12} {each.before:>8,} -> {each.kept:>8,}  {each.title}\n")
    write(f"{made.id}: {samples:,} samples in {made.path}\n" if made else f"{samples:,} samples would be kept\n")


def _version_json(version: DataSetVersion) -> dict[str, Any]:
    return {
        "name": version.name,
        "version": version.version,
        "id": version.id,
        "path": str(version.path),
        "samples": version.samples,
        "sha256": version.sha256,
        "created_at": version.created_at.isoformat(),
    }
