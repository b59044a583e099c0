"""A run's answers to open questions as `answers.js` shows them."""

from typing import Any

from m1app.access.person import Permission, current_person
from m1app.benchmark.queries import OpenAnswerPage
from m1app.judging.words import model_sentence, persons_sentence
from m1app.wording import shown_answer
from storage.benchmarks.open_answers import ListedAnswer
from storage.open_verdicts.records import Judgement

_MOST_CHARACTERS = 4_000
"""Of an answer; the sweep has all of it."""


def answers_value(page: OpenAnswerPage, offset: int) -> dict[str, Any]:
    """One page of answers, and whether the current person may judge them."""
    return {
        "rows": [_answer(each) for each in page.answers],
        "total": page.total,
        "offset": offset,
        "may_say": current_person().may(Permission.ANNOTATE),
    }


def _answer(answer: ListedAnswer) -> dict[str, Any]:
    me = current_person().account_id
    own = [each.judgement for each in answer.verdicts if each.is_person and each.judged_by == me]
    others = [each.judgement for each in answer.verdicts if each.is_person and each.judged_by != me]
    return {
        "id": answer.checkpoint_id,
        "item": answer.item_id,
        "stem": answer.stem,
        "about": f"{answer.question_set}, {answer.model}, pass {answer.pass_number + 1:,}",
        "reference": answer.reference,
        "text": shown_answer(answer.text)[:_MOST_CHARACTERS],
        "is_cut": len(answer.text) > _MOST_CHARACTERS,
        "can_be_judged": bool(answer.text.strip()),
        "models": [
            {"said": model_sentence(each), "judgement": each.judgement.value, "reason": each.reason[:_MOST_CHARACTERS]}
            for each in answer.verdicts
            if not each.is_person
        ],
        "own": own[0].value if own else "",
        "others": _others_sentence(others),
    }


def _others_sentence(judgements: list[Judgement]) -> str:
    said = persons_sentence(judgements)
    return f"Others: {said}" if said else ""
