"""A page printed as PDF by a Chromium or Chrome of this machine, which has nothing to load and no network.

The browser gets a copy of the page in a folder of its own, with a profile that is removed with it. Page size and
margins are the page's own style; `PAPERS` adds the sheet, which a person who prints it chooses in the browser instead.
"""

import asyncio
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from m1app.scratch_folder import PRINTED, scratch_folder
from m1app.studies.report.errors import PrintingFailed
from models.servers.process_guard import PID_LINE, guarded, inherited_environment

PAPERS: Mapping[str, str] = {"a4": "A4", "letter": "letter"}
"""Name of a sheet to what CSS calls it."""
SECONDS = 180.0
"""How long a browser may take."""

_NAMES = (
    *("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_FLAGS = (
    *("--headless", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps"),
    *("--disable-crash-reporter", "--no-pdf-header-footer", "--host-resolver-rules=MAP * ~NOTFOUND"),
    # The page draws its charts first; the browser's clock runs ahead while nothing else is to do.
    "--virtual-time-budget=60000",
)
_GRACE_SECONDS = 3.0
_SAID_CHARACTERS = 300


def find_browser(named: str) -> str:
    """Return the browser to print with.

    Args:
        named: path or name that was set; empty looks for one.

    Raises:
        PrintingFailed: there is none.
    """
    if named:
        if found := shutil.which(named):
            return found
        raise PrintingFailed(
            f"M1_CHROMIUM is {named[:200]}, which is not an executable program. Set it to the path of Chromium or "
            "Chrome."
        )
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise PrintingFailed(
            "A PDF needs Chromium or Chrome, and none was found. Install one (Debian: apt-get install chromium) or set "
            "M1_CHROMIUM to its path. Or open report.html in any browser and print it."
        )
    return found


async def print_pdf(page: str, browser: str, home: Path, *, paper: str = "a4", seconds: float = SECONDS) -> bytes:
    """Return the page as PDF.

    Args:
        page: a whole HTML page without anything to load.
        browser: see `find_browser`.
        home: the scratch folder is made here, since a confined browser may not see the system's.
        paper: a key of `PAPERS`.
        seconds: after which the browser is ended.

    Raises:
        PrintingFailed: the browser fails or takes too long.
    """
    sized = page.replace("</head>", f"<style>@page {{ size: {PAPERS[paper]}; }}</style></head>", 1)
    async with scratch_folder(PRINTED, home) as folder:
        source, target = folder / "report.html", folder / "report.pdf"
        await asyncio.to_thread(source.write_text, sized, "utf-8")
        command = [browser, *_flags(folder), f"--print-to-pdf={target}", source.as_uri()]
        said = await _run(command, seconds)
        return await asyncio.to_thread(_printed, target, said)


def _flags(folder: Path) -> list[str]:
    # As root Chromium has no sandbox. The page is the app's own and loads nothing.
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    return [*_FLAGS, f"--user-data-dir={folder / 'profile'}", *(["--no-sandbox"] if is_root else [])]


async def _run(command: Sequence[str], seconds: float) -> str:
    """Run the browser to its end; return its last words."""
    process = await asyncio.create_subprocess_exec(
        *guarded(command, _GRACE_SECONDS),
        env=inherited_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        async with asyncio.timeout(seconds):
            words = await process.stdout.read()
            await process.wait()
    except TimeoutError:
        raise PrintingFailed(
            f"The browser ({command[0]}) did not print a PDF within {seconds:g} s and was stopped. Try again, or open "
            "report.html in a browser and print it."
        ) from None
    finally:
        # Closing the guard's input ends what it guards.
        process.stdin.close()
        await process.wait()
    lines = [line for line in words.decode(errors="replace").strip().splitlines() if not line.startswith(PID_LINE)]
    return lines[-1][:_SAID_CHARACTERS] if lines else ""


def _printed(target: Path, said: str) -> bytes:
    content = target.read_bytes() if target.exists() else b""
    # A browser that was ended while it wrote leaves a file without its end.
    if not content.startswith(b"%PDF-") or b"%%EOF" not in content[-64:]:
        raise PrintingFailed(
            f"The browser exited without printing a PDF. {said or 'It said nothing.'} Open report.html in a browser "
            "and print it."
        )
    return content
