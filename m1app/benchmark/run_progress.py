"""Progress and accuracy so far of a benchmark run."""

import time
from collections import deque
from collections.abc import Sequence

from m1app.benchmark.intervals import Proportion, wilson
from storage.benchmarks.records import BenchmarkResult, BenchmarkRun, ItemState
from storage.jobs.records import JobProgress

_RATE_WINDOW_SECONDS = 120.0


class RunProgress:
    """Counts finished items, starting from the stored state."""

    def __init__(self, run: BenchmarkRun) -> None:
        self.message = ""
        """One line on what is holding up the run; empty if nothing is."""
        self._total, self._passes = run.items, run.passes
        self._largest = (max(run.budgets), max(run.force_rounds))
        self._done, self._failed = run.items_done, run.items_failed
        self._right, self._judged, self._tokens = 0, 0, 0
        self._began_at = time.monotonic()
        self._ends: deque[float] = deque()

    @property
    def is_complete(self) -> bool:
        """Whether every item is done or has permanently failed."""
        return self._done + self._failed >= self._total

    def begin(self, right: int, judged: int) -> None:
        """Load existing results of the largest cell."""
        self._right, self._judged = right, judged

    def count(self, state: ItemState, results: Sequence[BenchmarkResult], tokens: int) -> None:
        """Count a finished item.

        Args:
            state: done or failed.
            results: results of all its cells.
            tokens: tokens its sweep generated.
        """
        self._done += state is ItemState.DONE
        self._failed += state is ItemState.FAILED
        self._tokens += tokens
        in_cell = [
            each
            for each in results
            if (each.budget_tokens, each.force_rounds) == self._largest and each.is_correct is not None
        ]
        self._right += sum(bool(each.is_correct) for each in in_cell)
        self._judged += len(in_cell)
        self._ends.append(time.monotonic())

    def report(self) -> JobProgress:
        """Return progress for a job: the rate over the last two minutes, the accuracy of the largest cell."""
        now = time.monotonic()
        while self._ends and now - self._ends[0] > _RATE_WINDOW_SECONDS:
            self._ends.popleft()
        seconds = min(now - self._began_at, _RATE_WINDOW_SECONDS)
        rate = len(self._ends) / seconds if self._ends and seconds > 0 else None
        done = self._done + self._failed
        figures = {"failed": float(self._failed)}
        if self._judged:
            # As if the passes of a question always agreed, since how far they do is not counted here.
            found = wilson(self._right / self._passes, self._judged // self._passes)
            figures |= {"accuracy": found.value, "accuracy_low": found.low, "accuracy_high": found.high}
            figures["accuracy_n"] = float(found.n)
        if self._tokens and now > self._began_at:
            figures["tokens_per_second"] = self._tokens / (now - self._began_at)
        return JobProgress(
            done=done,
            total=self._total,
            unit="questions",
            per_second=rate,
            seconds_left=(self._total - done) / rate if rate else None,
            message=self.message,
            figures=figures,
        )


def accuracy_so_far(progress: JobProgress) -> Proportion | None:
    """The accuracy of the largest cell in a report; None if there is none, or if an earlier version reported it."""
    names = ("accuracy", "accuracy_low", "accuracy_high", "accuracy_n")
    value, low, high, n = (progress.figures.get(name) for name in names)
    return None if value is None or low is None or high is None or n is None else Proportion(value, low, high, int(n))
