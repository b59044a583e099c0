"""`python -m m1app score FILE`: score existing answers; needs no engine and no database."""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from m1app.cli.terminal import add_json, write, write_json
from m1app.question.answers.scoring import RULES, SEVERAL_NOT_SCORED, STRICT_VERSION, Score, score
from m1app.question.errors import InvalidAnswers
from m1app.question.several_letters import read_letters
from m1app.targets import is_target
from m1app.wording import basis_label, percent


def add_command(commands: Any) -> None:
    """Add `score` to the commands of `m1app.cli.main`."""
    command = commands.add_parser("score", help="score answers from a file")
    command.add_argument(
        "file", metavar="FILE", help="JSON list, or JSON lines, of {text, options, answer_idx or answer}; - reads stdin"
    )
    command.add_argument("--rule", choices=sorted(RULES), default="strict")
    command.add_argument(
        "--answers", action="store_true", help="also print each answer's letter and the words that it rests on"
    )
    add_json(command, "print one JSON object with every verdict")
    command.set_defaults(run=_score)


def _score(options: argparse.Namespace) -> int:
    raw = sys.stdin.buffer.read() if options.file == "-" else Path(options.file).read_bytes()
    entries = _entries(raw, options.file)
    if not entries:
        raise InvalidAnswers(f"{options.file}: found no answer, expected at least one.")
    scores = [_scored(f"{options.file}, answer {n}", entry, options.rule) for n, entry in enumerate(entries, start=1)]
    correct = sum(each.is_correct is True for each in scores)
    unanswered = sum(each.letter is None and each.how != SEVERAL_NOT_SCORED for each in scores)
    not_scored = sum(each.how == SEVERAL_NOT_SCORED for each in scores)
    without_target = sum(each.is_correct is None for each in scores) - not_scored
    if options.json:
        verdicts = [_verdict(entry, each) for entry, each in zip(entries, scores, strict=True)]
        content = {
            "rule": options.rule,
            "strict_version": STRICT_VERSION,
            "n": len(scores),
            "correct": correct,
            "unanswered": unanswered,
            "without_target": without_target,
            "not_scored": not_scored,
            "results": verdicts,
        }
        write_json(content)
        return 0
    if options.answers:
        for number, (entry, each) in enumerate(zip(entries, scores, strict=True), start=1):
            write(f"{number}: {each.letter or 'none'}. {_basis(entry, each)}\n")
    judged = len(scores) - without_target - not_scored
    share = f" ({percent(correct / judged)})" if judged else ""
    rest = f", {without_target} without a target" if without_target else ""
    rest += f", {not_scored} not scored: several options are right" if not_scored else ""
    write(f"{correct} of {judged} correct{share} by rule {options.rule}, {unanswered} unanswered{rest}\n")
    return 0


def _basis(entry: Any, scored: Score) -> str:
    rule = f"{scored.how}: {scored.rule}" if scored.rule else scored.how
    return basis_label(rule, entry["text"][slice(*scored.span)] if scored.span else "")


def _verdict(entry: Any, scored: Score) -> dict[str, Any]:
    """One verdict, with what the letter rests on; places count code points of the text."""
    start, end = scored.span or (None, None)
    return {
        "letter": scored.letter,
        "correct": scored.is_correct,
        "how": scored.how,
        "letter_rule": scored.rule or None,
        "letter_words": entry["text"][start:end] if scored.span else None,
        "letter_start": start,
        "letter_end": end,
    }


def _entries(raw: bytes, name: str) -> Sequence[Any]:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InvalidAnswers(f"{name} is not UTF-8 text at byte {exc.start}: save it as UTF-8.") from exc
    if text.lstrip().startswith("["):
        return list(_read(text, f"{name}: "))
    lines = ((number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip())
    return [_read(line, f"{name}, line {number}: ") for number, line in lines]


def _read(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as exc:
        raise InvalidAnswers(f"{where}this is not JSON ({exc.msg} at line {exc.lineno}, {exc.colno}).") from exc
    except (RecursionError, ValueError) as exc:
        raise InvalidAnswers(f"{where}this JSON cannot be read ({exc}).") from exc


def _scored(where: str, entry: Any, rule: str) -> Score:
    if not isinstance(entry, Mapping):
        found = json.dumps(entry)[:40]
        raise InvalidAnswers(f"{where}: found {found}, expected an object with text, options and answer_idx.")
    text, options, target = entry.get("text"), entry.get("options"), entry.get("answer_idx")
    if not isinstance(text, str):
        raise InvalidAnswers(f"{where}: text must be a string, not {type(text).__name__}.")
    if not isinstance(options, Mapping) or not all(isinstance(each, str) for each in options.values()):
        raise InvalidAnswers(f"{where}: options must be an object of letter to text.")
    if isinstance(target, list):
        target = ", ".join(map(str, target))
    if isinstance(target, str):
        target = read_letters(target, options) or target
    if target is not None and not (isinstance(target, str) and is_target(target, options)):
        raise InvalidAnswers(f"{where}: answer_idx {str(target)[:20]!r} is not one of {', '.join(options)}.")
    return score(text, dict(options), target or _letter_of(entry.get("answer"), options), rule)


def _letter_of(answer: Any, options: Mapping[str, str]) -> str | None:
    """Letter of the only option whose text is the right answer."""
    letters = [letter for letter, option in options.items() if option == answer]
    return letters[0] if len(letters) == 1 else None
