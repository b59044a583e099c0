"""What a fresh clone relies on: the two commands' scripts, the locks, the Dockerfile and compose.yaml."""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import tomllib
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from scripts.check_compose import find_problems, interpolate

ROOT = Path(__file__).resolve().parents[1]
SHELL = Path(shutil.which("sh") or "/bin/sh")
TARGETS = {
    "run",
    "install",
    "test",
    "quick",
    "check",
    "vllm",
    "test-vllm",
    "test-ray",
    "lock",
    "bench",
    "clean",
    "help",
}
TARGETS |= {"train-env", "test-training"}
LOCKS = ("requirements.txt", "requirements/dev.txt")


def run(*command: str | Path, cwd: Path = ROOT, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in {"PYTHON", "M1_CHROMIUM"}} | env
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def write_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{SHELL}\n{text}\n")
    path.chmod(0o755)
    return path


# Locks ---------------------------------------------------------------------------------------------------------------


def locked(lock: str) -> dict[str, list[str]]:
    """Versions of each package in a lock; several where they differ between Python versions."""
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", (ROOT / lock).read_text(), re.MULTILINE
    ):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def asked(group: str | None = None) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    named = project["dependency-groups"][group] if group else project["project"]["dependencies"]
    return [Requirement(line) for line in named]


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_is_pinned_to_hashes(lock: str) -> None:
    text = (ROOT / lock).read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    assert len(lines) > 20
    for line in lines:
        assert re.match(r"[A-Za-z0-9._\[\],-]+==\S+ ", line), line
        assert "--hash=sha256:" in line, line


@pytest.mark.parametrize(("lock", "group"), [("requirements.txt", None), ("requirements/dev.txt", "dev")])
def test_lock_holds_a_fitting_version_of_everything_the_project_asks_for(lock: str, group: str | None) -> None:
    versions = locked(lock)
    for requirement in asked(group):
        found = versions.get(canonicalize_name(requirement.name), [])
        assert found, f"{requirement} is not in {lock}; run make lock"
        assert all(requirement.specifier.contains(version) for version in found), f"{requirement}: {lock} has {found}"


def test_tools_lock_holds_all_of_the_apps_in_the_same_versions() -> None:
    app, tools = (locked(lock) for lock in LOCKS)
    assert {name: tools.get(name) for name in app} == app


# Makefile and scripts ------------------------------------------------------------------------------------------------


def test_help_is_the_default_and_lists_every_target() -> None:
    for command in (["make"], ["make", "help"]):
        result = run(*command)
        assert set(re.findall(r"^  make (\S+) +\S", result.stdout, re.MULTILINE)) == TARGETS, result.stderr


def test_every_target_is_phony_and_has_a_recipe() -> None:
    text = (ROOT / "Makefile").read_text()
    assert set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split()) == TARGETS  # type: ignore[index]
    for target in TARGETS:
        assert run("make", "-n", target).returncode == 0, target


def test_scripts_that_the_makefile_calls_exist() -> None:
    called = re.findall(r"\b(?:sh|bash) (scripts/\S+)", (ROOT / "Makefile").read_text())
    assert len(called) >= 5
    assert [name for name in called if not (ROOT / name).is_file()] == []


def test_ci_runs_the_same_two_commands() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    assert "set -euo pipefail" in text
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    for command in ("make check", "make test ARGS=--durations=25"):
        assert re.search(rf"^step \S+ {command}$", text, re.MULTILINE)


def test_ci_runs_everything_but_what_it_is_told_to_leave_out(tmp_path: Path) -> None:
    def steps(skipped: str, minutes: str = "60") -> list[str]:
        path = f"{tmp_path}:{os.environ['PATH']}"
        program = tmp_path / ".ci" / "run"
        done = run(program, cwd=tmp_path, M1_CI_SKIP=skipped, M1_CI_MINUTES=minutes, PATH=path)
        assert done.returncode == 0, done.stderr
        assert ("left out for want of time" in done.stdout) is (minutes != "60")
        return re.findall(r"^==== (\S+): passed", done.stdout, re.MULTILINE)

    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    for program in ("make", "sh", "apt-get", "initdb", "chromium-headless-shell"):
        write_program(tmp_path / program, "exit 0")
    large = ["train-env", "vllm"]
    tests = ["test", "test-ray", "test-vllm", "test-training"]
    assert steps("") == ["install", "check", *large, "environments", *tests]
    assert steps("vllm training ray") == ["install", "check", "environments", "test"]
    assert steps("", minutes="8") == ["install", "check", *large, "environments", "test", "test-ray"]


def test_ci_fails_when_a_large_environment_cannot_be_made(tmp_path: Path) -> None:
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    for program in ("sh", "initdb", "chromium-headless-shell"):
        write_program(tmp_path / program, "exit 0")
    write_program(tmp_path / "make", '[ "$1" != vllm ] || { echo no room; exit 1; }')
    done = run(tmp_path / ".ci" / "run", cwd=tmp_path, M1_CI_SKIP="", PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1
    assert "no room" in done.stdout
    assert "environments: FAILED" in done.stderr


@pytest.fixture(scope="session")
def installers(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The uv and the pip of this environment, as wheels again."""
    uv = Path(sys.executable).with_name("uv")
    if not uv.exists():
        pytest.skip("this environment was made without uv")
    folder, version = tmp_path_factory.mktemp("installers"), importlib.metadata.version("uv")
    site = Path(importlib.metadata.distribution("pip").locate_file(""))
    pip = {
        str(path.relative_to(site)): path.read_bytes()
        for path in (site / "pip").rglob("*.*")
        if path.is_file() and path.suffix != ".pyc"
    }
    return [
        make_wheel(folder, "uv", version, {f"uv-{version}.data/scripts/uv": uv.read_bytes()}),
        make_wheel(folder, "pip", importlib.metadata.version("pip"), pip),
    ]


@pytest.fixture
def clone(tmp_path: Path, installers: list[Path]) -> Path:
    """Only what installing needs, in a folder whose name has a space, with a package of our own to install."""
    clone = bare_clone(tmp_path)
    for wheel in installers:
        shutil.copy(wheel, clone / "links")
    (clone / "requirements" / "installer.txt").write_text("".join(map(pinned, installers)))
    return clone


def bare_clone(tmp_path: Path) -> Path:
    clone = tmp_path / "a clone"
    shutil.copytree(ROOT / "scripts", clone / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (clone / "requirements").mkdir()
    pin(clone, "1.0")
    return clone


def pin(clone: Path, version: str) -> None:
    """Lock a tiny local package at this version; it stands in for the engine that install.sh tries to load."""
    wheel = make_wheel(clone / "links", "xllamacpp", version, {"xllamacpp.py": f"version = {version!r}\n".encode()})
    for lock in LOCKS:
        (clone / lock).write_text(pinned(wheel))


def pinned(wheel: Path) -> str:
    name, version = wheel.name.split("-")[:2]
    return f"{name}=={version} --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"


def make_wheel(links: Path, name: str, version: str, files: dict[str, bytes]) -> Path:
    links.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    wheel = links / f"{name}-{version}-py3-none-any.whl"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "".join(f"{file},,\n" for file in [*files, f"{info}/METADATA", f"{info}/WHEEL"])
        + f"{info}/RECORD,,\n",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for file, content in (files | metadata).items():
            entry = zipfile.ZipInfo(file)
            entry.external_attr = (stat.S_IFREG | 0o755) << 16
            archive.writestr(entry, content)
    return wheel


def install(clone: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run install.sh with nothing but `links`; bytecode is only what the installer itself compiles."""
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": (clone / "links").as_uri(), "PIP_CONFIG_FILE": os.devnull}
    offline["PYTHONDONTWRITEBYTECODE"] = "1"
    return run(SHELL, clone / "scripts" / "install.sh", *arguments, cwd=clone.parent, **{**offline, **env})


def installed_version(clone: Path) -> str:
    python = clone / ".venv" / "bin" / "python"
    # Not what the module says: two versions of the same second and size share their bytecode.
    return run(python, "-c", "import importlib.metadata as m; print(m.version('xllamacpp'))").stdout.strip()


def test_install_makes_an_environment_once_and_follows_the_lock(clone: Path) -> None:
    first = install(clone, PYTHON=sys.executable)
    assert first.returncode == 0, first.stderr
    assert installed_version(clone) == "1.0"

    # Nothing may be asked of an index now: an unreachable one does not matter.
    shutil.move(clone / "links", clone / "away")
    second = install(clone)
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert (clone / ".venv" / "bin" / "uv").exists()

    shutil.move(clone / "away", clone / "links")
    pin(clone, "2.0")
    third = install(clone)
    assert third.returncode == 0, third.stderr
    assert installed_version(clone) == "2.0"

    # The tools' lock includes the app's, and so does its installation.
    assert install(clone, "dev").returncode == 0
    assert install(clone, "app").stdout == ""


def test_interrupted_installation_is_not_taken_for_a_finished_one(clone: Path) -> None:
    assert install(clone, PYTHON=sys.executable).returncode == 0
    pin(clone, "2.0")
    shutil.rmtree(clone / "links")
    failed = install(clone)
    assert failed.returncode == 1
    assert "requirements.txt could not be installed" in failed.stderr
    pin(clone, "1.0")
    assert "installing requirements.txt" in install(clone).stdout


def test_platform_that_uv_has_no_wheel_for_is_installed_with_pip(tmp_path: Path) -> None:
    clone = bare_clone(tmp_path)
    (clone / "requirements" / "installer.txt").write_text(f"uv==1.0 --hash=sha256:{'0' * 64}\n")
    result = install(clone, PYTHON=sys.executable)
    assert result.returncode == 0, result.stderr
    assert "uv could not be installed" in result.stdout
    assert installed_version(clone) == "1.0"


def test_first_start_leaves_compiling_to_bytecode_for_later(clone: Path) -> None:
    assert install(clone, "run", PYTHON=sys.executable).returncode == 0
    assert (clone / ".venv" / "m1-uncompiled").exists()
    assert list((clone / ".venv").rglob("xllamacpp*.pyc")) == []
    pin(clone, "2.0")
    assert install(clone).returncode == 0
    assert list((clone / ".venv").rglob("xllamacpp*.pyc")) != []


def test_environment_whose_interpreter_is_gone_is_made_anew(clone: Path) -> None:
    assert install(clone, PYTHON=sys.executable).returncode == 0
    for name in ("python", "python3"):
        link = clone / ".venv" / "bin" / name
        link.unlink(missing_ok=True)
        link.symlink_to("/nonexistent/python3")
    again = install(clone, PYTHON=sys.executable)
    assert again.returncode == 0, again.stderr
    assert installed_version(clone) == "1.0"


@pytest.fixture
def bare_path(tmp_path: Path) -> Path:
    """A PATH with ordinary programs, and without any Python, browser or package manager."""
    bare = tmp_path / "bin"
    bare.mkdir()
    for name in ("sh", "dirname", "cmp", "rm", "cp", "printf", "tail", "id", "env"):
        program = shutil.which(name)
        assert program is not None, name
        (bare / name).symlink_to(program)
    return bare


def test_older_python_gets_a_message_with_its_version(clone: Path, bare_path: Path) -> None:
    write_program(bare_path / "python3", '[ "$1" = --version ] && { echo Python 3.9.2; exit 0; }; exit 1')
    result = install(clone, PATH=str(bare_path))
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed, found Python 3.9.2" in result.stderr


def test_no_python_at_all_gets_a_message(clone: Path, bare_path: Path) -> None:
    result = install(clone, PATH=str(bare_path))
    assert result.returncode == 1
    assert "Python 3.11 or newer is needed, found no python3" in result.stderr


def test_python_without_venv_is_told_which_package_has_it(clone: Path, bare_path: Path) -> None:
    write_program(bare_path / "python3", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    result = install(clone, PATH=str(bare_path))
    assert result.returncode == 1
    assert "sudo apt install python3-venv" in result.stderr


def test_python_without_venv_is_passed_over_for_one_that_has_it(clone: Path, bare_path: Path) -> None:
    write_program(bare_path / "python3.13", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    (bare_path / "python3").symlink_to(write_program(bare_path / "real", f'exec "{sys.executable}" "$@"'))
    result = install(clone, PATH=str(bare_path))
    assert result.returncode == 0, result.stderr
    assert installed_version(clone) == "1.0"


def test_python_that_was_named_and_does_not_start_is_named_in_the_message(clone: Path) -> None:
    result = install(clone, PYTHON="/nonexistent/python3.12")
    assert result.returncode == 1
    assert "PYTHON=/nonexistent/python3.12" in result.stderr


def find_browser(bare_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return run(SHELL, ROOT / "scripts" / "find_browser.sh", PATH=str(bare_path), **env)


def test_installed_browser_is_found(bare_path: Path) -> None:
    browser = write_program(bare_path / "chromium-browser", "exit 0")
    assert find_browser(bare_path).stdout.strip() == str(browser)


def test_browser_that_is_named_comes_first(bare_path: Path, tmp_path: Path) -> None:
    write_program(bare_path / "chromium", "exit 0")
    browser = write_program(tmp_path / "my browsers" / "chrome", "exit 0")
    assert find_browser(bare_path, M1_CHROMIUM=str(browser)).stdout.strip() == str(browser)


def test_named_browser_that_is_not_there_is_an_error(bare_path: Path) -> None:
    write_program(bare_path / "chromium", "exit 0")
    result = find_browser(bare_path, M1_CHROMIUM="/nonexistent/chrome")
    assert result.returncode == 1
    assert "/nonexistent/chrome" in result.stderr


def test_root_gets_debians_browser_installed(bare_path: Path) -> None:
    (bare_path / "id").unlink()
    write_program(bare_path / "id", "echo 0")
    write_program(
        bare_path / "apt-get",
        f'case "$*" in *install*chromium*) printf "#!{SHELL}\\n" >"{bare_path}/chromium"; '
        f'{shutil.which("chmod")} 755 "{bare_path}/chromium" ;; esac; echo noise',
    )
    result = find_browser(bare_path)
    assert result.stdout.strip() == str(bare_path / "chromium")


def test_someone_who_may_not_install_is_told_the_line(bare_path: Path) -> None:
    (bare_path / "id").unlink()
    write_program(bare_path / "id", "echo 1000")
    write_program(bare_path / "apt-get", "exit 1")
    result = find_browser(bare_path)
    assert result.returncode == 1
    assert "sudo apt-get install chromium" in result.stderr


# Dockerfile ----------------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def test_copied_files_exist_and_are_let_through_by_dockerignore() -> None:
    ignore = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignore
    allowed = {line[1:].rstrip("/") for line in ignore if line.startswith("!")}
    sources = [name for word, rest in instructions() if word == "COPY" for name in rest.split()[:-1]]
    assert {name.rstrip("/") for name in sources} == allowed
    for name in sources:
        assert (ROOT / name).is_dir() == name.endswith("/"), name


def test_every_package_of_the_app_is_in_the_image() -> None:
    sources = " ".join(rest for word, rest in instructions() if word == "COPY")
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks", "scripts"}
    assert packages >= {"m1app", "models", "storage"}
    assert {name for name in packages if f"{name}/" not in sources} == set()


def test_image_runs_the_locked_app_as_an_ordinary_user() -> None:
    steps = instructions()
    users = [rest for word, rest in steps if word == "USER"]
    assert users[-1].split(":")[0] not in {"0", "root"}
    assert any(word == "RUN" and "--require-hashes -r requirements.txt" in rest for word, rest in steps)
    assert json.loads(dict(steps)["CMD"]) == ["python", "app.py"]
    version = re.fullmatch(r"python:(3\.\d+)[\w.-]*", dict(steps)["FROM"])
    assert version is not None, "the base image has no version"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert SpecifierSet(wanted).contains(version[1])


def test_healthcheck_asks_the_app_and_fails_without_it(tmp_path: Path) -> None:
    command = json.loads(next(rest for word, rest in instructions() if word == "HEALTHCHECK").split("CMD", 1)[1])
    asked = serve_once(tmp_path, 200, command[1:])
    assert asked == (0, "/healthz/live")
    assert serve_once(tmp_path, 503, command[1:])[0] == 1


def serve_once(folder: Path, status: int, arguments: list[str]) -> tuple[int, str]:
    """Exit status of the healthcheck against a server that answers so, and the path that it asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        result = run(sys.executable, *arguments, cwd=folder, M1_PORT=str(server.server_port), NO_PROXY="127.0.0.1")
        thread.join()
    return result.returncode, paths[0]


# compose.yaml --------------------------------------------------------------------------------------------------------


def compose() -> dict[str, Any]:
    tree = yaml.safe_load(interpolate((ROOT / "compose.yaml").read_text()))
    assert isinstance(tree, dict)
    return tree


def test_compose_file_is_valid() -> None:
    assert find_problems((ROOT / "compose.yaml").read_text()) == []


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("    profiles: [vllm]\n    image", "    profils: [vllm]\n    image", "profils"),
        ("      vllm:\n        condition", "      vlm:\n        condition", "depends on vlm, which is not a service"),
        ("127.0.0.1:${M1_PORT", "${M1_PORT", "published beyond this machine"),
        ("vllm-openai:v0.32.0", "vllm-openai:latest", "not pinned"),
        ("\n  vllm-models:\n", "\n", "volume vllm-models is not declared"),
        ("    healthcheck:\n      test", "    x-healthcheck:\n      test", "has no healthcheck"),
        ("  vllm:\n    profiles: [vllm]", "  vllm:\n    profiles: [gpu]", "is off in a profile"),
    ],
)
def test_mistakes_in_the_compose_file_are_found(before: str, after: str, problem: str) -> None:
    text = (ROOT / "compose.yaml").read_text()
    assert before in text
    assert problem in " ".join(find_problems(text.replace(before, after)))


def test_app_alone_needs_neither_gpu_nor_key() -> None:
    services = compose()["services"]
    assert "depends_on" not in services["app"]
    assert "M1_ENGINE_URL" not in services["app"]["environment"]
    # Compose reads every variable of the file whichever service starts: a required one would stop this one too.
    assert not re.search(r"(?<!\$)\$\{\w+:?\?", (ROOT / "compose.yaml").read_text())


def test_vllm_service_gets_its_model_and_key_and_refuses_to_start_without_one() -> None:
    services = compose()["services"]
    app, vllm = services["app-vllm"], services["vllm"]
    assert app["environment"]["M1_ENGINE_URL"] == "http://vllm:8000"
    assert app["environment"]["M1_MODEL"] == vllm["command"][0]
    assert "ports" not in vllm
    shell, option, script, name = vllm["entrypoint"]
    result = run(shell, option, script.replace("vllm serve", "echo"), name, *vllm["command"], VLLM_API_KEY="")
    assert result.returncode != 0
    assert "set VLLM_API_KEY" in result.stderr
    result = run(shell, option, script.replace("vllm serve", "echo"), name, *vllm["command"], VLLM_API_KEY="x y")
    assert result.stdout.split() == vllm["command"]


def test_vllm_image_is_the_version_that_the_lock_has() -> None:
    assert compose()["services"]["vllm"]["image"].endswith(f":v{locked('requirements/vllm-cuda.txt')['vllm'][0]}")


# The whole tree ------------------------------------------------------------------------------------------------------

_SECRET = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY-----|\bhf_[A-Za-z0-9]{30,}|\bsk-[A-Za-z0-9_-]{30,}|\bgh[pousr]_[A-Za-z0-9]{30,}"
    rb"|\bAKIA[0-9A-Z]{16}\b|\bpypi-AgE[A-Za-z0-9_-]{30,}"
)
_NOT_OURS = {".git", "data", "__pycache__", "node_modules", "test-results"}


def project_files() -> list[Path]:
    found = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name for name in folders if name not in _NOT_OURS and not re.match(r"\.(venv|\w+_cache|hyp)", name)
        ]
        found += [Path(folder, name) for name in names]
    return found


def test_no_file_holds_a_secret() -> None:
    files = project_files()
    assert ROOT / "pyproject.toml" in files
    assert [str(path.relative_to(ROOT)) for path in files if _SECRET.search(path.read_bytes())] == []


def test_secrets_would_be_found() -> None:
    assert _SECRET.search(b"token = 'hf_" + b"a1" * 17 + b"'")
    assert _SECRET.search(b"-----BEGIN RSA " + b"PRIVATE KEY-----")


def test_licence_is_the_one_that_the_project_names() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
