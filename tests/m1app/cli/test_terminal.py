"""What commands print: a terminal obeys nothing of it, and a file or program gets it unchanged."""

import io
import sys

import pytest

from m1app.cli.terminal import printable, say, write

OBEYED = "\x1b]52;c;aGk=\x07 \x1b[2J \x9b31m \u202e \u2066 \r"


class Terminal(io.StringIO):
    """Standard output of a person."""

    def isatty(self) -> bool:
        return True


def test_what_a_terminal_would_obey_is_replaced_and_text_stays() -> None:
    assert printable("a\tb\nç 医 🔀") == "a\tb\nç 医 🔀"
    assert not set(printable(OBEYED)) & set("\x1b\x07\x9b\u202e\u2066\r")


def test_only_a_terminal_gets_replaced_text(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal, pipe, errors = Terminal(), io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    for output in (terminal, pipe):
        monkeypatch.setattr(sys, "stdout", output)
        write(OBEYED)
    say(OBEYED)
    assert pipe.getvalue() == OBEYED
    assert "\x1b" not in terminal.getvalue() + errors.getvalue()
