"""Downloads of studies from the real server."""

import io
import zipfile
from collections.abc import Iterator

import httpx2
import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.studies.report.manifest_file import parse_manifest
from m1app.ui.web import build_app
from storage.studies.records import StoredStudy
from tests.e2e.browser_watch import chromium_path
from tests.m1app.studies.report.study_samples import store_study
from tests.m1app.ui.serving import serving
from tests.m1app.ui.test_web import UNKNOWN, assert_secured


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    home = tmp_path_factory.mktemp("home")
    return build_services(Settings(home=home, engine_url="http://127.0.0.1:9", chromium=chromium_path() or "/nowhere"))


@pytest.fixture(scope="module")
def study(services: Services) -> StoredStudy:
    return store_study(services.database)


@pytest.fixture(scope="module")
def client(services: Services, study: StoredStudy) -> Iterator[httpx2.Client]:
    with serving(build_app(services)) as url, httpx2.Client(base_url=url, timeout=120, trust_env=False) as client:
        yield client


def test_page_manifest_and_archive_are_files_to_keep(client: httpx2.Client, study: StoredStudy) -> None:
    page = client.get(f"/study-reports/{study.id}.html")
    assert_secured(page)
    assert page.headers["content-disposition"].endswith(f' study report thinking-helps {study.id[:8]}.html"')
    assert page.text.startswith("<!doctype html>") and "Does thinking help?" in page.text
    manifest = client.get(f"/study-reports/{study.id}.json")
    assert parse_manifest(manifest.content, "manifest.json").study.name == "thinking-helps"
    archive = client.get(f"/study-reports/{study.id}.zip")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as opened:
        assert {"report.html", "manifest.json", "study.toml", "tables/claims.tex"} <= {*opened.namelist()}
        assert opened.testzip() is None


@pytest.mark.skipif(chromium_path() is None, reason="no browser")
def test_pdf_is_printed_on_the_paper_that_was_asked_for(client: httpx2.Client, study: StoredStudy) -> None:
    printed = client.get(f"/study-reports/{study.id}.pdf", params={"paper": "letter"})
    assert (printed.status_code, printed.content[:5]) == (200, b"%PDF-")
    assert b"/MediaBox [0 0 612 792]" in printed.content
    unknown = client.get(f"/study-reports/{study.id}.pdf", params={"paper": "a0"})
    assert unknown.status_code == 404 and "choose one of: a4, letter" in unknown.text


@pytest.mark.parametrize("ending", ["html", "pdf", "zip", "json"])
@pytest.mark.parametrize("study_id", [UNKNOWN, "x", "..%2f..%2fetc%2fpasswd"])
def test_an_unknown_study_is_a_404_in_words(client: httpx2.Client, study_id: str, ending: str) -> None:
    answer = client.get(f"/study-reports/{study_id}.{ending}")
    assert answer.status_code == 404
    assert_secured(answer)


def test_without_a_browser_the_answer_says_what_to_do(
    services: Services, client: httpx2.Client, study: StoredStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = services.settings.model_copy(update={"chromium": "/nowhere/chrome"})
    monkeypatch.setattr(services.study_reports, "_settings", without)
    answer = client.get(f"/study-reports/{study.id}.pdf")
    assert answer.status_code == 501
    assert "M1_CHROMIUM is /nowhere/chrome" in answer.text
