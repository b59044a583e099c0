"""Curates preference pairs by the rules for samples, where they apply to a pair.

Questions of evaluation sets are dropped, the better response has to agree with the target, responses are never cut, and
corrections come before passes. What is new: a pair without a difference teaches nothing, and one of which both are
right, or both wrong, teaches something else.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from m1app.targets import letters_of
from m1app.training.curation import LEAST_SAMPLES, Curated, CurationPlan, too_little
from m1app.training.curation_steps import (
    SHOWN_EXAMPLES,
    SHOWN_UNVERIFIED,
    Step,
    StepReport,
    Unverified,
    draw,
    drop_overlap,
    limit_length,
    shown,
)
from m1app.training.errors import TooLittleData
from m1app.training.preferences.pairs import PreferencePair, has_difference, pair_key
from m1app.training.samples import TrainingSample, question_hash
from m1app.training.verification import Verdict, verify

PAIRS_PER_QUESTION = 4
"""Of a plan that does not say: questions with many passes would outweigh the others."""
_END_CHARACTERS = 100
_CHECKED_AGAINST = {
    Verdict.UNSTATED: "the better answer names no single option",
    Verdict.UNCHECKABLE: "the better answer has nothing to check against",
}
Pairs = tuple[PreferencePair, ...]


def curate_pairs(
    pairs: Sequence[PreferencePair],
    plan: CurationPlan,
    *,
    evaluation: Mapping[str, Sequence[str]],
    count_tokens: Callable[[str], int] | None = None,
) -> Curated:
    """Apply the plan; args as in `m1app.training.curation.curate`, and the same pairs always give the same data.

    Raises:
        TooLittleData: fewer than eight pairs are left.
    """
    left, reports = tuple(pairs), list[StepReport]()
    steps: list[Callable[[Pairs], tuple[Pairs, StepReport]]] = [
        _drop_equal,
        lambda each: _check_verdicts(each, is_verified_only=plan.verified_only),
        lambda each: _limit_length(each, plan, count_tokens),
        lambda each: _limit_question(each, plan.pairs_per_question or PAIRS_PER_QUESTION),
        lambda each: _by_sample(each, lambda samples: draw(samples, plan.balance, plan.limit, plan.seed)),
    ]
    if plan.overlap_ngram:
        steps.insert(0, lambda each: _by_sample(each, lambda samples: drop_overlap(samples, evaluation)))
    for step in steps:
        left, report = step(left)
        reports.append(report)
    if len(left) < LEAST_SAMPLES:
        raise TooLittleData(too_little(len(pairs), len(left), reports, "preference pairs"))
    return Curated(tuple(each.chosen_sample for each in left), tuple(reports), pairs=left)


def why_no_preference(pair: PreferencePair, *, is_verified_only: bool = True) -> str:
    """Why a pair does not say which response is better; empty if it does.

    A response is wrong if its answer is, or if people found an error in it.
    """
    chosen, rejected = (
        verify(each.answer, pair.options, pair.target, pair.question) for each in (pair.chosen, pair.rejected)
    )
    if chosen is Verdict.CONTRADICTS:
        return "the better answer is wrong" if rejected is Verdict.AGREES else "both are wrong"
    if rejected is Verdict.AGREES and not pair.is_marked:
        return "both are right"
    return _CHECKED_AGAINST.get(chosen, "") if is_verified_only else ""


def _drop_equal(pairs: Pairs) -> tuple[Pairs, StepReport]:
    why = {id(pair): "" if has_difference(pair) else "the two responses are the same" for pair in pairs}
    return _without(pairs, why, "difference", "{dropped:,} have no difference between their two responses")


def _check_verdicts(pairs: Pairs, *, is_verified_only: bool) -> tuple[Pairs, StepReport]:
    why = {id(pair): why_no_preference(pair, is_verified_only=is_verified_only) for pair in pairs}
    reasons = Counter(filter(None, why.values()))
    said = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.most_common())
    title = "{dropped:,} do not say which response is better" + (f" ({said})" if said else "")
    return _without(pairs, why, "verify", title)


def _without(pairs: Pairs, why: Mapping[int, str], step: str, title: str) -> tuple[Pairs, StepReport]:
    """Drop the pairs with a reason, and list them; `title` has the place {dropped}."""
    kept = tuple(pair for pair in pairs if not why[id(pair)])
    dropped = [_dropped(pair, why[id(pair)]) for pair in pairs if why[id(pair)]]
    examples = tuple(f"{each.why}: {each.question}" for each in dropped[:SHOWN_EXAMPLES])
    said = title.format(dropped=len(dropped))
    report = StepReport(step, said, len(pairs), len(kept), examples, unverified=tuple(dropped[:SHOWN_UNVERIFIED]))
    return kept, report


def _dropped(pair: PreferencePair, why: str) -> Unverified:
    target = shown("; ".join(f"{letter}. {pair.options.get(letter, '')}" for letter in letters_of(pair.target)))
    ends = [" ".join(each.answer.split())[-_END_CHARACTERS:] for each in (pair.chosen, pair.rejected)]
    said = f"{ends[0] or '(none)'} | the other: {ends[1] or '(none)'}"
    return Unverified(pair_key(pair), why, shown(pair.question), target or "none", said, is_kept=False, can_keep=False)


def _limit_length(
    pairs: Pairs, plan: CurationPlan, count_tokens: Callable[[str], int] | None
) -> tuple[Pairs, StepReport]:
    """Both responses have to be long enough and to fit."""
    sides = [(pair, (pair.chosen_sample, pair.rejected_sample)) for pair in pairs]
    every = [side for _, both in sides for side in both]
    fitting = limit_length(every, plan.min_reasoning_characters, plan.max_tokens, count_tokens)
    fit, report = set(map(id, fitting.samples)), fitting.report
    kept = tuple(pair for pair, both in sides if all(id(side) in fit for side in both))
    return kept, replace(report, title=f"of the responses, {report.title}", before=len(pairs), kept=len(kept))


def _limit_question(pairs: Pairs, most: int) -> tuple[Pairs, StepReport]:
    """Each pair once, and at most so many of a question; the first ones, so that corrections win over passes."""
    seen: set[str] = set()
    counts: Counter[str] = Counter()
    kept, dropped = [], []
    for pair in pairs:
        key, question = pair_key(pair), question_hash(pair.question, pair.options)
        if key in seen:
            dropped.append(f"the same pair: {shown(pair.question)}")
        elif counts[question] >= most:
            dropped.append(f"one more of its question, from {pair.source}: {shown(pair.question)}")
        else:
            kept.append(pair)
            counts[question] += 1
        seen.add(key)
    title = f"{len(dropped):,} repeat an earlier pair, or are beyond {most:,} of their question"
    return tuple(kept), StepReport("deduplicate", title, len(pairs), len(kept), tuple(dropped[:SHOWN_EXAMPLES]))


def _by_sample(pairs: Pairs, step: Callable[[Sequence[TrainingSample]], Step]) -> tuple[Pairs, StepReport]:
    """Apply a step for samples to the chosen sides."""
    samples = [pair.chosen_sample for pair in pairs]
    of_sample = {id(sample): pair for sample, pair in zip(samples, pairs, strict=True)}
    found = step(samples)
    return tuple(of_sample[id(sample)] for sample in found.samples), found.report
