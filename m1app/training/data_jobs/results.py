"""What becomes of a model's replies: samples with domains, or distilled samples; and what is said of the others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from m1app.training.curation_steps import SHOWN_EXAMPLES, DroppedSample, StepReport, shown
from m1app.training.data_jobs.domains import Domains
from m1app.training.data_jobs.replies import Reply
from m1app.training.samples import TrainingSample
from m1app.wording import counted

TAGGED = "domains"
DISTILLED = "distill"
"""Names of the steps."""


@dataclass(frozen=True, slots=True)
class Tagged:
    """Samples with the domains that a model named."""

    samples: tuple[TrainingSample, ...]
    report: StepReport


@dataclass(frozen=True, slots=True)
class TaggedQuestions:
    """Questions of a set that have the domain that a model named as their first tag."""

    name: str
    """Of the set."""
    questions: int
    refused: int
    """Replies that are no entry of the list."""

    @property
    def words(self) -> str:
        """In a sentence."""
        refused = counted(self.refused, "reply", "replies")
        return f"{counted(self.questions, 'question')} of {self.name} tagged; {refused} refused."


def tags_of(tags: Sequence[str], domain: str, domains: Domains) -> tuple[str, ...]:
    """A question's tags with a domain as the first, in place of one that was given before."""
    return (domain, *(each for each in tags if each not in domains.names))


@dataclass(frozen=True, slots=True)
class Distilled:
    """Samples with the reasoning of a teacher, and those whose reply cannot be learned from."""

    samples: tuple[TrainingSample, ...]
    dropped: tuple[DroppedSample, ...]
    report: StepReport


def tag(
    samples: Sequence[TrainingSample], keys: Sequence[str], replies: Mapping[str, Reply], domains: Domains, model: str
) -> Tagged:
    """Give samples the domain that the model named; one that is not in the list is refused, and theirs stays.

    Args:
        samples: of the version.
        keys: of each.
        replies: by key; samples without one stay as they are.
        domains: the list.
        model: that was asked.
    """
    made: list[TrainingSample] = []
    refused: Counter[str] = Counter()
    count = 0
    for key, sample in zip(keys, samples, strict=True):
        reply = replies.get(key)
        domain = domains.read(reply.answer) if reply else None
        if reply and domain is None:
            refused[shown(reply.answer) or "(nothing)"] += 1
        count += domain is not None
        made.append(replace(sample, domain=domain) if domain else sample)
    title = (
        f"{model} named the domain of {counted(count, 'sample')}; "
        f"{counted(refused.total(), 'reply', 'replies')} refused because they were not on the list"
    )
    examples = tuple(f"refused {times} x: {text}" for text, times in refused.most_common(SHOWN_EXAMPLES))
    return Tagged(tuple(made), StepReport(TAGGED, title, len(samples), len(samples), examples))


def distill(
    samples: Sequence[TrainingSample], keys: Sequence[str], replies: Mapping[str, Reply], model: str
) -> Distilled:
    """Give samples the reasoning and answer of a teacher; the curation after it verifies them.

    Args:
        samples: the questions.
        keys: of each.
        replies: by key; samples without one are left out.
        model: the teacher.
    """
    made: list[TrainingSample] = []
    dropped: list[DroppedSample] = []
    why: Counter[str] = Counter()
    for key, sample in zip(keys, samples, strict=True):
        reply = replies.get(key)
        if reply is None:
            continue
        new = replace(sample, reasoning=reply.reasoning.strip(), answer=reply.answer.strip())
        if problem := _problem(reply):
            why[problem] += 1
            dropped.append(DroppedSample(new, DISTILLED, f"the teacher's reply {problem}"))
        else:
            made.append(new)
    asked = len(made) + len(dropped)
    tokens = sum(each.generated for each in replies.values())
    told = "; ".join(f"{count:,} {problem}" for problem, count in why.most_common())
    title = f"{model} was asked {counted(asked, 'question')} and generated {tokens:,} tokens" + (
        f"; {told}" if told else ""
    )
    examples = tuple(f"{each.why}: {shown(each.sample.question)}" for each in dropped[:SHOWN_EXAMPLES])
    return Distilled(tuple(made), tuple(dropped), StepReport(DISTILLED, title, asked, len(made), examples))


def _problem(reply: Reply) -> str:
    """Why a reply cannot be learned from, whatever it says; empty if it can."""
    if not reply.is_whole:
        return "was cut at its limit of tokens"
    if not reply.answer.strip():
        return "has no answer"
    return "" if reply.reasoning.strip() else "has no reasoning"
