"""What a study has come to, from what its benchmark runs have measured. Pure, but for the statistics it loads late."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from m1app.benchmark.cell_summaries import MACRO, CellSummary
from m1app.benchmark.intervals import Proportion
from m1app.studies.paper_numbers import accuracy_at, best_accuracy
from m1app.studies.records import FactOutcome, Reading, SetCheck
from m1app.studies.start_facts import StartFacts, TriedFact
from m1app.studies.study_file import Study, StudyRun
from m1app.wording import counted
from storage.benchmarks.records import BenchmarkRun, RunState
from storage.fact_tests.records import FactTestSummary
from storage.jobs.records import JobState

_PUBLISHED_ANSWER_TOKENS = 1024


def state_of(
    runs: Sequence[BenchmarkRun], job: JobState | None, tests_left: int = 0, *, is_testing: bool = False
) -> RunState:
    """The state of a study as a whole.

    Args:
        runs: its benchmark runs that are there.
        job: the state of its newest job; None if it never had one.
        tests_left: tests of its own facts that are not over.
        is_testing: whether one of them is running.
    """
    states = {each.state for each in runs}
    if is_testing or RunState.RUNNING in states or job in (JobState.RUNNING, JobState.STOPPING):
        return RunState.RUNNING
    if states <= {RunState.COMPLETED} and not tests_left:
        return RunState.COMPLETED
    if job is JobState.QUEUED:
        return RunState.WAITING
    if RunState.FAILED in states or job is JobState.FAILED:
        return RunState.FAILED
    if RunState.INTERRUPTED in states or job is JobState.LOST:
        return RunState.INTERRUPTED
    is_untouched = states == {RunState.WAITING} and job is None
    return RunState.WAITING if is_untouched or job is JobState.SUCCEEDED else RunState.STOPPED


def readings_of(
    study: Study, models: Mapping[str, str], sets: Mapping[str, str], cells: Mapping[str, Sequence[CellSummary]]
) -> tuple[Reading, ...]:
    """Each model's accuracy on each set, at one budget and at the best of all budgets.

    The best reading of the mean over sets is the mean of the sets' best ones, each at its own budget, as in the paper's
    table; it has no interval.

    Args:
        study: the study.
        models: role -> served model.
        sets: the study's name of each set -> that of this installation.
        cells: by run id of the study's file.
    """
    found = tuple(
        reading
        for run in study.runs
        for role in run.models
        if role in models
        for name in (*run.question_sets, MACRO)
        for rounds in sorted(set(run.force_rounds))
        if (reading := _reading(study, run, role, models[role], name, sets, rounds, cells.get(run.id, ())))
    )
    return tuple(each if each.question_set else _with_mean_of_best(each, found) for each in found)


def _with_mean_of_best(mean: Reading, readings: Sequence[Reading]) -> Reading:
    own = (mean.run_id, mean.role, mean.force_rounds)
    of_sets = [e.best_of_budgets for e in readings if e.question_set and (e.run_id, e.role, e.force_rounds) == own]
    if not of_sets:
        return mean
    n, questions = sum(each.n for each in of_sets), sum(each.questions for each in of_sets)
    best = Proportion(fmean(each.value for each in of_sets), math.nan, math.nan, n, questions)
    return replace(mean, best_budget_tokens=None, best_of_budgets=best)


def _reading(
    study: Study,
    run: StudyRun,
    role: str,
    model: str,
    name: str,
    sets: Mapping[str, str],
    rounds: int,
    cells: Sequence[CellSummary],
) -> Reading | None:
    of_set = sets.get(name, "") if name else MACRO
    curve = {
        each.budget_tokens: each.accuracy
        for each in cells
        if (each.model, each.question_set, each.force_rounds) == (model, of_set, rounds)
    }
    if not curve:
        return None
    wanted = study.reading_budget or max(run.budgets)
    one = wanted if wanted in curve else max(curve)
    # Of budgets that are equally good, the smallest.
    best = max(sorted(curve), key=lambda budget: curve[budget].value)
    names = (name,) if name else run.question_sets
    has_paper = rounds == 0
    return Reading(
        run_id=run.id,
        role=role,
        model=model,
        question_set=name,
        force_rounds=rounds,
        budget_tokens=one,
        at_one_budget=curve[one],
        best_budget_tokens=best,
        best_of_budgets=curve[best],
        paper_at_one_budget=accuracy_at(study, role, names, one) if has_paper else None,
        paper_best_of_budgets=best_accuracy(study, role, names) if has_paper else None,
    )


def set_checks(study: Study, sets: Mapping[str, str], facts: StartFacts) -> tuple[SetCheck, ...]:
    """Each set against what is published about it, as it was when the study was started."""
    found = []
    for each in study.question_sets:
        kept = facts.sets.get(each.name)
        if kept is None:
            continue
        own = sets.get(each.name, "")
        overlaps = tuple(shared.sentence for shared in facts.overlaps if own in (shared.first, shared.second))
        found.append(
            SetCheck(
                name=each.name,
                question_set=own,
                source=kept.source,
                questions=kept.questions,
                official_size=each.size,
                sha256=kept.sha256,
                published_sha256=each.sha256,
                md5=kept.md5,
                published_md5=each.md5,
                overlaps=overlaps,
                overlap_note=facts.overlap_note,
                problems=tuple(_differences(each.size, kept.questions, "SHA-256", each.sha256, kept.sha256))
                + tuple(_hash_differences("MD5", each.md5, kept.md5)),
            )
        )
    return tuple(found)


def _differences(size: int | None, questions: int, kind: str, published: str | None, own: str) -> Sequence[str]:
    of_size = [] if size in (None, questions) else [f"{counted(questions, 'question')}; officially it has {size:,}"]
    return [*of_size, *_hash_differences(kind, published, own)]


def _hash_differences(kind: str, published: str | None, own: str) -> Sequence[str]:
    if published is None or published == own:
        return []
    if not own:
        return [f"The published {kind} could not be checked: the file that the set was imported from is not available"]
    return [f"The {kind} of its file is not the published one"]


def fact_outcomes(study: Study, facts: StartFacts, tests: Sequence[FactTestSummary]) -> tuple[FactOutcome, ...]:
    """What became of the study's own facts that were tried.

    Args:
        study: the study.
        facts: as it was started, and what it has tested since.
        tests: that it made.
    """
    by_id = {each.run_id: each for each in tests}
    return tuple(_fact_outcome(study, each, by_id.get(each.run_id)) for each in facts.tested)


def _fact_outcome(study: Study, tested: TriedFact, test: FactTestSummary | None) -> FactOutcome:
    fact = study.facts[tested.fact]
    outcome = FactOutcome(
        role=tested.role,
        number=tested.fact + 1,
        question_set=fact.question_set,
        question=fact.question,
        fact=fact.fact,
        run_id=tested.run_id if test else "",
        note=tested.note if test or not tested.run_id else "Its test was deleted.",
    )
    if test is None or not test.verdict:
        return outcome
    return replace(
        outcome,
        verdict=str(test.verdict.get("kind", "")),
        sentence=str(test.verdict.get("sentence", "")),
        seeds=int(test.verdict.get("n", 0)),
        right=tuple(test.verdict.get("right", ())),
        names_target=bool(test.names_target),
    )


def protocol_differences(study: Study, checks: Sequence[SetCheck], left_out: Sequence[str]) -> tuple[str, ...]:
    """In what a study differs from the published protocol.

    Args:
        study: the study.
        checks: its sets.
        left_out: runs of the file that nothing was asked for.
    """
    found = list(study.protocol_differences)
    if study.rule != "m1":
        found.append("Answers are scored by the strict rule; the paper used its own rule, m1.")
    for run in study.runs:
        found += [f"Run {run.id!r}: {each}" for each in _run_differences(run)]
    found += [f"{check.question_set}: {problem}." for check in checks for problem in check.problems]
    found += [f"Run {run_id!r} was skipped." for run_id in left_out]
    return tuple(dict.fromkeys(found))


def _run_differences(run: StudyRun) -> Sequence[str]:
    found = []
    if run.temperature != 0:
        found.append(f"sampled at temperature {run.temperature:g}; the paper uses 0.")
    if run.passes > 1:
        found.append(f"{run.passes} passes per question; the paper uses one.")
    if run.limit is not None:
        found.append(f"at most {counted(run.limit, 'question')} per set; the paper asked all of them.")
    if run.answer_cap_tokens != _PUBLISHED_ANSWER_TOKENS:
        found.append(
            f"answers of at most {run.answer_cap_tokens:,} tokens; the paper allows {_PUBLISHED_ANSWER_TOKENS:,}."
        )
    if run.strategies:
        found.append("strategies answered the questions too.")
    return found


def progress_of(runs: Sequence[BenchmarkRun]) -> dict[str, Any]:
    """Questions done, failed and in all, and tokens, over the study's benchmark runs."""
    return {
        "done": sum(each.items_done for each in runs),
        "failed": sum(each.items_failed for each in runs),
        "total": sum(each.items for each in runs),
        "tokens": sum(each.tokens_generated for each in runs),
        "seconds": sum(each.seconds for each in runs),
    }
