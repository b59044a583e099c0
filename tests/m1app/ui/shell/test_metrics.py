"""Metrics as Prometheus reads them: closed without a token, and without anything that a person wrote."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from m1app.bootstrap import Services, build_services
from m1app.runs.probe_request import ProbeRequest
from m1app.runs.sweep_request import SweepRequest
from m1app.settings import Settings
from m1app.ui.shell.metrics import page_of
from m1app.ui.web import build_app
from storage.traces.records import TraceState
from tests.m1app.runs.test_sweeps import RIGHT, answering
from tests.m1app.ui.serving import serving
from tests.models.engine.scripted_server import Script
from tests.models.engine.scripted_server import serving as engine_serving

TOKEN = "a-long-random-token"
MARKER = "Xyzzy-marker"
ASKED = {
    "stem": f"{MARKER}: which gland makes cortisol?",
    "options": {"A": MARKER, "B": "Thyroid"},
    "target": "B",
    "profile": "plain-chatml",
}


@pytest.fixture
def engine() -> Iterator[Script]:
    with engine_serving(Script(answering(lambda _: RIGHT))) as script:
        yield script


@pytest.fixture
def services(tmp_path: Path, engine: Script) -> Services:
    return build_services(Settings(home=tmp_path, engine_url=engine.url, metrics_token=TOKEN, admin_password="x" * 8))


@pytest.fixture
def client(services: Services) -> Iterator[httpx2.Client]:
    with serving(build_app(services)) as url, httpx2.Client(base_url=url, timeout=60, trust_env=False) as client:
        yield client


def read(client: httpx2.Client) -> tuple[str, dict[tuple[str, ...], float]]:
    """The text, and each value by its name and labels' values."""
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = text_string_to_metric_families(answer.text)
    samples = (sample for family in families for sample in family.samples)
    return answer.text, {(sample.name, *sample.labels.values()): sample.value for sample in samples}


@pytest.mark.parametrize(
    "sent", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": TOKEN}, {"Authorization": "Bearer"}]
)
def test_without_the_token_there_are_none(client: httpx2.Client, sent: dict[str, str]) -> None:
    answer = client.get("/metrics", headers=sent)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert "m1_" not in answer.text


def test_requests_are_counted_by_page_and_status_and_refusals_by_reason(client: httpx2.Client) -> None:
    client.post("/login", data={"name": "admin", "password": "wrong password"})
    assert client.post("/login", data={"name": "admin", "password": "x" * 8}).status_code == 303
    client.get("/")
    client.get("/nothing/at/all")
    client.get("/traces/unknown.json")
    client.get("/annotate/config", headers={"sec-fetch-site": "cross-site"})
    _, values = read(client)
    assert values["m1_requests_total", "probe", "2xx"] == 1
    assert values["m1_requests_total", "other", "4xx"] == 2  # the wrong password, and nothing at all
    assert values["m1_requests_total", "downloads", "4xx"] == 1
    assert values["m1_requests_total", "annotate", "4xx"] == 1
    assert values["m1_requests_refused_total", "forbidden"] == 2
    assert values["m1_logins_total", "refused"] == 1
    assert client.get("/metrics").status_code == 200  # An admin's session does as well.


async def test_runs_count_their_tokens_and_no_text_is_shown(services: Services, client: httpx2.Client) -> None:
    probe = await services.probe.start(ProbeRequest(**ASKED, thinking_budget_tokens=16, answer_cap_tokens=12))
    trace = [each async for each in services.probe.follow(probe.id)][-1]
    sweep = await services.sweeps.start(SweepRequest(**ASKED, budgets=(8, 16), force_rounds=(0,), answer_cap_tokens=12))
    done = await services.sweeps.finished(sweep.sweep.id)
    assert (trace.state, done.sweep.state) == (TraceState.COMPLETED, TraceState.COMPLETED)
    text, values = read(client)
    assert values["m1_tokens_generated_total", "probe"] == trace.tokens_generated > 0
    assert values["m1_tokens_generated_total", "sweep"] == done.sweep.tokens_generated > 0
    assert values["m1_time_to_first_token_seconds_count", "probe"] == 1
    assert values["m1_time_to_first_token_seconds_count", "sweep"] == 1
    assert values["m1_running", "probe"] == values["m1_unsaved_runs", "probe"] == values["m1_running", "job"] == 0
    assert values["m1_engine_state", "ready"] == values["m1_ready",] == 1
    assert sum(value for key, value in values.items() if key[0] == "m1_engine_state") == 1
    assert values["m1_database_bytes",] > 0
    for secret in (MARKER, TOKEN, probe.id, str(services.settings.home), "127.0.0.1"):
        assert secret not in text


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/", "probe"),
        ("/gradio_api/queue/join", "probe"),
        ("/compare/gradio_api/queue/join", "compare"),
        ("/admin", "admin"),
        ("/traces/0.json", "downloads"),
        ("/annotations.csv", "downloads"),
        ("/healthz/live", "healthz"),
        ("/page-code/abc/shell/page.js", "page-code"),
        (f"/{MARKER}", "other"),
        ("no-slash", "other"),
        ("", "probe"),
    ],
)
def test_a_path_becomes_one_of_a_few_words(path: str, page: str) -> None:
    assert page_of(path) == page
