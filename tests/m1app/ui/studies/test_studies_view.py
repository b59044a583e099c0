"""What the page shows of a study, as values."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from m1app.benchmark.intervals import wilson
from m1app.studies.checking import Problem, Resolved
from m1app.studies.errors import StudyRefused
from m1app.studies.estimate import CostPart, summed
from m1app.studies.library import StudyFile
from m1app.studies.records import ClaimOutcome, FactOutcome, Reading, SetCheck, StudyOutcome, StudyPart, Verdict
from m1app.studies.service import StudySummary
from m1app.studies.start_facts import StartFacts, TrainingCheck, TriedFact
from m1app.ui.studies.page import _limit
from m1app.ui.studies.studies_view import (
    estimated_value,
    file_value,
    outcome_value,
    progress_value,
    stamp_of,
    started_value,
)
from storage.benchmarks.records import RunState
from storage.jobs.records import Job, JobKind, JobProgress, JobState
from storage.studies.records import StoredStudy
from tests.m1app.studies.study_cases import SMALL, study
from tests.m1app.ui.benchmarks.test_runs import RUN

NOW = datetime(2026, 11, 30, tzinfo=UTC)
STORED = StoredStudy(
    id="a" * 32,
    name="small",
    text=SMALL,
    models={"one": "m1-7b"},
    sets={"five": "five"},
    runs={},
    facts={},
    started_by="ada",
    created_at=NOW,
    updated_at=NOW,
)


JOB = Job(
    kind=JobKind.STUDY,
    name="small",
    recipe={},
    id="b" * 32,
    created_at=NOW,
    started_at=NOW,
    ended_at=None,
    heartbeat_at=NOW,
    state=JobState.RUNNING,
    handle="",
    attempt=1,
    progress=JobProgress(),
    error="",
)


def outcome(**changes: Any) -> StudyOutcome:
    found = study()
    claims = (
        ClaimOutcome(
            claim=found.claims[0],
            verdict=Verdict.HOLDS,
            why="25 of 100 questions turned right and 8 wrong.",
            estimate=0.17,
            low=0.06,
            high=0.28,
            n=100,
            test="exact McNemar test",
            p=0.002,
            p_adjusted=0.004,
            p_against=0.9,
            p_against_adjusted=0.9,
            paper=0.05,
            paper_place="Figure 1",
        ),
        ClaimOutcome(claim=found.claims[1], verdict=Verdict.NOT_MEASURED, why="Nothing was tested."),
    )
    fields: dict[str, Any] = {
        "id": STORED.id,
        "name": "small",
        "study": found,
        "state": "completed",
        "created_at": NOW,
        "updated_at": NOW,
        "models": STORED.models,
        "sets": STORED.sets,
        "parts": (StudyPart(run_id="main", title="main", benchmark=None, recipe=None, note="Left out."),),
        "cells": {},
        "readings": (
            Reading(
                run_id="main",
                role="one",
                model="m1-7b",
                question_set="five",
                force_rounds=0,
                budget_tokens=32,
                at_one_budget=wilson(3, 5),
                best_budget_tokens=16,
                best_of_budgets=wilson(4, 5),
                paper_at_one_budget=None,
                paper_best_of_budgets=0.62,
            ),
        ),
        "claims": claims,
        "set_checks": (
            SetCheck(
                name="five",
                question_set="five",
                source="five.json",
                questions=5,
                official_size=5,
                sha256="",
                published_sha256=None,
                md5="b" * 32,
                published_md5="b" * 32,
                overlaps=("five shares 1 question with six",),
                overlap_note="",
                problems=(),
            ),
        ),
        "protocol_differences": (),
        "look": 1,
        "level": 0.95,
        "is_demo": True,
    }
    return StudyOutcome(**fields | changes)


def verdicts(**changes: Any) -> dict[str, Any]:
    value = outcome_value(outcome(**changes))
    json.dumps(value, allow_nan=False)
    return value


def progress(state: RunState = RunState.COMPLETED, *, may_run: bool = True) -> dict[str, Any]:
    value = progress_value(study(), StudySummary(STORED, state, {}, None, StartFacts()), is_demo=True, may_run=may_run)
    json.dumps(value, allow_nan=False)
    return value


def test_a_claim_has_its_verdict_its_interval_and_the_papers_number() -> None:
    first, second = verdicts()["claims"]
    assert (first["verdict_label"], first["estimate_words"], first["paper_words"], first["p"]) == (
        "Holds",
        "+17.0 points (+6.0 to +28.0)",
        "+5.0 points",
        "p = 0.004",
    )
    assert (second["verdict_label"], second["estimate_words"], second["n"]) == ("Not measured", "", "")


def test_a_refuted_claim_shows_the_p_value_against_it() -> None:
    refuted = ClaimOutcome(
        claim=study().claims[0], verdict=Verdict.DOES_NOT_HOLD, why="", p_adjusted=1.0, p_against_adjusted=0.0001
    )
    value = verdicts(claims=(refuted,))
    assert value["claims"][0]["p"] == "p < 0.001 against it"


def test_readings_sets_and_the_note_about_toys_are_there() -> None:
    value = verdicts()
    assert value["readings"][0][:4] == ["main", "five", "one", "0"]
    assert value["readings"][0][5:] == ["", "80.0% (37.6% to 96.4%) at 16", "62.0%"]
    assert value["sets"][0]["notes"] == ["MD5 as published", "five shares 1 question with six"]
    shown = progress()
    assert shown["demo"].startswith("These verdicts mean nothing")
    assert [each["note"] for each in shown["parts"]] == ["Skipped: no model was chosen for its roles."] * 2


def test_the_link_to_the_curves_names_all_runs_as_the_benchmarks_page_reads_them() -> None:
    """It had a parameter for each run, of which that page read the first."""
    runs = {"main": replace(RUN, id="a" * 32), "forced": replace(RUN, id="b" * 32)}
    value = progress_value(
        study(), StudySummary(STORED, RunState.COMPLETED, runs, None, StartFacts()), is_demo=True, may_run=True
    )
    assert value["curves"] == f"/benchmarks/?run={'a' * 32},{'b' * 32}"


def test_facts_that_a_study_does_not_have_are_left_out() -> None:
    """A study without a source showed the word "Source" and nothing beside it."""
    assert all(value for _, value in progress()["facts"])


def test_a_study_that_may_be_extended_says_which_look_this_is() -> None:
    assert verdicts()["look"].startswith("Intervals are 95%")
    text = SMALL.replace("[[set]]", "[extension]\nquestions = 5\nwidth = 0.1\n[[set]]", 1)
    extended = study(text.replace("budgets = [16", "limit = 5\nbudgets = [16"))
    assert verdicts(study=extended, look=2, level=0.9917)["look"] == (
        "Look 2, tested at 0.41% with intervals of 99.17%; the widest interval is 22.0 points wide, "
        "and the target is 10"
    )


@pytest.mark.parametrize(
    ("state", "may_run", "can"),
    [
        (RunState.STOPPED, True, ["can_resume", "can_delete"]),
        (RunState.RUNNING, True, []),
        (RunState.COMPLETED, True, ["can_delete"]),
        (RunState.STOPPED, False, []),
    ],
)
def test_what_can_be_done_depends_on_state_and_role(state: RunState, may_run: bool, can: Sequence[str]) -> None:
    value = progress(state, may_run=may_run)
    assert [name for name in ("can_stop", "can_resume", "can_delete") if value[name]] == can


def test_a_study_whose_job_is_stopping_says_so_until_it_has_stopped() -> None:
    stopping, running = (
        progress_value(
            study(),
            StudySummary(STORED, RunState.RUNNING, {}, replace(JOB, state=state), StartFacts()),
            is_demo=True,
            may_run=True,
        )
        for state in (JobState.STOPPING, JobState.RUNNING)
    )
    assert (stopping["is_stopping"], stopping["can_delete"]) == (True, False)
    assert not running["is_stopping"]


def test_an_estimate_adds_up_or_says_what_is_not_known() -> None:
    parts = [
        CostPart("main", "five", "one", "m1-7b", 5, 1_000_000, 60.0),
        CostPart("forced", "five", "one", "", 5, 9, None),
    ]
    resolved = Resolved({"five": "five"}, {"one": "m1-7b"}, (Problem("sets", "Missing.", is_missing=True),), ())
    value = estimated_value(study(), summed(study(), parts, resolved), ["m1-7b"], ["five"])
    assert "at most 1,000,009 tokens" in value["said"]
    assert "time unknown" in value["said"]
    assert "at most 2.01 USD" in value["said"]
    assert (value["problems"], value["is_missing_sets"]) == (["Missing."], True)
    assert value["rows"][1][3:] == ["–", "5", "9", "–"]
    unknown = summed(study(), [CostPart("main", "five", "one", "", None, None, None)], resolved)
    assert estimated_value(study(), unknown, [], [])["said"] == ""


def test_a_file_shows_its_claims_before_anything_was_asked() -> None:
    value = file_value(StudyFile("small", SMALL, study(), is_preset=False))
    assert value["claims"][0] == ["More thinking helps.", "No gain."]
    assert value["is_own"]
    assert dict(value["facts"])["Runs"].startswith(
        "main: 1 set, budgets 16, 32; forced: 1 set, budgets 16, forced rounds 0, 1"
    )


def test_the_stamp_changes_with_the_state() -> None:
    one, other = (StudySummary(STORED, state, {}, None, StartFacts()) for state in (RunState.STOPPED, RunState.RUNNING))
    assert stamp_of(one) == stamp_of(one) != stamp_of(other)


@pytest.mark.parametrize("text", ["0", "-1", "x", "1.5", "9999999", "١"])
def test_a_number_of_questions_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(StudyRefused, match="enter a whole number from 1"):
        _limit(text)
    assert (_limit(""), _limit(None), _limit(" 12 ")) == (None, None, 12)


def test_its_own_facts_are_a_part_of_a_study_with_their_progress() -> None:
    tested = (TriedFact(role="one", fact=0, run_id="b" * 32), TriedFact(role="one", fact=1, note="Right."))
    facts = StartFacts(fact_tests=4, tested=tested)
    summary = StudySummary(STORED, RunState.STOPPED, {}, None, facts)
    value = progress_value(study(), summary, is_demo=True, may_run=True)
    assert (value["share"], value["can_resume"]) == (0.5, True)
    assert "2 of 4 facts tested" in value["progress"]
    assert (value["parts"][-1]["progress"], value["parts"][-1]["note"]) == ("2 of 4 facts tested", "1 without a test")
    assert started_value([summary])[0]["progress"] == "0 of 0, 2 of 4 facts tested"
    assert stamp_of(summary) != stamp_of(StudySummary(STORED, RunState.STOPPED, {}, None, StartFacts(fact_tests=4)))
    assert len(progress()["parts"]) == 2


def test_a_fact_has_the_verdict_of_its_test_or_why_there_is_none() -> None:
    fields = {"role": "one", "question_set": "five", "question": "Which", "fact": "A fact."}
    tested = FactOutcome(
        **fields, number=1, run_id="b" * 32, note="", verdict="knowledge_missing", seeds=5, right=(0, 5, 1)
    )
    naming = FactOutcome(**fields, number=2, run_id="c" * 32, note="", verdict="any_text", seeds=5, right=(0, 4, 4),
                         names_target=True)  # fmt: skip
    without = FactOutcome(**fields, number=3, run_id="", note="Its question was answered right.")
    value = verdicts(facts=(tested, naming, without))
    assert "Nobody has read" in value["facts_note"]
    assert [(each["verdict"], each["right"], each["link"]) for each in value["facts"]] == [
        ("Knowledge was missing", "0, 5 and 1 of 5", f"/facts/?fact={'b' * 32}"),
        (
            "Any text changes it (does not count: the fact names the target)",
            "0, 4 and 4 of 5",
            f"/facts/?fact={'c' * 32}",
        ),
        ("Its question was answered right.", "", ""),
    ]
    assert (verdicts()["facts"], verdicts()["facts_note"]) == ([], "")


def test_fine_tuning_data_say_what_they_share_or_why_that_is_not_known() -> None:
    value = verdicts(
        training=(
            TrainingCheck(role="one", model="tuned", data="mine:v1", shared={"five": 2}),
            TrainingCheck(role="one", model="base", note="Trained elsewhere."),
            TrainingCheck(data="other:v3"),
        )
    )
    assert value["training"] == [
        ["mine:v1", "one: tuned", "Questions in common, exactly or nearly: five 2"],
        ["not known", "one: base", "Trained elsewhere."],
        ["other:v3", "no model of this study, as far as is known", "No question in common"],
    ]
