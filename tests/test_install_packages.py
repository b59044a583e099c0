"""How pip's settings reach uv, which installs."""

import os

import pytest

from scripts.install_packages import pip_settings, uv_options, uv_variables


@pytest.mark.parametrize(
    ("listing", "found"),
    [
        ("global.index-url='https://mirror/simple'\n", {"index-url": "https://mirror/simple"}),
        ("install.proxy='b'\nglobal.proxy='a'\n", {"proxy": "b"}),
        (":env:.proxy='c'\ninstall.proxy='b'\nglobal.proxy='a'\n", {"proxy": "c"}),
        ("global.find-links='\\n/a\\n/b'\n", {"find-links": "\n/a\n/b"}),
        ("download.proxy='a'\nWARNING: something\n\n", {}),
    ],
)
def test_settings_are_those_that_pip_install_follows(listing: str, found: dict[str, str]):
    assert pip_settings(listing) == found


def test_index_of_ones_own_takes_the_place_of_the_public_one():
    assert uv_variables({"index-url": "https://mirror/simple"}, {}) == {"UV_DEFAULT_INDEX": "https://mirror/simple"}


def test_package_may_come_from_any_index_as_with_pip():
    assert uv_variables({"extra-index-url": "\nfile:///a file:///b"}, {}) == {
        "UV_EXTRA_INDEX_URL": "file:///a file:///b",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_folders_of_wheels_are_separated_as_uv_wants_them():
    assert uv_variables({"find-links": "/a file:///b%20c"}, {}) == {"UV_FIND_LINKS": "/a,file:///b%20c"}


def test_certificates_proxy_and_patience_are_passed_on():
    settings = {"cert": "/ca.pem", "proxy": "http://proxy:3128", "timeout": "180", "no-cache-dir": "true"}
    assert uv_variables(settings, {}) == {
        "SSL_CERT_FILE": "/ca.pem",
        "ALL_PROXY": "http://proxy:3128",
        "UV_HTTP_TIMEOUT": "180",
        "UV_NO_CACHE": "1",
    }


@pytest.mark.parametrize("name", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_what_uv_was_told_wins(name: str):
    assert uv_variables({"index-url": "https://mirror/simple"}, {name: "https://other/simple"}) == {}


def test_pip_without_an_index_means_uv_without_one():
    assert uv_options({"no-index": "1"}) == ["--no-index"]
    assert uv_options({"no-index": "false"}) == []


def test_without_settings_nothing_is_changed():
    assert uv_variables(pip_settings(""), os.environ) == {}
