"""Entries come into the user's file and out of it; what people wrote there stays."""

from pathlib import Path

import pytest

from models.errors import CatalogError
from models.weights.catalog import own_models
from models.weights.user_catalog import add_entries, remove_entry

ENTRY = {
    "id": "one",
    "title": 'The "first"\tone é',
    "family": "f",
    "parameters": "1B",
    "source": "file:/tmp/one.gguf",
    "licence": "MIT",
    "licence_url": "https://example.org/",
    "context_length": 512,
    "profile": "plain",
    "engines": ["embedded"],
    "notes": "n",
}
MINE = "# My models.\n\n[[model]]  # the best one\n" + "\n".join(
    f"{name} = {value!r}" if not isinstance(value, list) else f"{name} = {value}"
    for name, value in (ENTRY | {"id": "mine", "title": "Mine"}).items()
)


def test_an_entry_is_added_after_what_is_there_and_taken_out_again(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    file.write_text(MINE + "\n", encoding="utf-8")
    add_entries(file, [ENTRY, ENTRY | {"id": "two"}])
    assert [(each.id, each.title) for each in own_models(file)] == [
        ("mine", "Mine"),
        ("one", 'The "first"\tone é'),
        ("two", 'The "first"\tone é'),
    ]
    add_entries(file, [ENTRY])
    assert len(own_models(file)) == 3
    assert remove_entry(file, "one")
    assert not remove_entry(file, "one")
    assert remove_entry(file, "two")
    assert file.read_text(encoding="utf-8").rstrip() == MINE


def test_a_file_that_is_not_there_is_made(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    assert not remove_entry(file, "one")
    add_entries(file, [ENTRY])
    assert [each.id for each in own_models(file)] == ["one"]


def test_an_entry_that_would_break_the_file_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "catalog.toml"
    add_entries(file, [ENTRY])
    before = file.read_bytes()
    with pytest.raises(CatalogError):
        add_entries(file, [ENTRY | {"id": "two", "source": "ftp:x"}])
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".new"] == []
