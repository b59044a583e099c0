"""Shared by download tests: a small model, and checks of what a download left behind."""

import hashlib
import json
import random
from pathlib import Path

from models.weights.catalog import CatalogModel
from models.weights.download import download
from models.weights.sources import HubSource, Source
from tests.models.weights.weights_server import WeightsServer

ROOT = Path(__file__).parents[3]
CONTENT = b"GGUF" + random.Random(7).randbytes(600_000)
PATIENCE_SECONDS = 4.0
"""For tests of a hub that brings nothing: long enough for the downloading process to have begun."""
HUB_FILE = HubSource("org/tiny", "gguf/tiny.gguf")
TOKEN = "hf_secret"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def model(source: Source = HUB_FILE, **changes: object) -> CatalogModel:
    fields: dict[str, object] = {
        "id": "tiny",
        "title": "Tiny",
        "family": "Tiny",
        "parameters": "1M",
        "source": source,
        "licence": "MIT",
        "licence_url": "https://example.org",
        "context_length": 2048,
        "profile": "plain-chatml",
        "engines": ("embedded",),
        "notes": "A test.",
        "sha256": sha256(CONTENT),
        "size_bytes": len(CONTENT),
    }
    return CatalogModel(**(fields | changes))


def get(server: WeightsServer, directory: Path, of: CatalogModel | None = None, **options: object) -> Path:
    return download(of or model(), directory, **({"hub_url": server.url} | options))


def part_of(directory: Path) -> Path:
    return directory / "tiny" / "tiny.gguf.part"


def leave_part(directory: Path, content: bytes, etag: str = "") -> Path:
    part = part_of(directory)
    part.parent.mkdir(parents=True)
    part.write_bytes(content)
    if etag:
        part.with_name(part.name + ".etag").write_text(json.dumps({"etag": etag, "size_bytes": len(CONTENT)}))
    return part


def files_in(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*") if path.is_file()}
