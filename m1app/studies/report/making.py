"""Makes the manifest of a study from what it came to and from what this installation knows of its models and sets."""

import hashlib
import json
import platform
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from m1app import __version__
from m1app.benchmark.cell_summaries import CellSummary
from m1app.benchmark.recipe import recipe_of
from m1app.runs.asked_prompts import QUESTION, asked_prompts
from m1app.studies.records import ClaimOutcome, FactOutcome, SetCheck, StudyOutcome
from m1app.studies.records import StudyPart as RunOutcome
from m1app.studies.report.manifest import (
    AskedModel,
    AskedSet,
    CellPart,
    ClaimPart,
    FactPart,
    Manifest,
    ModelPart,
    RunPart,
    SetPart,
    SoftwarePart,
    StudyPart,
    TrainingPart,
)
from m1app.studies.study_file import Study
from storage.benchmarks.records import BenchmarkRun
from storage.traces.records import Trace

PACKAGES = ("xllamacpp", "sqlalchemy", "pydantic", "numpy", "scipy", "statsmodels", "plotly", "jinja2")
MOST_PROMPT_CHARACTERS = 20_000
"""Of a prompt that is put into the manifest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What is known of a served model's weights; empty texts where nothing is."""

    source: str = ""
    commit: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class SetHere:
    """A set of this installation."""

    question_set: str
    hashes: Sequence[str]
    """Content hashes of its questions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a study's outcome does not say of itself."""

    commit: str
    """Of the app's code; empty if unknown."""
    weights: Mapping[str, Weights]
    """By served model."""
    traces: Mapping[tuple[str, str], Trace]
    """One trace of each run of the study's file and served model, where one is kept."""
    set_hashes: Mapping[str, Sequence[str]]
    """Set of this installation -> content hashes of its questions."""
    asked_hashes: Mapping[str, Mapping[str, Sequence[str]]]
    """Id of a benchmark run -> set of this installation -> content hashes of the questions asked."""
    made_at: datetime
    """Aware."""


def content_sha256(hashes: Iterable[str]) -> str:
    """SHA-256 (hex) of a set of questions: of their sorted content hashes, one per line; empty for no question.

    Equal for the same questions in any order, whatever the file they came from.
    """
    found = sorted(hashes)
    return hashlib.sha256("\n".join(found).encode("ascii")).hexdigest() if found else ""


def software(commit: str) -> SoftwarePart:
    """This installation's versions.

    Args:
        commit: of the app's code; empty if unknown.
    """
    return SoftwarePart(
        m1app=__version__,
        commit=commit,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages={name: found for name in PACKAGES if (found := _version(name))},
    )


def make_manifest(outcome: StudyOutcome, around: Surroundings) -> Manifest:
    """Return the manifest of a study in its present state."""
    names = {here: name for name, here in outcome.sets.items()}
    return Manifest(
        made_at=around.made_at,
        study=_study(outcome),
        software=software(around.commit),
        models=tuple(_models(outcome, around)),
        question_sets=tuple(_set(each, outcome, around) for each in outcome.set_checks),
        runs=tuple(_run(each, names, around) for each in outcome.parts),
        cells=tuple(_cell(run, each, names) for run, each in _cells(outcome)),
        claims=tuple(map(_claim, outcome.claims)),
        facts=tuple(map(_fact, outcome.facts)),
        training=tuple(TrainingPart.model_validate(each.model_dump()) for each in outcome.training),
    )


def bare_manifest(
    there: Manifest,
    *,
    commit: str,
    sets: Mapping[str, SetHere],
    weights: Mapping[str, Weights],
    served: Container[str],
    made_at: datetime,
) -> Manifest:
    """Return what is here of somebody's study that was not run here: no runs, cells or claims.

    Args:
        there: its manifest.
        commit: of the app's code here; empty if unknown.
        sets: sets that are here, by the study's names.
        weights: what is known here of the models that were served there, by their names there.
        served: models that are served here.
        made_at: aware.
    """
    return there.model_copy(
        update={
            "made_at": made_at,
            "software": software(commit),
            "models": tuple(_bare_model(each, weights, served) for each in there.models),
            "question_sets": tuple(
                _bare_set(each, sets[each.name]) for each in there.question_sets if each.name in sets
            ),
            "runs": (),
            "cells": (),
            "claims": (),
            "facts": (),
            "training": (),
        }
    )


def _bare_model(there: ModelPart, weights: Mapping[str, Weights], served: Container[str]) -> ModelPart:
    found = weights.get(there.served, Weights())
    is_here = there.served in weights or there.served in served
    known = {"source": found.source, "commit": found.commit, "sha256": found.sha256}
    return there.model_copy(update={**known, "served": there.served if is_here else "", "asked": ()})


def _bare_set(there: SetPart, here: SetHere) -> SetPart:
    return there.model_copy(
        update={
            "question_set": here.question_set,
            "questions": len(here.hashes),
            "content_sha256": content_sha256(here.hashes),
        }
    )


def _study(outcome: StudyOutcome) -> StudyPart:
    study = outcome.study
    return StudyPart(
        name=outcome.name,
        title=study.title,
        about=study.about,
        source=study.source,
        rule=study.rule,
        protocol=study.protocol,
        state=str(outcome.state),
        is_demo=outcome.is_demo,
        created_at=outcome.created_at,
        updated_at=outcome.updated_at,
        file=outcome.text,
        definition_sha256=_json_sha256(_definition(study)),
        protocol_differences=outcome.protocol_differences,
        may_be_extended=study.extension is not None,
        look=outcome.look,
        level=outcome.level,
    )


def _models(outcome: StudyOutcome, around: Surroundings) -> Iterable[ModelPart]:
    for each in outcome.study.models:
        served = outcome.models.get(each.role, "")
        found = around.weights.get(served, Weights())
        yield ModelPart(
            role=each.role,
            about=each.about,
            served=served,
            paper=each.paper,
            source=found.source,
            commit=found.commit,
            sha256=found.sha256,
            asked=tuple(_asked(part.run_id, served, around) for part in outcome.parts if _asks(part, served)),
        )


def _asks(part: RunOutcome, served: str) -> bool:
    return part.benchmark is not None and served in part.benchmark.models


def _asked(run_id: str, served: str, around: Surroundings) -> AskedModel:
    trace = around.traces.get((run_id, served))
    if trace is None:
        return AskedModel(run=run_id, engine="", profile="", prompt_sha256="", prompt="")
    prompt = asked_prompts([trace], {})[0].text
    is_shown = QUESTION in prompt and len(prompt) <= MOST_PROMPT_CHARACTERS
    return AskedModel(
        run=run_id,
        engine=f"{trace.engine_kind} {trace.engine_version}".strip(),
        profile=trace.profile,
        is_profile_guess=trace.profile_is_guess,
        prompt_sha256=hashlib.sha256(prompt.encode(errors="replace")).hexdigest() if QUESTION in prompt else "",
        prompt=prompt if is_shown else "",
    )


def _set(check: SetCheck, outcome: StudyOutcome, around: Surroundings) -> SetPart:
    return SetPart(
        name=check.name,
        question_set=check.question_set,
        source=check.source,
        paper=outcome.study.set_of(check.name).paper,
        questions=check.questions,
        official_size=check.official_size,
        file_sha256=check.sha256,
        published_sha256=check.published_sha256 or "",
        file_md5=check.md5,
        published_md5=check.published_md5 or "",
        content_sha256=content_sha256(around.set_hashes.get(check.question_set, ())),
        overlaps=check.overlaps,
        overlap_note=check.overlap_note,
        problems=check.problems,
    )


def _run(part: RunOutcome, names: Mapping[str, str], around: Surroundings) -> RunPart:
    run = part.benchmark
    if run is None:
        return _not_run(part)
    asked = around.asked_hashes.get(run.id, {})
    return RunPart(
        id=part.run_id,
        title=part.title,
        note=part.note,
        benchmark_id=run.id,
        state=run.state.value,
        command=recipe_of(run).command_line(),
        recipe=_recipe(run),
        asked=tuple(
            AskedSet(name=names.get(each, each), questions=len(hashes), content_sha256=content_sha256(hashes))
            for each, hashes in asked.items()
        ),
        items=run.items,
        items_done=run.items_done,
        items_failed=run.items_failed,
        strict_version=run.strict_version,
        tokens_generated=run.tokens_generated,
        seconds=run.seconds,
        started_at=run.created_at,
        ended_at=run.updated_at,
    )


def _not_run(part: RunOutcome) -> RunPart:
    recipe = part.recipe
    return RunPart(
        id=part.run_id,
        title=part.title,
        note=part.note,
        benchmark_id="",
        state="",
        command=recipe.command_line() if recipe else "",
        recipe=recipe.model_dump(mode="json") if recipe else {},
        asked=(),
        items=0,
        items_done=0,
        items_failed=0,
        strict_version=0,
        tokens_generated=0,
        seconds=0.0,
        started_at=None,
        ended_at=None,
    )


def _recipe(run: BenchmarkRun) -> dict[str, Any]:
    return recipe_of(run).model_dump(mode="json")


def _cells(outcome: StudyOutcome) -> Iterable[tuple[str, CellSummary]]:
    """With the run of the study's file; without means over sets, which follow from the counts."""
    for run_id, cells in outcome.cells.items():
        yield from ((run_id, each) for each in cells if each.question_set)


def _cell(run_id: str, cell: CellSummary, names: Mapping[str, str]) -> CellPart:
    answers = cell.accuracy.n
    return CellPart(
        run=run_id,
        model=cell.model,
        question_set=names.get(cell.question_set, cell.question_set),
        budget_tokens=cell.budget_tokens,
        force_rounds=cell.force_rounds,
        questions=cell.n,
        answers=answers,
        right=round(cell.accuracy.value * answers) if answers else 0,
        answered=round(cell.answered_share * answers),
        thinking_tokens=cell.mean_thinking_tokens,
    )


def _claim(each: ClaimOutcome) -> ClaimPart:
    claim = each.claim
    return ClaimPart(
        id=claim.id,
        text=claim.text,
        kind=claim.kind.value,
        refuted_by=claim.refuted_by,
        verdict=each.verdict,
        why=each.why,
        estimate=each.estimate,
        low=each.low,
        high=each.high,
        n=each.n,
        test=each.test,
        p=each.p,
        p_adjusted=each.p_adjusted,
        p_against=each.p_against,
        p_against_adjusted=each.p_against_adjusted,
        difference_to_find=each.difference_to_find,
        paper=each.paper,
        paper_place=each.paper_place,
        mean_over_sets=each.mean_over_sets,
        mean_low=each.mean_low,
        mean_high=each.mean_high,
    )


def _fact(each: FactOutcome) -> FactPart:
    return FactPart(
        role=each.role,
        number=each.number,
        question_set=each.question_set,
        note=each.note,
        verdict=each.verdict,
        seeds=each.seeds,
        right=each.right,
        names_target=each.names_target,
    )


def _definition(study: Study) -> dict[str, Any]:
    """What the file says; what it may have only since version 2 is left out where it has none."""
    said = study.model_dump(mode="json", by_alias=True)
    return {name: value for name, value in said.items() if value or name not in ("fact", "fact_tests")}


def _json_sha256(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
