"""The methods and limitations of a study in plain words, from its manifest: nothing is said that is not in it."""

from collections.abc import Iterable, Iterator, Sequence

from m1app.studies.records import Verdict
from m1app.studies.report.claims import least_amount
from m1app.studies.report.manifest import AskedModel, CellPart, Manifest, ModelPart, RunPart
from m1app.studies.words import DEMO
from m1app.wording import counted

RULES = {
    "strict": "strict, which counts an answer only if it names an option and never guesses",
    "m1": "m1, which reproduces the published scorer, guesses included",
}


def rule_words(manifest: Manifest) -> str:
    """The scoring rule by name, with what it does."""
    versions = sorted({each.strict_version for each in manifest.runs if each.benchmark_id})
    version = f" (version {_listed(map(str, versions))})" if versions and manifest.study.rule == "strict" else ""
    return f"The rule is {RULES[manifest.study.rule]}{version}. Unanswered and failed questions count as wrong."


def methods(manifest: Manifest) -> tuple[str, ...]:
    """Paragraphs: what was asked of what and how, how it was scored, how claims were tested."""
    asked = [each for each in manifest.runs if each.benchmark_id]
    if not asked:
        return ("No questions have been asked yet.",)
    paragraphs = [
        _models(manifest),
        *(_run(each, manifest) for each in asked),
        _facts(manifest),
        rule_words(manifest),
        _statistics(manifest),
    ]
    return tuple(filter(None, paragraphs))


def limitations(manifest: Manifest) -> tuple[str, ...]:
    """Sentences, the gravest first."""
    found = [
        *_of_demo(manifest),
        *_of_runs(manifest),
        *_of_sets(manifest),
        *_of_models(manifest),
        *_of_protocol(manifest),
        *_of_sampling(manifest),
        *_of_claims(manifest),
        *_of_readings(manifest),
    ]
    return tuple(dict.fromkeys(found))


def _models(manifest: Manifest) -> str:
    played = [each for each in manifest.models if each.served and each.asked]
    return " ".join(map(_model, played))


def _model(each: ModelPart) -> str:
    names = f"{each.served} played the role {each.role}"
    known = [
        each.source,
        f"commit {each.commit}" if each.commit else "",
        f"SHA-256 {each.sha256}" if each.sha256 else "",
    ]
    weights = ", ".join(filter(None, known)) or "weights not recorded"
    engines = _listed(dict.fromkeys(filter(None, map(_engine, each.asked))))
    return f"{names} ({weights})" + (f", on {engines}." if engines else ".")


def _engine(asked: AskedModel) -> str:
    if not asked.engine:
        return ""
    guess = ", which was a guess" if asked.is_profile_guess else ""
    return f"{asked.engine} with the profile {asked.profile}{guess}"


def _run(run: RunPart, manifest: Manifest) -> str:
    recipe = run.recipe
    sets = _listed(f"{each.name} ({each.questions:,})" for each in run.asked)
    models = len(recipe.get("models", ()))
    budgets, rounds = recipe.get("budgets", ()), recipe.get("force_rounds", ())
    return (
        f"{_title(run)}: the questions of {sets or 'no set'} were asked of {counted(models, 'model')} at thinking "
        f"budgets of {_listed(f'{each:,}' for each in budgets)} tokens with {_listed(map(str, rounds))} forced "
        f"{'round' if list(rounds) == [1] else 'rounds'}, {_sampling(run)}, and at most "
        f"{recipe.get('answer_cap_tokens', 0):,} tokens of answer. One thinking pass answered all of these settings: "
        f"the answer at a smaller setting was asked for where the same thinking reached it. {_progress(run)}"
    )


def _facts(manifest: Manifest) -> str:
    """How the study tested its own facts; empty if it tested none."""
    made = [each for each in manifest.facts if each.right]
    if not made:
        return ""
    roles, seeds = (_listed(dict.fromkeys(of)) for of in ((e.role for e in made), (str(e.seeds) for e in made)))
    were = "was" if len(made) == 1 else "were"
    return (
        f"{counted(len(made), 'fact')} of the study's file, each on one question, {were} tested where a model had that "
        f"question wrong ({roles}): it was asked again with the fact inserted before the first word of its thinking, "
        f"with an unrelated fact there, and with nothing, at {seeds} seeds each (docs/missing-fact.md)."
    )


def _sampling(run: RunPart) -> str:
    recipe = run.recipe
    if not recipe.get("temperature"):
        return "greedily (temperature 0)"
    seed = f", seed {recipe['seed']}" if recipe.get("seed") is not None else ""
    passes = counted(int(recipe.get("passes", 1)), "pass", "passes")
    return f"at temperature {recipe['temperature']:g}, top-p {recipe.get('top_p', 1):g}{seed}, {passes} per question"


def _progress(run: RunPart) -> str:
    failed = f"; {run.items_failed:,} of them failed and count as unanswered" if run.items_failed else ""
    done = run.items_done + run.items_failed
    return f"{done:,} of {counted(run.items, 'question')} (counted for each model) were asked{failed}."


def _statistics(manifest: Manifest) -> str:
    measured = [each for each in manifest.claims if each.verdict is not Verdict.NOT_MEASURED]
    several = any(int(each.recipe.get("passes", 1)) > 1 for each in manifest.runs if each.benchmark_id)
    of_set = (
        "for questions that were asked several times, a bootstrap over questions" if several else "Wilson's for a set"
    )
    intervals = (
        f"Intervals are 95%: {of_set}; for the mean over sets, the wider of a bootstrap within the sets and the sets' "
        "own limits combined. The choice of sets is taken as given."
    )
    if not measured:
        return intervals
    intervals = f"{intervals} {_decision(manifest)}"
    tests = _listed(dict.fromkeys(test for each in measured if each.test for test in each.test.split("; ")))
    corrected = f", corrected for {len(measured):,} tested claims after Holm" if len(measured) > 1 else ""
    return intervals + (f" Claims were tested by {tests}; p-values are one-sided{corrected}." if tests else "")


def _decision(manifest: Manifest) -> str:
    """When a claim holds."""
    study = manifest.study
    alpha = f"{(1 - study.level) / 2:.2%}"
    rule = f"A claim holds if its p-value is at most {alpha}, and does not hold if the p-value of its opposite is"
    if not study.may_be_extended:
        return f"{rule}."
    return (
        f"{rule}: the study may be extended with questions, and this is look {study.look} at it. The levels of all "
        "looks add up to 2.5% (error spending, Lan and DeMets 1983), and for the same reason the intervals of claims "
        f"are {level_words(study.level)}."
    )


def level_words(level: float) -> str:
    """The level of an interval: "95%", "99.17%"."""
    return f"{level * 100:.4g}%"


def _of_demo(manifest: Manifest) -> Iterator[str]:
    if manifest.study.is_demo:
        yield DEMO


def _of_runs(manifest: Manifest) -> Iterator[str]:
    for run in manifest.runs:
        title = _title(run)
        if not run.benchmark_id:
            yield f"{title} was not run. {run.note}".strip()
        elif run.items_done + run.items_failed < run.items:
            missing = run.items - run.items_done - run.items_failed
            yield f"{title} is {run.state}: {missing:,} of {counted(run.items, 'question')} are not asked yet."
        elif run.items_failed:
            yield f"{title}: {counted(run.items_failed, 'question')} failed and count as wrong."
        if run.benchmark_id and run.recipe.get("limit"):
            yield f"{title}: at most {int(run.recipe['limit']):,} questions of each set were asked, the first ones."


def _of_sets(manifest: Manifest) -> Iterator[str]:
    if other := [each.name for each in manifest.question_sets if each.problems]:
        yield f"{_listed(other)}: not known to be the published questions, or known not to be; see the question sets."
    if shared := [each.name for each in manifest.question_sets if each.overlaps]:
        yield f"{_listed(shared)} share questions with other sets or with training data; see the question sets."
    yield from dict.fromkeys(each.overlap_note for each in manifest.question_sets if each.overlap_note)
    yield from _of_training(manifest)


def _of_training(manifest: Manifest) -> Iterator[str]:
    if not manifest.training:
        if manifest.question_sets:
            yield "Whether a model saw these questions in training is not measured here."
        return
    for each in manifest.training:
        if each.shared and each.role:
            yield (
                f"The model of {each.role} has learned from {each.data}, which shares questions with "
                f"{_listed(each.shared)}: its answers to them may be memory."
            )
    if unknown := dict.fromkeys(each.role for each in manifest.training if each.role and each.note):
        yield (
            f"Whether the model of {_listed(unknown)} saw these questions in its training could not be checked, or not "
            "for all of it; see the fine-tuning data."
        )


def _of_models(manifest: Manifest) -> Iterator[str]:
    played = [each for each in manifest.models if each.served and each.asked]
    if unknown := [each.role for each in played if not each.commit and not each.sha256]:
        yield f"Which weights answered for {_listed(unknown)} is known by name only."
    if absent := [each.role for each in manifest.models if not each.served]:
        yield f"No model played the {'role' if len(absent) == 1 else 'roles'} {_listed(absent)}."
    for served in dict.fromkeys(each.served for each in played):
        roles = [each.role for each in played if each.served == served]
        if len(roles) > 1:
            yield f"{served} played {_listed(roles)}: comparing them says nothing about models."
    prompts = {run: {m.prompt_sha256 for m in asked} for run, asked in _asked_by_run(played).items()}
    for run in (run for run, hashes in prompts.items() if len(hashes - {""}) > 1):
        yield (
            f"In run {run}, the models were not asked with the same prompt, so a difference may come from the prompts."
        )


def _asked_by_run(models: Sequence[ModelPart]) -> dict[str, list[AskedModel]]:
    found: dict[str, list[AskedModel]] = {}
    for asked in (asked for each in models for asked in each.asked):
        found.setdefault(asked.run, []).append(asked)
    return found


def _of_protocol(manifest: Manifest) -> Iterator[str]:
    if known := len(manifest.study.protocol_differences):
        yield (
            f"The protocol differs from the published one in {counted(known, 'known point')}, so be careful when "
            "comparing its numbers with the paper's."
        )


def _of_sampling(manifest: Manifest) -> Iterator[str]:
    asked = [each for each in manifest.runs if each.benchmark_id]
    if asked and all(not each.recipe.get("temperature") for each in asked):
        yield (
            "Everything was asked once, greedily: the variation between samples is not measured, and engines may "
            "round differently from run to run."
        )


def _of_claims(manifest: Manifest) -> Iterator[str]:
    for each in manifest.claims:
        if each.verdict is Verdict.NOT_DECIDABLE:
            found = least_amount(each)
            enough = "" if not found else f" Four of five studies of this size would notice {found}."
            yield f"Claim {each.id} is not decidable with n = {each.n:,}.{enough}"
        elif each.verdict is Verdict.NOT_MEASURED:
            yield f"Claim {each.id} was not measured. {each.why}".strip()
    if any(each.right for each in manifest.facts):
        yield (
            "The facts were tested by the study itself: nobody has read where a thinking went wrong, and they are few "
            "that its author chose."
        )
    if unknown := [e.id for e in manifest.claims if e.paper is None and e.verdict is not Verdict.NOT_MEASURED]:
        yield f"The paper has no number to compare with for {_listed(unknown)}."


def _of_readings(manifest: Manifest) -> Iterator[str]:
    if any(len({cell.budget_tokens for cell in of_run}) > 1 for of_run in _cells_by_run(manifest.cells)):
        yield (
            "“Best of budgets” takes the budget at which each set did best, chosen on the same questions that are "
            "scored. Do not expect this accuracy on new questions."
        )


def _cells_by_run(cells: Iterable[CellPart]) -> Iterable[list[CellPart]]:
    found: dict[str, list[CellPart]] = {}
    for each in cells:
        found.setdefault(each.run, []).append(each)
    return found.values()


def _title(run: RunPart) -> str:
    return run.title or f"Run {run.id}"


def _listed(texts: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    words = list(texts)
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
