"""Control characters are found; what scripts and emoji need is none."""

import pytest

from m1app.control_characters import control_character


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a\x07b", "U+0007 at place 2"),
        ("ab\x00", "U+0000 at place 3"),
        ("\ud800", "U+D800 at place 1"),
        ("line\nbreak\tand tab", ""),
        ("می\u200cروم", ""),  # Persian, with the joiner that it is written with.
        ("👩\u200d⚕️ soft\u00adhyphen \u200eleft", ""),
    ],
)
def test_the_first_control_character_is_named(text: str, found: str) -> None:
    assert control_character(text) == found
