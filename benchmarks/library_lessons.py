"""What people know of the library's questions, as something to learn from, for docs/fine-tuning-experiment.md.

`python -m benchmarks.library_lessons traces FILE` writes each question's explanation as a reasoning trace.
`python -m benchmarks.library_lessons corrections SET MODEL` annotates, in M1_HOME, one wrong pass of the model on each
question of the set: the whole thinking is marked, and the explanation is the corrected fact. The pass is the one with
the shortest thinking that ended by itself. On the Annotate page, a person does the same.
"""

import argparse
import asyncio
import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.annotation.form_values import content_from_form
from m1app.annotation.labels import load_taxonomy
from m1app.annotation.service import AnnotationService
from m1app.cli.local_services import open_database
from m1app.question.library import load_library
from m1app.settings import load_settings

ANNOTATOR = "Library"
_LEAST_TOKENS = 9
_WRONG = """
SELECT question.stem, checkpoint.id FROM checkpoint
JOIN trace ON trace.id = checkpoint.trace_id
JOIN question ON question.id = trace.question_id
JOIN question_set_member ON question_set_member.question_id = question.id
JOIN question_set ON question_set.id = question_set_member.set_id
WHERE question_set.name = ? AND trace.model = ? AND checkpoint.is_correct = 0
AND checkpoint.thinking_finish_reason = 'natural' AND trace.thinking_tokens >= ?
ORDER BY trace.thinking_tokens DESC, checkpoint.id
"""


def write_traces(path: Path) -> int:
    """Write a row of the layout `reasoning` for each question with options; return how many."""
    rows = [
        {
            "question": each.question,
            "options": dict(each.options),
            "answer_idx": each.target,
            "reasoning": each.explanation,
            "response": f"{each.options[each.target]}.",
        }
        for each in load_library()
        if each.options and each.target
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    return len(rows)


async def correct(question_set: str, model: str) -> int:
    """Annotate one wrong pass of each question that has one; return how many."""
    run_process_as(COMMAND_LINE)
    explanations = {each.question: each.explanation for each in load_library()}
    with closing(sqlite3.connect(load_settings().home / "m1.sqlite3")) as database:
        # The shortest is the last, and stays.
        wrong = dict(database.execute(_WRONG, (question_set, model, _LEAST_TOKENS)).fetchall())
    with open_database() as home:
        annotations = AnnotationService(home, load_taxonomy())
        for stem, case_id in wrong.items():
            case = (await annotations.open(case_id, ANNOTATOR)).case
            text = case.thinking_text
            values = {
                "part": "thinking",
                "start": len(text) - len(text.lstrip()),
                "end": len(text.rstrip()),
                "labels": ["incorrect_fact"],
                "severity": "moderate",
                "corrected_fact": explanations[stem],
            }
            await annotations.save(case_id, ANNOTATOR, content_from_form(case, values))
            await annotations.submit(case_id, ANNOTATOR)
    return len(wrong)


def main() -> int:
    """Write or annotate, and say how many."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.library_lessons", description=__doc__)
    below = parser.add_subparsers(dest="what", required=True)
    below.add_parser("traces").add_argument("file", type=Path, metavar="FILE")
    corrections = below.add_parser("corrections")
    corrections.add_argument("question_set", metavar="SET")
    corrections.add_argument("model", metavar="MODEL")
    options = parser.parse_args()
    if options.what == "traces":
        sys.stdout.write(f"{write_traces(options.file)} reasoning traces in {options.file}\n")
    else:
        done = asyncio.run(correct(options.question_set, options.model))
        sys.stdout.write(f"one wrong pass of {done} questions corrected\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
