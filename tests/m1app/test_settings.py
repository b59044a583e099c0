"""Settings: what the environment may say, and how a wrong variable is told."""

from pathlib import Path
from typing import Any

import pytest

from m1app.settings import EngineChoice, Settings, SettingsError, check_serving, load_settings
from models.engine.endpoint import Endpoint

pytestmark = pytest.mark.usefixtures("no_settings")

SECRET = "sk-do-not-show-7f3a"


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Settings from these variables and no other."""

    def load(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return load


def test_nothing_set_serves_the_embedded_engine_on_loopback(settings_of: Any) -> None:
    settings = settings_of()
    assert (settings.host, settings.port, settings.engine) == ("127.0.0.1", 7860, EngineChoice.EMBEDDED)
    assert settings.is_loopback
    assert settings.database_address == f"sqlite:///{settings.home / 'm1.sqlite3'}"


@pytest.mark.parametrize(
    ("variables", "name", "expected"),
    [
        ({"M1_PORT": "abc"}, "M1_PORT", "'abc'"),
        ({"M1_PORT": "0"}, "M1_PORT", "greater than or equal to 1"),
        ({"M1_PORT": "65536"}, "M1_PORT", "65535"),
        ({"M1_ENGINE": "nonsense"}, "M1_ENGINE", "'embedded', 'vllm' or 'remote' (found 'nonsense')"),
        ({"M1_ENGINE": "remote"}, "M1_ENGINE=remote", "M1_ENGINE_URL"),
        ({"M1_ENGINE": "vllm"}, "M1_ENGINE=vllm", "M1_MODEL"),
        ({"M1_ENGINE_URL": "127.0.0.1:8000"}, "M1_ENGINE_URL", "http:// or https://"),
        ({"M1_EMBEDDING_URL": "http://a:8081"}, "M1_EMBEDDING_MODEL", "the name under which it serves the model"),
        ({"M1_EMBEDDING_URL": "a:8081", "M1_EMBEDDING_MODEL": "bge"}, "M1_EMBEDDING_URL", "one address"),
        ({"M1_EMBEDDING_URL": "http://a,http://b", "M1_EMBEDDING_MODEL": "bge"}, "M1_EMBEDDING_URL", "one address"),
        ({"M1_LOG_LEVEL": "chatty"}, "M1_LOG_LEVEL", "DEBUG, INFO, WARNING, ERROR, CRITICAL (found 'chatty')"),
        ({"M1_CONTEXT_LENGTH": "64"}, "M1_CONTEXT_LENGTH", "512"),
        ({"M1_PARALLEL_REQUESTS": "0"}, "M1_PARALLEL_REQUESTS", "1"),
        ({"M1_THREADS": "-1"}, "M1_THREADS", "0"),
        ({"M1_ALLOWED_HOSTS": "m1.example, clinic*.example"}, "M1_ALLOWED_HOSTS", "'clinic*.example'"),
        ({"M1_VLLM_ARGS": "--chat-template 'a"}, "M1_VLLM_ARGS", "No closing quotation"),
        ({"M1_RAY_ADDRESS": "head:8265"}, "M1_RAY_ADDRESS", "http://head:8265"),
        ({"M1_CPU_JOBS": "-1"}, "M1_CPU_JOBS", "0"),
        ({"M1_ADMIN_PASSWORD": "1234567"}, "M1_ADMIN_PASSWORD", "at least 8"),
        ({"M1_ADMIN_PASSWORD": "$argon2id=19=65536,t=3,p=4"}, "M1_ADMIN_PASSWORD", "single quotes"),
        ({"M1_BACKUP_HOURS": "0"}, "M1_BACKUP_HOURS", "greater than or equal to 1"),
        ({"M1_BACKUP_KEEP": "0"}, "M1_BACKUP_KEEP", "greater than or equal to 1"),
        ({"M1_BACKUP_KEY": "hunter2"}, "M1_BACKUP_KEY", "backup --new-key"),
        ({"M1_ALLOWED_HOSTS": "*example"}, "M1_ALLOWED_HOSTS", "*.example.org"),
    ],
)
def test_a_wrong_variable_is_named_with_what_is_expected(
    settings_of: Any, variables: dict[str, str], name: str, expected: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(**variables)
    message = str(caught.value)
    assert name in message
    assert expected in message
    assert "\n" not in message


def test_each_wrong_variable_has_a_line_of_its_own(settings_of: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(M1_PORT="abc", M1_THREADS="many")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == ["M1_PORT", "M1_THREADS"]


@pytest.mark.parametrize(
    "name", ["M1_PORT", "M1_ENGINE", "M1_ENGINE_URL", "M1_HOME", "M1_LOG_LEVEL", "M1_DATABASE_URL"]
)
def test_a_variable_that_is_set_but_empty_counts_as_not_set(settings_of: Any, name: str) -> None:
    assert settings_of(**{name: ""}) == Settings()
    assert settings_of(**{name: ""}).home.name == "data"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://gpu:8000", "http://gpu:8000"),
        ("http://gpu:8000/", "http://gpu:8000"),
        ("http://gpu:8000/v1", "http://gpu:8000"),
        ("https://gpu/team/v1/", "https://gpu/team"),
    ],
)
def test_an_engine_address_means_remote_and_loses_its_version_path(settings_of: Any, given: str, kept: str) -> None:
    settings = settings_of(M1_ENGINE_URL=given)
    assert (settings.engine, settings.engine_url) == (EngineChoice.REMOTE, kept)


def test_an_engine_that_is_named_wins_over_an_address(settings_of: Any) -> None:
    settings = settings_of(M1_ENGINE="embedded", M1_ENGINE_URL="http://gpu:8000")
    assert settings.engine is EngineChoice.EMBEDDED


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("clinic.example", False),
    ],
)
def test_loopback_is_what_only_this_machine_reaches(settings_of: Any, host: str, is_loopback: bool) -> None:
    assert settings_of(M1_HOST=host).is_loopback is is_loopback


def test_home_is_absolute_wherever_the_app_is_started(settings_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert settings_of(M1_HOME="~/m1").home == Path("/home/someone/m1")
    assert settings_of(M1_HOME="here").home == Path.cwd() / "here"


def test_a_database_address_replaces_the_file_in_the_home(settings_of: Any) -> None:
    assert settings_of(M1_DATABASE_URL="postgresql://db/m1").database_address == "postgresql://db/m1"


@pytest.mark.parametrize("name", ["M1_ENGINE_API_KEY", "M1_DATABASE_URL", "M1_HUB_TOKEN", "M1_ADMIN_PASSWORD"])
def test_secrets_are_in_no_printed_form_of_the_settings(settings_of: Any, name: str) -> None:
    settings = settings_of(**{name: SECRET})
    field: str = name.removeprefix("M1_").lower()
    assert getattr(settings, field).get_secret_value() == SECRET
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(settings.model_dump())):
        assert SECRET not in shown


def test_a_settings_error_shows_no_secret(settings_of: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(M1_ENGINE="remote", M1_ENGINE_API_KEY=SECRET, M1_PORT="abc")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("M1_ADMIN_PASSWORD", "hunter2"), ("M1_MORE_ENGINE_URLS", f"ftp://:{SECRET}@gpu:8000")],
)
def test_a_wrong_secret_is_named_and_not_shown(settings_of: Any, name: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings_of(**{name: value})
    assert name in str(caught.value)
    assert value not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "clinic.example"])
def test_an_address_that_others_reach_needs_a_login(settings_of: Any, host: str) -> None:
    with pytest.raises(SettingsError, match="m1app users add NAME --role admin") as caught:
        check_serving(settings_of(M1_HOST=host), has_accounts=False)
    assert f"M1_HOST={host}" in str(caught.value)
    check_serving(settings_of(M1_HOST=host), has_accounts=True)
    for settings in (
        {"M1_ADMIN_PASSWORD": "correct horse"},
        {"M1_OIDC_ISSUER": "https://id.example", "M1_OIDC_CLIENT_ID": "m1app"},
        {"M1_TRUSTED_HEADER": "X-Remote-User", "M1_TRUSTED_PROXIES": "10.0.0.1"},
    ):
        check_serving(settings_of(M1_HOST=host, **settings), has_accounts=False)


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("M1_TRUSTED_HEADER", "X-Remote-User", "M1_TRUSTED_PROXIES"),
        ("M1_OIDC_ISSUER", "https://id.example", "M1_OIDC_CLIENT_ID"),
    ],
)
def test_half_of_a_login_is_refused(settings_of: Any, name: str, value: str, other: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} needs {other}"):
        settings_of(**{name: value})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_loopback_no_login_is_needed(settings_of: Any, host: str) -> None:
    check_serving(settings_of(M1_HOST=host), has_accounts=False)


def test_an_argon2_hash_is_taken(settings_of: Any) -> None:
    given = "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$RdescudvJCsgt3ub+b/dWRWJTmaaJObG"
    assert settings_of(M1_ADMIN_PASSWORD=given).admin_password.get_secret_value() == given


def test_settings_cannot_be_changed_once_they_are_built() -> None:
    settings = Settings()
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1


def test_a_password_in_the_engines_address_is_refused_and_not_repeated(settings_of: Any) -> None:
    with pytest.raises(SettingsError, match="Set the key in M1_ENGINE_API_KEY") as refused:
        settings_of(M1_ENGINE_URL="http://me:s3cret@gpu:8000")
    assert "s3cret" not in str(refused.value)


def test_the_key_of_an_embedding_server_stands_before_its_host_and_is_not_shown(settings_of: Any) -> None:
    settings = settings_of(M1_EMBEDDING_URL=f"http://:{SECRET}@gpu2:8081/v1/", M1_EMBEDDING_MODEL="bge-m3")
    assert settings.embedding_endpoint == Endpoint("http://gpu2:8081", SECRET)
    assert SECRET not in repr(settings)
    assert settings_of(M1_EMBEDDING_URL="").embedding_endpoint is None
