"""Scored answers of a file: each with what its letter rests on, and their accuracy, in all and by tag."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m1app.benchmark.answer_files.given_answer import GivenAnswer
from m1app.benchmark.intervals import Proportion, wilson
from m1app.question.answers.scoring import SEVERAL_NOT_SCORED, STRICT_VERSION, Score, score

MAX_TALLIED_TAGS = 10_000
"""Tags counted in one file; answers with others count in all, but not by tag."""
COLUMNS = {
    "where": "string",
    "question_id": "string",
    "question": "string",
    "options": "string",
    "tags": "string",
    "target": "string",
    "answer": "string",
    "letter": "string",
    "is_correct": "bool",
    "letter_how": "string",
    "letter_rule": "string",
    "letter_words": "string",
    "letter_start": "int64",
    "letter_end": "int64",
    "rule": "string",
    "strict_version": "int64",
}
"""The columns of a file of scored answers with their Arrow types."""


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """An answer and its score."""

    answer: GivenAnswer
    score: Score

    @property
    def words(self) -> str | None:
        """The words of the answer that its letter rests on."""
        return self.answer.text[slice(*self.score.span)] if self.score.span else None

    def row(self, rule: str) -> dict[str, Any]:
        """The row of an output file, as `COLUMNS` has it; options and tags are JSON."""
        start, end = self.score.span or (None, None)
        return {
            "where": self.answer.where,
            "question_id": self.answer.question_key,
            "question": self.answer.question,
            "options": json.dumps(dict(self.answer.options), ensure_ascii=False),
            "tags": json.dumps(self.answer.tags, ensure_ascii=False),
            "target": self.answer.target,
            "answer": self.answer.text,
            "letter": self.score.letter,
            "is_correct": self.score.is_correct,
            "letter_how": self.score.how,
            "letter_rule": self.score.rule or None,
            "letter_words": self.words,
            "letter_start": start,
            "letter_end": end,
            "rule": rule,
            "strict_version": STRICT_VERSION if rule == "strict" else None,
        }


def scored(answer: GivenAnswer, rule: str) -> ScoredAnswer:
    """Score an answer by a rule; raises UnknownScoringRule."""
    return ScoredAnswer(answer, score(answer.text, dict(answer.options), answer.target, rule))


class Tally:
    """Counts scored answers: in all, by question and by tag."""

    def __init__(self) -> None:
        self.n = 0
        self.unanswered = 0
        self.without_target = 0
        self.not_scored = 0
        """Of questions with several right options, which the rule does not score."""
        self.uncounted_tags = False
        """Whether there were more than `MAX_TALLIED_TAGS`."""
        self._all = _Counts()
        self._by_tag: dict[str, _Counts] = {}

    @property
    def judged(self) -> int:
        """Answers with a verdict."""
        return self.n - self.without_target - self.not_scored

    @property
    def correct(self) -> int:
        """Right ones."""
        return self._all.right

    @property
    def has_repeats(self) -> bool:
        """Whether a question was answered more than once."""
        return self._all.has_repeats

    def add(self, each: ScoredAnswer) -> None:
        """Count an answer."""
        self.n += 1
        if each.score.how == SEVERAL_NOT_SCORED:
            self.not_scored += 1
            return
        self.unanswered += each.score.letter is None
        if each.score.is_correct is None:
            self.without_target += 1
            return
        key = each.answer.question_key or f"\0{self.n}"
        self._all.add(key, each.score.is_correct)
        for tag in each.answer.tags:
            if tag in self._by_tag or len(self._by_tag) < MAX_TALLIED_TAGS:
                self._by_tag.setdefault(tag, _Counts()).add(key, each.score.is_correct)
            else:
                self.uncounted_tags = True

    def accuracy(self) -> Proportion:
        """Share of right answers among those with a target."""
        return self._all.accuracy()

    def by_tag(self) -> Mapping[str, Proportion]:
        """The same for each tag, those of the most answers first."""
        found = sorted(self._by_tag.items(), key=lambda each: (-each[1].n, each[0]))
        return {tag: counts.accuracy() for tag, counts in found}


class _Counts:
    """Right answers and answers of each question."""

    def __init__(self) -> None:
        self.right = 0
        self.n = 0
        self._by_question: dict[str, tuple[int, int]] = {}

    @property
    def has_repeats(self) -> bool:
        return len(self._by_question) < self.n

    def add(self, key: str, is_correct: bool) -> None:
        right, n = self._by_question.get(key, (0, 0))
        self._by_question[key] = (right + is_correct, n + 1)
        self.right += is_correct
        self.n += 1

    def accuracy(self) -> Proportion:
        """With Wilson's interval; several answers to a question carry less information than as many questions."""
        if not self.has_repeats:
            return wilson(self.right, self.n)
        from m1app.benchmark.statistics import clustered_accuracy

        pairs = self._by_question.items()
        verdicts = [place < right for _, (right, n) in pairs for place in range(n)]
        return clustered_accuracy(verdicts, [key for key, (_, n) in pairs for _ in range(n)])
