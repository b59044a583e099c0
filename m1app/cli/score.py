"""`python -m m1app score FILE`: score existing answers; needs no engine and no database."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m1app.benchmark.answer_files.answer_file import AnswerFile, open_answers
from m1app.benchmark.answer_files.fields import ChosenFields
from m1app.benchmark.answer_files.scored_file import OUTPUT_ENDINGS, write_scored
from m1app.benchmark.answer_files.scoring import ScoredAnswer, Tally, scored
from m1app.benchmark.descriptions import accuracy_words, caution
from m1app.benchmark.intervals import Proportion
from m1app.cli.terminal import add_json, say, write, write_json
from m1app.question.answers.scoring import RULES, STRICT_VERSION
from m1app.wording import basis_label, counted

_STANDARD_INPUT = "standard input"


def add_command(commands: Any) -> None:
    """Add `score` to the commands of `m1app.cli.main`."""
    command = commands.add_parser("score", help="score answers from a file")
    command.add_argument(
        "file",
        metavar="FILE",
        help="samples of lm-evaluation-harness (samples_*.jsonl) or of Inspect (.eval, .json), or a table with the "
        "answer's text, the options and the target (JSON, JSON lines, CSV, Parquet); - reads stdin",
    )
    command.add_argument("--rule", choices=sorted(RULES), default="strict")
    command.add_argument("--text-field", default="", metavar="NAME", help="the field with the answer's text")
    command.add_argument("--options-field", default="", metavar="NAME", help="the field with the options")
    command.add_argument("--target-field", default="", metavar="NAME", help="the field with the right answer")
    command.add_argument(
        "--numbers-from", type=int, choices=(0, 1), help="the number of option A, if targets are numbers"
    )
    command.add_argument(
        "--answers", action="store_true", help="also print each answer's letter and the words that it is based on"
    )
    command.add_argument("--by-tag", action="store_true", help="also print the accuracy of each tag, such as a subject")
    command.add_argument(
        "--output",
        metavar="OUT",
        help=f"write every answer with its options, tags, letter and verdict ({', '.join(OUTPUT_ENDINGS)})",
    )
    add_json(command, "one JSON object with every verdict")
    command.set_defaults(run=_score)


def _score(options: argparse.Namespace) -> int:
    with _as_file(options.file) as path:
        return asyncio.run(_score_file(path, options))


@contextmanager
def _as_file(name: str) -> Iterator[Path]:
    """The file; a copy of standard input, which the process that reads files cannot read twice."""
    if name != "-":
        with Path(name).open("rb"):  # a file that cannot be opened is named in the system's words
            yield Path(name)
        return
    with tempfile.NamedTemporaryFile(prefix="m1-answers-") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        yield Path(copy.name)


@dataclass(slots=True)
class _Scoring:
    """Scores answers one after another, and keeps only what will be printed."""

    rule: str
    keeps_verdicts: bool
    tally: Tally = field(default_factory=Tally)
    verdicts: list[dict[str, Any]] = field(default_factory=list)

    async def of(self, file: AnswerFile, *, prints: bool) -> AsyncIterator[ScoredAnswer]:
        async for answer in file.answers:
            each = scored(answer, self.rule)
            self.tally.add(each)
            if self.keeps_verdicts:
                self.verdicts.append(_verdict(each))
            if prints:
                write(f"{self.tally.n}: {each.score.letter or 'none'}. {_basis(each)}\n")
            yield each


async def _score_file(path: Path, options: argparse.Namespace) -> int:
    chosen = ChosenFields(options.text_field, options.options_field, options.target_field)
    name = _STANDARD_INPUT if options.file == "-" else ""
    scoring = _Scoring(options.rule, keeps_verdicts=options.json)
    async with open_answers(path, chosen, options.numbers_from, file_name=name) as file:
        each_scored = scoring.of(file, prints=options.answers and not options.json)
        if options.output:
            await write_scored(Path(options.output), each_scored, options.rule)
        else:
            async for _ in each_scored:
                pass
        layout, left_out = file.layout, file.left_out
    if options.json:
        write_json(_json(scoring, layout, left_out))
        return 0
    write(_summary(scoring.tally, options.rule))
    if options.by_tag:
        write("".join(_tag_lines(scoring.tally)))
    _say_file(layout, left_out, scoring.tally)
    return 0


def _say_file(layout: str, left_out: int, tally: Tally) -> None:
    repeated = f"; left out {counted(left_out, 'row')} that repeat a sample under another filter" if left_out else ""
    say(f"read as {layout}{repeated}")
    if tally.has_repeats:
        say("Some questions were answered several times; the interval takes that into account.")


def _summary(tally: Tally, rule: str) -> str:
    found = tally.accuracy()
    share = f": {accuracy_words(found)}" if tally.judged else ""
    rest = f", {tally.without_target} without a target" if tally.without_target else ""
    rest += f", {tally.not_scored} not scored: several options are right" if tally.not_scored else ""
    said = f"{tally.correct} of {tally.judged} correct by rule {rule}{share}; {tally.unanswered} unanswered{rest}"
    return "\n".join(filter(None, (said, caution(found.questions)))) + "\n"


def _tag_lines(tally: Tally) -> Iterator[str]:
    for tag, found in tally.by_tag().items():
        few = "  few questions" if caution(found.questions) else ""
        yield f"{tag[:40]:40} {accuracy_words(found)}{few}\n"
    if tally.uncounted_tags:
        yield "There are more tags; only the first ones were counted.\n"


def _json(scoring: _Scoring, layout: str, left_out: int) -> Mapping[str, Any]:
    tally = scoring.tally
    return {
        "rule": scoring.rule,
        "strict_version": STRICT_VERSION,
        "layout": layout,
        "repeated_rows_left_out": left_out,
        "n": tally.n,
        "correct": tally.correct,
        "unanswered": tally.unanswered,
        "without_target": tally.without_target,
        "not_scored": tally.not_scored,
        "accuracy": _proportion(tally.accuracy()) if tally.judged else None,
        "by_tag": {tag: _proportion(found) for tag, found in tally.by_tag().items()},
        "results": scoring.verdicts,
    }


def _proportion(found: Proportion) -> dict[str, Any]:
    return {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "n": found.n,
        "caution": caution(found.questions),
    }


def _basis(each: ScoredAnswer) -> str:
    how, rule = each.score.how, each.score.rule
    return basis_label(f"{how}: {rule}" if rule else how, each.words or "")


def _verdict(each: ScoredAnswer) -> dict[str, Any]:
    """One verdict, with what the letter rests on; places count code points of the text."""
    start, end = each.score.span or (None, None)
    return {
        "where": each.answer.where,
        "letter": each.score.letter,
        "correct": each.score.is_correct,
        "how": each.score.how,
        "letter_rule": each.score.rule or None,
        "letter_words": each.words,
        "letter_start": start,
        "letter_end": end,
        "tags": list(each.answer.tags),
    }
