"""The steps of `curation`: each takes samples, and returns those it keeps with a report."""

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from m1app.question_sets.overlap import MIN_SHARE, NGRAM_WORDS, Text, find_overlap
from m1app.targets import letters_of
from m1app.training.samples import TrainingSample, question_hash, sample_key
from m1app.training.verification import Verdict, verify
from m1app.wording import percent

SHOWN_EXAMPLES = 10
SHOWN_PAIRS = 50
SHOWN_UNVERIFIED = 500
_SHOWN_CHARACTERS = 160
TEMPLATE_TOKENS = 256
"""More than the turns, system prompts and words of the app's profiles add to a sample's text."""
_CONCLUSION_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Unverified:
    """A sample that the step verify drops, or that somebody keeps although it would."""

    key: str
    """See `sample_key`."""
    why: str
    question: str
    target: str
    answer_end: str
    is_kept: bool
    can_keep: bool = True
    """Whether somebody may keep it all the same: a sample, but not a preference pair."""


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step did."""

    step: str
    """Short name, such as "deduplicate"."""
    title: str
    """What it did, for users."""
    before: int
    """Number of input samples."""
    kept: int
    examples: tuple[str, ...]
    """Up to ten of the dropped or found items, each on one line."""
    pairs: tuple[tuple[str, str, float], ...] = ()
    """Overlaps: (question here, question there with its set's name, share of n-grams), up to fifty."""
    unverified: tuple[Unverified, ...] = ()
    """Of the step verify: what it drops and what somebody keeps of that, up to five hundred."""


@dataclass(frozen=True, slots=True)
class DroppedSample:
    """A sample that a step left out."""

    sample: TrainingSample
    step: str
    why: str
    """In words, as a continuation of "left out: "."""


class Step(NamedTuple):
    """The samples that a step kept, its report, and the samples that it dropped, in their order."""

    samples: tuple[TrainingSample, ...]
    report: StepReport
    dropped: tuple[DroppedSample, ...] = ()


def deduplicate(samples: Sequence[TrainingSample]) -> Step:
    """Keep the first of samples with the same question; ignores case, spacing and the order of options."""
    seen: dict[str, TrainingSample] = {}
    examples, dropped = [], []
    for sample in samples:
        first = seen.setdefault(question_hash(sample.question, sample.options), sample)
        if first is not sample:
            examples.append(f"{shown(sample.question)} ({sample.source}; first in {first.source})")
            dropped.append((sample, f"repeats the question of {sample_key(first)}, from {first.source}"))
    title = f"{len(dropped):,} samples repeat an earlier question; the first of each is kept"
    return _step("deduplicate", title, samples, tuple(seen.values()), examples, dropped)


def drop_overlap(samples: Sequence[TrainingSample], evaluation: Mapping[str, Sequence[str]]) -> Step:
    """Drop samples whose question shares at least `MIN_SHARE` of its n-grams with one of an evaluation set.

    Args:
        samples: input samples.
        evaluation: set name to its questions, each as `comparable_text` gives it.
    """
    ours = [Text(comparable_text(sample.question, sample.options)) for sample in samples]
    theirs = [(name, question) for name, questions in evaluation.items() for question in questions]
    closest: dict[int, tuple[str, str, float]] = {}
    counts: Counter[str] = Counter()
    # All sets at once, because hashing the samples' n-grams is most of the work.
    for match in find_overlap(ours, [Text(question) for _, question in theirs]):
        name, question = theirs[match.second]
        counts[name] += 1
        here, there = shown(samples[match.first].question), f"{name}: {shown(question)}"
        closest[match.first] = (here, there, match.share)
    kept = tuple(sample for index, sample in enumerate(samples) if index not in closest)
    pairs = sorted(closest.values(), key=lambda pair: (-pair[2], pair[0]))[:SHOWN_PAIRS]
    by_set = "; ".join(f"{name}: {count:,}" for name, count in counts.most_common())
    title = (
        f"{len(closest):,} questions overlap with one of {len(evaluation):,} evaluation sets (at least "
        f"{percent(MIN_SHARE, 0)} of their runs of {NGRAM_WORDS} words)" + (f": {by_set}" if by_set else "")
    )
    examples = [f"{here} ~ {there} ({percent(share, 0)})" for here, there, share in pairs]
    step = _step(
        "overlap", title, samples, kept, examples, [(samples[at], _overlaps(closest[at])) for at in sorted(closest)]
    )
    return step._replace(report=replace(step.report, pairs=tuple(pairs)))


def _overlaps(pair: tuple[str, str, float]) -> str:
    return f"shares {percent(pair[2], 0)} of its runs of {NGRAM_WORDS} words with {pair[1]}"


def comparable_text(question: str, options: Mapping[str, str]) -> str:
    """The text to compare: for short questions it includes the options, since "Which is true?" alone says nothing."""
    if len(question.split()) >= NGRAM_WORDS:
        return question
    return " ".join((question, *sorted(options.values())))


def drop_answered(samples: Sequence[TrainingSample], answered: Collection[str], run: str) -> Step:
    """Drop questions that a model already answers; `answered` has the `question_hash` of each."""
    easy = [question_hash(sample.question, sample.options) in answered for sample in samples]
    kept = tuple(sample for sample, is_easy in zip(samples, easy, strict=True) if not is_easy)
    dropped = [(sample, f"answered right in {run}") for sample, is_easy in zip(samples, easy, strict=True) if is_easy]
    where = f"each of the benchmark runs {run}" if "," in run else f"benchmark run {run}"
    title = f"{len(dropped):,} questions were answered right in {where}"
    return _step("difficulty", title, samples, kept, [shown(sample.question) for sample, _ in dropped], dropped)


def check_answers(samples: Sequence[TrainingSample], *, is_verified_only: bool, keep: Collection[str] = ()) -> Step:
    """Drop answers that contradict their target; with `is_verified_only` also unverified ones.

    Args:
        samples: input samples.
        is_verified_only: whether an answer must agree with its target.
        keep: `sample_key` of samples that are kept all the same.
    """
    verdicts = [verify(sample.answer, sample.options, sample.target, sample.question) for sample in samples]
    counts = Counter(verdicts)
    taken = {Verdict.AGREES} if is_verified_only else set(Verdict) - {Verdict.CONTRADICTS}
    kept, doubtful, by_hand = [], [], 0
    for sample, verdict in zip(samples, verdicts, strict=True):
        is_kept = False
        if verdict not in taken:
            is_kept = bool(keep) and sample_key(sample) in keep
            doubtful.append((verdict, sample, is_kept))
            by_hand += is_kept
        if is_kept or verdict in taken:
            kept.append(sample)
    title = (
        f"{counts[Verdict.AGREES]:,} answers agree with their target, {counts[Verdict.CONTRADICTS]:,} contradict it, "
        f"{counts[Verdict.UNSTATED]:,} name no single option, {counts[Verdict.UNCHECKABLE]:,} have nothing to "
        f"check against; {'only those that agree' if is_verified_only else 'all but those that contradict'} are kept"
        + (f", and {by_hand:,} by hand" if by_hand else "")
    )
    # Those that contradict first: they say most about the data.
    doubtful.sort(key=lambda each: _DOUBTS.index(each[0]))
    examples = [_disagreement(sample, verdict) for verdict, sample, is_kept in doubtful if not is_kept]
    dropped = [(sample, f"its answer {_WHY[verdict]}") for verdict, sample, is_kept in doubtful if not is_kept]
    step = _step("verify", title, samples, tuple(kept), examples, dropped)
    shown_ones = tuple(_unverified(*each) for each in doubtful[:SHOWN_UNVERIFIED])
    return step._replace(report=replace(step.report, unverified=shown_ones))


_DOUBTS = (Verdict.CONTRADICTS, Verdict.UNSTATED, Verdict.UNCHECKABLE)
_WHY = {
    Verdict.CONTRADICTS: "names another option",
    Verdict.UNSTATED: "names no single option",
    Verdict.UNCHECKABLE: "has nothing to check against",
}


def _unverified(verdict: Verdict, sample: TrainingSample, is_kept: bool) -> Unverified:
    return Unverified(
        sample_key(sample), _WHY[verdict], shown(sample.question), _target(sample), _conclusion(sample), is_kept
    )


def _disagreement(sample: TrainingSample, verdict: Verdict) -> str:
    return f"{verdict.value}: {shown(sample.question)} | target {_target(sample)} | answer ends: {_conclusion(sample)}"


def _target(sample: TrainingSample) -> str:
    named = (f"{letter}. {sample.options.get(letter, '')}" for letter in letters_of(sample.target))
    return shown("; ".join(named) or "none")


def _conclusion(sample: TrainingSample) -> str:
    return " ".join(sample.answer.split())[-_CONCLUSION_CHARACTERS:]


def limit_length(
    samples: Sequence[TrainingSample],
    min_reasoning_characters: int,
    max_tokens: int | None,
    count_tokens: Callable[[str], int] | None,
) -> Step:
    """Drop samples too short to learn from or longer than the context; samples are never cut.

    Args:
        samples: input samples.
        min_reasoning_characters: minimum length of the reasoning; an empty answer is always too short.
        max_tokens: maximum tokens of question, reasoning and answer with their template; None sets no limit.
        count_tokens: counts the tokens of a sample's text, those of the template included; None if no tokenizer is
            available. A token has at least one byte, so samples with `TEMPLATE_TOKENS` fewer bytes than `max_tokens`
            certainly fit; the rest is kept and counted in the report, and the token count of the rendered samples
            decides when a training is planned.
    """
    kept, short, long, unknown = [], [], [], 0
    dropped: list[tuple[TrainingSample, str]] = []
    for sample in samples:
        if len(sample.reasoning.strip()) < min_reasoning_characters or not sample.answer.strip():
            short.append(f"too short: {shown(sample.question)}")
            dropped.append((sample, "too little reasoning, or no answer"))
            continue
        text = sample_text(sample)
        if max_tokens is not None and may_be_longer(text, max_tokens):
            if count_tokens is None:
                unknown += 1
            elif (count := count_tokens(text)) > max_tokens:
                long.append(f"{count:,} tokens: {shown(sample.question)}")
                dropped.append((sample, f"{count:,} tokens, more than {max_tokens:,}"))
                continue
        kept.append(sample)
    title = (
        f"{len(short):,} have fewer than {min_reasoning_characters:,} characters of reasoning or no answer, "
        f"{len(long):,} have more than {max_tokens:,} tokens"
        if max_tokens is not None
        else f"{len(short):,} have fewer than {min_reasoning_characters:,} characters of reasoning or no answer"
    )
    if unknown:
        title += f"; {unknown:,} may have more and are counted when a fine-tuning run is planned"
    return _step("length", title, samples, tuple(kept), long + short, dropped)


def may_be_longer(text: str, max_tokens: int) -> bool:
    """Whether a sample's text may have more tokens than that, with its template."""
    return len(text.encode()) + TEMPLATE_TOKENS > max_tokens


def sample_text(sample: TrainingSample) -> str:
    """The full text of a sample, for counting tokens."""
    return "\n".join((sample.question, *sample.options.values(), sample.reasoning, sample.answer))


def draw(samples: Sequence[TrainingSample], balance: str, limit: int | None, seed: int) -> Step:
    """Draw up to `limit` samples, keeping their order.

    The full `balance` draws like m1's 1K: a domain, one of its sources, one of its samples, each with equal probability
    and without replacement. "source" skips the first draw, "none" the first two.
    """
    if limit is None or limit >= len(samples):
        return _step("draw", "all are used", samples, tuple(samples), [])
    groups: dict[str, dict[str, list[int]]] = {}
    for index, sample in enumerate(samples):
        domain = sample.domain if balance == "domain" else ""
        source = sample.source if balance != "none" else ""
        groups.setdefault(domain, {}).setdefault(source, []).append(index)
    chosen = _drawn(groups, limit, random.Random(seed))
    kept = tuple(samples[index] for index in sorted(chosen))
    dropped = [(sample, "not drawn") for index, sample in enumerate(samples) if index not in chosen]
    names = {"none": "at random", "domain": "evenly across domains", "source": "evenly across sources"}
    title = f"{limit:,} drawn {names[balance]} with seed {seed}"
    if balance == "domain" and set(groups) == {""}:
        title += "; no sample has a domain, so only sources were balanced"
    counted = Counter(s.domain or "no domain" if balance == "domain" else s.source for s in kept)
    examples = [f"{name}: {count:,}" for name, count in counted.most_common()]
    return _step("draw", title, samples, kept, examples, dropped)


def _drawn(groups: dict[str, dict[str, list[int]]], limit: int, chance: random.Random) -> set[int]:
    chosen: set[int] = set()
    while len(chosen) < limit:
        domain = chance.choice(sorted(groups))
        source = chance.choice(sorted(groups[domain]))
        left = groups[domain][source]
        chosen.add(left.pop(chance.randrange(len(left))))
        if not left:
            del groups[domain][source]
        if not groups[domain]:
            del groups[domain]
    return chosen


def shown(text: str) -> str:
    """Shorten a text to one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[: _SHOWN_CHARACTERS - 3]}..."


def _step(
    step: str,
    title: str,
    before: Sequence[TrainingSample],
    kept: tuple[TrainingSample, ...],
    examples: Sequence[str],
    dropped: Sequence[tuple[TrainingSample, str]] = (),
) -> Step:
    report = StepReport(step, title, len(before), len(kept), tuple(examples[:SHOWN_EXAMPLES]))
    return Step(kept, report, tuple(DroppedSample(sample, step, why) for sample, why in dropped))
