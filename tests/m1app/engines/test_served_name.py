"""Names of served models, put together and taken apart."""

import pytest

from m1app.engines.served_name import read_served_name, served_name


@pytest.mark.parametrize("model", ["m1-7B-23K", "", "mine @ home"])
def test_a_name_at_a_server_is_taken_apart_as_it_was_put_together(model: str) -> None:
    assert read_served_name(served_name(model, "gpu2:8000")) == (model, "gpu2:8000")


def test_a_name_without_a_server_is_one_of_the_apps_own_engine() -> None:
    assert read_served_name("m1-7B-23K") == ("m1-7B-23K", "")


def test_a_name_looks_as_it_is_documented() -> None:
    assert served_name("m1-7B-23K", "gpu2:8000") == "m1-7B-23K @ gpu2:8000"
