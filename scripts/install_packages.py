"""Installs packages into the environment whose Python runs this; the arguments are those of `pip install`.

Uses uv, which takes seconds where pip takes a minute. uv does not read pip's settings (custom index, certificates,
proxy), so they are passed on here. Settings for uv (UV_ variables, uv.toml) take precedence. Falls back to pip if uv
has no wheel for the platform or fails.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

# pip's name of a setting; then uv's variable, and variables with the same meaning.
_URLS = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_EXTRA_INDEX_URL", "UV_INDEX"),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "cert": ("SSL_CERT_FILE",),
    "proxy": ("ALL_PROXY", "HTTPS_PROXY", "https_proxy", "all_proxy"),
    "timeout": ("UV_HTTP_TIMEOUT",),
    "default-timeout": ("UV_HTTP_TIMEOUT",),
}
_YES = {"1", "true", "yes", "on"}


def pip_settings(listing: str) -> dict[str, str]:
    """Parse the output of `pip config list`: a variable overrides a file's [install], and that overrides [global]."""
    found: dict[str, dict[str, str]] = {"global": {}, "install": {}, ":env:": {}}
    for line in listing.splitlines():
        key, _, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if section in found and value:
            found[section][name] = str(ast.literal_eval(value))
    return found["global"] | found["install"] | found[":env:"]


def uv_variables(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Variables that make uv install from where pip would."""
    variables: dict[str, str] = {}
    for name, known in _URLS.items():
        words = settings.get(name, "").split()
        if words and not any(each in environment for each in known):
            variables[known[0]] = ("," if name == "find-links" else " ").join(words)
    if "UV_EXTRA_INDEX_URL" in variables:
        # pip takes a package from whichever index has it; the locked hashes verify it.
        variables |= {} if "UV_INDEX_STRATEGY" in environment else {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    if settings.get("no-cache-dir", "").lower() in _YES:
        variables["UV_NO_CACHE"] = "1"
    return variables


def uv_options(settings: Mapping[str, str]) -> list[str]:
    """Options without a uv variable."""
    return ["--no-index"] if settings.get("no-index", "").lower() in _YES else []


def install(arguments: list[str], *, is_compiled: bool) -> int:
    """Run the installer; return its exit status."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        listing = subprocess.run([*pip, "config", "list"], capture_output=True, text=True, check=False).stdout
        settings = pip_settings(listing)
        command = [str(uv), "pip", "install", "--quiet", "--python", sys.executable, *uv_options(settings), *arguments]
        command += ["--compile-bytecode"] if is_compiled else []
        if _succeeds(command, {**os.environ, **uv_variables(settings, os.environ)}):
            return 0
        sys.stderr.write("uv could not install this; trying pip.\n")
    return subprocess.run([*pip, "install", "--quiet", "--progress-bar", "off", *arguments], check=False).returncode


def _succeeds(command: list[str], environment: dict[str, str]) -> bool:
    try:
        return subprocess.run(command, env=environment, check=False).returncode == 0
    except OSError:  # A uv for another platform, in a copied environment.
        return False


if __name__ == "__main__":
    given = [argument for argument in sys.argv[1:] if argument != "--no-compile"]
    sys.exit(install(given, is_compiled=len(given) == len(sys.argv) - 1))
