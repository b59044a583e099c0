"""Names of downloads: what they say, and what no name of anything can do to them."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m1app.file_names import MAX_CHARACTERS, download_name, slug

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SAFE = re.compile(r"\d{4}-\d\d-\d\d( [A-Za-z0-9][A-Za-z0-9._ -]*)?\.md")


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("m1-7B", "1024 tokens", "wrist-drop"), "2026-11-30 m1-7B 1024 tokens wrist-drop 3f9a2c71.md"),
        (("org/model:7b", "../../etc/passwd"), "2026-11-30 org model 7b etc passwd 3f9a2c71.md"),
        (('a"b\r\nSet-Cookie: x', "<script>"), "2026-11-30 a b Set-Cookie x script 3f9a2c71.md"),
        (("Fièvre", "漢字", "", "..."), "2026-11-30 Fievre 3f9a2c71.md"),
        ((), "2026-11-30 3f9a2c71.md"),
    ],
)
def test_a_name_says_what_it_is_and_nothing_else(parts: tuple[str, ...], name: str) -> None:
    assert download_name("md", NOON, *parts, of="3f9a2c7155aa") == name


@given(st.lists(st.text(), max_size=5), st.text(max_size=40))
def test_a_name_is_safe_and_bounded_whatever_it_is_made_of(parts: list[str], of: str) -> None:
    name = download_name("md", NOON, *parts, of=of)
    assert SAFE.fullmatch(name)
    assert len(name) <= MAX_CHARACTERS
    assert not name.removesuffix(".md").endswith((" ", "."))


def test_long_parts_are_cut_and_the_id_stays() -> None:
    name = download_name("parquet", NOON, "x" * 500, "y" * 500, "z" * 500, of="ab" * 16)
    assert len(name) == MAX_CHARACTERS
    assert name.endswith(" abababab.parquet")


def test_the_date_is_that_of_utc() -> None:
    early = datetime(2026, 12, 1, 1, tzinfo=timezone(timedelta(hours=3)))
    assert download_name("csv", early, "annotations") == "2026-11-30 annotations.csv"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d annotations\.csv", download_name("csv", None, "annotations"))


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("A man cannot extend his left wrist after sleeping.", "a-man-cannot-extend-his-left"),
        ("Wrist drop", "wrist-drop"),
        ("¿Qué?", "que"),
        ("漢字", ""),
    ],
)
def test_the_first_words_of_a_question_make_a_slug(text: str, short: str) -> None:
    assert slug(text) == short
