"""A worker reads the settings that the app has, but for the page's own."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from m1app.jobs.worker_environment import worker_environment
from m1app.settings import EngineChoice, Settings

pytestmark = pytest.mark.usefixtures("no_settings")
PAGE_ONLY = {"host", "port", "allowed_hosts", "admin_password", "metrics_token"}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"engine_url": "http://gpu:8000", "engine_api_key": SecretStr("sk-1"), "hub_token": SecretStr("hf-2")},
        {"engine": EngineChoice.VLLM, "model": "m1-7b", "vllm_args": "--dtype 'a b'", "hub_offline": True},
        {"database_url": SecretStr("postgresql://m1:p%40ss@db/m1"), "cpu_jobs": 3, "threads": 2},
    ],
)
def test_worker_reads_the_same_settings(
    given: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path / "a home", **given)  # type: ignore[arg-type]
    for name, value in worker_environment(settings).items():
        monkeypatch.setenv(name, value)
    read = Settings()
    assert read.database_address == settings.database_address
    for name in Settings.model_fields.keys() - PAGE_ONLY - {"database_url"}:
        assert getattr(read, name) == getattr(settings, name), name


def test_worker_is_not_told_how_to_open_the_page(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, host="0.0.0.0", admin_password=SecretStr("correct horse"))
    environment = worker_environment(settings)
    assert not {f"M1_{name.upper()}" for name in PAGE_ONLY} & environment.keys()
    assert "correct horse" not in str(environment)
