"""Curation of a data set as large as m1's 23K: `python -m benchmarks.curation`.

Samples written from a vocabulary with a seed: questions of about 90 words, reasoning of about 700, and answers that end
with a letter, state the option in words, or name none, a third each. One in ten repeats an earlier question in other
letters and spacing, one in ten shares most of its words with an evaluation set. Each step of `curate` is timed in the
order of the plan. The target is for processor time, which other work on the machine changes little. `--profile` prints
where the time goes instead.
"""

import argparse
import cProfile
import pstats
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import report
from m1app.training.curation import CurationPlan, curate
from m1app.training.curation_steps import comparable_text
from m1app.training.samples import TrainingSample

TARGET_SECONDS = 60.0
_WORDS = 20_000
_QUESTION, _REASONING, _ANSWER = 90, 700, 130
_SETS, _SET_QUESTIONS = 8, 1_000
_DOMAINS = 40
_PLAN = CurationPlan(balance="domain", limit=1_000, max_tokens=1_000)


class _Writer:
    """Writes samples from a vocabulary of made-up words."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        syllables = [first + vowel for first in "bcdfglmnprstv" for vowel in "aeiou"]
        self._vocabulary = ["".join(self._chance.choices(syllables, k=3)) for _ in range(_WORDS)]

    def text(self, words: int) -> str:
        """Sentences of up to twenty words."""
        drawn = self._chance.choices(self._vocabulary, k=words)
        return " ".join(" ".join(drawn[at : at + 20]).capitalize() + "." for at in range(0, words, 20))

    def sample(self, question: str) -> TrainingSample:
        """A question with options, reasoning and an answer."""
        options = {letter: " ".join(self._chance.choices(self._vocabulary, k=3)) for letter in "ABCDE"}
        target = self._chance.choice("ABCDE")
        endings = (f"The answer is {target}.", f"So it is most likely the {options[target]}.", self.text(20))
        answer = f"{self.text(_ANSWER)} {self._chance.choice(endings)}"
        domain, source = f"domain {self._chance.randrange(_DOMAINS)}", self._chance.choice(("one", "two", "three"))
        return TrainingSample(question, options, target, self.text(_REASONING), answer, domain, source)


def corpus(count: int, seed: int) -> tuple[list[TrainingSample], dict[str, list[str]]]:
    """Samples, and evaluation sets with some of their questions."""
    writer, chance = _Writer(seed), random.Random(seed)
    sets = {f"set {n}": [writer.text(_QUESTION) for _ in range(_SET_QUESTIONS)] for n in range(_SETS)}
    samples: list[TrainingSample] = []
    for _ in range(count):
        kind = chance.random()
        if kind < 0.1 and samples:
            question = chance.choice(samples).question.upper().replace(" ", "  ")
        elif kind < 0.2:
            question = chance.choice(sets["set 0"]) + " " + writer.text(20)
        else:
            question = writer.text(_QUESTION)
        samples.append(writer.sample(question))
    return samples, {name: [comparable_text(each, {}) for each in texts] for name, texts in sets.items()}


def measure(samples: Sequence[TrainingSample], evaluation: dict[str, list[str]]) -> tuple[list[dict[str, Any]], float]:
    """Rows of the report, and the processor seconds of all steps."""
    last = time.perf_counter()
    begun = used = time.process_time()
    rows: list[dict[str, Any]] = []

    def told(step: str, before: int, kept: int) -> None:
        nonlocal last, used
        now, processor = time.perf_counter(), time.process_time()
        times = {"seconds": now - last, "processor s": processor - used}
        rows.append({"step": step, "before": f"{before:,}", "kept": f"{kept:,}", **times})
        last, used = now, processor

    curate(samples, _PLAN, evaluation=evaluation, told=lambda each: told(each.step, each.before, each.kept))
    return rows, used - begun


def main() -> int:
    """Measure and print; return 1 if the target is missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.curation", description=__doc__)
    parser.add_argument("--samples", type=int, default=23_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", action="store_true", help="print the functions that take the most time")
    report.add_json_option(parser)
    options = parser.parse_args()
    machine = report.machine()
    samples, evaluation = corpus(options.samples, options.seed)
    if options.profile:
        profile = cProfile.Profile()
        profile.runcall(measure, samples, evaluation)
        pstats.Stats(profile, stream=sys.stdout).sort_stats("tottime").print_stats(30)
        return 0
    rows, seconds = measure(samples, evaluation)
    met = "met" if seconds <= TARGET_SECONDS * max(1.0, options.samples / 23_000) else "MISSED"
    size = f"{options.samples:,} samples; target {TARGET_SECONDS:.0f} s for 23,000"
    text = f"{seconds:.1f} s of a processor for {size}: {met}"
    report.emit(
        {"machine": machine, "rows": rows, "seconds": seconds},
        f"{report.describe(machine)}\n{report.table(rows)}\n{text}",
        as_json=options.json,
    )
    return int(met == "MISSED")


if __name__ == "__main__":
    sys.exit(main())
