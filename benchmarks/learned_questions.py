"""Question sets compared with fine-tuning data, as when a study starts: `python -m benchmarks.learned_questions`.

Ten made-up sets of together 10,000 questions of 100 words, and three data sets of 23,000 samples each, with 2,000
characters of reasoning: half of their questions share nothing with the sets, 100 are copied, and the rest have some
words of one.
"""

import argparse
import asyncio
import random
import resource
import tempfile
import time
from pathlib import Path

from benchmarks import report
from m1app.access.person import COMMAND_LINE, run_process_as
from m1app.bootstrap import Services, build_services
from m1app.settings import Settings
from m1app.studies.training_checks import MOST_SECONDS, TrainingChecks
from m1app.training.curation import Curated, CurationPlan
from m1app.training.data_card import DataSource
from m1app.training.data_sets import DataSets
from m1app.training.learned_questions import LearnedQuestions
from m1app.training.samples import TrainingSample
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import NewQuestion

_SETS, _QUESTIONS, _SAMPLES, _COPIED = 10, 1_000, 23_000, 100
_WORDS, _REASONING = 100, "Sodium falls because water is held back. " * 50
_OPTIONS = {"A": "yes", "B": "no"}


def _text(chance: random.Random) -> str:
    return " ".join(f"w{chance.randrange(20_000)}" for _ in range(_WORDS)) + "?"


def fill(services: Services, home: Path, data_sets: int, chance: random.Random) -> dict[str, QuestionSet]:
    """Store sets and data; return the sets by name."""
    kept = {}
    stems = [[_text(chance) for _ in range(_QUESTIONS)] for _ in range(_SETS)]
    for number, of_set in enumerate(stems):
        questions = [NewQuestion(stem=each, options=_OPTIONS, target="A", source="made up") for each in of_set]
        with services.database.session() as session:
            kept[f"set-{number}"] = QuestionSetRepository(session).add(f"set-{number}", "made up", "m1", "", questions)
    for number in range(data_sets):
        questions_learned = [
            *stems[0][:_COPIED],
            *(f"{_text(chance)} {chance.choice(stems[1])[:80]}" for _ in range(_SAMPLES // 2 - _COPIED)),
            *(_text(chance) for _ in range(_SAMPLES - _SAMPLES // 2)),
        ]
        samples = tuple(
            TrainingSample(each, _OPTIONS, "A", _REASONING, "A", "", "made up") for each in questions_learned
        )
        DataSets(home / "training-data").add(
            f"data-{number}", Curated(samples, ()), CurationPlan(), (DataSource("made-up.json", "0" * 64, _SAMPLES),)
        )
    return kept


async def measure(home: Path, data_sets: int, most_seconds: float) -> dict[str, object]:
    """Seconds of the comparisons, of all processes too, and what was found."""
    services = build_services(Settings(home=home, engine_url="http://127.0.0.1:9"))
    try:
        sets = fill(services, home, data_sets, random.Random(1))
        checks = TrainingChecks(services.question_sets, LearnedQuestions(services.settings), most_seconds)
        begun, before = time.perf_counter(), _processor()
        found = await checks.of([], sets)
        return {
            "data sets": data_sets,
            "seconds": round(time.perf_counter() - begun, 1),
            "processor seconds": round(_processor() - before, 1),
            "compared": sum(not each.note for each in found),
            "shared": found[0].shared.get("set-0", 0),
        }
    finally:
        await services.aclose()


def _processor() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def main() -> int:
    """Measure and print; return 1 if not everything was compared in time."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.learned_questions", description=__doc__)
    parser.add_argument("--data-sets", type=int, default=3, metavar="N")
    parser.add_argument("--seconds", type=float, default=MOST_SECONDS, help="that the comparisons may take")
    report.add_json_option(parser)
    options = parser.parse_args()
    run_process_as(COMMAND_LINE)
    before = report.machine()
    with tempfile.TemporaryDirectory(prefix="m1-benchmark-") as folder:
        row = asyncio.run(measure(Path(folder), options.data_sets, options.seconds))
    is_met = row["compared"] == options.data_sets and row["shared"] == _COPIED
    shown = [row | {"limit": options.seconds, "met": "met" if is_met else "MISSED"}]
    text = "\n".join([report.describe(before), report.table(shown)])
    report.emit({"before": before, "comparisons": row}, text, as_json=options.json)
    return int(not is_met)


if __name__ == "__main__":
    raise SystemExit(main())
