"""Downloads over HTTP, and what they leave in the audit log; the log's own download."""

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.ui.web import build_app
from storage.errors import DatabaseUnreachable
from storage.jobs.records import JobKind
from storage.people.audit import AuditRepository
from storage.people.records import AuditEntry, NewAuditEntry, Role
from tests.e2e.running_app import wait_until
from tests.m1app.annotation.cases import stored_sweep, stored_trace
from tests.m1app.jobs.job_cases import a_job
from tests.m1app.runs.stored_strategies import store_strategy_run
from tests.m1app.ui.serving import serving

PASSWORD = "correct horse"


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Services:
    made = build_services(Settings(home=tmp_path_factory.mktemp("home"), engine_url="http://127.0.0.1:9", cpu_jobs=0))
    for name, role in (("Root", Role.ADMIN), ("Eve", Role.REVIEWER)):
        asyncio.run(made.access.accounts.add(name, role, PASSWORD))
    return made


@pytest.fixture(scope="module")
def url(services: Services) -> Iterator[str]:
    with serving(build_app(services)) as url:
        yield url


@pytest.fixture
def client_of(url: str) -> Iterator[Callable[[str], httpx2.Client]]:
    """Logs somebody in."""
    made: list[httpx2.Client] = []

    def log_in(name: str) -> httpx2.Client:
        client = httpx2.Client(base_url=url, timeout=60, trust_env=False)
        made.append(client)
        assert client.post("/login", data={"name": name, "password": PASSWORD}).status_code == 303
        return client

    yield log_in
    for client in made:
        client.close()


def log_of(services: Services) -> tuple[AuditEntry, ...]:
    return tuple(services.database.read_now(lambda s: AuditRepository(s).after(0, 100_000)))


def test_the_log_is_downloaded_whole_by_admins_only(
    services: Services, client_of: Callable[[str], httpx2.Client]
) -> None:
    note = NewAuditEntry(
        person="nobody",
        action="login.refuse",
        subject="",
        details={"n": 1},
        address="192.0.2.7",
        made_at=datetime.now(UTC),
    )
    for _ in range(3):  # More than two batches.
        services.database.write_now(lambda s: [AuditRepository(s).add(note) for _ in range(400)])
    before = log_of(services)
    answer = client_of("Root").get("/admin/audit.jsonl")
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
    assert len(lines) >= len(before)
    assert lines[len(before) - 1]["sha256"] == before[-1].sha256
    wait_until(lambda: "audit.export" in [entry.action for entry in log_of(services)], "the export is noted")
    other = client_of("Eve")
    assert other.get("/admin/audit.jsonl").status_code == 403
    assert httpx2.get(f"{str(other.base_url).rstrip('/')}/admin/audit.jsonl", trust_env=False).status_code == 401


def test_what_is_handed_out_is_noted(services: Services, client_of: Callable[[str], httpx2.Client]) -> None:
    trace_id, (sweep_id, *_) = stored_trace(services.database), stored_sweep(services.database)
    run_id = store_strategy_run(services.database)
    job = asyncio.run(services.jobs.submit(a_job()))
    artifact = services.settings.jobs_directory / job.id / "artifacts" / "result.txt"
    artifact.parent.mkdir(parents=True, exist_ok=True)
    artifact.write_text("42", encoding="utf-8")
    tuned = asyncio.run(services.jobs.submit(a_job(kind=JobKind.FINE_TUNING)))
    begun = len(log_of(services))
    client = client_of("Root")
    for path in (
        f"/traces/{trace_id}.json",
        f"/traces/{trace_id}.md",
        f"/traces/{trace_id}.html",
        f"/sweeps/{sweep_id}.json",
        f"/sweeps/{sweep_id}.csv",
        f"/sweeps/{sweep_id}.html",
        f"/strategy-runs/{run_id}.md",
        f"/admin/jobs/{job.id}/log.txt",
        f"/admin/jobs/{job.id}/artifacts/result.txt",
        f"/admin/training-runs.csv?runs={tuned.id}",
        "/annotations.csv",
    ):
        assert client.get(path).status_code == 200, path
    assert client.get(f"/traces/{'0' * 32}.json").status_code == 404
    assert client.get(f"/admin/training-runs.csv?runs={job.id}").status_code == 404

    def handed_out() -> list[AuditEntry]:
        return [entry for entry in log_of(services)[begun:] if entry.action != "login"]

    wait_until(lambda: len(handed_out()) == 11, "everything is noted")
    (root,) = {entry.subject for entry in log_of(services) if entry.details.get("role") == "admin"}
    assert {entry.person for entry in handed_out()} == {root}
    assert {(entry.action, entry.subject, entry.details.get("format", "")) for entry in handed_out()} == {
        ("trace.download", trace_id, "json"),
        ("trace.download", trace_id, "md"),
        ("trace.download", trace_id, "html"),
        ("sweep.download", sweep_id, "json"),
        ("sweep.download", sweep_id, "csv"),
        ("sweep.download", sweep_id, "html"),
        ("strategies.download", run_id, "md"),
        ("job.download_log", job.id, ""),
        ("job.download_artifact", job.id, ""),
        ("job.download_curves", tuned.id, ""),
        ("annotation.export", "", "csv"),
    }


def test_admins_get_files_and_the_log_from_a_database_that_takes_no_changes(
    services: Services, client_of: Callable[[str], httpx2.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = asyncio.run(services.jobs.submit(a_job()))
    artifact = services.settings.jobs_directory / job.id / "artifacts" / "result.txt"
    artifact.parent.mkdir(parents=True, exist_ok=True)
    artifact.write_text("42", encoding="utf-8")
    client = client_of("Root")
    monkeypatch.setattr(services.database, "_damage", "The database is damaged.")
    assert client.get(f"/admin/jobs/{job.id}/artifacts/result.txt").text == "42"
    assert client.get("/admin/audit.jsonl").status_code == 200


def test_an_export_of_the_log_that_breaks_off_does_not_look_whole(
    services: Services, client_of: Callable[[str], httpx2.Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    audit, client = services.access.audit, client_of("Root")
    after = audit.after

    async def once(number: int) -> Any:
        if number:
            raise DatabaseUnreachable("The database does not answer.")
        return await after(number)

    monkeypatch.setattr(audit, "after", once)
    with pytest.raises(httpx2.RemoteProtocolError):
        client.get("/admin/audit.jsonl")
