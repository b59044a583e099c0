"""Shared by commands: common arguments, reading a file or standard input, and printing."""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from m1app.question.errors import InvalidQuestion
from m1app.question.question_text import QuestionText, read_question_json

ENGINE_SECONDS = 900.0
"""How long a command waits for the engine to start."""
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def write(text: str) -> None:
    """Print to standard output at once, without adding a line break; raises OSError if it is closed."""
    if sys.stdout is None:
        raise OSError("standard output is closed")
    # A file or another program gets the text as it is.
    sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def write_json(content: Any) -> None:
    """Print a value as one line of JSON."""
    write(json.dumps(content, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Print a line for the user to standard error, which no program parses."""
    if sys.stderr is not None:
        sys.stderr.write(printable(text) + "\n")
        sys.stderr.flush()


def printable(text: str) -> str:
    """`text` without what a terminal would obey: control characters, and marks that change the direction of writing."""
    return _OBEYED.sub("\ufffd", text)


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers from "64,128"; argparse turns a ValueError into its message."""
    return tuple(int(part) for part in text.split(","))


def given(text: str) -> str:
    """An argument that must not be empty, as that of an unset shell variable is."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the value is empty; enter one or leave the option out")
    return text


def add_json(parser: argparse.ArgumentParser, what: str = "one JSON object") -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help=f"print {what}")


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for a question and its sampling."""
    parser.add_argument(
        "--question",
        type=given,
        required=True,
        metavar="FILE",
        help="JSON {question, options?, answer_idx?}; - reads standard input",
    )
    parser.add_argument("--profile", default="", help="id of the profile (default: the one that fits the model)")
    parser.add_argument("--temperature", type=float, default=0.0, help="sampling temperature; 0 is greedy (default)")
    parser.add_argument("--top-p", type=float, default=1.0, help="nucleus sampling threshold (default: 1)")
    parser.add_argument("--seed", type=int, default=None, help="sampling seed")
    parser.add_argument(
        "--allow-identifiers",
        dest="allows_identifiers",
        action="store_true",
        help="ask it even if it may identify a person; the audit log records this, without the text",
    )
    add_json(parser, "one JSON object instead of text")


def read_question(name: str) -> QuestionText:
    """Read a question from a JSON file, or from standard input for "-".

    Raises:
        InvalidQuestion: the file cannot be read, or does not contain a valid question.
    """
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        text = content.decode("utf-8")
    except OSError as exc:
        raise InvalidQuestion(f"The question file {name} cannot be read ({exc.strerror}): check its name.") from exc
    except UnicodeDecodeError as exc:
        raise InvalidQuestion(f"The question is not UTF-8 text at byte {exc.start}: save it as UTF-8.") from exc
    return read_question_json(text)
