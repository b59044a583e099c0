"""Studies as the page shows them. Pure: values in, dictionaries out."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from m1app.jobs.states import OVER
from m1app.studies.estimate import CostPart, StudyEstimate
from m1app.studies.library import StudyFile
from m1app.studies.outcome import progress_of
from m1app.studies.records import ClaimOutcome, FactOutcome, Reading, SetCheck, StudyOutcome
from m1app.studies.service import StudySummary, missing_run_note
from m1app.studies.start_facts import StartFacts, TrainingCheck
from m1app.studies.study_file import Study
from m1app.studies.words import (
    DEMO,
    OWN_FACTS,
    VERDICTS,
    best_words,
    estimate_words,
    fact_words,
    facts_words,
    learned_words,
    look_words,
    money_words,
    over_sets_words,
    p_words,
    paper_words,
    right_words,
)
from m1app.wording import counted, duration, percent, percent_with_interval, state_label
from storage.benchmarks.records import RunState
from storage.jobs.records import JobState

_ONE_LOOK = "Intervals are 95% and not corrected for multiple claims; p-values are."
_RESUMABLE = (RunState.WAITING, RunState.STOPPED, RunState.FAILED, RunState.INTERRUPTED)


def files_value(files: Sequence[StudyFile]) -> list[dict[str, Any]]:
    """The studies to choose from."""
    return [
        {
            "name": each.name,
            "title": each.study.title if each.study else each.name,
            "is_preset": each.is_preset,
            "problem": each.problem,
        }
        for each in files
    ]


def started_value(started: Sequence[StudySummary]) -> list[dict[str, Any]]:
    """The studies that were started, newest first."""
    rows = []
    for each in started:
        progress = progress_of(list(each.runs.values()))
        rows.append(
            {
                "id": each.stored.id,
                "name": each.stored.name,
                "state": each.state.value,
                "state_label": state_label(each.state),
                "progress": _list_words(progress, each),
                "models": ", ".join(each.stored.models.values()),
                "started": each.stored.created_at.isoformat(),
            }
        )
    return rows


def _list_words(progress: dict[str, Any], summary: StudySummary) -> str:
    facts = facts_words(len(summary.facts.tested), summary.facts.fact_tests)
    return ", ".join(filter(None, (f"{progress['done']:,} of {progress['total']:,}", facts)))


def file_value(file: StudyFile) -> dict[str, Any]:
    """A study before it is started: its claims, and what would refute each."""
    study = file.study
    if study is None:
        return {"problem": file.problem}
    facts = [
        ("Source", study.source),
        ("Protocol", study.protocol),
        ("Rule", study.rule),
        ("Runs", "; ".join(_run_words(study, each.id) for each in study.runs)),
        ("Figures", ", ".join(each.title for each in study.figures)),
        ("Facts", _facts_of_file(study)),
    ]
    return {
        "name": file.name,
        "title": study.title,
        "about": " ".join(study.about.split()),
        "facts": [each for each in facts if each[1]],
        "claims": [[each.text, each.refuted_by] for each in study.claims],
        "roles": [{"role": each.role, "about": each.about, "is_optional": each.is_optional} for each in study.models],
        "sets": [each.name for each in study.question_sets],
        "text": file.text,
        "is_own": not file.is_preset,
    }


def _facts_of_file(study: Study) -> str:
    testing = study.fact_tests
    if testing is None:
        return ""
    return (
        f"{counted(len(study.facts), 'fact')} of its own, tested where {' and '.join(testing.models)} is wrong at "
        f"{testing.budget:,} tokens, with {counted(testing.seeds, 'seed')}"
    )


def _run_words(study: Study, run_id: str) -> str:
    run = study.run(run_id)
    budgets = ", ".join(f"{budget:,}" for budget in run.budgets)
    rounds = f", forced rounds {', '.join(map(str, run.force_rounds))}" if run.force_rounds != (0,) else ""
    limit = f", {counted(run.limit, 'question')} per set" if run.limit else ""
    return f"{run.title or run.id}: {counted(len(run.question_sets), 'set')}, budgets {budgets}{rounds}{limit}"


def estimated_value(
    study: Study, estimate: StudyEstimate, served: Sequence[str], own_sets: Sequence[str]
) -> dict[str, Any]:
    """What a study would cost as it is cast now, and what keeps it from being started."""
    parts = []
    if estimate.tokens_at_most is not None:
        parts.append(f"at most {estimate.tokens_at_most:,} tokens")
    if estimate.seconds_at_most is not None:
        parts.append(f"at most {duration(estimate.seconds_at_most)} at the rates measured before")
    elif estimate.tokens_at_most is not None:
        parts.append("time unknown until its models have run once")
    if estimate.money_at_most is not None:
        parts.append(f"at most {money_words(estimate.money_at_most, study.currency)}")
    return {
        "said": f"Cost: {', '.join(parts)}." if parts else "",
        "rows": [_cost_row(each) for each in estimate.parts],
        "problems": [each.text for each in estimate.problems],
        "is_missing_sets": any(each.is_missing for each in estimate.problems),
        "other_sizes": list(estimate.other_sizes),
        "models": dict(estimate.models),
        "sets": dict(estimate.sets),
        "served": list(served),
        "own_sets": list(own_sets),
    }


def _cost_row(part: CostPart) -> list[str]:
    unknown = "\N{EN DASH}"
    return [
        part.run_id,
        part.question_set,
        part.role,
        part.model or unknown,
        unknown if part.questions is None else f"{part.questions:,}",
        unknown if part.tokens_at_most is None else f"{part.tokens_at_most:,}",
        unknown if part.seconds_at_most is None else duration(part.seconds_at_most),
    ]


def stamp_of(summary: StudySummary) -> str:
    """Differs if anything that the page shows of a study may."""
    job = summary.job
    seen = [summary.stored.updated_at.isoformat(), summary.state.value, job.state.value if job else ""]
    seen += [f"{each.id} {each.state} {each.items_done} {each.items_failed}" for each in summary.runs.values()]
    seen.append(f"{len(summary.facts.tested)}")
    return hashlib.sha256("\n".join(seen).encode()).hexdigest()


def progress_value(study: Study, summary: StudySummary, *, is_demo: bool, may_run: bool) -> dict[str, Any]:
    """How far a started study is: all that is read at once, however many answers it has."""
    stored, progress = summary.stored, progress_of(list(summary.runs.values()))
    job, facts = summary.job, summary.facts
    done, total = progress["done"] + len(facts.tested), progress["total"] + facts.fact_tests
    is_active = job is not None and job.state not in OVER
    return {
        "id": stored.id,
        "name": stored.name,
        "title": study.title,
        "state": summary.state.value,
        "state_label": state_label(summary.state),
        "is_over": not is_active and summary.state is not RunState.RUNNING,
        "share": done / total if total else 0,
        "progress": _progress_words(progress, facts_words(len(facts.tested), facts.fact_tests)),
        "problem": job.error if job and job.error and not is_active else "",
        "demo": DEMO if is_demo else "",
        "can_stop": may_run and is_active,
        "is_stopping": job is not None and job.state is JobState.STOPPING,
        "can_resume": may_run and not is_active and (summary.state in _RESUMABLE or progress["failed"] > 0),
        "can_extend": may_run and study.extension is not None and summary.state is RunState.COMPLETED,
        "can_delete": may_run and not is_active and summary.state is not RunState.RUNNING,
        "job": job.id if job and may_run else "",
        "facts": _facts(study, stored.models),
        "parts": [*(_part(study, summary, each.id) for each in study.runs), *_facts_part(facts)],
        "curves": _curves_link(summary),
    }


def outcome_value(outcome: StudyOutcome) -> dict[str, Any]:
    """The verdicts on a study's claims, and what they rest on."""
    return {
        "look": look_words(outcome).removeprefix("; ").capitalize() or _ONE_LOOK,
        "claims": [_claim(each) for each in outcome.claims],
        "facts_note": OWN_FACTS if outcome.facts else "",
        "facts": [_fact(each) for each in outcome.facts],
        "readings": [_reading(outcome, each) for each in outcome.readings],
        "sets": [_check(each) for each in outcome.set_checks],
        "training": [_learned(each) for each in outcome.training],
        "differences": list(outcome.protocol_differences),
    }


def _progress_words(progress: dict[str, Any], facts: str) -> str:
    failed = f", {progress['failed']:,} failed" if progress["failed"] else ""
    tested = f", {facts}" if facts else ""
    return (
        f"{progress['done']:,} of {counted(progress['total'], 'question')}{failed}{tested}; "
        f"{progress['tokens']:,} tokens generated in {duration(progress['seconds'])}"
    )


def _facts(study: Study, models: Mapping[str, str]) -> list[tuple[str, str]]:
    facts = [
        *((f"Model for {role}", model) for role, model in models.items()),
        ("Scored by", f"the rule {study.rule}"),
        ("Protocol", study.protocol),
        ("Source", study.source),
    ]
    return [each for each in facts if each[1]]


def _part(study: Study, summary: StudySummary, run_id: str) -> dict[str, Any]:
    run, title = summary.runs.get(run_id), study.run(run_id).title or run_id
    if run is None:
        note = missing_run_note(summary, run_id)
        return {"title": title, "note": note, "link": "", "share": 0, "state": "", "progress": ""}
    failed = f", {run.items_failed:,} failed" if run.items_failed else ""
    return {
        "title": title,
        "note": run.error,
        "link": f"/benchmarks/?run={run.id}",
        "share": run.items_done / run.items if run.items else 0,
        "state": state_label(run.state),
        "progress": f"{run.items_done:,} of {counted(run.items, 'question')}{failed}",
    }


def _facts_part(facts: StartFacts) -> list[dict[str, Any]]:
    """Its own facts, as a part of the study like a run; none if it has none."""
    if not facts.fact_tests:
        return []
    without = sum(not each.run_id for each in facts.tested)
    return [
        {
            "title": "Its own facts, where a model is wrong",
            "note": f"{without:,} without a test" if without else "",
            "link": "",
            "share": len(facts.tested) / facts.fact_tests,
            "state": "",
            "progress": facts_words(len(facts.tested), facts.fact_tests),
        }
    ]


def _fact(fact: FactOutcome) -> dict[str, Any]:
    return {
        "role": fact.role,
        "question": fact.question,
        "fact": fact.fact,
        "right": right_words(fact),
        "verdict": fact_words(fact),
        "link": f"/facts/?fact={fact.run_id}" if fact.run_id else "",
    }


def _curves_link(summary: StudySummary) -> str:
    runs = [each.id for each in summary.runs.values()]
    return f"/benchmarks/?run={','.join(runs)}" if runs else ""


def _claim(claim: ClaimOutcome) -> dict[str, Any]:
    return {
        "id": claim.claim.id,
        "text": claim.claim.text,
        "refuted_by": claim.claim.refuted_by,
        "verdict": claim.verdict.value,
        "verdict_label": VERDICTS[claim.verdict],
        "why": claim.why,
        "estimate": claim.estimate,
        "low": claim.low,
        "high": claim.high,
        "paper": claim.paper,
        "estimate_words": estimate_words(claim),
        "over_sets": over_sets_words(claim),
        "paper_words": paper_words(claim),
        "paper_place": claim.paper_place,
        "p": p_words(claim),
        "n": f"{claim.n:,}" if claim.n else "",
        "test": claim.test,
    }


def _reading(outcome: StudyOutcome, reading: Reading) -> list[str]:
    one = reading.at_one_budget
    papers = (reading.paper_at_one_budget, reading.paper_best_of_budgets)
    paper_one, paper_best = ("" if each is None else percent(each) for each in papers)
    return [
        outcome.study.run(reading.run_id).title or reading.run_id,
        reading.question_set or "Mean over sets",
        reading.role,
        str(reading.force_rounds),
        f"{percent_with_interval(one.value, one.low, one.high)} at {reading.budget_tokens:,}",
        paper_one,
        best_words(reading),
        paper_best,
    ]


def _learned(check: TrainingCheck) -> list[str]:
    by = f"{check.role}: {check.model}" if check.role else "no model of this study, as far as is known"
    return [check.data or "not known", by, learned_words(check)]


def _check(check: SetCheck) -> dict[str, Any]:
    official = "not published" if check.official_size is None else f"{check.official_size:,}"
    hashes = [
        f"{kind} as published"
        for kind, own, published in (
            ("SHA-256", check.sha256, check.published_sha256),
            ("MD5", check.md5, check.published_md5),
        )
        if published and own == published
    ]
    return {
        "name": check.question_set,
        "source": check.source,
        "questions": f"{check.questions:,}",
        "official": official,
        "notes": [*check.problems, *hashes, *check.overlaps, *([check.overlap_note] if check.overlap_note else [])],
    }
