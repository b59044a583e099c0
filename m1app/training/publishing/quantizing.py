"""Quantizes a fine-tuned model's GGUF file in a process of its own, and adds the result to the user's catalog."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from m1app.settings import Settings
from m1app.training.environment import PROJECT
from m1app.training.publishing.errors import QuantizingFailed
from m1app.training.publishing.tuned_list import FLOAT16, TunedModel, quantized_path
from m1app.wording import size
from models.errors import CatalogError, UnknownModel
from models.servers.process_guard import guarded, inherited_environment
from models.weights.catalog import Catalog, CatalogModel
from models.weights.gguf_check import BadModelFile
from models.weights.quantize import QUANTIZATIONS, quantized_bytes
from models.weights.user_catalog import add_entries

_GRACE_SECONDS = 5.0
_SPARE_DISK_BYTES = 200_000_000
Report = Callable[[float], object]
"""Is told the share that is done, 0 to 1."""


async def quantize_model(model: TunedModel, kind: str, settings: Settings, report: Report, python: str) -> CatalogModel:
    """Write a quantized file beside the model's own, and return its entry in the catalog.

    Args:
        model: has a float16 file.
        kind: a key of `QUANTIZATIONS`.
        settings: name the catalog's folder.
        report: see `Report`.
        python: the interpreter of the app, which has the kernels.

    Raises:
        QuantizingFailed: it cannot be quantized, or the disk is too full.
    """
    source, target = await asyncio.to_thread(_checked, model, kind)
    process = await asyncio.create_subprocess_exec(
        *guarded([python, "-m", "models.weights.quantize", str(source), str(target), kind], _GRACE_SECONDS),
        cwd=PROJECT,
        env=inherited_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        complaints = asyncio.ensure_future(process.stderr.read())
        async for line in process.stdout:
            done = json.loads(line)
            report(done["done"] / max(1, done["total"]))
        said = (await complaints).decode(errors="replace").strip().splitlines()
        if await process.wait():
            raise QuantizingFailed(f"{model.id} could not be quantized. {said[-1] if said else 'Try again.'}")
    finally:
        # Closing the guard's input ends what it guards.
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()
        await asyncio.to_thread(target.with_name(f"{target.name}.new").unlink, missing_ok=True)
    return await asyncio.to_thread(_enter, model, kind, target, settings)


def _checked(model: TunedModel, kind: str) -> tuple[Path, Path]:
    if kind not in QUANTIZATIONS:
        raise QuantizingFailed(
            f"{kind[:40]!r} is not a type of quantization. Choose one of: {', '.join(QUANTIZATIONS)}."
        )
    source = model.gguf.get(FLOAT16)
    if source is None:
        raise QuantizingFailed(
            f"{model.id} has no GGUF file to quantize: none can be written for its architecture. vLLM serves it."
        )
    try:
        needed = quantized_bytes(source, kind) + _SPARE_DISK_BYTES
    except BadModelFile as exc:
        raise QuantizingFailed(str(exc)) from exc
    if needed > (free := shutil.disk_usage(model.place).free):
        raise QuantizingFailed(
            f"The quantized file needs about {size(needed)} of disk, but only {size(free)} is free. Free some space."
        )
    return source, quantized_path(model.place, model.id, kind)


def _enter(model: TunedModel, kind: str, target: Path, settings: Settings) -> CatalogModel:
    """Add the file to the user's catalog, as the model's own entry but for the weights."""
    path = settings.home / "catalog.toml"
    own = Catalog.load(extra=path)
    name = f"{model.id}-{kind.replace('_', '-')}"
    try:
        entry = own.get(model.id)
        add_entries(path, [_entry(entry, name, target, QUANTIZATIONS[kind].name)])
        return Catalog.load(extra=path).get(name)
    except (CatalogError, UnknownModel) as exc:
        raise QuantizingFailed(f"{target} was written, but cannot be added to {path}: {exc}") from exc


def _entry(model: CatalogModel, name: str, weights: Path, kind: str) -> dict[str, object]:
    return {
        "id": name,
        "title": f"{model.title}, {kind}",
        "family": model.family,
        "parameters": model.parameters,
        "parent": model.parent,
        "source": f"file:{weights}",
        "licence": model.licence,
        "licence_url": model.licence_url,
        "context_length": model.context_length,
        "profile": model.profile,
        "engines": ["embedded"],
        "notes": f"{model.id} with weights quantized to {kind}: smaller and faster, and a little less exact.",
    }
