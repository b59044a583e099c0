"""The rule `strict` on very long answers: `python -m benchmarks.answer_reading`.

Answers of one repeated piece, in the shapes that cost most: many letters, boxes, fields, tags, negations, signs. Each
is read at a length and at a quarter of it. Processor time, the shorter of two.
"""

import argparse
import sys
import time
from typing import Any

from benchmarks import report
from m1app.question.answers.scoring import score

TARGET_SECONDS, TARGET_RATIO = 0.5, 6.0
_GROWS = 4
_TEXTS = ("Radial nerve", "Ulnar nerve", "Median nerve", "Axillary nerve", "Sciatic nerve")
_OPTIONS = dict(zip("ABCDE", _TEXTS, strict=True))
SHAPES = {
    "prose": "The patient has a lesion of the radial nerve, because he cannot lift his wrist. ",
    "statements": "The answer is A. ",
    "negations": "It is not A, nor B. ",
    "conditions": "If it were so, it would be A; otherwise B. ",
    "letters": "A B C D E ",
    "the word I": "I ",
    "letters in quotes": '"A" ',
    "letters between signs": "A/B/C/",
    "combining accents": "e\u0301",
    "one word": "a",
    "lines": "A\n",
    "boxes": r"\boxed{A} ",
    "open boxes": r"\boxed{",
    "braces": "{",
    "JSON": '{"answer": "A"} ',
    "nested JSON": '{"answer":',
    "tags": "<answer>A</answer> ",
    "Chinese": "答案是A。",
    "Korean": "정답은 A입니다. ",
    "labels": "Answer: A\n",
    "brackets": "(",
    "letters in brackets": "(A)",
    "citations": "[3] ",
    "line breaks": "\n",
    "lines of a list": "- A. Radial nerve\n",
    "options": "A) Radial nerve\nB) Ulnar nerve\nC) Median nerve\n",
    "texts of options": "Radial nerve, ",
    "alternatives": "A or B or C or D or E or F or G, ",
    "a sentence without end": "if it is not A but rather B then perhaps C so ",
    "few letters in much text": "because if the patient had not been so then perhaps he would but " * 2 + "A ",
    "open tags": "<answer>",
    "open thinking": "<think>",
    "open fields": '"answer": "',
    "emphasis": "**A** ",
    "asterisks": "*",
    "backslashes": "\\",
    "quotation marks": '"',
    "numbers": "1, ",
    "spaces": " ",
    "signs beyond the BMP": "\U0001f600",
    "mathematical letters": "\U0001d400 ",
    "full width": "Ａ ",
    "Cyrillic": "Ответ А. ",
    "Spanish": "La respuesta es A. ",
    "French": "La réponse est A. ",
    "German": "Die Antwort ist A. ",
    "corrections": "Wait, the answer is B. ",
    "table": "| A | B |\n",
    "turns": "Question: x\nAnswer: A\n",
    "struck out": "~~A~~ ",
    "open struck out": "~~A ",
    "struck out in LaTeX": r"\sout{A} ",
    "chances": "A with probability 0.1, ",
    "chances without end": "the probability that A ",
    "parts": "A for the first and B for the second, ",
    "likewise": "A is wrong. So is B. ",
    "taken back": "The answer is A. It is not. ",
    "judged one by one": "A: true. B: false. ",
}


def measure(characters: int) -> list[dict[str, Any]]:
    """Rows of the report."""
    score("The answer is A.", _OPTIONS, "A")
    return [_row(name, piece, characters) for name, piece in SHAPES.items()]


def _row(name: str, piece: str, characters: int) -> dict[str, Any]:
    small, large = (_seconds(_filled(piece, length)) for length in (characters // _GROWS, characters))
    ratio = large / max(small, 0.001)
    met = "met" if large <= TARGET_SECONDS and ratio <= TARGET_RATIO else "MISSED"
    return {"answer": name, "seconds": f"{large:.2f}", "ratio": f"{ratio:.1f}", "": met}


def _filled(piece: str, characters: int) -> str:
    return (piece * (characters // len(piece) + 1))[:characters]


def _seconds(text: str) -> float:
    taken = []
    for _ in range(2):
        begun = time.process_time()
        score(text, _OPTIONS, "A")
        taken.append(time.process_time() - begun)
    return min(taken)


def main() -> int:
    """Measure and print; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.answer_reading", description=__doc__)
    parser.add_argument("--characters", type=int, default=200_000)
    report.add_json_option(parser)
    options = parser.parse_args()
    machine = report.machine()
    rows = measure(options.characters)
    size = f"{options.characters:,} characters; ratio to a quarter of them; target {TARGET_SECONDS} s"
    report.emit(
        {"machine": machine, "rows": rows},
        f"{report.describe(machine)}\n{size}\n{report.table(rows)}",
        as_json=options.json,
    )
    return int(any(row[""] == "MISSED" for row in rows))


if __name__ == "__main__":
    sys.exit(main())
