"""Changes of single samples: what may be changed, and what is said against it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from m1app.question.errors import InvalidQuestion
from m1app.question.prompt_text import check_letters
from m1app.question_sets.row_values import MAX_OPTIONS
from m1app.targets import is_target
from m1app.training.changes import ChangeKind, SampleChange
from m1app.training.curation import LEAST_SAMPLES
from m1app.training.curation_steps import DroppedSample, shown
from m1app.training.errors import ChangeRefused
from m1app.training.samples import TrainingSample, sample_key
from m1app.training.sources import MAX_SAMPLE_CHARACTERS, sample_length
from m1app.training.verification import Verdict, verify

BY_HAND = "by hand"
"""Name of the step that leaves out what people exclude."""
MAX_REASON_CHARACTERS = 500
MAX_CHANGES = 1_000
MAX_DOMAIN_CHARACTERS = 200
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_DOUBTS = {
    Verdict.CONTRADICTS: "its answer names another option than the target",
    Verdict.UNSTATED: "its answer does not plainly name the target",
}


class EditedSample(BaseModel):
    """A sample as a person changed it; fields as in `TrainingSample`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    question: str
    options: dict[str, str] = Field(max_length=MAX_OPTIONS)
    target: str | None = None
    reasoning: str
    answer: str
    domain: str = ""


class Change(BaseModel):
    """A change as a person asks for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: ChangeKind
    key: str = Field(pattern="^[0-9a-f]{12}$")
    reason: str
    sample: EditedSample | None = None
    """Of an edit."""
    domain: str = Field(default="", max_length=MAX_DOMAIN_CHARACTERS)
    """That a sample has or is given."""
    is_deliberate: bool = False
    """Made whatever speaks against it."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A version after changes."""

    samples: tuple[TrainingSample, ...]
    origins: tuple[int | None, ...]
    """Place of each sample in the version before; None for a restored one."""
    dropped: tuple[DroppedSample, ...]
    records: tuple[SampleChange, ...]


def parse_changes(values: Any) -> tuple[Change, ...]:
    """Read changes that a page or a file sent; raises ChangeRefused."""
    if not isinstance(values, Sequence) or isinstance(values, str) or not 0 < len(values) <= MAX_CHANGES:
        raise ChangeRefused(f"Nothing to change: expected from 1 to {MAX_CHANGES:,} changes.")
    try:
        return tuple(Change.model_validate(each) for each in values)
    except ValidationError as exc:
        wrong = exc.errors()[0]
        place = ".".join(map(str, wrong["loc"])) or "change"
        raise ChangeRefused(f"A change cannot be read: {place}: {wrong['msg']}.", place.rpartition(".")[2]) from exc


def apply_changes(
    samples: Sequence[TrainingSample],
    dropped: Sequence[DroppedSample],
    changes: Sequence[Change],
    version: int,
    overlap_of: Callable[[TrainingSample], str],
) -> Changed:
    """Return the samples after the changes, in their order; restored ones come last.

    Args:
        samples: of the version.
        dropped: what was left out of it.
        changes: at most one for each sample.
        version: number of the new version.
        overlap_of: says with which evaluation question a sample overlaps; empty if with none.

    Raises:
        ChangeRefused: a sample is not there, nothing would change, a value is invalid, or something speaks against it
            and the change is not deliberate.
    """
    wanted = {each.key: each for each in changes}
    if len(wanted) < len(changes):
        raise ChangeRefused("A sample is changed twice. Combine both changes into one.")
    left: list[tuple[TrainingSample, int | None]] = []
    out: list[DroppedSample] = []
    records: dict[str, SampleChange] = {}
    for place, sample in enumerate(samples):
        change = wanted.get(sample_key(sample))
        if change is None or change.kind is ChangeKind.RESTORE:
            left.append((sample, place))
        elif change.kind is ChangeKind.EXCLUDE:
            out.append(DroppedSample(sample, BY_HAND, _reason(change)))
            records[change.key] = _record(change, version, sample, None)
        elif change.kind is ChangeKind.DOMAIN:
            read, record = _read_domain(sample, change, version)
            left.append((read, place))
            records[change.key] = record
        else:
            edited, doubt = _edited(sample, change, overlap_of)
            left.append((edited, place))
            records[change.key] = _record(change, version, sample, edited, doubt)
    stay: list[DroppedSample] = []
    for each in dropped:
        change = wanted.get(sample_key(each.sample))
        if change is None or change.kind is not ChangeKind.RESTORE or change.key in records:
            stay.append(each)
        else:
            doubt = _doubt(each.sample, change, overlap_of)
            left.append((each.sample, None))
            records[change.key] = _record(change, version, each.sample, each.sample, doubt)
    if missing := [each for each in changes if each.key not in records]:
        where = "left out of this version" if missing[0].kind is ChangeKind.RESTORE else "in this version"
        raise ChangeRefused(f"No sample {missing[0].key} is {where}. Reload the page, or look up the key again.")
    if len(left) < LEAST_SAMPLES:
        raise ChangeRefused(f"{len(left):,} samples would be left, but fine-tuning needs at least {LEAST_SAMPLES}.")
    return Changed(
        tuple(sample for sample, _ in left),
        tuple(place for _, place in left),
        (*stay, *out),
        tuple(records[each.key] for each in changes),
    )


def checked(sample: TrainingSample, edited: EditedSample) -> TrainingSample:
    """The sample with a person's values; raises ChangeRefused if one is invalid, naming its box."""
    made = replace(
        sample,
        question=edited.question.strip(),
        options={letter: text.strip() for letter, text in edited.options.items()},
        target=edited.target or None,
        reasoning=edited.reasoning.strip(),
        answer=edited.answer.strip(),
        domain=" ".join(edited.domain.split()),
    )
    for field, text in {"question": made.question, "answer": made.answer}.items():
        if not text:
            raise ChangeRefused(f"The {field} is empty: a sample needs one.", field)
    _check_options(made)
    texts = {"question": made.question, "reasoning": made.reasoning, "answer": made.answer, "domain": made.domain}
    for field, text in (texts | {"options": " ".join(made.options.values())}).items():
        if wrong := _UNSTORABLE.search(text):
            raise ChangeRefused(f"The {field} has U+{ord(wrong[0]):04X}, which is not valid text: remove it.", field)
    if (length := sample_length(made)) > MAX_SAMPLE_CHARACTERS:
        raise ChangeRefused(f"The sample has {length:,} characters, expected at most {MAX_SAMPLE_CHARACTERS:,}.")
    return made


def _check_options(sample: TrainingSample) -> None:
    try:
        check_letters(list(sample.options))
    except InvalidQuestion as exc:
        raise ChangeRefused(str(exc), "options") from exc
    if len(sample.options) == 1 or not all(sample.options.values()):
        raise ChangeRefused("A question needs at least two options, each with a text, or none.", "options")
    if sample.target is not None and not is_target(sample.target, sample.options):
        among = f"one of {', '.join(sample.options)}" if sample.options else "empty: the question has no options"
        raise ChangeRefused(f"The target is {sample.target[:20]!r}, expected {among}.", "target")


def doubt_about(sample: TrainingSample) -> str:
    """What speaks against the answer of a sample; empty if nothing does."""
    return _DOUBTS.get(verify(sample.answer, sample.options, sample.target, sample.question), "")


def _edited(
    sample: TrainingSample, change: Change, overlap_of: Callable[[TrainingSample], str]
) -> tuple[TrainingSample, str]:
    if change.sample is None:
        raise ChangeRefused("The edit contains no sample. Send the complete changed sample.")
    made = checked(sample, change.sample)
    if made == sample:
        raise ChangeRefused("Nothing was changed in this sample.")
    return made, _doubt(made, change, overlap_of)


def _read_domain(sample: TrainingSample, change: Change, version: int) -> tuple[TrainingSample, SampleChange]:
    """A sample whose domain a person has read; raises ChangeRefused if it is given none."""
    domain = " ".join(change.domain.split())
    if not domain or _UNSTORABLE.search(domain):
        raise ChangeRefused("The domain must be plain text, such as one from the list.", "domain")
    is_accepted = domain == sample.domain
    said = "accepted" if is_accepted else f"changed from {sample.domain or 'none'} to {domain}"
    reason = " ".join(filter(None, (said, change.reason.strip() and f"({_reason(change)})")))
    key, question = change.key, shown(sample.question)
    record = SampleChange(version, change.kind, key, key, reason, question, is_accepted=is_accepted)
    return replace(sample, domain=domain), record


def _doubt(sample: TrainingSample, change: Change, overlap_of: Callable[[TrainingSample], str]) -> str:
    doubts = "; and ".join(filter(None, (doubt_about(sample), overlap_of(sample))))
    if doubts and not change.is_deliberate:
        raise ChangeRefused(
            f"Sample {change.key}: {doubts}. Correct it, or keep it deliberately, with a reason.",
            "answer",
            may_keep=True,
        )
    return doubts


def _reason(change: Change) -> str:
    reason = " ".join(change.reason.split())
    if not reason:
        raise ChangeRefused(f"Sample {change.key}: enter a short reason. It is recorded in the card.", "reason")
    if len(reason) > MAX_REASON_CHARACTERS or _UNSTORABLE.search(reason):
        raise ChangeRefused(f"The reason has to be plain text of at most {MAX_REASON_CHARACTERS} characters.", "reason")
    return reason


def _record(
    change: Change, version: int, before: TrainingSample, after: TrainingSample | None, doubt: str = ""
) -> SampleChange:
    new_key = sample_key(after) if after else ""
    return SampleChange(version, change.kind, change.key, new_key, _reason(change), shown(before.question), doubt)


def counts_of(records: Sequence[SampleChange]) -> Mapping[ChangeKind, int]:
    """How many samples were changed, by kind."""
    return {kind: sum(each.kind is kind for each in records) for kind in ChangeKind}
