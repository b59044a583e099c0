"""The corpora that the strategies of a run search, on behalf of the question that is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

from m1app.access.errors import AccessRefused
from m1app.access.person import current_person
from m1app.knowledge.guard import AskedQuestion, may_read_facts
from m1app.knowledge.service import CorpusService
from m1app.runs.strategy_records import passages_of
from m1app.runs.strategy_snapshots import StrategyRunSnapshot
from m1app.strategies.catalogue import Choice
from m1app.strategies.drivers.searching import Hits
from m1app.strategies.errors import StrategyRefused
from m1app.strategies.protocol import Passage, Search
from storage.corpora.records import FoundPassage
from storage.corpora.repository import FACTS
from storage.questions.records import Question

_BLIND = (
    "Only reviewers can search corrected facts: annotators do not see each other's work before they submit their own. "
    "Choose another corpus."
)
_BLIND_RUN = (
    "This run has read corrected facts, which may be about cases that you annotate. Only reviewers and the person who "
    "started it can open it."
)
_BESIDES_SAME = 8
"""Solved questions that are looked for besides those that are wanted: the asked one may be there in several forms."""


@dataclass(frozen=True, slots=True)
class QuestionCorpora:
    """Finds passages for one question; see `m1app.strategies.drivers.searching.PassageFinder`.

    No strategy can reach what was written about the answer to this question: the question is not the strategy's to say.
    """

    corpora: CorpusService
    asked: AskedQuestion
    has_facts: bool
    """Whether corrected facts may be searched."""

    async def find(self, search: Search, k: int) -> Hits:
        """See `PassageFinder.find`."""
        wanted = k + _BESIDES_SAME if search.is_of_questions else k
        names = [search.corpus] if search.corpus else None
        if not self.has_facts:
            if search.corpus == FACTS:
                raise StrategyRefused(_BLIND)
            names = names or [each.name for each in await self.corpora.all()]
        findings = await self.corpora.search(search.query, wanted, corpora=names, excluding_question=self.asked)
        found = findings.passages
        if search.is_of_questions:
            same = await self.corpora.asked_again(self.asked, found)
            found = tuple(each for each in found if each.id not in same)
        return Hits([_passage(each) for each in found[:k]], findings.note)


def corpora_for(corpora: CorpusService | None, question: Question, *, has_facts: bool) -> QuestionCorpora | None:
    """What the strategies of a run on a question search; None where there are no corpora."""
    return QuestionCorpora(corpora, AskedQuestion(question.stem, question.id), has_facts) if corpora else None


async def check_corpora(corpora: CorpusService | None, choices: Sequence[Choice], *, has_facts: bool) -> None:
    """Raises StrategyRefused where a strategy would search what is not there, or facts that may not be searched."""
    wanted = {
        str(choice.options[each.name])
        for choice in choices
        for each in choice.kind.options
        if each.is_name and each.names == "corpus"
    }
    if not wanted or corpora is None:
        return
    if FACTS in wanted and not has_facts:
        raise StrategyRefused(_BLIND)
    names = [each.name for each in await corpora.all()]
    if "" in wanted and not names and not (has_facts and await corpora.fact_count()):
        raise StrategyRefused(
            "There is no corpus to search yet. Add a file on the Corpus tab of the Admin page or with "
            "`python -m m1app corpus add`, or choose a strategy that does not search."
        )
    missing = sorted(wanted - {"", FACTS, *names})
    if missing:
        there = ", ".join([*names, *([FACTS] if has_facts else [])]) or "none yet"
        raise StrategyRefused(f"There is no corpus named {missing[0][:80]!r}. Available: {there[:1_000]}.")


def require_readable(snapshot: StrategyRunSnapshot) -> None:
    """Raise AccessRefused if a run has read corrected facts that the person may not; one's own run may be read."""
    if may_read_facts() or current_person().account_id == snapshot.run.asked_by:
        return
    requests = (request for each in snapshot.strategies for request in each.requests)
    if any(passage.corpus == FACTS for each in requests for passage in passages_of(each)):
        raise AccessRefused(_BLIND_RUN)


def _passage(found: FoundPassage) -> Passage:
    return Passage(
        id=found.id,
        corpus=found.corpus,
        version=found.version,
        source=found.source,
        page=found.page,
        heading=found.heading,
        text=found.text,
    )
