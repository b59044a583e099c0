"""What `m1app study` prints for people."""

from collections.abc import Sequence

from m1app.studies.comparison import ComparedStudies
from m1app.studies.estimate import FACT_TESTS, StudyEstimate
from m1app.studies.library import StudyFile
from m1app.studies.outcome import progress_of
from m1app.studies.records import ClaimOutcome, FactOutcome, Reading, StudyOutcome
from m1app.studies.service import StudySummary
from m1app.studies.start_facts import TrainingCheck
from m1app.studies.study_file import Study
from m1app.studies.words import (
    DEMO,
    OWN_FACTS,
    VERDICTS,
    best_words,
    estimate_words,
    fact_words,
    learned_words,
    look_words,
    money_words,
    over_sets_words,
    p_words,
    paper_words,
    right_words,
)
from m1app.wording import counted, duration, p_value, percent, percent_with_interval, points

_NOTHING_STARTED = "No studies started yet. Start with: python -m m1app study run m1-smoke\n"


def files_text(files: Sequence[StudyFile]) -> str:
    """The studies that can be started, a line for each."""
    lines = (each.study.title if each.study else f"cannot be used: {each.problem}" for each in files)
    kinds = ("preset" if each.is_preset else "own file" for each in files)
    return "".join(f"{each.name:16} {kind:9} {line}\n" for each, kind, line in zip(files, kinds, lines, strict=True))


def started_text(started: Sequence[StudySummary]) -> str:
    """The studies that were started, a line for each."""
    lines = []
    for each in started:
        progress = progress_of(list(each.runs.values()))
        done = f"{progress['done']:,}/{progress['total']:,} questions"
        since = f"{each.stored.created_at:%Y-%m-%d}"
        lines.append(f"{each.stored.id}  {each.state.value:11} {done:>24}  {since}  {each.stored.name}\n")
    return "".join(lines) or _NOTHING_STARTED


def file_text(study: Study) -> str:
    """A study's file."""
    lines = [f"{study.name}: {study.title}", study.about.strip(), f"Source: {study.source}" if study.source else ""]
    lines.append(f"Protocol: {study.protocol}; scored by the rule {study.rule}")
    lines.append("\nModels, by role")
    for model in study.models:
        optional = " (optional)" if model.is_optional else ""
        lines.append(f"  {model.role:16} {model.about}{optional}")
    lines.append("\nQuestion sets")
    sizes = {each.name: counted(each.size, "question") if each.size else "" for each in study.question_sets}
    lines += [f"  {name:16} {size}".rstrip() for name, size in sizes.items()]
    lines.append("\nRuns")
    for run in study.runs:
        budgets = ", ".join(f"{budget:,}" for budget in run.budgets)
        rounds = ", ".join(map(str, run.force_rounds))
        lines.append(f"  {run.id}: {', '.join(run.models)}; budgets {budgets}; forced rounds {rounds}")
    lines.append("\nClaims")
    lines += [
        f"  {each.id} ({each.kind.value}): {each.text}\n    Refuted by: {each.refuted_by}" for each in study.claims
    ]
    return "\n".join(line for line in lines if line) + "\n"


def estimate_text(study: Study, estimate: StudyEstimate) -> str:
    """What a study may cost."""
    lines = []
    for part in estimate.parts:
        questions = "?" if part.questions is None else f"{part.questions:,}"
        tokens = "?" if part.tokens_at_most is None else f"{part.tokens_at_most:,}"
        seconds = "no rate measured yet" if part.seconds_at_most is None else duration(part.seconds_at_most)
        what = "facts" if part.run_id == FACT_TESTS else "questions"
        lines.append(
            f"{part.run_id:12} {part.question_set:16} {part.role:16} {part.model or '(none chosen)'}: "
            f"{questions} {what}, at most {tokens} tokens, {seconds}\n"
        )
    in_all = estimate.tokens_at_most
    lines.append("total tokens unknown\n" if in_all is None else f"at most {in_all:,} tokens in total\n")
    if estimate.seconds_at_most is not None:
        lines.append(f"at most {duration(estimate.seconds_at_most)} at the rates measured before\n")
    if estimate.money_at_most is not None:
        lines.append(f"at most {money_words(estimate.money_at_most, study.currency)}\n")
    lines += [f"cannot be started yet: {each.text_with_command}\n" for each in estimate.problems]
    lines += [f"different size: {each}\n" for each in estimate.other_sizes]
    return "".join(lines)


def outcome_text(outcome: StudyOutcome) -> str:
    """What a study has come to."""
    progress = progress_of([each.benchmark for each in outcome.parts if each.benchmark])
    lines = [
        f"{outcome.name}: {outcome.study.title}",
        f"{outcome.state}, {progress['done']:,} of {counted(progress['total'], 'question')} done, "
        f"{progress['failed']:,} failed, {progress['tokens']:,} tokens generated",
        *([f"{len(outcome.facts):,} of its own facts tested or left out"] if outcome.facts else []),
        *(f"  {role}: {model}" for role, model in outcome.models.items()),
        *(f"  {each.run_id}: {each.benchmark.state.value if each.benchmark else each.note}" for each in outcome.parts),
    ]
    if outcome.is_demo:
        lines += ["", DEMO]
    lines += ["", f"Claims, scored by the rule {outcome.study.rule}{look_words(outcome)}"]
    for claim in outcome.claims:
        lines += _claim_lines(claim)
    lines += _fact_lines(outcome.facts)
    lines += ["", "Accuracy at one budget, and at the budget that does best on these same questions"]
    lines += [_reading_line(each) for each in outcome.readings]
    checks = [f"{each.question_set}: {found}" for each in outcome.set_checks for found in each.overlaps]
    lines += ["", "Overlaps of its sets", *(f"  {each}" for each in checks)] if checks else []
    learned = [f"  {_learner(each)}: {learned_words(each)}" for each in outcome.training]
    lines += ["", "Fine-tuning data against its sets", *learned] if learned else []
    lines += ["", "Differences from the published protocol"]
    lines += [f"  {each}" for each in outcome.protocol_differences] or ["  none found"]
    return "\n".join(lines) + "\n"


def _learner(check: TrainingCheck) -> str:
    by = f"{check.role} ({check.model})" if check.role else ""
    return ", ".join(filter(None, (by, check.data)))


def _fact_lines(facts: Sequence[FactOutcome]) -> list[str]:
    if not facts:
        return []
    lines = ["", "Facts: right with nothing, the fact, an unrelated fact", f"  {OWN_FACTS}"]
    for each in facts:
        right = f" ({right_words(each)})" if each.right else ""
        lines += [f"  {each.role}: {fact_words(each)}{right}", f"    {each.fact}"]
    return lines


def compared_text(compared: ComparedStudies) -> str:
    """Two studies beside each other."""
    first, second = compared.first, compared.second
    lines = [f"{each.name}, started {each.created_at:%Y-%m-%d}: {_models_words(each)}" for each in (first, second)]
    lines += ["", "Claims"]
    for claim in compared.claims:
        lines.append(f"  {claim.claim.text}")
        lines += [
            f"    {name}: {_found_words(each)}"
            for name, each in zip(_names(compared), (claim.first, claim.second), strict=True)
        ]
        lines += ["    The two studies contradict each other."] if claim.is_contradiction else []
    lines += ["", f"{second.name} minus {first.name}, on the questions that both were asked"]
    for cell in compared.cells:
        found = cell.comparison
        lines.append(
            f"  {cell.run_id}, {cell.role}, {cell.budget_tokens:,} tokens, {counted(cell.force_rounds, 'round')}: "
            f"{points(found.difference)} points ({points(found.low)} to {points(found.high)}), "
            f"{p_value(cell.corrected_p)} after Holm, n = {found.n:,}"
        )
    lines += [] if compared.cells else ["  no question was answered in both"]
    lines += ["", "What differs between them", *(f"  {each}" for each in compared.differences)]
    return "\n".join(lines if compared.differences else lines[:-2]) + "\n"


def _names(compared: ComparedStudies) -> tuple[str, str]:
    return compared.first.name, compared.second.name


def _models_words(outcome: StudyOutcome) -> str:
    return ", ".join(f"{role} {model}" for role, model in outcome.models.items())


def _found_words(claim: ClaimOutcome) -> str:
    shown = "; ".join(each for each in (estimate_words(claim), p_words(claim)) if each)
    return f"{VERDICTS[claim.verdict]}{f': {shown}' if shown else ''}"


def _claim_lines(claim: ClaimOutcome) -> list[str]:
    facts = (
        estimate_words(claim),
        over_sets_words(claim),
        p_words(claim),
        f"paper: {paper_words(claim)}" if claim.paper is not None else "",
    )
    shown = "; ".join(each for each in facts if each)
    return [
        f"  {VERDICTS[claim.verdict]}: {claim.claim.text}",
        *([f"    {shown}"] if shown else []),
        f"    {claim.why}",
    ]


def _reading_line(reading: Reading) -> str:
    one = reading.at_one_budget
    rounds = f", {counted(reading.force_rounds, 'round')}" if reading.force_rounds else ""
    paper = [
        f"paper {percent(share)}"
        for share in (reading.paper_at_one_budget, reading.paper_best_of_budgets)
        if share is not None
    ]
    return (
        f"  {reading.question_set or 'mean over sets'}, {reading.role}{rounds}: "
        f"{percent_with_interval(one.value, one.low, one.high)} at {reading.budget_tokens:,} tokens; "
        f"{best_words(reading)}" + (f"; {', '.join(paper)}" if paper else "")
    )
