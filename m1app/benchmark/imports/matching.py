"""Finds the questions of a log among the stored ones, by their texts and options.

Case, spaces and Unicode forms do not matter; the letters do, because the answers name them.
"""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from string import ascii_uppercase

from m1app.question.errors import InvalidAnswers
from storage.database import Session
from storage.question_sets.records import QuestionSet
from storage.question_sets.repository import QuestionSetRepository
from storage.questions.records import Question

_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Match:
    """The stored set that has most of a log's questions."""

    set_name: str = ""
    """Empty if no set has any."""
    questions: Mapping[str, Question] = field(default_factory=dict)
    """The questions that it has, by `question_key`."""


def question_key(stem: str, options: Mapping[str, str]) -> str:
    """Equal for questions with the same text and options."""
    canonical = [_plain(stem), [(letter, _plain(text)) for letter, text in sorted(options.items())]]
    return hashlib.sha256(json.dumps(canonical).encode()).hexdigest()


def has_usual_letters(options: Mapping[str, str]) -> bool:
    """Whether there are at least two options, with the letters from A on."""
    return len(options) >= 2 and sorted(options) == list(ascii_uppercase[: len(options)])


def best_matches(session: Session, wanted: Mapping[str, Set[str]], only: str) -> Mapping[str, Match]:
    """For each set of a log, the stored set that has most of its questions.

    Args:
        session: the database.
        wanted: the keys of the questions, by the name of the set in the log.
        only: the only stored set to look in; empty looks in all.

    Raises:
        InvalidAnswers: there is no set called `only`.
    """
    repository = QuestionSetRepository(session)
    sets = {each.name: each for each in repository.all()}
    if only and only not in sets:
        there = ", ".join(sorted(sets)) or "none yet; import one first"
        raise InvalidAnswers(f"Question set {only[:80]!r} not found. Available: {there}.")
    best = dict.fromkeys(wanted, Match())
    for each in [sets[only]] if only else sets.values():
        found = _found_in(repository, each, wanted)
        for source, questions in found.items():
            if len(questions) > len(best[source].questions):
                best[source] = Match(each.name, questions)
    return best


def _found_in(
    repository: QuestionSetRepository, each: QuestionSet, wanted: Mapping[str, Set[str]]
) -> dict[str, dict[str, Question]]:
    found: dict[str, dict[str, Question]] = {source: {} for source in wanted}
    for offset in range(0, each.question_count, _PAGE):
        for question in repository.questions(each.id, _PAGE, offset):
            key = question_key(question.stem, question.options)
            for source, keys in wanted.items():
                if key in keys:
                    found[source].setdefault(key, question)
    return found


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
