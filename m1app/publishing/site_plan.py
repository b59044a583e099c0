"""What a site shows: its runs, whose answers stand side by side, its question sets, and its questions in order."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from m1app.benchmark.descriptions import run_name
from m1app.publishing.licences import SetTerms, terms_of_sets
from storage.benchmarks.items import items_at
from storage.benchmarks.records import BenchmarkRun
from storage.benchmarks.results import CellKey
from storage.database import Session

_ITEMS_AT_ONCE = 2000


@dataclass(frozen=True, slots=True)
class Source:
    """One model of one run."""

    run: BenchmarkRun
    model: str
    name: str
    """The model, with the run if there are several."""

    @property
    def cells(self) -> tuple[CellKey, ...]:
        """(thinking budget in tokens, force rounds), by rounds, then budget."""
        return tuple((budget, rounds) for rounds in self.run.force_rounds for budget in self.run.budgets)


@dataclass(slots=True)
class Entry:
    """One question of a set, with the items that ask it."""

    set_number: int
    place: int
    """Its number in the set as the runs ask it, from 1."""
    question_id: str
    items: dict[int, str] = field(default_factory=dict)
    """Number of the source -> id of the item."""


@dataclass(frozen=True, slots=True)
class SitePlan:
    """What a site shows."""

    runs: tuple[BenchmarkRun, ...]
    sources: tuple[Source, ...]
    sets: tuple[SetTerms, ...]
    entries: tuple[Entry, ...]
    """Those of each set together, in the order of the sets."""

    def terms(self, entry: Entry) -> SetTerms:
        """What of a question is published."""
        return self.sets[entry.set_number]

    def places(self) -> list[tuple[int, int]]:
        """For each set, the place of its first question, and one past that of its last."""
        counts = Counter(entry.set_number for entry in self.entries)
        ends = list(accumulate(counts[number] for number in range(len(self.sets))))
        return list(zip([0, *ends], ends, strict=False))


def plan_of(session: Session, runs: Sequence[BenchmarkRun], allowed: Collection[str]) -> SitePlan:
    """Find the questions of runs; the same question of the same set is one, however many runs ask it.

    Args:
        session: the database.
        runs: in the order in which they are shown.
        allowed: see `terms_of_sets`.

    Raises:
        PublishRefused: a set is allowed that is in none of the runs.
    """
    names = tuple(dict.fromkeys(name for run in runs for name in run.question_sets))
    sources = tuple(
        Source(run, model, f"{model} · {run_name(run)}" if len(runs) > 1 else model)
        for run in runs
        for model in run.models
    )
    numbers = {(source.run.id, source.model): number for number, source in enumerate(sources)}
    found: tuple[dict[str, Entry], ...] = tuple({} for _ in names)
    for run in runs:
        for start in range(0, run.items, _ITEMS_AT_ONCE):
            for item in items_at(session, run.id, range(start, start + _ITEMS_AT_ONCE)):
                set_number = names.index(item.question_set)
                of_set = found[set_number]
                entry = of_set.setdefault(item.question_id, Entry(set_number, len(of_set) + 1, item.question_id))
                entry.items[numbers[run.id, item.model]] = item.id
    entries = tuple(entry for of_set in found for entry in of_set.values())
    terms = terms_of_sets(session, dict(zip(names, found, strict=True)), allowed)
    return SitePlan(tuple(runs), sources, terms, entries)
