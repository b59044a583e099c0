"""Shared by commands: common arguments, reading a file or standard input, and printing."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from m1app.question.errors import InvalidQuestion
from m1app.question.question_text import QuestionText, read_question_json

ENGINE_SECONDS = 900.0
"""How long a command waits for the engine to start."""


def write(text: str) -> None:
    """Print to standard output at once, without adding a line break; raises OSError if it is closed."""
    if sys.stdout is None:
        raise OSError("standard output is closed")
    sys.stdout.write(text)
    sys.stdout.flush()


def write_json(content: Any) -> None:
    """Print a value as one line of JSON."""
    write(json.dumps(content, ensure_ascii=False) + "\n")


def say(text: str) -> None:
    """Print a line for the user to standard error, which no program parses."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()


def numbers(text: str) -> tuple[int, ...]:
    """Whole numbers from "64,128"; argparse turns a ValueError into its message."""
    return tuple(int(part) for part in text.split(","))


def add_json(parser: argparse.ArgumentParser, what: str = "one JSON object") -> None:
    """Add --json."""
    parser.add_argument("--json", action="store_true", help=f"print {what}")


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for a question and its sampling."""
    parser.add_argument(
        "--question",
        required=True,
        metavar="FILE",
        help="JSON {question, options?, answer_idx?}; - reads standard input",
    )
    parser.add_argument("--profile", default="", help="id of the profile (default: the one that fits the model)")
    parser.add_argument("--temperature", type=float, default=0.0, help="sampling temperature; 0 is greedy (default)")
    parser.add_argument("--top-p", type=float, default=1.0, help="nucleus sampling threshold (default: 1)")
    parser.add_argument("--seed", type=int, default=None, help="sampling seed")
    add_json(parser, "print one JSON object instead of text")


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
