"""Homes: where the data is, and who may read it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from m1app.bootstrap import build_services
from m1app.settings import Settings


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """What accounts have by default, and again afterwards."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes_of(home: Path) -> dict[str, int]:
    """Permissions of everything in a home, itself included."""
    found = {}
    for path in (home, *home.rglob("*")):
        with suppress(FileNotFoundError):  # SQLite removes its log as soon as nobody uses it.
            found[str(path.relative_to(home))] = path.stat().st_mode & 0o777
    return found


def open_home(home: Path) -> None:
    services = build_services(Settings(home=home, engine_url="http://127.0.0.1:9"))
    services.database.check()
    services.database.dispose()


def test_a_home_is_for_its_own_account_only(tmp_path: Path) -> None:
    open_home(tmp_path / "home")
    modes = modes_of(tmp_path / "home")
    assert modes["."] == 0o700
    assert modes["m1.sqlite3"] == 0o600
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}


def test_a_home_that_was_readable_by_others_is_closed_to_them(tmp_path: Path) -> None:
    home = tmp_path / "home"
    open_home(home)
    home.chmod(0o755)
    (home / "m1.sqlite3").chmod(0o644)
    open_home(home)
    assert (modes_of(home)["."], modes_of(home)["m1.sqlite3"]) == (0o700, 0o600)


@pytest.mark.parametrize("name", ["100%41 b", "what?", "a#b", "Ω é", "plus+and&", "back\\slash"])
def test_any_folder_name_can_be_a_home(tmp_path: Path, name: str) -> None:
    home = tmp_path / name
    open_home(home)
    assert (home / "m1.sqlite3").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]
