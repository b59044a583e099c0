"""Printing by a browser: a real one where there is one, and what is said of those that fail."""

import io
import stat
import time
from pathlib import Path

import pytest
from pypdf import PdfReader

from m1app.studies.report.errors import PrintingFailed
from m1app.studies.report.printing import find_browser, print_pdf
from tests.e2e.browser_watch import chromium_path

PAGE = "<!doctype html><html><head><title>t</title></head><body><h1>A report</h1></body></html>"
needs_browser = pytest.mark.skipif(chromium_path() is None, reason="no browser")


@pytest.fixture
def no_browser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.usefixtures("no_browser")
def test_without_a_browser_the_message_says_what_to_do_instead() -> None:
    with pytest.raises(PrintingFailed, match=r"Install one .* or set M1_CHROMIUM .* open report\.html"):
        find_browser("")


def test_a_browser_that_was_named_and_is_none_is_named_back() -> None:
    with pytest.raises(PrintingFailed, match="M1_CHROMIUM is /nowhere/chrome, which is not an executable program"):
        find_browser("/nowhere/chrome")


def test_a_browser_is_found_by_its_name_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = script(tmp_path / "chromium", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_browser("") == browser


@needs_browser
@pytest.mark.parametrize(("paper", "size"), [("a4", (595, 842)), ("letter", (612, 792))])
async def test_a_page_is_printed_on_the_paper_that_was_asked_for(
    tmp_path: Path, paper: str, size: tuple[int, int]
) -> None:
    content = await print_pdf(PAGE, find_browser(chromium_path() or ""), tmp_path, paper=paper)
    (page,) = PdfReader(io.BytesIO(content)).pages
    assert (float(page.mediabox.width), float(page.mediabox.height)) == pytest.approx(size, abs=1.0)
    assert "A report" in page.extract_text()
    assert list(tmp_path.iterdir()) == []


@needs_browser
async def test_a_page_without_end_is_given_up_and_leaves_nothing(tmp_path: Path) -> None:
    page = PAGE.replace("<h1>", "<script>for (;;);</script><h1>")
    began = time.monotonic()
    with pytest.raises(PrintingFailed, match="did not print a PDF within 2 s and was stopped"):
        await print_pdf(page, find_browser(chromium_path() or ""), tmp_path, seconds=2)
    assert time.monotonic() - began < 60
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo No usable sandbox >&2; exit 1", "The browser exited without printing a PDF. No usable sandbox"),
        ("exit 0", "The browser exited without printing a PDF. It said nothing."),
        # What a browser leaves that was ended while it wrote.
        (
            'for each in "$@"; do case "$each" in --print-to-pdf=*) echo %PDF-1.4 > "${each#*=}";; esac; done',
            "without printing a PDF",
        ),
    ],
)
async def test_a_browser_that_fails_is_quoted(tmp_path: Path, text: str, said: str) -> None:
    browser = script(tmp_path / "browser", text)
    with pytest.raises(PrintingFailed, match=said):
        await print_pdf(PAGE, browser, tmp_path)


async def test_the_browser_gets_no_settings_no_network_and_a_profile_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M1_HUB_TOKEN", "hf_secret")
    browser = script(tmp_path / "browser", f'echo "$M1_HUB_TOKEN $@" > {tmp_path}/said')
    with pytest.raises(PrintingFailed):
        await print_pdf(PAGE, browser, tmp_path)
    said = (tmp_path / "said").read_text()
    assert "hf_secret" not in said and "--host-resolver-rules=MAP * ~NOTFOUND" in said
    assert f"--user-data-dir={tmp_path}/m1-print-" in said
