"""What `pip install` puts on a machine: every file that the app reads, and a command that serves the page."""

import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest

from tests.e2e.running_app import RunningApp, running

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("m1app", "models", "storage")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as pip and pipx build it; they download the build backend, which is already installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (built,) = folder.glob("*.whl")
    return built


def test_builder_here_is_the_one_that_pip_downloads() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(project["build-system"]["requires"]) <= set(project["dependency-groups"]["dev"])


def test_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" in project["dynamic"]
    version = re.search(r'^__version__ = "(.+)"$', (ROOT / "m1app" / "__init__.py").read_text(), re.MULTILINE)
    assert version is not None
    files = [ROOT / "pyproject.toml", ROOT / "compose.yaml", ROOT / "Dockerfile", ROOT / "Makefile"]
    assert [path.name for path in files if f"m1app:{version[1]}" in path.read_text()] == []


def test_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    built = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    files = {path for package in PACKAGES for path in (ROOT / package).rglob("*") if path.is_file()}
    assert built == {str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts}
    for kind in (".html", ".css", ".js", ".toml", ".csv", ".yaml", ".mako"):
        assert any(name.endswith(kind) for name in built), kind
    assert any(re.search(r"migrations/versions/v0001_", name) for name in built)


def test_wheel_brings_the_command(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (entries,) = [name for name in archive.namelist() if name.endswith("entry_points.txt")]
    assert "m1app = m1app.__main__:main" in archive.read(entries).decode()


@pytest.fixture
def installed_command(wheel: Path, tmp_path: Path) -> Path:
    """`m1app` in an environment of its own, with the wheel in it; the requirements are this environment's."""
    folder = tmp_path / "environment"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    subprocess.run([*pip, str(wheel)], check=True, timeout=120)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "requirements.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "m1app"


class InstalledApp(RunningApp):
    """`m1app serve`, as `pip install` leaves it: without M1_HOME, away from the project."""

    def __init__(self, command: Path, folder: Path) -> None:
        super().__init__(folder, M1_ENGINE_URL="http://127.0.0.1:9", XDG_DATA_HOME=str(folder / "user data"))
        self._command = [str(command), "serve"]

    def launch(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        left_out = ("M1_HOME", "PYTHONPATH")
        environment = {name: value for name, value in self.environment().items() if name not in left_out}
        return subprocess.Popen(self._command, cwd=self.home, env=environment, stdout=log, stderr=subprocess.STDOUT)


@pytest.fixture
def installed_app(installed_command: Path, tmp_path: Path) -> Iterator[InstalledApp]:
    with running(InstalledApp(installed_command, tmp_path), with_engine=False) as started:
        yield started


@pytest.mark.timeout(400)
def test_installed_command_serves_the_page_and_keeps_its_data_with_the_users(
    installed_app: InstalledApp, tmp_path: Path
) -> None:
    assert installed_app.get_json("/healthz/live") == {"ok": True}
    assert (tmp_path / "user data" / "m1app" / "m1.sqlite3").is_file()


def test_installed_command_says_that_training_needs_the_project(installed_command: Path, tmp_path: Path) -> None:
    python = installed_command.with_name("python")
    code = (
        "from m1app.settings import Settings\n"
        "from m1app.training.environment import environment_state\n"
        "print(environment_state(Settings()))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("M1_")}
    done = subprocess.run(
        [str(python), "-c", code],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "Clone the project" in done.stdout
